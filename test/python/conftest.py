"""The model and the text that the tests of compression share."""
import random

import pytest


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    rng = random.Random(5)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(1, 9)))
             for _ in range(300)]
    path.write_text(" ".join(rng.choices(words, k=1500)))
    return path


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    from test_import_huggingface import make
    from tiny_models import add_tokenizer
    directory = tmp_path_factory.mktemp("llama") / "model"
    make(directory, "llama-tied", num_key_value_heads=2)
    add_tokenizer(directory)
    return directory
