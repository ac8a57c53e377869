"""The real model against transformers in f32 on the same (dequantized) weights."""
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

from import_bridge import binary, forward
from smollm2 import ROOT, gguf_path, reference

TEXT = (ROOT / "test/data/text/markets.txt").read_text()
PROMPTS = [
    "The stock market is",
    "Once upon a time, in a small village by the sea,",
    "def fibonacci(n):\n    ",
    "In 1929, the price of shares",
    "Le marché des actions est",
]


def fingpt(*arguments):
    run = subprocess.run([binary("fingpt"), *arguments], capture_output=True, text=True,
                         timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout


def ids_of(text):
    out = fingpt("run", gguf_path(), "--prompt", text, "-n", "0", "--json")
    return json.loads(out)["prompt_tokens"]


def test_logits(tmp_path):
    import torch
    link = tmp_path / "model.gguf"
    link.symlink_to(gguf_path())
    tokens = ids_of(TEXT)[:256]
    ours = forward(link, [tokens])[0]
    theirs = reference()(torch.tensor([tokens])).logits[0].numpy()
    assert np.abs(ours - theirs).max() < 1e-3


def test_perplexity_of_committed_text():
    import torch
    out = json.loads(fingpt("eval", gguf_path(), "--text", str(ROOT / "test/data/text/markets.txt"),
                            "--json"))
    tokens = ids_of(TEXT.removesuffix("\n"))
    nll = []
    for c in range(len(tokens) // 512):
        chunk = torch.tensor(tokens[512 * c:512 * c + 512])
        logits = reference()(chunk[None]).logits[0].double()
        scored = torch.log_softmax(logits[256:511], -1).gather(1, chunk[257:512, None])
        nll.append(-scored.mean().item())
    assert out["tokens"] == 255 * len(nll)
    assert np.allclose(out["nll_per_chunk"], nll, atol=2e-5)
    assert abs(out["perplexity"] / np.exp(np.mean(nll)) - 1) < 1e-4


# docs: 32 chunks give 14.855892, 10 chunks 15.87061 (torch f32 on the same weights).
@pytest.mark.parametrize("chunks, expected", [(10, 15.87061), (32, 14.855892)])
def test_perplexity_of_wikitext(chunks, expected):
    text = pathlib.Path(os.environ.get("FINGPT_SHARED", ROOT.parent / "shared"))
    text = text / "data/text/wikitext2-valid.txt"
    if not text.exists():
        pytest.skip("wikitext2-valid.txt is absent (set FINGPT_SHARED)")
    out = json.loads(fingpt("eval", gguf_path(), "--text", str(text), "--chunks", str(chunks),
                            "--json"))
    assert abs(out["perplexity"] / expected - 1) < 2e-4


@pytest.mark.parametrize("prompt", PROMPTS)
def test_greedy_text(prompt):
    import torch
    out = json.loads(fingpt("run", gguf_path(), "--prompt", prompt, "-n", "64", "--ignore-eos",
                            "--json"))
    ids = torch.tensor([out["prompt_tokens"]])
    theirs = reference().generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=64,
                                  min_new_tokens=64, do_sample=False, use_cache=True,
                                  pad_token_id=0, eos_token_id=None)
    assert out["tokens"] == theirs[0, ids.shape[1]:].tolist()


def test_model_directory_is_the_same_model(tmp_path):
    fingpt("import", gguf_path(), "-o", str(tmp_path / "model"))
    arguments = ["--prompt", PROMPTS[0], "-n", "16", "--json"]
    a = json.loads(fingpt("run", gguf_path(), *arguments))
    b = json.loads(fingpt("run", str(tmp_path / "model"), *arguments))
    assert a["tokens"] == b["tokens"] and a["text"] == b["text"]
