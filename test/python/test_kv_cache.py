"""Quantized keys and values: @forward with them, and the cache that holds their codes."""
import numpy as np
import pytest

from import_bridge import forward
from test_import_huggingface import tokens
from test_transforms import models, transform  # noqa: F401 (a fixture)

NAMES = ["llama", "qwen3", "phi", "phi3", "gemma2", "gemma3", "gpt2", "mistral"]


def quantized(model, directory, bits, rotate="true"):
    out, _ = transform(model, directory, f"--fin-quantize-kv=bits={bits} rotate={rotate}")
    return out


def error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", NAMES)
def test_cache_holds_what_forward_computes(name, bits, models, tmp_path):  # noqa: F811
    """The codes in the cache are those of @forward, in prompt and steps, native and by definition."""
    model = models(name)
    rewritten = quantized(model, tmp_path, bits)
    whole = forward(rewritten, tokens())
    # A code may flip where two orders of a sum differ in the last bit: one step of 4 bits.
    assert error(forward(rewritten, tokens(), cached=5), whole) <= (1e-3 if bits == 8 else 2e-2)
    assert error(forward(rewritten, tokens(), reference=True), whole) <= \
        (1e-3 if bits == 8 else 2e-2)


@pytest.mark.parametrize("name", NAMES)
def test_more_bits_are_closer(name, models, tmp_path):  # noqa: F811
    model = models(name)
    errors = []
    for bits in (8, 4):
        directory = tmp_path / str(bits)
        directory.mkdir()
        errors.append(error(forward(quantized(model, directory, bits), tokens()), model.logits))
    assert errors[0] <= 0.02
    assert errors[0] < errors[1] <= 0.4
