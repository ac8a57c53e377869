"""A report.json of SmolLM2's shape with made-up figures: sample-report.py [LAYERS] [SCHEME]."""
import json
import math
import random
import sys

layers = int(sys.argv[1]) if len(sys.argv) > 1 else 30
scheme = sys.argv[2] if len(sys.argv) > 2 else "w3g64+lr16"
pair = "+lr" in scheme
bits = int(scheme[1])
HIDDEN, KV, MLP, VOCAB = 576, 192, 1536, 49152
KINDS = [("self_attn.q_proj", HIDDEN, HIDDEN, .8), ("self_attn.k_proj", KV, HIDDEN, .5),
         ("self_attn.v_proj", KV, HIDDEN, 1.6), ("self_attn.o_proj", HIDDEN, HIDDEN, 1.3),
         ("mlp.gate_proj", MLP, HIDDEN, 1.0), ("mlp.up_proj", MLP, HIDDEN, 1.1),
         ("mlp.down_proj", HIDDEN, MLP, 1.9)]
noise = random.Random(scheme)


def weight(name, layer, rows, cols, scheme, bits, scale, rank):
    after = rows * cols * bits // 8 + rows * cols // 64 * 2 + (rank or 0) * (rows + cols) * 2
    depth = max(layer, 0) / layers
    rounding = .11 * scale * 4.0 ** (3 - bits) * (.6 + depth) * math.exp(noise.gauss(0, .2))
    if layer == 1 and "down" in name:
        rounding *= 6
    n = min(rows, cols)
    ranks = [i * (n - 1) // 63 for i in range(64)]
    top, decay = 60 * scale * math.exp(noise.gauss(0, .25)), .55 + .3 * depth
    return {"name": name, "layer": layer, "shape": [rows, cols], "scheme": scheme,
            "form": "%.2f bit" % (bits + .25) + (" + rank %d" % rank if rank else ""),
            "bytes_before": 2 * rows * cols, "bytes_after": after,
            "bits": 8 * after / (rows * cols),
            "error": rounding * (.35 + .2 * noise.random()), "rounding_error": rounding,
            "rank": rank, "sensitivity": None,
            "spectrum": [top * (r + 1) ** -decay * math.exp(-1.2 * r / n) for r in ranks],
            "spectrum_ranks": ranks, "note": "", "kept": False, "kept_reason": ""}


def keep(w, reason):
    w.update(scheme="keep", form="kept", bytes_after=w["bytes_before"], bits=16.0, error=0.0,
             rounding_error=0.0, rank=None, spectrum=[], spectrum_ranks=[], kept=True,
             kept_reason=reason)


weights = [weight("model.embed_tokens.weight", -1, VOCAB, HIDDEN, "w8g64", 8, 1, None)]
weights[0].update(spectrum=[], spectrum_ranks=[])
for i in range(layers):
    for kind, rows, cols, scale in KINDS:
        name = "model.layers.%d.%s.weight" % (i, kind)
        special = bits < 6 and "down" in kind and i % 4 == 1
        weights.append(weight(name, i, rows, cols, "w6g64" if special else scheme,
                              6 if special else bits, scale,
                              16 if pair and not special else None))
        if i == 0 and "self_attn" in kind:
            keep(weights[-1], "recipe keeps layers\\.0\\.self_attn")
        elif special:
            weights[-1]["note"] = "4 columns without signal"
before = sum(w["bytes_before"] for w in weights)
after = sum(w["bytes_after"] for w in weights)
norms = (2 * layers + 1) * HIDDEN * 2
parameters = (before + norms) // 2
print(json.dumps({
    "format_version": 1, "tool": "fingpt 0.1.0",
    "model": {"source": "SmolLM2-135M.gguf", "architecture": "llama", "layers": layers,
              "parameters": parameters},
    "recipe": {"scheme": scheme, "embeddings": "w8g64",
               "layers": {"layers\\.\\d*[159]\\.mlp\\.down_proj": "w6g64"},
               "keep": ["layers\\.0\\.self_attn"],
               "calibration": {"tokens": 16384, "context": 512, "sequential": True}, "seed": 0},
    "size": {"before_bytes": before + norms, "after_bytes": after + norms,
             "bits_per_weight_before": 16.0,
             "bits_per_weight": 8 * (after + norms) / parameters},
    "quality": {"text": "wiki.txt", "tokens": 5100, "perplexity_before": 14.81,
                "perplexity": 14.81 + 4.0 ** (3 - bits), "kl_mean": .084 * 4.0 ** (3 - bits),
                "kl_p99": .71 * 4.0 ** (3 - bits), "same_top": 1 - .13 * 4.0 ** (3 - bits)},
    "calibration": {"text": "calib.txt", "tokens": 16384, "context": 512, "sequential": True},
    "rewrites": [{"pass": "fin-fold-norms", "detail": "%d norms" % (2 * layers + 1)},
                 {"pass": "fin-rotate", "detail": "hadamard, seed 0"}],
    "weights": weights,
    "provenance": {"source_hash": "xxh3:5d1c0f6fb2b0e2a9", "calibration_hash": "xxh3:90b3a1f4d2c87e16",
                   "versions": {"fingpt": "0.1.0", "llvm": "22.1.8"}}}, indent=1))
