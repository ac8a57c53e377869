#!/usr/bin/env python3
"""Quality of compressed SmolLM2-135M at its exact stored bytes, beside other tools.

    tools/bench/quality.py --model M.gguf --calib FILE --text FILE --peers llama,gptqmodel
    tools/bench/quality.py ... --dense 'gptq 3 bit=53084160:out/dense.safetensors'

The reference is the model's weights dequantized to f32, the held-out text is --text, every
tool calibrates on the first 16,384 tokens of --calib. Quality is weight-only: each tool's
result is dequantized and run in f32 (see quality_eval.py for the measures, quality_peers.py
for the tools). --dense adds a row from f32 weights under Hugging Face names:
NAME=BYTES[/BYTES OF LINEARS]:FILE.

Compressed weights and measures stay in --cache, so that a rerun only prints. A table goes
to stdout; --json also writes it with KL and NLL per chunk.
"""
import argparse
import json
import pathlib
import sys

import quality_peers
from quality_eval import CHUNKS, QUICK_CHUNKS, ROOT, Reference

PEERS = {
    "llama": [(quality_peers.llama_cpp, name) for name in ("Q2_K", "Q3_K_M", "Q4_K_M", "Q4_0")],
    "gptqmodel": [(quality_peers.gptqmodel, bits, 64, sym)
                  for bits in (4, 3, 2) for sym in (True, False)],
    "autoround": [(quality_peers.autoround, bits) for bits in (4, 3, 2)],
}
COLUMNS = ("", "bytes", "bpw", "bytes of linears", "bpw", "PPL", "KL mean", "KL 99%",
           "same top")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True,
                        help="SmolLM2-135M as GGUF, of any tensor types")
    parser.add_argument("--calib", type=pathlib.Path, required=True, help="calibration text")
    parser.add_argument("--text", type=pathlib.Path, required=True, help="held-out text")
    parser.add_argument("--peers", default="", metavar=",".join(PEERS),
                        help="tools to run or to read from the cache")
    parser.add_argument("--dense", action="append", default=[],
                        metavar="NAME=BYTES[/LINEAR]:FILE", help="another row, may repeat")
    parser.add_argument("--quick", action="store_true",
                        help=f"{QUICK_CHUNKS} chunks of 512 tokens instead of {CHUNKS}")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".cache/quality")
    parser.add_argument("--json", type=pathlib.Path, help="write rows and measures here")
    args = parser.parse_args()
    args.peers = [peer for peer in args.peers.split(",") if peer]
    for peer in args.peers:
        if peer not in PEERS:
            parser.error(f"no peer {peer!r}; there are {', '.join(PEERS)}")
    if args.calib.read_bytes() == args.text.read_bytes():
        parser.error("--calib and --text are the same text")
    return args


def dense_row(argument):
    name, equals, rest = argument.partition("=")
    sizes, colon, file = rest.partition(":")
    total, _, linear = sizes.partition("/")
    if not (equals and colon and total.isdigit() and (linear or "0").isdigit()):
        sys.exit(f"error: --dense {argument}: expected NAME=BYTES[/BYTES OF LINEARS]:FILE")
    return {"name": name, "bytes": int(total), "linear_bytes": int(linear) if linear else None,
            "dense": pathlib.Path(file)}


def line(row, weights, linear_weights):
    def size(stored, count):
        return (f"{stored:,}", f"{8 * stored / count:.3f}") if stored else ("", "")
    m = row["measure"]
    cells = (row["name"], *size(row["bytes"], weights),
             *size(row["linear_bytes"], linear_weights), f"{m['ppl']:.3f}", f"{m['kl']:.4f}",
             f"{m['kl_99']:.3f}", f"{100 * m['same_top']:.1f}%")
    return "| " + " | ".join(cells) + " |"


def main():
    args = arguments()
    chunks = QUICK_CHUNKS if args.quick else CHUNKS
    reference = Reference(args.model, args.text, args.cache)
    calibration = quality_peers.Calibration(reference, args.calib)
    weights = sum(w.numel() for w in reference.state.values())
    linear_weights = sum(w.numel() for n, w in reference.state.items() if "proj" in n)
    print("| " + " | ".join(COLUMNS) + " |\n|---" + "|---:" * (len(COLUMNS) - 1) + "|")
    rows = []

    def show(row):
        row["measure"] = row.get("measure") or reference.measure_file(row["dense"], chunks)
        print(line(row, weights, linear_weights), flush=True)
        rows.append({k: str(v) if k == "dense" else v for k, v in row.items()})

    show({"name": "reference, f32", "bytes": 4 * weights, "linear_bytes": 4 * linear_weights,
          "measure": reference.measure_self(chunks)})
    for peer in args.peers:
        for make, *settings in PEERS[peer]:
            show(make(calibration, *settings))
    for argument in args.dense:
        show(dense_row(argument))
    if args.json:
        args.json.write_text(json.dumps({"chunks": chunks, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
