"""Imported Hugging Face models against transformers, on tiny random weights.

Every architecture, and what its configuration can say: grouped heads, head sizes
of their own, biases, windows, rotary scalings, soft caps, tied and separate heads.
"""
import json

import numpy as np
import pytest

from import_bridge import forward

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

TOLERANCE = 1e-4
COMMON = dict(vocab_size=96, hidden_size=64, intermediate_size=96, num_hidden_layers=3,
              num_attention_heads=4, max_position_embeddings=64)
# Windows are shorter than the sequences, so that they matter.
GEMMA = dict(COMMON, num_key_value_heads=2, head_dim=16, sliding_window=5)


def rope(kind, theta=10000.0, **numbers):
    return dict(rope_type=kind, rope_theta=theta, **numbers)


LONGROPE = rope("longrope", short_factor=[1.0 + 0.1 * i for i in range(8)],
                long_factor=[2.0 + i for i in range(8)])
MODELS = {
    "llama": ("Llama", dict(COMMON, num_key_value_heads=2)),
    "llama-bias": ("Llama", dict(COMMON, attention_bias=True, mlp_bias=True, head_dim=8)),
    "llama-tied": ("Llama", dict(COMMON, tie_word_embeddings=True, hidden_act="gelu")),
    "llama-linear": ("Llama", dict(COMMON, rope_parameters=rope("linear", factor=4.0))),
    "llama-llama3": ("Llama", dict(COMMON, rope_parameters=rope(
        "llama3", 500.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16))),
    "llama-yarn": ("Llama", dict(COMMON, rope_parameters=rope(
        "yarn", 100.0, factor=4.0, original_max_position_embeddings=16))),
    "llama-yarn-untruncated": ("Llama", dict(COMMON, rope_parameters=rope(
        "yarn", 100.0, factor=4.0, original_max_position_embeddings=16, truncate=False,
        beta_fast=16.0, beta_slow=2.0, mscale=0.7, mscale_all_dim=0.5))),
    "mistral": ("Mistral", dict(COMMON, num_key_value_heads=2, sliding_window=5)),
    "mistral-no-window": ("Mistral", dict(COMMON, num_key_value_heads=2, sliding_window=None)),
    "qwen2": ("Qwen2", dict(COMMON, num_key_value_heads=2)),
    "qwen2-window": ("Qwen2", dict(COMMON, num_key_value_heads=2, use_sliding_window=True,
                                   sliding_window=4, max_window_layers=1)),
    "qwen3": ("Qwen3", dict(COMMON, num_key_value_heads=2, head_dim=32)),
    "phi": ("Phi", dict(COMMON)),
    "phi-qk-norm": ("Phi", dict(COMMON, qk_layernorm=True, num_key_value_heads=2)),
    "phi3": ("Phi3", dict(COMMON, num_key_value_heads=2, pad_token_id=0, sliding_window=6)),
    "phi3-longrope-short": ("Phi3", dict(COMMON, pad_token_id=0, rope_parameters=LONGROPE,
                                         original_max_position_embeddings=32)),
    "phi3-longrope-long": ("Phi3", dict(COMMON, pad_token_id=0, rope_parameters=LONGROPE,
                                        original_max_position_embeddings=8)),
    "gemma": ("Gemma", dict(COMMON, num_key_value_heads=1, head_dim=32)),
    "gemma2": ("Gemma2", dict(GEMMA, query_pre_attn_scalar=24, attn_logit_softcapping=2.0,
                              final_logit_softcapping=1.5)),
    "gemma3": ("Gemma3Text", dict(GEMMA, num_hidden_layers=7, query_pre_attn_scalar=20)),
    "gemma3-linear": ("Gemma3Text", dict(GEMMA, num_hidden_layers=7, rope_parameters=dict(
        sliding_attention=rope("default", 100.0),
        full_attention=rope("linear", 1000.0, factor=8.0)))),
    "gpt2": ("GPT2", dict(vocab_size=96, n_embd=64, n_layer=3, n_head=4, n_positions=64)),
    "gpt2-by-layer": ("GPT2", dict(vocab_size=96, n_embd=64, n_layer=3, n_head=4, n_positions=64,
                                   n_inner=80, scale_attn_by_inverse_layer_idx=True)),
    "opt": ("OPT", dict(vocab_size=96, hidden_size=64, ffn_dim=96, num_hidden_layers=3,
                        num_attention_heads=4, max_position_embeddings=64,
                        word_embed_proj_dim=64)),
    "opt-350m": ("OPT", dict(vocab_size=96, hidden_size=64, ffn_dim=96, num_hidden_layers=3,
                             num_attention_heads=4, max_position_embeddings=64,
                             do_layer_norm_before=False, word_embed_proj_dim=32)),
}
HEADS = {"Gemma3Text": "Gemma3ForCausalLM", "GPT2": "GPT2LMHeadModel"}


def make(directory, name, dtype=None, **changes):
    """A tiny model with weights that matter, saved to `directory`."""
    family, numbers = MODELS[name]
    config = getattr(transformers, family + "Config")(**{**numbers, **changes})
    config._attn_implementation = "eager"
    torch.manual_seed(17)
    model = getattr(transformers, HEADS.get(family, family + "ForCausalLM"))(config).eval()
    randomize(model)
    if not dtype:
        model.save_pretrained(directory)
        return model
    model.to(dtype).save_pretrained(directory)
    # Loaded anew: .to() has rounded the rotary frequencies too.
    return type(model).from_pretrained(directory, dtype=torch.float32,
                                       attn_implementation="eager").eval()


def randomize(model):
    # Defaults are zero biases and unit norms, which would hide mistakes.
    with torch.no_grad():
        for key, p in model.named_parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.1)
            else:
                p.mul_(4)


def tokens(batch=2, length=13, vocab=96):
    return np.random.default_rng(3).integers(0, vocab, (batch, length))


def agree(directory, model, ids):
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits.numpy()
    got = forward(directory, ids)
    assert got.shape == expected.shape
    error = np.abs(got - expected).max()
    assert error <= TOLERANCE * max(1.0, np.abs(expected).max()), error
    assert np.abs(expected).max() > 0.05  # the comparison means something


@pytest.mark.parametrize("name", MODELS)
def test_logits(name, tmp_path):
    model = make(tmp_path / "model", name)
    agree(tmp_path / "model", model, tokens())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "phi3"])
def test_half_precision_weights(name, dtype, tmp_path):
    model = make(tmp_path / "model", name, dtype=getattr(torch, dtype))
    agree(tmp_path / "model", model, tokens())


def test_shards(tmp_path):
    model = make(tmp_path / "model", "llama")
    model.save_pretrained(tmp_path / "sharded", max_shard_size="100KB")
    assert (tmp_path / "sharded" / "model.safetensors.index.json").exists()
    agree(tmp_path / "sharded", model, tokens())


OLD_DIALECT = {
    "llama-linear": dict(rope_theta=10000.0, rope_scaling=dict(type="linear", factor=4.0)),
    "llama-llama3": dict(rope_theta=500.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)),
    "phi3-longrope-long": dict(rope_theta=10000.0, original_max_position_embeddings=8,
                               rope_scaling=dict(type="su", **{
                                   k: LONGROPE[k] for k in ("short_factor", "long_factor")})),
    "phi": dict(rope_theta=10000.0, partial_rotary_factor=0.5),
    # Which layers slide follows from the type where layer_types is absent.
    "qwen2-window": dict(rope_theta=10000.0),
    "gemma2": dict(rope_theta=10000.0),
    "gemma3-linear": dict(rope_theta=1000.0, rope_local_base_freq=100.0,
                          rope_scaling=dict(rope_type="linear", factor=8.0),
                          sliding_window_pattern=6),
}


@pytest.mark.parametrize("name", OLD_DIALECT)
def test_old_dialect(name, tmp_path):
    """The same model under the configuration keys of transformers 4."""
    model = make(tmp_path / "model", name)
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    for key in ("rope_parameters", "layer_types", "dtype"):
        config.pop(key, None)
    config.update(OLD_DIALECT[name], torch_dtype="float32")
    path.write_text(json.dumps(config))
    agree(tmp_path / "model", model, tokens())


def bert(head, **changes):
    config = transformers.BertConfig(**{**COMMON, **changes})
    config._attn_implementation = "eager"
    torch.manual_seed(5)
    model = getattr(transformers, head)(config).eval()
    randomize(model)
    return model


@pytest.mark.parametrize("head", ["BertModel", "BertForMaskedLM"])
def test_bert(head, tmp_path):
    model = bert(head)
    model.save_pretrained(tmp_path / "model")
    ids, lengths = tokens(), [13, 7]
    mask = np.arange(13)[None, :] < np.array(lengths)[:, None]
    with torch.no_grad():
        y = model(torch.tensor(ids), attention_mask=torch.tensor(mask.astype(np.int64)))
    expected = (y.logits if head == "BertForMaskedLM" else y.last_hidden_state).numpy()
    got = forward(tmp_path / "model", ids, lengths)
    assert got.shape == expected.shape
    assert np.abs((got - expected)[mask]).max() <= TOLERANCE * max(1, np.abs(expected).max())


def test_names_of_tensorflow_and_extra_heads(tmp_path):
    """bert-base-uncased says gamma and beta, and carries heads that we do not run."""
    from safetensors.torch import load_file, save_file

    model = bert("BertForPreTraining")
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    old = {k.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"): v for k, v in load_file(path).items()}
    old["bert.embeddings.position_ids"] = torch.arange(64)[None]
    save_file(old, path)
    ids = tokens()
    with torch.no_grad():
        expected = model(torch.tensor(ids)).prediction_logits.numpy()
    got = forward(tmp_path / "model", ids, [13, 13])
    assert np.abs(got - expected).max() <= TOLERANCE * np.abs(expected).max()


def test_names_without_prefix(tmp_path):
    """openai-community/gpt2 has `h.0.…` instead of `transformer.h.0.…`, and masks."""
    from safetensors.torch import load_file, save_file

    model = make(tmp_path / "model", "gpt2")
    path = tmp_path / "model" / "model.safetensors"
    bare = {k.removeprefix("transformer."): v for k, v in load_file(path).items()}
    bare["h.0.attn.bias"] = torch.ones(1, 1, 64, 64)
    save_file(bare, path)
    agree(tmp_path / "model", model, tokens())


@pytest.mark.parametrize("same", [True, False])
def test_tied_head_in_the_file(same, tmp_path):
    """A tied head may be stored: as a copy it is the table, otherwise it is a head."""
    from safetensors.torch import load_file, save_file

    model = make(tmp_path / "model", "llama-tied")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    head = tensors["model.embed_tokens.weight"].clone()
    if not same:
        head = head * 1.5 + 0.25
        model.lm_head.weight = torch.nn.Parameter(head.clone())
    tensors["lm_head.weight"] = head
    save_file(tensors, path)
    agree(tmp_path / "model", model, tokens())
