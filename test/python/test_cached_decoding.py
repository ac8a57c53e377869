"""Decoding through the cache equals running the whole sequence, for every architecture."""
import numpy as np
import pytest

from import_bridge import forward
from test_import_huggingface import MODELS, make, tokens

# Longrope: once the long factors serve, keys that were cached under the short ones stay as
# they are, in every implementation; the whole sequence uses the long ones throughout.
CASES = [name for name in MODELS if name != "phi3-longrope-long"]


@pytest.mark.parametrize("name", CASES)
def test_cached_equals_whole(name, tmp_path):
    make(tmp_path / "model", name)
    ids = tokens()
    whole = forward(tmp_path / "model", ids)
    for first in (1, 5):
        cached = forward(tmp_path / "model", ids, cached=first)
        assert np.abs(cached - whole).max() <= 1e-5 * max(1.0, np.abs(whole).max())


@pytest.mark.parametrize("name", ["llama", "gemma2", "qwen3", "opt", "phi3"])
def test_definitions_agree_with_kernels(name, tmp_path):
    make(tmp_path / "model", name)
    ids = tokens()
    oracle = forward(tmp_path / "model", ids, f64=True)
    scale = max(1.0, np.abs(oracle).max())
    assert np.abs(forward(tmp_path / "model", ids) - oracle).max() <= 2e-5 * scale
    assert np.abs(forward(tmp_path / "model", ids, reference=True) - oracle).max() <= 2e-5 * scale
