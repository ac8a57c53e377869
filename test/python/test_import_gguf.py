"""Imported GGUF and llama2.c files against transformers.

A tiny random model is written as llama.cpp's converter would write it (names,
permuted rows, norms plus one, transposed Conv1D), its matrices in a block format;
the model that transformers runs gets the decoded weights.
"""
import json
import struct
import subprocess

import numpy as np
import pytest

from import_bridge import binary, forward
from test_import_huggingface import TOLERANCE, make, tokens

torch = pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")

# k-quants need rows of 256 elements.
WIDE = dict(hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4)

NAMES = [
    ("model.embed_tokens", "token_embd"), ("model.norm", "output_norm"), ("lm_head", "output"),
    ("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    ("model.layers.#.self_attn.q_proj", "blk.#.attn_q"),
    ("model.layers.#.self_attn.k_proj", "blk.#.attn_k"),
    ("model.layers.#.self_attn.v_proj", "blk.#.attn_v"),
    ("model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv"),
    ("model.layers.#.self_attn.o_proj", "blk.#.attn_output"),
    ("model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"),
    ("model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"),
    ("model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"),
    ("model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"),
    ("model.layers.#.mlp.up_proj", "blk.#.ffn_up"),
    ("model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"),
    ("model.layers.#.mlp.down_proj", "blk.#.ffn_down"),
    ("transformer.wte", "token_embd"), ("transformer.wpe", "position_embd"),
    ("transformer.ln_f", "output_norm"),
    ("transformer.h.#.ln_1", "blk.#.attn_norm"), ("transformer.h.#.ln_2", "blk.#.ffn_norm"),
    ("transformer.h.#.attn.c_attn", "blk.#.attn_qkv"),
    ("transformer.h.#.attn.c_proj", "blk.#.attn_output"),
    ("transformer.h.#.mlp.c_fc", "blk.#.ffn_up"),
    ("transformer.h.#.mlp.c_proj", "blk.#.ffn_down"),
]
FOUR_NORMS = [
    ("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    ("model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"),
    ("model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"),
]


def gguf_name(key, arch):
    stem, suffix = key.rsplit(".", 1)
    number = next((p for p in stem.split(".") if p.isdigit()), None)
    pattern = stem.replace(f".{number}.", ".#.") if number else stem
    table = dict(NAMES, **dict(FOUR_NORMS)) if arch in ("gemma2", "gemma3") else dict(NAMES)
    return table[pattern].replace("#", number or "") + "." + suffix


def permute(w, heads):
    """Rows of q and k from halves to interleaved pairs, as for arch `llama`."""
    return (w.reshape(heads, 2, w.shape[0] // heads // 2, *w.shape[1:])
            .swapaxes(1, 2).reshape(w.shape))


def unpermute(w, heads):
    return (w.reshape(heads, w.shape[0] // heads // 2, 2, *w.shape[1:])
            .swapaxes(1, 2).reshape(w.shape))


def random_blocks(shape, kind, seed):
    """Blocks with random codes and small scales: gguf-py decodes k-quants only."""
    rng = np.random.default_rng(seed)
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (shape[0], shape[1] // elements, size), dtype=np.uint8)
    halves = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
    for at in halves[kind.name]:
        d = rng.uniform(2e-4, 1e-3, blocks.shape[:2]).astype(np.float16)
        blocks[..., at:at + 2] = d[..., None].view(np.uint8)
    return blocks.reshape(shape[0], -1)


def quantized(w, kind, seed):
    if kind.name in ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
        return random_blocks(w.shape, kind, seed)
    if kind.name == "IQ4_NL":  # the layout of Q4_0; codes mean other values
        return gguf.quants.quantize(w, gguf.GGMLQuantizationType.Q4_0)
    return gguf.quants.quantize(w, kind)


def metadata(writer, config, arch):
    get = lambda *names: next(getattr(config, n) for n in names if hasattr(config, n))
    writer.add_context_length(get("max_position_embeddings"))
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None)
                                   or 4 * config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    if arch == "gpt2":
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    rope = config.rope_parameters
    if arch == "gemma3":
        writer.add_sliding_window(config.sliding_window)
        rope = rope["full_attention"]
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1.0)))
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if arch == "gemma2":
        writer.add_sliding_window(config.sliding_window)
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def convert(model, arch, path, kind=None, **options):
    """Writes `model`; where `kind` quantizes, `model` gets the decoded weights."""
    config = model.config
    writer = gguf.GGUFWriter(str(path), arch, **options)
    metadata(writer, config, arch)
    for seed, (key, p) in enumerate(model.named_parameters()):
        w = p.detach().numpy().copy()
        conv = arch == "gpt2" and w.ndim == 2 and ".h." in key
        heads = 0
        if arch == "llama" and key.split(".")[-2] in ("q_proj", "k_proj"):
            heads = (config.num_attention_heads if "q_proj" in key
                     else config.num_key_value_heads)
        if conv:
            w = w.T.copy()
        if heads:
            w = permute(w, heads)
        if arch.startswith("gemma") and key.endswith("norm.weight"):
            w = w + 1
        name = gguf_name(key, arch)
        if kind is None or w.ndim != 2 or "position" in name:
            writer.add_tensor(name, w)
            continue
        blocks = quantized(w, kind, seed)
        writer.add_tensor(name, blocks, raw_dtype=kind)
        w = gguf.quants.dequantize(blocks, kind)
        w = unpermute(w, heads) if heads else w
        with torch.no_grad():
            p.copy_(torch.tensor(w.T.copy() if conv else w))
    extra_tensors(writer, config, arch)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def extra_tensors(writer, config, arch):
    """Rotary factors that the converter writes as tensors."""
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "llama3":
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
        scaled = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")[0].double().numpy()
        head = config.hidden_size // config.num_attention_heads
        plain = rope["rope_theta"] ** -(np.arange(0, head, 2) / head)
        writer.add_tensor("rope_freqs.weight", (plain / scaled).astype(np.float32))
    if rope.get("rope_type") == "longrope":
        for name in ("long", "short"):
            factors = np.array(rope[name + "_factor"], dtype=np.float32)
            writer.add_tensor(f"rope_factors_{name}.weight", factors)
        original = config.original_max_position_embeddings
        writer.add_rope_scaling_orig_ctx_len(original)
        factor = config.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors(
            float(np.sqrt(1 + np.log(factor) / np.log(original))))


def agree(path, model, ids, **kwargs):
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits.numpy()
    got = forward(path, ids, **kwargs)
    assert got.shape == expected.shape
    error = np.abs(got - expected).max()
    assert error <= TOLERANCE * max(1.0, np.abs(expected).max()), error


# Windows that GGUF has no say in are those that the importer fills in by itself.
PLAIN = {
    "llama": ("llama", {}), "llama-tied": ("llama", dict(hidden_act="silu")),
    "llama-linear": ("llama", {}), "llama-yarn": ("llama", {}), "llama-llama3": ("llama", {}),
    "qwen2": ("qwen2", {}), "qwen3": ("qwen3", {}),
    "phi3": ("phi3", dict(sliding_window=None)), "phi3-longrope-long": ("phi3", {}),
    "gemma": ("gemma", {}), "gemma2": ("gemma2", dict(query_pre_attn_scalar=16)),
    "gemma3": ("gemma3", dict(query_pre_attn_scalar=16)),
    "gpt2": ("gpt2", {}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_architectures(name, tmp_path):
    arch, changes = PLAIN[name]
    model = make(tmp_path / "hf", name, **changes)
    convert(model, arch, tmp_path / "model.gguf")
    agree(tmp_path / "model.gguf", model, tokens())


KINDS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]


@pytest.mark.parametrize("kind", KINDS)
def test_block_formats(kind, tmp_path):
    """Embedding, head and every linear in one format."""
    model = make(tmp_path / "hf", "llama", **WIDE)
    convert(model, "llama", tmp_path / "model.gguf", gguf.GGMLQuantizationType[kind])
    agree(tmp_path / "model.gguf", model, tokens())


@pytest.mark.parametrize("small_first_shard", [False, True])
def test_split_model(small_first_shard, tmp_path):
    """The first file brings the others, also if it holds metadata alone."""
    model = make(tmp_path / "hf", "llama", **WIDE)
    convert(model, "llama", tmp_path / "model.gguf", gguf.GGMLQuantizationType.Q4_K,
            split_max_tensors=8, small_first_shard=small_first_shard)
    first, *others = sorted(tmp_path.glob("model-*.gguf"))
    assert first.name.startswith("model-00001-of-") and others
    agree(first, model, tokens())
    subprocess.run([binary("fingpt"), "import", str(first), "-o", str(tmp_path / "written")],
                   check=True, timeout=120)
    agree(tmp_path / "written", model, tokens())


@pytest.mark.parametrize("name,kind", [("gpt2", "Q4_1"), ("phi3", "Q8_0"), ("phi3", "Q4_K")])
def test_rows_of_fused_quantized_weights(name, kind, tmp_path):
    wide = dict(n_embd=256, n_layer=2) if name == "gpt2" else dict(WIDE, sliding_window=None)
    model = make(tmp_path / "hf", name, **wide)
    convert(model, PLAIN[name][0], tmp_path / "model.gguf", gguf.GGMLQuantizationType[kind])
    agree(tmp_path / "model.gguf", model, tokens())


def write_llama2c(path, model, separate=False):
    """dim, hidden, layers, heads, kv heads, vocab (negative: own head), sequence."""
    c, t = model.config, dict(model.named_parameters())
    layers = [f"model.layers.{i}." for i in range(c.num_hidden_layers)]
    half = c.hidden_size // c.num_attention_heads // 2

    def each(name, heads=0):
        for p in layers:
            w = t[p + name].detach().numpy()
            yield permute(w, heads) if heads else w

    arrays = [t["model.embed_tokens.weight"].detach().numpy(), *each("input_layernorm.weight"),
              *each("self_attn.q_proj.weight", c.num_attention_heads),
              *each("self_attn.k_proj.weight", c.num_key_value_heads),
              *each("self_attn.v_proj.weight"), *each("self_attn.o_proj.weight"),
              *each("post_attention_layernorm.weight"), *each("mlp.gate_proj.weight"),
              *each("mlp.down_proj.weight"), *each("mlp.up_proj.weight"),
              t["model.norm.weight"].detach().numpy(), np.zeros((2, 64, half), np.float32)]
    if separate:
        arrays.append(model.lm_head.weight.detach().numpy())
    header = struct.pack("<7i", c.hidden_size, c.intermediate_size, c.num_hidden_layers,
                         c.num_attention_heads, c.num_key_value_heads,
                         -c.vocab_size if separate else c.vocab_size, 64)
    path.write_bytes(header + b"".join(a.astype(np.float32).tobytes() for a in arrays))


@pytest.mark.parametrize("separate", [False, True])
def test_llama2c(separate, tmp_path):
    model = make(tmp_path / "hf", "llama", rms_norm_eps=1e-5, tie_word_embeddings=not separate)
    write_llama2c(tmp_path / "model.bin", model, separate)
    agree(tmp_path / "model.bin", model, tokens())


def write_vocabulary(path):
    """300 tokens; the letters are 259 and up, abc is 287."""
    pieces = ["<unk>", "\n<s>\n", "\n</s>\n", *(f"<0x{i:02X}>" for i in range(256)),
              *(chr(97 + i) for i in range(26)), *("ab bc abc".split()),
              *(f"q{i}" for i in range(12))]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(struct.pack("<i", 8) + b"".join(
        struct.pack("<fi", -float(i), len(p)) + p.encode() for i, p in enumerate(pieces)))
    return path


def prompt_tokens(model):
    run = subprocess.run([binary("fingpt"), "run", str(model), "--prompt", "abc", "-n", "2",
                          "--json"], check=True, timeout=120, capture_output=True, text=True)
    return json.loads(run.stdout)["prompt_tokens"]


@pytest.mark.parametrize("beside", [False, True])
def test_tokenizer_of_llama2c_is_kept(beside, tmp_path):
    """Beside the file under its customary name, or named by --tokenizer."""
    write_llama2c(tmp_path / "model.bin",
                  make(tmp_path / "hf", "llama", vocab_size=300, tie_word_embeddings=True))
    file = write_vocabulary(tmp_path / ("tok300.bin" if beside else "elsewhere/words.bin"))
    option = [] if beside else ["--tokenizer", str(file)]
    for verb, *rest in [("import",), ("compress", "--scheme", "w8:rtn", "--eval-chunks", "0")]:
        out = tmp_path / verb
        subprocess.run([binary("fingpt"), verb, str(tmp_path / "model.bin"), "-o", str(out),
                        *option, *rest], check=True, timeout=120)
        assert (out / "tokenizer.bin").read_bytes() == file.read_bytes()
        assert prompt_tokens(out) == [1, 35, 287]  # BOS, a space, abc
        # Before anything is computed, whether it would be needed or not.
        refused = subprocess.run([binary("fingpt"), verb, str(tmp_path / "model.bin"), "-o",
                                  str(tmp_path / "refused"), "--tokenizer",
                                  str(tmp_path / "none.bin"), *rest],
                                 capture_output=True, text=True, timeout=120)
        assert refused.returncode and "none.bin" in refused.stderr
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert not list(tmp_path.glob("refused*"))


def test_tokens_outside_of_the_embedding(tmp_path):
    """Of a tokenizer for another model: refused, in calibration too."""
    write_llama2c(tmp_path / "model.bin",
                  make(tmp_path / "hf", "llama", vocab_size=280, tie_word_embeddings=True))
    write_vocabulary(tmp_path / "tokenizer.bin")
    (tmp_path / "text.txt").write_text("abc " * 100)
    refused = subprocess.run(
        [binary("fingpt"), "compress", str(tmp_path / "model.bin"), "-o", str(tmp_path / "out"),
         "--scheme", "w4g32", "--calib", str(tmp_path / "text.txt"), "--context", "32", "--quiet"],
        capture_output=True, text=True, timeout=120)
    assert refused.returncode and "expected 0 to 279, got 287" in refused.stderr, refused.stderr


def test_model_directory(tmp_path):
    """Written and read back, rows of fused weights and all: the same bits."""
    model = make(tmp_path / "hf", "phi3", **dict(WIDE, sliding_window=None))
    convert(model, "phi3", tmp_path / "model.gguf", gguf.GGMLQuantizationType.Q4_K)
    subprocess.run([binary("fingpt"), "import", str(tmp_path / "model.gguf"),
                    "-o", str(tmp_path / "written")], check=True, timeout=120)
    assert np.array_equal(forward(tmp_path / "model.gguf", tokens()),
                          forward(tmp_path / "written", tokens()))
