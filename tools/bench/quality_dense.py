#!/usr/bin/env python3
"""Quality of small models whose weights are dense: no grid of an earlier format helps anyone.

    tools/bench/quality_dense.py --model finance/ --calib A.txt --text B.txt --context 256 \
        --budgets --gptqmodel
    tools/bench/quality_dense.py --model stories260K.bin --tokenizer tok512.bin --group 32 \
        --calib A.txt
    tools/bench/quality_dense.py --model minilm/ --encoder --calib A.txt --text B.txt
    tools/bench/quality_dense.py ... --schemes 'nf4 svd25:asvd+w8 rot+w4g32'

Rows at 4, 3 and 2 bits: fingpt without statistics (`:rtn`) and with them and, if asked for, a
budget of the same bytes and GPTQModel (asymmetric); then SVD-LLM (`svd20`) and SliceGPT
(`slice20`) in f16, and 8 bits, which take fewer bytes. With --schemes instead a row for each of
them. Token tables, heads and norms are kept in every row. All tools calibrate on the first 16,384
tokens of --calib, but for rounding alone (`:rtn`, `:hqq`). Without --text the second half of
--calib is held out.

A decoder's measures are those of `fingpt eval --against`. An encoder's are the mean cosine between
its mean-pooled embeddings of 300 sentences and those of the dense model, and Spearman's rank
correlation of all pairwise similarities.
"""
import argparse
import json
import pathlib
import shutil

import numpy as np
import quality_peers
import torch
from quality_eval import ROOT, digest
from quality_ours import (binary, dense_state, evaluate, linear_bytes, run_fingpt,
                          stored_tensors)
from safetensors.torch import load_file, save_file

TOKENS, SENTENCES = 16384, 300
CANDIDATES = ("w2g128", "w2g64", "w2g32", "w3g256", "w3g128", "w3g64", "w3g32", "w4g128",
              "w4g64", "w4g32", "w5g64")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--encoder", action="store_true")
    parser.add_argument("--calib", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--group", type=int, default=64)
    parser.add_argument("--schemes", default="", help="these, separated by spaces, and no others")
    parser.add_argument("--budgets", action="store_true")
    parser.add_argument("--gptqmodel", action="store_true", help="a llama in a directory only")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / ".cache/quality-dense")
    return parser.parse_args()


class Setting:
    """A model, its texts, and a folder for what is made of it."""

    def __init__(self, args):
        self.args, self.model = args, args.model
        weights = self.model / "model.safetensors" if self.model.is_dir() else self.model
        self.folder = args.cache / f"{self.model.stem}-{digest(weights, args.calib)}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.calib, self.text = args.calib, args.text
        if not self.text:
            text = args.calib.read_text()
            middle = text.index("\n", len(text) // 2)
            self.calib, self.text = self.folder / "calib.txt", self.folder / "text.txt"
            self.calib.write_text(text[:middle])
            self.text.write_text(text[middle:])
        self.tokenizer = ["--tokenizer", args.tokenizer] if args.tokenizer else []
        self.version = digest(binary("fingpt"))

    def compress(self, *options, calibrated=True):
        """The model directory of these options."""
        options = [*map(str, options), "--embeddings", "keep"]
        if calibrated:
            options += ["--calib", str(self.calib), "--tokens", str(TOKENS), "--context",
                        str(self.args.context)]
        out = self.folder / f"out-{digest(options, self.version)}"
        if not out.exists():
            with open(f"{out}.log", "w") as log:
                run_fingpt("compress", self.model, "-o", out, "--eval-chunks", 0,
                           *self.tokenizer, *options, log=log)
        return out

    def scheme(self, scheme):
        # The last linear of an encoder is no head.
        layers = ["--layer", f"output.dense={scheme}"] if self.args.encoder else []
        return self.compress("--scheme", scheme, *layers,
                             calibrated=not scheme.endswith((":rtn", ":hqq")))


def decoder_measure(setting, directory):
    kept = setting.folder / f"measure-{digest(str(directory), setting.text, setting.args.chunks)}"
    if not kept.exists():
        kept.write_text(json.dumps(evaluate(directory, setting.model, setting.text,
                                            setting.args.chunks, setting.args.context,
                                            setting.tokenizer)))
    return json.loads(kept.read_text())


def sentences(path):
    found = []
    for line in path.read_text().split("\n"):
        found += [s.strip() for s in line.split(" . ") if 8 <= len(s.split()) <= 30]
    return found[:SENTENCES]


def embeddings(setting, state):
    from transformers import AutoTokenizer, BertConfig, BertModel
    model = BertModel(BertConfig.from_pretrained(setting.model), add_pooling_layer=False).eval()
    _, unexpected = model.load_state_dict(state, strict=False)
    assert all(n.startswith(("pooler", "embeddings.position_ids")) for n in unexpected), unexpected
    tokenizer = AutoTokenizer.from_pretrained(setting.model)
    inputs = tokenizer(sentences(setting.text), padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)


def ranks(x):
    return np.argsort(np.argsort(x)).astype(np.float64)


def encoder_measure(setting, directory):
    if not hasattr(setting, "dense"):
        setting.dense = embeddings(setting, load_file(setting.model / "model.safetensors"))
    e, dense = embeddings(
        setting, dense_state(directory, setting.folder / "dense.safetensors")), setting.dense
    pairs = np.triu_indices(len(e), 1)
    spearman = np.corrcoef(*(ranks((x @ x.T).numpy()[pairs]) for x in (e, dense)))[0, 1]
    return {"cosine": (e * dense).sum(-1).mean().item(), "spearman": spearman}


class Reference:
    """What quality_peers reads of a reference, for a Hugging Face directory."""

    def __init__(self, setting):
        self.state = {n: t.float() for n, t in
                      load_file(setting.model / "model.safetensors").items()}
        self.key, self.cache = digest(setting.model / "model.safetensors"), setting.folder


class Calibration(quality_peers.Calibration):
    def __init__(self, setting):
        from tokenizers import Tokenizer
        self.setting, self.reference, self.cache = setting, Reference(setting), setting.folder
        tokenizer = Tokenizer.from_file(str(setting.model / "tokenizer.json"))
        ids = tokenizer.encode(setting.calib.read_text()[:16 * TOKENS]).ids[:TOKENS]
        self.tokens = torch.tensor(ids).reshape(-1, setting.args.context)
        self.key = digest(self.reference.key, ids)

    def hugging_face_folder(self):
        return self.setting.model


def gptqmodel(setting, calibration, bits):
    row = quality_peers.gptqmodel(calibration, bits, setting.args.group, sym=False)
    folder = row["dense"].parent / "hf"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(setting.model / "config.json", folder)
        shutil.copy(setting.model / "tokenizer.json", folder)
        save_file({n: t.contiguous() for n, t in load_file(row["dense"]).items()},
                  folder / "model.safetensors")
    return row["linear_bytes"], folder


def kept_bytes(setting, directory):
    sizes = stored_tensors(directory).values()
    return sum(size for _, _, size in sizes) - linear_bytes(directory)


def main():
    setting = Setting(arguments())
    args = setting.args
    keys = ("cosine", "spearman") if args.encoder else ("ppl", "kl", "kl_99", "same_top")
    print("| | bytes of linears |", " | ".join(keys), "|\n|---|---:|" + "---:|" * len(keys))

    def show(name, size, directory):
        m = (encoder_measure if args.encoder else decoder_measure)(setting, directory)
        print(f"| {name} | {size:,} |", " | ".join(f"{m[k]:.4f}" for k in keys), "|", flush=True)
        return m

    if not args.encoder:
        show("dense", 0, setting.model)
    if args.schemes:
        for scheme in args.schemes.split():
            out = setting.scheme(scheme)
            show(f"`{scheme}`", linear_bytes(out), out)
        return
    calibration = Calibration(setting) if args.gptqmodel else None
    for bits in (4, 3, 2):
        uniform = f"w{bits}g{args.group}"
        for scheme in (f"{uniform}:rtn", uniform):
            out = setting.scheme(scheme)
            show(f"fingpt {scheme}", linear_bytes(out), out)
        if args.budgets:
            budget = setting.compress("--size", kept_bytes(setting, out) + linear_bytes(out),
                                      "--candidates", ",".join(CANDIDATES))
            assert linear_bytes(budget) <= linear_bytes(out)
            show(f"fingpt budget of {uniform}", linear_bytes(budget), budget)
        if calibration:
            show(f"GPTQModel {bits} bit asym", *gptqmodel(setting, calibration, bits))
    # An encoder's norms pin its residual stream: nothing to slice.
    for scheme in ("svd20", "w8") if args.encoder else ("svd20", "slice20", "w8"):
        out = setting.scheme(scheme)
        show(f"fingpt {scheme}", linear_bytes(out), out)


if __name__ == "__main__":
    main()
