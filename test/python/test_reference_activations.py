"""gpt-nano-sort against its published activations, op by op; stories260K's known story."""
import base64
import json
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

from import_bridge import ROOT, binary, forward

SHARED = pathlib.Path(os.environ.get("FINGPT_SHARED", ROOT.parent / "shared")) / "data/models"


def shared(path):
    if not (SHARED / path).exists():
        pytest.skip(f"{path} is absent (set FINGPT_SHARED)")
    return SHARED / path


def tensors(path):
    return {name: np.frombuffer(base64.b64decode(t["data"]), np.float32).reshape(t["shape"])
            for name, t in json.loads(path.read_text()).items() if name != "config"}


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    """The model as a Hugging Face directory, its graph as lines, its activations."""
    safetensors = pytest.importorskip("safetensors.numpy")
    weights = tensors(shared("gpt-nano-sort/gpt-nano-sort-model.json"))
    directory = tmp_path_factory.mktemp("nano") / "model"
    directory.mkdir()
    out = {}
    for name, w in weights.items():
        if name.endswith(".attn.bias"):
            continue  # the causal mask
        transposed = re.search(r"(c_attn|c_proj|c_fc)\.weight$", name)  # [in, out] in GPT-2
        out[name] = np.ascontiguousarray(w.T if transposed else w)
    safetensors.save_file(out, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(dict(
        model_type="gpt2", vocab_size=3, n_embd=48, n_layer=3, n_head=3, n_positions=11,
        layer_norm_epsilon=1e-5, activation_function="gelu_new", tie_word_embeddings=False)))
    graph = subprocess.run([binary("fingpt-opt"), str(directory)], capture_output=True, text=True,
                           check=True).stdout
    return directory, graph, tensors(shared("gpt-nano-sort/gpt-nano-sort-t0-partials.json"))


def returning(graph, op, occurrence):
    """The graph, returning the result of the n-th `op` instead of the logits."""
    lines = [line for line in graph.splitlines() if re.search(rf"= {op}\b", line)]
    line = lines[occurrence]
    value = line.split("=")[0].strip()
    width = re.findall(r"tensor<\?x\?x(\d+)xf32>", line)[-1]
    if op == "fin.linear":  # the result type is not printed
        width = re.search(r"tensor<(\d+)x\d+xf32>", line).group(1)
    result = f"tensor<?x?x{width}xf32>"
    text = re.sub(r"-> tensor<\?x\?x3xf32> \{", f"-> {result} {{", graph)
    text = re.sub(r"return %\S+ : \S+", f"return {value} : {result}", text)
    return text.replace("module attributes {", 'module attributes {fin.params = "model.safetensors", ', 1)


# name of the activation, op, its occurrence in @forward
STEPS = [
    ("x", "arith.addf", 0), ("ln1", "fin.layer_norm", 0), ("y", "fin.attention", 0),
    ("yProj", "fin.linear", 3), ("attnResid", "arith.addf", 1), ("ln2", "fin.layer_norm", 1),
    ("fc", "fin.linear", 4), ("gelu", "fin.gelu", 0), ("mlp", "fin.linear", 5),
    ("block0", "arith.addf", 2), ("block1", "arith.addf", 4), ("block2", "arith.addf", 6),
    ("ln_f", "fin.layer_norm", 6), ("lm_head", "fin.linear", 18),
]


@pytest.mark.parametrize("name, op, occurrence", STEPS)
def test_activations(nano, name, op, occurrence):
    directory, graph, expected = nano
    path = directory / f"{name}.mlir"
    path.write_text(returning(graph, op, occurrence))
    tokens = expected["idx"].astype(int)
    got = forward(path, tokens)
    assert got.shape == expected[name].shape
    assert np.abs(got - expected[name]).max() <= 2e-5 * max(1, np.abs(expected[name]).max())


def test_stories260k():
    model = shared("stories260K/stories260K.bin")
    out = subprocess.run([binary("fingpt"), "run", str(model), "--prompt", "Once upon a time",
                          "-n", "100", "--json"], capture_output=True, text=True, check=True).stdout
    text = json.loads(out)["text"]
    assert text.startswith(", there was a little girl named Lily. She loved to play outside in the "
                           "park. One day, she saw a big, red ball. She wanted to play with it, "
                           "but it was too high.")
