"""Bases of a residual stream: write-bases.py FILE NAME=ROWSxCOLS[+SHIFT][*FACTOR][:F32] …

Column j of a tensor is FACTOR times the unit vector of (j + SHIFT) mod ROWS.
"""
import json
import re
import struct
import sys

header, data = {}, b""
for word in sys.argv[2:]:
    name, rows, cols, shift, factor, dtype = re.fullmatch(
        r"(.*)=(\d+)x(\d+)(?:\+(\d+))?(?:\*([\d.]+))?(?::(F32))?", word).groups()
    rows, cols = int(rows), int(cols)
    values = [0.0] * (rows * cols)
    for j in range(cols):
        values[(j + int(shift or 0)) % rows * cols + j] = float(factor or 1)
    raw = struct.pack("<%d%s" % (len(values), "f" if dtype else "d"), *values)
    header[name] = dict(dtype=dtype or "F64", shape=[rows, cols],
                        data_offsets=[len(data), len(data) + len(raw)])
    data += raw
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
