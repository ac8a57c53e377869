"""SmolLM2-135M: the GGUF file and a transformers model of its dequantized weights."""
import functools
import os
import pathlib

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def gguf_path():
    path = os.environ.get("FINGPT_SMOLLM2",
                          ROOT / ".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
    if not os.path.exists(path):
        pytest.skip(f"{path} is absent: tools/check fetches it")
    return str(path)


NAMES = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
         "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj"}


def half_split(w, heads):
    """GGUF stores q and k rows for interleaved rotation; undo the permutation."""
    out, width = w.shape
    return w.reshape(heads, out // heads // 2, 2, width).swapaxes(1, 2).reshape(out, width)


def dequantized(path):
    """{Hugging Face name: f32 tensor} of a SmolLM2-135M GGUF file of any tensor types."""
    torch = pytest.importorskip("torch")
    gguf = pytest.importorskip("gguf")
    state = {}
    for tensor in gguf.GGUFReader(path).tensors:
        data = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        name = tensor.name
        if name == "token_embd.weight":
            key = "model.embed_tokens.weight"
        elif name == "output_norm.weight":
            key = "model.norm.weight"
        else:
            _, layer, part, _ = name.split(".")
            key = f"model.layers.{layer}.{NAMES[part]}.weight"
            if part in ("attn_q", "attn_k"):
                data = half_split(data, 9 if part == "attn_q" else 3)
        state[key] = torch.from_numpy(np.ascontiguousarray(data))
    return state


def llama(state):
    """LlamaForCausalLM in f32 on a SmolLM2-135M state dict; a head of its own unties it."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.set_grad_enabled(False)
    config = transformers.LlamaConfig(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, vocab_size=49152, max_position_embeddings=8192, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 100000.0},
        tie_word_embeddings="lm_head.weight" not in state)
    model = transformers.LlamaForCausalLM(config).eval()
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    return model


@functools.lru_cache(maxsize=1)
def reference():
    """LlamaForCausalLM in f32 on the dequantized weights."""
    return llama(dequantized(gguf_path()))
