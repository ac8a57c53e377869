#!/usr/bin/env python3
r"""Quality of compressed SmolLM2-135M at its exact stored bytes, beside other tools.

    tools/bench/quality.py --model M.gguf --calib FILE --text FILE --peers llama,gptqmodel \
        --schemes w4g64,w3g64 --budgets peers
    tools/bench/quality.py ... --dense 'gptq 3 bit=53084160:out/dense.safetensors'

The reference is the model's weights dequantized to f32, the held-out text is --text, every
tool calibrates on the first 16,384 tokens of --calib. Quality is weight-only: each tool's
result is dequantized and run in f32 (see quality_eval.py for the measures, quality_peers.py
for the tools, quality_ours.py for fingpt). --budgets adds rows of fingpt at the bytes of linears
that are listed, or at those of every peer. --dense adds a row from f32 weights under Hugging Face
names: NAME=BYTES[/BYTES OF LINEARS]:FILE.

--check also exits with 1 if a budget does worse than a scheme that takes no more bytes.

Compressed weights and measures stay in --cache, so that a rerun only prints. A table goes
to stdout; --json also writes it with KL and NLL per chunk.
"""
import argparse
import json
import pathlib
import sys

import quality_peers
from quality_eval import CHUNKS, QUICK_CHUNKS, ROOT, Reference
from quality_ours import Fingpt

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
    parser.add_argument("--schemes", default="", metavar="SCHEME,…",
                        help="rows of fingpt with one form for every linear")
    parser.add_argument("--budgets", default="", metavar="BYTES,…|peers",
                        help="rows of fingpt of at most these bytes of linears")
    parser.add_argument("--agreement", action="store_true",
                        help="measure --schemes with quality_eval.py too; fail beyond 0.5%%")
    parser.add_argument("--check", action="store_true",
                        help="fail where a budget is worse than a scheme of no more bytes")
    parser.add_argument("--dense", action="append", default=[],
                        metavar="NAME=BYTES[/LINEAR]:FILE", help="another row, may repeat")
    parser.add_argument("--quick", action="store_true",
                        help=f"{QUICK_CHUNKS} chunks of 512 tokens instead of {CHUNKS}")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".cache/quality")
    parser.add_argument("--json", type=pathlib.Path, help="write rows and measures here")
    args = parser.parse_args()
    for option in ("peers", "schemes", "budgets"):
        setattr(args, option, [part for part in getattr(args, option).split(",") if part])
    for budget in args.budgets:
        if not budget.isdigit() and budget != "peers":
            parser.error(f"--budgets {budget}: expected bytes or peers")
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


def worse_than_uniform(rows, tolerance=0.01):
    """Budgets of fingpt that lose to a scheme of no more bytes of linears, by more than a
    hundredth of its KL or perplexity: [text]. Text that was not calibrated on decides."""
    found = []
    for row in rows:
        for other in rows:
            if (not row["name"].startswith("fingpt budget") or other["name"] == row["name"]
                    or not other["name"].startswith("fingpt w")
                    or other["linear_bytes"] > row["linear_bytes"]):
                continue
            found += [f"{row['name']}: {key} {row['measure'][key]:.4f}, {other['name']} has "
                      f"{other['measure'][key]:.4f}" for key in ("kl", "ppl")
                      if row["measure"][key] > (1 + tolerance) * other["measure"][key]]
    return found


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
    budgets = [int(b) for b in args.budgets if b != "peers"]
    if "peers" in args.budgets:
        budgets += [row["linear_bytes"] for row in rows[1:]]
    if args.schemes or budgets:
        fingpt = Fingpt(calibration, chunks)
        for scheme in args.schemes:
            show(row := fingpt.scheme(scheme))
            if args.agreement and (difference := fingpt.agreement(row)) > 0.005:
                sys.exit(f"error: {row['name']}: evaluators differ by {100 * difference:.2f}%")
        for budget in budgets:
            show(fingpt.budget(budget))
    for argument in args.dense:
        show(dense_row(argument))
    if args.json:
        args.json.write_text(json.dumps({"chunks": chunks, "rows": rows}, indent=1))
    if args.check and (found := worse_than_uniform(rows)):
        sys.exit("error: worse than one form for all:\n" + "\n".join(found))


if __name__ == "__main__":
    main()
