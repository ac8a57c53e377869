#!/usr/bin/env python3
"""Writes UnicodeTables.inc: the general category of every code point, as the
`tokenizers` package sees it.

Pre-tokenizer patterns speak of \\p{L}, \\p{N}, \\s. Which characters these are
depends on the Unicode version, and the reference is the regex engine inside
the `tokenizers` package, so the table is read out of that engine (Python's own
unicodedata and the `regex` package follow other versions).

    python generate_unicode_tables.py > UnicodeTables.inc
    python generate_unicode_tables.py --properties > UnicodeProperties.inc
"""
import sys

import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers
from tokenizers.normalizers import Replace

HEADER = "// Made by generate_unicode_tables.py with tokenizers %s; do not edit."

CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po "
    "Sm Sc Sk So Zs Zl Zp Cc Cf Co".split()
)


def main():
    # Every scalar value once; removing a class leaves the others.
    everything = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    text = "".join(map(chr, everything))
    category = {}
    for name in CATEGORIES:
        rest = Replace(Regex(r"\p{%s}" % name), "").normalize_str(text)
        kept = set(rest)
        for c in text:
            if c not in kept:
                assert ord(c) not in category, hex(ord(c))
                category[ord(c)] = name
    spaces = set(text) - set(Replace(Regex(r"\s"), "").normalize_str(text))
    letters = set(text) - set(Replace(Regex(r"\p{L}"), "").normalize_str(text))
    assert letters == {chr(c) for c, n in category.items() if n[0] == "L"}
    # \s is the separators and these controls, which get a category of their own.
    assert {ord(c) for c in spaces} == {
        c for c, n in category.items() if n[0] == "Z"
    } | {9, 10, 11, 12, 13, 0x85}
    for c in (9, 10, 11, 12, 13, 0x85):
        category[c] = "SpaceControl"

    if sys.argv[1:] == ["--properties"]:
        return properties(everything, category)
    print(HEADER % tokenizers.__version__)
    print("// {first code point, category}: it holds up to the next entry.")
    last = None
    out = []
    for c in range(0x110000):
        name = category.get(c, "Cn")
        if name != last:
            out.append("{0x%x,Category::%s}," % (c, name))
            last = name
    for i in range(0, len(out), 4):
        print("".join(out[i:i + 4]))


def print_ranges(name, code_points):
    ranges = []
    for c in sorted(code_points):
        if ranges and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c])
    print("constexpr CodeRange %s[] = {" % name)
    out = ["{0x%x,0x%x}," % tuple(r) for r in ranges]
    for i in range(0, len(out), 5):
        print("".join(out[i:i + 5]))
    print("};")


def properties(everything, category):
    """Sets that the package takes from other libraries, of other Unicode
    versions, as what they differ by from a set of categories."""
    def of(*names):
        return {c for c, n in category.items() if n in names or n[0] in names}

    def removed_by(normalizer):
        return {c for c in everything if normalizer.normalize_str(chr(c)) == ""}

    def cut_by(pre_tokenizer):
        return {c for c in everything
                if len(pre_tokenizer.pre_tokenize_str("a" + chr(c) + "a")) > 1}

    def matched_by(pattern):
        return removed_by(Replace(Regex(pattern), ""))

    def bert(**flags):
        all_flags = dict(clean_text=False, handle_chinese_chars=False,
                         strip_accents=False, lowercase=False)
        return normalizers.BertNormalizer(**{**all_flags, **flags})

    def decomposes(form, c):
        return form.normalize_str(chr(c)) != chr(c)

    ascii_symbols = {c for c in range(33, 127) if not chr(c).isalnum()}
    word = of("L", "M", "Nd", "Nl", "Pc")
    print(HEADER % tokenizers.__version__)
    print_ranges("kAccentDifference", removed_by(normalizers.StripAccents()) ^ of("M"))
    print_ranges("kBertAccentDifference", removed_by(bert(strip_accents=True)) ^ of("Mn"))
    print_ranges("kBertPunctuationDifference",
                 (cut_by(pre_tokenizers.Punctuation())) ^ (of("P") | ascii_symbols))
    print_ranges("kBertRemovedDifference", removed_by(bert(clean_text=True))
                 ^ of("Cc", "Cf", "Co", "SpaceControl"))
    print_ranges("kNumericDifference", cut_by(pre_tokenizers.Digits()) ^ of("N"))
    print_ranges("kRegexWordDifference", matched_by(r"\w") ^ word)
    print_ranges("kAlphabeticDifference", matched_by("[[:alpha:]]") ^ of("L", "Nl"))
    print_ranges("kRustWordDifference",
                 (set(everything) - cut_by(pre_tokenizers.Whitespace())) ^ word)
    print_ranges("kBertCjk", {c for c in everything
                              if bert(handle_chinese_chars=True).normalize_str(chr(c))
                              != chr(c)})
    # Normal forms of an older Unicode version than utf8proc's.
    print_ranges("kNotDecomposed", {
        c for c in everything if not decomposes(normalizers.NFKD(), c)
        and unicodedata.normalize("NFKD", chr(c)) != chr(c)
        or c in (0x1e030 + i for i in range(0x3e))})
    # A mark that takes part in reordering moves behind U+0334 (class 1).
    nfd = normalizers.NFD()
    print_ranges("kReordered", {
        c for c in everything
        if nfd.normalize_str("a" + chr(c) + "\u0334")[1] == "\u0334"
        and not decomposes(nfd, c)})
    print("constexpr LowerCase kLowerDifference[] = {")
    lower = normalizers.Lowercase()
    for c in everything:
        low = lower.normalize_str(chr(c))
        if low != chr(c).lower() or len(low) > 1:
            print('{0x%x,"%s"},' % (c, "".join("\\x%02x" % b for b in low.encode())))
    print("};")


if __name__ == "__main__":
    sys.exit(main())
