#!/usr/bin/env python3
"""Writes UnicodeTables.inc: the general category of every code point, as the
`tokenizers` package sees it.

Pre-tokenizer patterns speak of \\p{L}, \\p{N}, \\s. Which characters these are
depends on the Unicode version, and the reference is the regex engine inside
the `tokenizers` package, so the table is read out of that engine (Python's own
unicodedata and the `regex` package follow other versions).

    python generate_unicode_tables.py > UnicodeTables.inc
"""
import sys

import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import Replace

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

    print("// Made by generate_unicode_tables.py with tokenizers "
          + tokenizers.__version__ + "; do not edit.")
    print("// {first code point, category}: it holds up to the next entry.")
    last, column = None, 0
    out = []
    for c in range(0x110000):
        name = category.get(c, "Cn")
        if name != last:
            out.append("{0x%x,Category::%s}," % (c, name))
            last = name
    for i in range(0, len(out), 4):
        print("".join(out[i:i + 4]))


if __name__ == "__main__":
    sys.exit(main())
