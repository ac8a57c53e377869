"""Writes a statistics file for a lit test: write-stats.py OUT WEIGHT[,WEIGHT…]:COLUMNS[:SCALE] …

Inputs are 200 samples of correlated noise, the same at every run; every tenth column is small, one
is large. The format stands in include/fingpt/Compress/Statistics.h.
"""
import json
import random
import struct
import sys


def statistics(columns, factor):
    rng = random.Random(columns)
    scale = [factor * (0.1 if j % 10 == 3 else 5.0 if j == 7 else 1.0) for j in range(columns)]
    samples = []
    for _ in range(200):
        common = rng.gauss(0, 1)
        samples.append([s * (0.7 * common + rng.gauss(0, 1)) for s in scale])
    by_column = list(zip(*samples))
    gram = [sum(a * b for a, b in zip(by_column[i], by_column[j]))
            for i in range(columns) for j in range(i, columns)]
    absolute = [[abs(v) for v in column] for column in by_column]
    yield "gram", "F64", struct.pack(f"<{len(gram)}d", *gram), len(gram)
    yield "sum_abs", "F64", struct.pack(f"<{columns}d", *map(sum, absolute)), columns
    yield "max_abs", "F32", struct.pack(f"<{columns}f", *map(max, absolute)), columns
    yield "samples", "I64", struct.pack("<q", len(samples)), 1


def main():
    inputs, header, data = {}, {}, b""
    for argument in sys.argv[2:]:
        names, columns, *factor = argument.split(":")
        key = names.split(",")[0]
        inputs.update({name: key for name in names.split(",")})
        for leaf, kind, content, count in statistics(int(columns), *map(float, factor or [1])):
            header[f"{key}.{leaf}"] = {"dtype": kind, "shape": [count],
                                       "data_offsets": [len(data), len(data) + len(content)]}
            data += content
    header["__metadata__"] = {"fingpt.inputs": json.dumps(inputs)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main()
