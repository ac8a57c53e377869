#!/usr/bin/env python3
"""Writes blocks.gguf and blocks.safetensors beside itself, with the reference
packages (pip install gguf safetensors numpy): one tensor of random blocks for
every block format, and the f32 values that gguf decodes from it."""
import pathlib

import gguf
import numpy as np
import safetensors.numpy

HERE = pathlib.Path(__file__).parent
TYPES = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
         "IQ4_NL", "MXFP4"]
SHAPES = {"Q8_0": (2, 2, 256), "Q5_1": (1024,)}  # other ranks flatten into [out, in]
# Offsets of f16 fields in a block: kept finite, so that every value compares.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
          "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "IQ4_NL": [0], "MXFP4": []}

rng = np.random.default_rng(20261124)
writer = gguf.GGUFWriter(HERE / "blocks.gguf", "test")
writer.add_uint8("test.u8", 255)
writer.add_int8("test.i8", -128)
writer.add_uint16("test.u16", 65535)
writer.add_int16("test.i16", -32768)
writer.add_uint32("test.u32", 2**32 - 1)
writer.add_int32("test.i32", -2**31)
writer.add_uint64("test.u64", 2**64 - 1)
writer.add_int64("test.i64", -2**63)
writer.add_float32("test.f32", 0.5)
writer.add_float64("test.f64", -0.25)
writer.add_bool("test.bool", True)
writer.add_string("test.string", "grüße")
writer.add_array("test.strings", ["a", "", "βγ"])
writer.add_array("test.integers", [1, -2, 3])
writer.add_array("test.floats", [0.5, 1.5])

expected = {}
for name in TYPES:
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    shape = SHAPES.get(name, (4, 256))
    count = int(np.prod(shape)) // elements
    blocks = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[name]:
        # Any finite half but huge ones: signs, subnormals, all exponents up to 2^8.
        bits = rng.integers(0, 0x6000, count, dtype=np.uint16)
        bits |= rng.integers(0, 2, count, dtype=np.uint16) << np.uint16(15)
        blocks[:, at:at + 2] = bits.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":  # the exponents that are special, and some that are not
        blocks[:, 0] = np.r_[0, 1, 2, 126:128, rng.integers(100, 150, count - 5)]
    raw = blocks.reshape(*shape[:-1], shape[-1] // elements * size)
    writer.add_tensor(name, raw, raw_dtype=kind)
    expected[name] = gguf.dequantize(raw, kind).reshape(shape).astype(np.float32)
plain = np.arange(6, dtype=np.float32).reshape(2, 3)
writer.add_tensor("plain", plain)
expected["plain"] = plain
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
safetensors.numpy.save_file(expected, HERE / "blocks.safetensors",
                            metadata={"made": "make_fixtures.py"})
