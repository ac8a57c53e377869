"""Our own rows of the quality table: `fingpt compress`, measured by `fingpt eval --against`.

Both follow the protocol of quality_eval.py, so that figures of peers and ours compare; bytes are
those of the parameter file, by weight as report.json says.
"""
import json
import os
import pathlib
import shlex
import subprocess

from quality_eval import ROOT, digest

BINARIES = pathlib.Path(os.environ.get("FINGPT_BIN_DIR", ROOT / "build/bin"))


def fingpt(*arguments):
    run = subprocess.run([BINARIES / "fingpt", *map(str, arguments)], stdout=subprocess.PIPE,
                         text=True, check=True)
    return run.stdout


def compressed(calibration, options, cache):
    """The directory of a model compressed with `options`, made if it is not in the cache."""
    reference = calibration.reference
    arguments = shlex.split(options)
    name = digest(reference.gguf_path, calibration.tokens.numpy().tobytes(), arguments)
    out = cache / f"fingpt {name}"
    if not out.exists():
        text = cache / f"calibration-{name}.txt"
        text.write_text(reference.tokenizer.decode(calibration.tokens.flatten()))
        fingpt("compress", reference.gguf_path, "-o", out, "--calib", text,
               "--tokens", calibration.tokens.numel(), "--context", calibration.tokens.shape[1],
               "--eval-chunks", 0, *arguments)
    return out


def row(reference, directory, chunks, name=None):
    """A row of the table from a directory that `fingpt compress` wrote."""
    report = json.loads((directory / "report.json").read_text())
    measure = json.loads(fingpt("eval", directory, "--against", reference.gguf_path, "--text",
                                reference.text_path, "--chunks", chunks, "--json", "--quiet"))
    return {"name": "fingpt " + (name or report["recipe"]["scheme"]),
            "bytes": report["size"]["after_bytes"],
            "linear_bytes": sum(w["bytes_after"] for w in report["weights"]
                                if "proj" in w["name"]),
            "measure": {"ppl": measure["perplexity"], "kl": measure["kl_mean"],
                        "kl_99": measure["kl_p99"], "same_top": measure["same_top"]}}
