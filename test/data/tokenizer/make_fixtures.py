#!/usr/bin/env python3
"""Writes the tokenizers of this folder: one tiny tokenizer.json per family and
component, trained on the paragraph below, and SentencePiece models.

    python make_fixtures.py       (needs `tokenizers` and `sentencepiece`)
"""
import io
import json
import os
import tempfile
import unicodedata

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)

HERE = os.path.dirname(os.path.abspath(__file__))

TEXT = """
The quick brown fox jumps over the lazy dog. We don't know why he'll say it's 1234.56!
All human beings are born free and equal in dignity and rights; they're endowed with reason.
Tous les êtres humains naissent libres et égaux en dignité et en droits. L'été, naïve, œuvre.
Alle Menschen sind frei und gleich an Würde und Rechten geboren. Straße, Größe.
Все люди рождаются свободными и равными в своём достоинстве и правах. Она наделены разумом.
Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.
يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا ١٢٣
כל בני האדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।
มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ ๑๒๓
人人生而自由，在尊严和权利上一律平等。すべての人間は、生まれながらにして自由であり、平等である。
모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.
def main(args):\n\treturn [x ** 2 for x in range(10)]  # comment
👩‍👩‍👧 🏳️‍🌈 👍🏽 ½ ① Ⅷ ﬁ é ñ
""".strip().split("\n") * 3

G2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + TAIL)
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
          r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
U, V = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD = r"[^\r\n\p{L}\p{N}]?"
SLASH_TAIL = TAIL.replace(r"[\r\n]*", r"[\r\n/]*")
TEKKEN = f"{LEAD}{U}*{V}+|{LEAD}{U}+{V}*" + r"|\p{N}" + SLASH_TAIL
C = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = f"{LEAD}{U}*{V}+{C}|{LEAD}{U}+{V}*{C}" + r"|\p{N}{1,3}" + SLASH_TAIL
# No scanner knows these: they go through the general matcher.
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
          r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s")
DEEPSEEK = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
            r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def save(name, tokenizer):
    tokenizer.save(os.path.join(HERE, name + ".json"))


def byte_level(pre, normalizer=None, size=400, **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"], show_progress=False))
    return t


def byte_levels():
    seq, raw = pre_tokenizers.Sequence, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    t.post_processor = processors.ByteLevel()
    t.add_tokens([AddedToken("MixedCase", normalized=True), AddedToken("lone", single_word=True),
                  AddedToken("[L]", lstrip=True, normalized=False),
                  AddedToken("[R]", rstrip=True, normalized=False), AddedToken("  ", normalized=False)])
    save("gpt2", t)
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    t.post_processor = processors.RobertaProcessing(("<|im_end|>", 2), ("<|im_start|>", 1))
    save("roberta", t)
    save("smollm", byte_level(seq([pre_tokenizers.Digits(individual_digits=True),
                                   pre_tokenizers.ByteLevel(add_prefix_space=False)])))
    t = byte_level(seq([isolated(LLAMA3), raw]), ignore_merges=True)
    t.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])])
    save("llama3", t)
    save("qwen2", byte_level(seq([isolated(QWEN2), raw]), normalizers.NFC()))
    save("qwen35", byte_level(seq([isolated(QWEN35), raw]), normalizers.NFC()))
    save("tekken", byte_level(seq([isolated(TEKKEN), raw])))
    save("gpt4o", byte_level(seq([pre_tokenizers.Split(Regex(GPT4O), "removed", invert=True), raw])))
    save("cl100k", byte_level(seq([isolated(CL100K), raw])))
    save("deepseek", byte_level(seq([isolated(p) for p in DEEPSEEK] + [raw])))
    clip = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    clip.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "),
                                            normalizers.Lowercase()])
    clip.pre_tokenizer = seq([pre_tokenizers.Split(Regex(
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
        "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    clip.decoder = decoders.BPEDecoder("</w>")
    clip.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<|endoftext|>"], end_of_word_suffix="</w>",
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    save("clip", clip)


def words():
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    bert.normalizer = normalizers.BertNormalizer()
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.decoder = decoders.WordPiece()
    bert.train_from_iterator(TEXT, trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        show_progress=False))
    bert.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    save("bert", bert)
    bert.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False,
                                                 handle_chinese_chars=False)
    bert.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    save("bert-cased", bert)
    level = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    level.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(),
                                             normalizers.Strip(), normalizers.Nmt()])
    level.pre_tokenizer = pre_tokenizers.Whitespace()
    level.train_from_iterator(TEXT, trainers.WordLevelTrainer(
        vocab_size=300, special_tokens=["[UNK]"], show_progress=False))
    save("wordlevel", level)
    level.normalizer = normalizers.NFKD()
    level.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous"),
        pre_tokenizers.Digits(individual_digits=False)])
    save("wordlevel-split", level)


def byte_pieces():
    return ["<0x%02X>" % b for b in range(256)]


def train_bpe(pre, normalizer, special, size, **model):
    t = Tokenizer(models.BPE(unk_token="<unk>", **model))
    t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.train_from_iterator(TEXT, trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, show_progress=False))
    return t


def llamas():
    special = ["<unk>", "<s>", "</s>"]
    # Legacy: Prepend and Replace in the normalizer.
    t = train_bpe(None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
                  special + byte_pieces(), 700, fuse_unk=True, byte_fallback=True)
    data = json.loads(t.to_str())
    data["added_tokens"] = data["added_tokens"][:3]  # bytes are no added tokens
    t = Tokenizer.from_str(json.dumps(data))
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                   decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    save("llama", t)
    t.normalizer = None
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(),
                                   decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    save("llama-first", t)
    t = train_bpe(pre_tokenizers.Metaspace(prepend_scheme="always"), normalizers.NFKC(),
                  special, 500, fuse_unk=False)
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    save("metaspace-unk", t)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return value, at


def field(data, number):
    """The last length-delimited field of that number in a protobuf message."""
    at, found = 0, None
    while at < len(data):
        tag, at = varint(data, at)
        if tag & 7 == 0:
            _, at = varint(data, at)
        elif tag & 7 == 5:
            at += 4
        else:
            size, at = varint(data, at)
            if tag >> 3 == number:
                found = data[at:at + size]
            at += size
    return found


def charsmap(model):
    return field(field(model, 3), 2)


def rules(path):
    """A small set of rewriting rules: compatibility forms, compositions, removals."""
    with open(path, "w") as f:
        def rule(source, target):
            f.write(" ".join("%X" % ord(c) for c in source) + "\t"
                    + " ".join("%X" % ord(c) for c in target) + "\n")
        for c in list(range(0xFF01, 0xFF5F)) + [0xFB00, 0xFB01, 0xFB03, 0xBD, 0x2460, 0x2167, 0x212B]:
            rule(chr(c), unicodedata.normalize("NFKC", chr(c)))
        for letter in "aeiounAEO":
            for mark in "\u0301\u0308\u0303":
                composed = unicodedata.normalize("NFC", letter + mark)
                if len(composed) == 1:
                    rule(letter + mark, composed)
        for space in "\t\n\u00a0\u2003\u3000":
            rule(space, " ")
        for nothing in "\u00ad\u200b":
            rule(nothing, "")


def unigrams():
    models_ = {}
    tsv = os.path.join(tempfile.mkdtemp(), "rules.tsv")
    rules(tsv)
    for name, options in {
        "spm-bpe": dict(model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                        remove_extra_whitespaces=False, vocab_size=700),
        "spm-unigram": dict(model_type="unigram", vocab_size=420,
                            user_defined_symbols=["<sep>", "▁the", "gleich"]),
        "spm-unigram-bytes": dict(model_type="unigram", byte_fallback=True, vocab_size=700,
                                  treat_whitespace_as_suffix=True),
    }.items():
        out = io.BytesIO()
        if options["model_type"] == "unigram":
            options["normalization_rule_tsv"] = tsv
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(TEXT), model_writer=out, character_coverage=0.98,
            hard_vocab_limit=False, minloglevel=2, **options)
        models_[name] = out.getvalue()
        with open(os.path.join(HERE, name + ".model"), "wb") as f:
            f.write(out.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=models_["spm-unigram"])
    pieces = [(processor.id_to_piece(i), processor.get_score(i)) for i in range(processor.get_piece_size())]
    t = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    t.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap(models_["spm-unigram"])),
        normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.decoder = decoders.Metaspace()
    t.add_special_tokens(["<s>", "</s>"])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    save("unigram", t)
    t = Tokenizer(models.Unigram([("<unk>", 0.0)] + [(b, -20.0) for b in byte_pieces()] + [
        p for p in pieces[3:]], unk_id=0, byte_fallback=True))
    t.normalizer = normalizers.NFKC()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split("n", "merged_with_previous"),
        pre_tokenizers.Split(Regex("[ue]"), "merged_with_next"),
        pre_tokenizers.Split(Regex(r"\d"), "contiguous", invert=True),
        pre_tokenizers.CharDelimiterSplit("|"), pre_tokenizers.Metaspace(split=False)])
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"),
                                   decoders.Fuse(), decoders.Replace(Regex("e+"), "E")])
    save("unigram-bytes", t)


if __name__ == "__main__":
    byte_levels()
    words()
    llamas()
    unigrams()
