"""Tiny random models with a tokenizer, and the commands that the tests of compression run on them."""
import hashlib
import pathlib
import shutil
import subprocess

import pytest

from import_bridge import binary

tokenizers = pytest.importorskip("tokenizers")
safetensors_numpy = pytest.importorskip("safetensors.numpy")

CHARACTERS = [chr(c) for c in range(32, 127)] + ["\n"]
CONTEXT = 32


def add_tokenizer(directory):
    """One token per printable ASCII character: 96 of them."""
    alphabet = {" ": "\u0120", "\n": "\u010a"}
    vocab = {alphabet.get(c, c): i for i, c in enumerate(CHARACTERS)}
    t = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=[]))
    t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    t.decoder = tokenizers.decoders.ByteLevel()
    t.save(str(directory / "tokenizer.json"))


def fingpt(*arguments, code=0):
    run = subprocess.run([binary("fingpt"), *map(str, arguments)], capture_output=True, text=True,
                         timeout=600)
    assert run.returncode == code, run.stderr
    return run


def compress(source, out, text, *options, code=0):
    return fingpt("compress", source, "-o", out, "--calib", text, "--context", CONTEXT,
                  "--tokens", 16 * CONTEXT, "--eval-chunks", 4, *options, code=code)


def digest(directory):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(pathlib.Path(directory).iterdir())}


def changed(directory, source, edit):
    """A copy of a model whose tensors `edit` has changed."""
    shutil.copytree(source, directory)
    tensors = safetensors_numpy.load_file(directory / "model.safetensors")
    edit(tensors)
    safetensors_numpy.save_file(tensors, directory / "model.safetensors",
                                metadata={"format": "pt"})
    return directory
