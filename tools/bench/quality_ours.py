"""Rows of fingpt for quality.py: a recipe, its model directory, its exact bytes, its measures.

    Fingpt(calibration).scheme("w3g64")        the same form for every linear
    Fingpt(calibration).budget(61_502_976)     a mix of at most these bytes of linears

The token table (and the head tied to it) and norms are kept. A model directory stays in the cache
under the digest of its options and of the binary; an interrupted run goes on where it was.

Bytes are counted from the tensors of model.safetensors. `--size` is of the whole model: the
bytes of what is kept are added to a budget of linears.

Measures are those of `fingpt eval --against`, the same protocol as quality_eval.py (`agreement`
measures a row both ways). Low-rank pairs and sliced weights are stored in 16 and 32 bits
and count as 16: the GGUF's own 5 bits would be the smaller form, so they are made of the f32
weights.
"""
import json
import os
import pathlib
import struct
import subprocess
import time

from quality_eval import ROOT, digest, logits_of, tensor_bytes
from safetensors.torch import load_file

# What budgets choose from. 576 and 1536 inputs are multiples of 96 and 192, too.
CANDIDATES = ("w2g192", "w2g96", "w2g64", "w2g32", "w3g192", "w3g64", "w3g32", "w4g192", "w4g128",
              "w4g64", "w4g32-min", "w5g64")


def binary(name):
    folder = pathlib.Path(os.environ.get("FINGPT_BIN_DIR", ROOT / "build/bin"))
    if not (folder / name).exists():
        raise SystemExit(f"error: {folder / name} is absent: build it, or set FINGPT_BIN_DIR")
    return folder / name


def stored_tensors(directory):
    """{name: (type, elements, bytes)} of a model directory's parameters."""
    tensors = {}
    for file in sorted(directory.glob("*.safetensors")):
        with open(file, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        header.pop("__metadata__", None)
        for name, t in header.items():
            begin, end = t["data_offsets"]
            count = 1
            for extent in t["shape"]:
                count *= extent
            tensors[name] = (t["dtype"], count, end - begin)
    return tensors


def is_linear(name):
    return "embed" not in name and "lm_head" not in name and "norm" not in name


def linear_bytes(directory):
    """Of all that stands for linears: codes, scales, zeros, factors, shortcuts; f32 counts as f16."""
    return sum(size // 2 if kind == "F32" else size
               for name, (kind, _, size) in stored_tensors(directory).items() if is_linear(name))


def run_fingpt(*arguments, log=None):
    run = subprocess.run([binary("fingpt"), *map(str, arguments)], text=True,
                         stdout=subprocess.PIPE, stderr=log or subprocess.PIPE)
    if run.returncode:
        raise SystemExit(f"error: fingpt {' '.join(map(str, arguments))}: exit {run.returncode}\n"
                         f"{run.stderr or f'see {log.name}'}")
    return run.stdout


def evaluate(directory, reference, text, chunks, context=512, tokenizer=()):
    """{ppl, kl, kl_99, same_top} of a model directory against its source."""
    m = json.loads(run_fingpt("eval", directory, "--against", reference, "--text", text,
                              "--chunks", chunks, "--context", context, "--json", "--quiet", *tokenizer))
    return {"chunks": chunks, "ppl": m["perplexity"], "kl": m["kl_mean"], "kl_99": m["kl_p99"],
            "same_top": m["same_top"]}


def dense_state(directory, file):
    """Weights of a model directory as dense f32, under the names of the source, by way of `file`."""
    subprocess.run([binary("fingpt-opt"), directory, "--fin-materialize-weights",
                    f"--fin-write-params=file={file}", "-o", "/dev/null"], check=True)
    return {name.removesuffix(".dense"): t.float() for name, t in load_file(file).items()}


class Fingpt:
    def __init__(self, calibration, chunks):
        self.calibration, self.chunks = calibration, chunks
        self.reference = calibration.reference
        self.version = digest(binary("fingpt"))
        sizes = tensor_bytes(self.reference.gguf_path)
        self.kept_bytes = sum(size for name, (_, size) in sizes.items()
                              if not name.startswith("blk.") or "norm" in name)

    def scheme(self, scheme):
        dense = any(part.startswith(("svd", "slice")) for part in scheme.split("+"))
        source = (self.calibration.hugging_face_folder() if dense else self.reference.gguf_path)
        return self.row(f"fingpt {scheme}", source, "--scheme", scheme)

    def budget(self, limit):
        row = self.row(f"fingpt budget {limit:,}", self.reference.gguf_path,
                       "--size", self.kept_bytes + limit, "--candidates", ",".join(CANDIDATES))
        if row["linear_bytes"] > limit:
            raise SystemExit(f"error: {row['name']} takes {row['linear_bytes']:,} bytes of linears")
        return row

    def row(self, name, source, *options):
        options = [*map(str, options), "--embeddings", "keep"]
        tokenizer = ["--tokenizer", self.reference.gguf_path]

        def make(folder):
            out, start = folder / "out", time.perf_counter()
            if not out.exists():
                with open(folder / "log.txt", "a") as log:
                    run_fingpt("compress", source, "-o", out, "--calib",
                               self.calibration.text_file(), "--eval-chunks", 0, *tokenizer,
                               *options, log=log)
            return {"seconds": time.perf_counter() - start, "linear_bytes": linear_bytes(out),
                    "bytes": sum(size for _, _, size in stored_tensors(out).values()),
                    "dense": "out"}

        row = self.calibration.row(name, {"options": options, "binary": self.version}, make)
        kept = row["dense"].parent / f"measure-{self.chunks}-{digest(self.reference.text_path)}.json"
        if not kept.exists():
            kept.write_text(json.dumps(evaluate(row["dense"], self.reference.gguf_path,
                                                self.reference.text_path, self.chunks)))
        return {**row, "measure": json.loads(kept.read_text())}

    def agreement(self, row):
        """The largest relative difference of KL and perplexity to those that quality_eval.py
        finds for the dense weights."""
        state = dense_state(row["dense"], row["dense"].parent / "dense.safetensors")
        m = self.reference.measure(logits_of(state), self.chunks)
        return max(abs(m[key] / row["measure"][key] - 1) for key in ("kl", "ppl"))
