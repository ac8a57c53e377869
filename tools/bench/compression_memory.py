#!/usr/bin/env python3
"""Peak memory of compressing a 1B model without statistics, against twice its largest tensor.

    tools/bench/compression_memory.py [--scheme w4g64:rtn] [--embeddings w8g64:rtn] [--untied]
                                      [--fingpt build/bin/fingpt] [--temporary DIR]

Writes a model of Llama-3.2-1B's shapes in bf16 with random weights (2.5 GB; the same 8 MiB over and
over) to a temporary folder, runs `fingpt compress` on it and prints the peak resident set, pages of
mapped files included. Exit status 1 if it is above twice the largest tensor, 2 if the run failed.
"""
import argparse
import array
import json
import os
import pathlib
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY = 2048, 8192, 16, 32, 8, 64, 128256


def shapes(untied):
    """{name: shape}, as Hugging Face stores a Llama model."""
    tensors = {"model.embed_tokens.weight": [VOCABULARY, HIDDEN]}
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        for name, shape in {
                "input_layernorm": [HIDDEN],
                "self_attn.q_proj": [HEADS * HEAD_DIM, HIDDEN],
                "self_attn.k_proj": [KV_HEADS * HEAD_DIM, HIDDEN],
                "self_attn.v_proj": [KV_HEADS * HEAD_DIM, HIDDEN],
                "self_attn.o_proj": [HIDDEN, HEADS * HEAD_DIM],
                "post_attention_layernorm": [HIDDEN],
                "mlp.gate_proj": [INNER, HIDDEN],
                "mlp.up_proj": [INNER, HIDDEN],
                "mlp.down_proj": [HIDDEN, INNER]}.items():
            tensors[layer + name + ".weight"] = shape
    tensors["model.norm.weight"] = [HIDDEN]
    if untied:
        tensors["lm_head.weight"] = [VOCABULARY, HIDDEN]
    return tensors


def size(shape):
    count = 2
    for n in shape:
        count *= n
    return count


def random_bf16(count):
    """Normal numbers of standard deviation 0.02."""
    generator = random.Random(1)
    floats = array.array("f", (generator.gauss(0, 0.02) for _ in range(count)))
    return array.array("H", memoryview(floats).cast("B").cast("H")[1::2].tolist()).tobytes()


def write_model(directory, untied):
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": HIDDEN, "intermediate_size": INNER, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM,
        "vocab_size": VOCABULARY, "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "rope_theta": 500000.0, "tie_word_embeddings": not untied, "torch_dtype": "bfloat16",
        "bos_token_id": 128000, "eos_token_id": 128001}
    (directory / "config.json").write_text(json.dumps(config))
    tensors, header, offset = shapes(untied), {}, 0
    for name, shape in tensors.items():
        header[name] = {"dtype": "BF16", "shape": shape,
                        "data_offsets": [offset, offset + size(shape)]}
        offset += size(shape)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    tile = random_bf16(1 << 20) * 4
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        while offset > 0:
            offset -= file.write(tile[:offset])
    return max(size(shape) for shape in tensors.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scheme", default="w4g64:rtn")
    parser.add_argument("--embeddings", default="w8g64:rtn")
    parser.add_argument("--untied", action="store_true", help="a head of its own")
    parser.add_argument("--fingpt", default=ROOT / "build/bin/fingpt")
    parser.add_argument("--temporary", help="where to write, instead of the system's folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.temporary) as folder:
        source = pathlib.Path(folder) / "model"
        source.mkdir()
        largest = write_model(source, options.untied)
        start = time.monotonic()
        run = subprocess.run(
            [options.fingpt, "compress", source, "-o", pathlib.Path(folder) / "small", "--scheme",
             options.scheme, "--embeddings", options.embeddings, "--quiet"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        seconds = time.monotonic() - start
    if run.returncode:
        print(run.stdout[-2000:], file=sys.stderr)
        return 2
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    verdict = "within" if peak <= 2 * largest else "ABOVE"
    print(f"{options.scheme}, embeddings {options.embeddings}: peak {peak / 2**20:.0f} MiB, "
          f"{verdict} 2 x {largest / 2**20:.0f} MiB ({peak / largest:.2f}x); {seconds:.1f} s")
    return 0 if peak <= 2 * largest else 1


if __name__ == "__main__":
    sys.exit(main())
