"""Weights of zeros for tests that look at shapes alone.

  make-weights.py LIST OUT.safetensors    lines: NAME DTYPE 8x4
  make-weights.py LIST OUT.gguf           lines: NAME TYPE 8x4, or KEY = VALUE

Shapes are [out, in] in both; '#' stands for every layer of `layers = N` (or 0).
Values: 3, 0.5, "text", true. The GGUF type ONE is F32 whose elements are 1.
"""
import json
import math
import struct
import sys

SAFETENSORS = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}
# Type id, elements and bytes of a block.
GGUF = {"F32": (0, 1, 4), "ONE": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20),
        "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34), "Q2_K": (10, 256, 84),
        "Q3_K": (11, 256, 110), "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176),
        "Q6_K": (14, 256, 210), "BF16": (30, 1, 2), "IQ4_NL": (20, 32, 18)}


def read(path):
    pairs, tensors, layers = {}, [], 1
    for line in open(path):
        line = line.split("//")[0].strip()
        if "=" in line:
            key, value = (part.strip() for part in line.split("=", 1))
            pairs[key] = json.loads(value)
        elif line:
            name, dtype, shape = line.split()
            tensors.append((name, dtype, [int(n) for n in shape.split("x")]))
    layers = pairs.pop("layers", 1)
    out = []
    for name, dtype, shape in tensors:
        for i in range(layers) if "#" in name else [0]:
            out.append((name.replace("#", str(i)), dtype, shape))
    return pairs, out


def safetensors(tensors):
    header, data = {}, 0
    for name, dtype, shape in tensors:
        size = math.prod(shape) * SAFETENSORS[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [data, data + size]}
        data += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def gguf(pairs, tensors):
    string = lambda s: struct.pack("<Q", len(s.encode())) + s.encode()
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, value in pairs.items():
        out += string(key)
        if isinstance(value, bool):
            out += struct.pack("<I?", 7, value)
        elif isinstance(value, int):
            out += struct.pack("<II", 4, value)
        elif isinstance(value, float):
            out += struct.pack("<If", 6, value)
        else:
            out += struct.pack("<I", 8) + string(value)
    data = b""
    for name, dtype, shape in tensors:
        kind, elements, size = GGUF[dtype]
        out += string(name) + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", n) for n in reversed(shape))
        out += struct.pack("<IQ", kind, len(data))
        size *= math.prod(shape) // elements
        data += struct.pack("<f", 1) * (size // 4) if dtype == "ONE" else bytes(size)
        data += bytes(-len(data) % 32)
    return out + bytes(-len(out) % 32) + data


pairs, tensors = read(sys.argv[1])
image = gguf(pairs, tensors) if sys.argv[2].endswith(".gguf") else safetensors(tensors)
open(sys.argv[2], "wb").write(image)
