"""A budget is never worse than one form for all weights at the same bytes, on text that no tool
calibrated on: stories260K, a trained model, so that the weights differ in what they cost."""
import json
import os
import pathlib
import subprocess

import pytest

from import_bridge import ROOT, binary

SHARED = pathlib.Path(os.environ.get("FINGPT_SHARED", ROOT.parent / "shared")) / "data"
# Held-out figures of 20 chunks vary by about this much between equally good recipes.
TOLERANCE = 0.02


def shared(path):
    if not (SHARED / path).exists():
        pytest.skip(f"{SHARED / path} is absent")
    return SHARED / path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    text = shared("text/calibration-tiny.txt").read_text()
    middle = text.index("\n", len(text) // 2)
    (folder / "calib.txt").write_text(text[:middle])
    (folder / "held-out.txt").write_text(text[middle:])
    return folder


def compress(out, texts, *options):
    subprocess.run([binary("fingpt"), "compress", shared("models/stories260K/stories260K.bin"),
                    "--tokenizer", shared("models/stories260K/tok512.bin"), "-o", out,
                    "--calib", texts / "calib.txt", "--eval-text", texts / "held-out.txt",
                    "--eval-chunks", "20", "--embeddings", "keep", "--quiet",
                    *map(str, options)], check=True, capture_output=True)
    report = json.loads((out / "report.json").read_text())
    return report["size"]["after_bytes"], report["quality"]


@pytest.mark.parametrize("uniform", ["w4g32", "w3g32"])
def test_budget_is_never_worse_than_uniform(uniform, tmp_path, texts):
    size, plain = compress(tmp_path / "uniform", texts, "--scheme", uniform)
    spent, budget = compress(tmp_path / "budget", texts, "--size", size, "--candidates",
                             "w2g32,w3g64,w3g32,w4g64,w4g32,w5g64")
    assert spent <= size
    for figure in ("kl_mean", "perplexity"):
        assert budget[figure] <= (1 + TOLERANCE) * plain[figure], figure
