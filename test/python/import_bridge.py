"""Runs @forward of an imported model, for the tests of the importers."""
import os
import pathlib
import subprocess

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = pathlib.Path(os.environ.get("FINGPT_BIN_DIR", ROOT / "build" / "bin"))


def binary(name):
    path = BINARIES / name
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return str(path)


def forward(model, tokens, lengths=None, reference=False, f64=False, cached=0):
    """Logits or hidden states [batch, tokens, width] of @forward.

    reference: the strict definitions; f64: those in f64; cached N: @decode, N tokens first.
    """
    out = pathlib.Path(model).parent / "forward-output"
    out.mkdir(exist_ok=True)
    lines = [" ".join(map(str, row)) for row in tokens]
    if lengths is not None:
        lines = [f"{line} | {n}" for line, n in zip(lines, lengths)]
    (out / "tokens.txt").write_text("\n".join(lines) + "\n")
    command = [binary("import-forward"), str(model), str(out / "tokens.txt"), str(out / "out.f32")]
    if reference:
        command.append("--reference")
    if f64:
        command.append("--f64")
    if cached:
        command += ["--cached", str(cached)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    shape = [int(n) for n in run.stdout.split()]
    return np.fromfile(out / "out.f32", dtype=np.float32).reshape(shape)
