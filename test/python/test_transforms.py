"""Passes that rewrite a model without changing what it computes: logits before and after.

Bound: 1e-5 of the largest logit, in f32 (every rewritten weight is rounded to f32 once more).
"""
import copy
import re
import subprocess

import numpy as np
import pytest

from import_bridge import binary, forward
from test_import_huggingface import bert, make, tokens

torch = pytest.importorskip("torch")
safe_open = pytest.importorskip("safetensors").safe_open
save_file = pytest.importorskip("safetensors.numpy").save_file

TOLERANCE = 1e-5
VARIANTS = {
    "llama-tied": ("llama-tied", {}),
    "gpt2-wide": ("gpt2", dict(n_inner=80)),
}


class Model:
    def __init__(self, directory, name):
        self.path = directory / "model"
        if name == "bert":
            self.torch = bert("BertForMaskedLM")
            self.torch.save_pretrained(self.path)
        else:
            base, changes = VARIANTS.get(name, (name, {}))
            self.torch = make(self.path, base, **changes)
        self.lengths = [13, 7] if name == "bert" else None
        self.logits = self.run(self.path)

    def run(self, path, **how):
        return forward(path, tokens(), self.lengths, **how)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Tiny random models by name, each made and run once."""
    made = {}

    def get(name):
        if name not in made:
            made[name] = Model(tmp_path_factory.mktemp(name), name)
        return made[name]

    return get


def transform(model, directory, *passes):
    """Runs passes on a model; the rewritten one and what they said."""
    out, params = directory / "rewritten.mlir", directory / "rewritten.safetensors"
    command = [binary("fingpt-opt"), str(model.path), *passes,
               f"--fin-write-params=file={params}", "-o", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return out, run.stderr


def refusal(model, *passes):
    run = subprocess.run([binary("fingpt-opt"), str(model.path), *passes, "-o", "/dev/null"],
                         capture_output=True, text=True, timeout=300)
    assert run.returncode == 1, run.stderr
    return run.stderr


def unchanged(model, rewritten, **how):
    """The rewritten model's logits, run in the way that `how` says, are the model's."""
    error = np.abs(model.run(rewritten, **how) - model.logits).max()
    assert error <= TOLERANCE * np.abs(model.logits).max(), error


def count(path, text):
    return path.read_text().count(text)


# What stays of the norms' parameters: q and k norms, norms on branches or after sums. A
# layer_norm without parameters is one that could not become an rms_norm.
KEPT = {"llama": 0, "llama-tied": 0, "qwen2": 0, "phi3": 0, "gemma": 0, "gpt2": 0, "opt": 0,
        "phi": 0, "qwen3": 6, "phi-qk-norm": 6, "gemma2": 6, "gemma3": 28, "opt-350m": 5, "bert": 6}


@pytest.mark.parametrize("name", KEPT)
def test_folded_norms(name, models, tmp_path):
    model = models(name)
    rewritten, said = transform(model, tmp_path, "--fin-fold-norms=center")
    unchanged(model, rewritten)
    kept = re.findall(r"= fin.(?:layer_norm %\d+ weight|rms_norm %\d+,)", rewritten.read_text())
    assert len(kept) == KEPT[name]
    centred = name in ("gpt2", "opt", "phi")
    assert not (centred and count(rewritten, "fin.layer_norm"))
    tied = name in ("llama-tied", "gemma", "gemma2", "gemma3", "gpt2", "opt", "bert")
    assert said.count("no longer tied") == tied


@pytest.mark.parametrize("name", ["gpt2-wide", "phi"])
def test_folded_without_centring(name, models, tmp_path):
    model = models(name)
    rewritten, _ = transform(model, tmp_path, "--fin-fold-norms")
    unchanged(model, rewritten)
    assert count(rewritten, "fin.rms_norm") == 0


FOLD = "--fin-fold-norms=center"


@pytest.mark.parametrize("online", ["false", "true"])
@pytest.mark.parametrize("name", ["llama", "llama-tied", "qwen2", "gemma", "gpt2-wide", "opt",
                                  "phi"])
def test_rotated(name, online, models, tmp_path):
    model = models(name)
    rewritten, _ = transform(model, tmp_path, FOLD, f"--fin-rotate=seed=3 online={online}")
    unchanged(model, rewritten)
    # Per layer one activation and, where rope stands between, queries and keys.
    expected = 3 if name in ("gpt2-wide", "opt") else 9
    assert count(rewritten, "fin.hadamard") == (expected if online == "true" else 0)
    if name == "qwen2" and online == "true": # rotated keys in the cache
        unchanged(model, rewritten, cached=5)


def test_rotated_at_random_and_again(models, tmp_path):
    model = models("llama")
    rewritten, _ = transform(model, tmp_path, FOLD, "--fin-rotate=kind=random seed=5",
                             "--fin-rotate=seed=6")
    unchanged(model, rewritten)


@pytest.mark.parametrize("name, passes, reason", [
    ("llama", [], 'norm "model.layers.0.input_layernorm.weight" keeps its parameters, which pin '
                  "the residual stream: run fin-fold-norms first"),
    ("gemma2", [FOLD], 'norm "model.layers.0.post_attention_layernorm.weight" keeps its '
                       "parameters, which 'arith.addf' uses"),
    ("bert", [FOLD], 'norm "bert.embeddings.LayerNorm.weight" subtracts a mean'),
    ("phi", ["--fin-fold-norms"], "'fin.layer_norm' subtracts a mean"),
])
def test_refused_rotations(name, passes, reason, models):
    assert reason in refusal(models(name), *passes, "--fin-rotate")


LAYERS = {"gpt2-wide": "transformer.h", "opt": "model.decoder.layers", "bert": "bert.encoder.layer"}


@pytest.mark.parametrize("passes", [[], [FOLD], [FOLD, "--fin-rotate"]], ids=len)
@pytest.mark.parametrize("name", ["llama", "gpt2-wide", "opt", "phi", "gemma2", "bert"])
def test_dropped_layer(name, passes, models, tmp_path):
    """As transformers computes it without that layer; cached decoding too."""
    if name in ("gemma2", "bert") and len(passes) == 2:
        pytest.skip("has no free basis")
    model = models(name)
    rewritten, _ = transform(model, tmp_path, *passes, "--fin-drop-layers=layers=1")
    assert count(rewritten, "layers = 2>") == 1
    shorter = copy.deepcopy(model.torch)
    del shorter.get_submodule(LAYERS.get(name, "model.layers"))[1]
    if types := getattr(shorter.config, "layer_types", None): # which mask a layer gets
        del types[1]
    mask = np.arange(13)[None] < np.array(model.lengths or [13, 13])[:, None]
    with torch.no_grad():
        expected = shorter(torch.tensor(tokens()), use_cache=False,
                           attention_mask=torch.tensor(mask.astype(int))).logits.numpy()
    bound = 1e-4 * np.abs(expected).max()
    for how in [{}] if name == "bert" else [{}, dict(cached=5)]:
        assert np.abs(model.run(rewritten, **how) - expected)[mask].max() <= bound


def orthogonal(size, columns, seed):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0][:, :columns]


def points(name):
    """Residual points of a model of three layers."""
    return 4 if name == "phi" else 7


def write_bases(directory, bases):
    path = directory / "bases.safetensors"
    save_file({f"residual.{i}": np.ascontiguousarray(q) for i, q in enumerate(bases)}, path)
    return f"--fin-slice=bases={path}"


SLICED = ["llama", "llama-tied", "gemma", "gpt2-wide", "opt", "phi"]


@pytest.mark.parametrize("name", SLICED)
def test_full_bases_change_nothing(name, models, tmp_path):
    """Another orthogonal basis at every point; the last returns to the first coordinates."""
    model = models(name)
    bases = [orthogonal(64, 64, seed) for seed in range(points(name) - 1)]
    rewritten, _ = transform(model, tmp_path, FOLD, write_bases(tmp_path, bases))
    unchanged(model, rewritten)
    assert count(rewritten, ".shortcut.weight") == points(name) - 1
    if name == "gemma":
        unchanged(model, rewritten, cached=5)


def test_equal_bases_need_no_shortcut(models, tmp_path):
    model = models("llama")
    rewritten, _ = transform(model, tmp_path, FOLD, write_bases(tmp_path, [np.eye(64)] * 7))
    unchanged(model, rewritten)
    assert count(rewritten, "shortcut") == 0


def project(model, name, subspace):
    """Keeps everything that a model writes into its residual stream in a subspace."""
    keep = torch.tensor(subspace @ subspace.T, dtype=torch.float32)
    writers = ("o_proj", "down_proj", "c_proj", "out_proj", "fc2", "self_attn.dense")
    tables = ("embed_tokens", "embed_positions", "wte", "wpe")
    with torch.no_grad():
        for key, p in model.named_parameters():
            module, _, kind = key.rpartition(".")
            conv1d = name.startswith("gpt2") and p.ndim == 2 # [in, out]
            if module.endswith(tables) or module.endswith(writers) and (conv1d or kind == "bias"):
                p.copy_(p @ keep)
            elif module.endswith(writers):
                p.copy_(keep @ p)


@pytest.mark.parametrize("name", SLICED)
def test_planted_rank_slices_without_loss(name, tmp_path):
    """A stream of rank 24 in 64 needs 24 coordinates, in a basis of its own at every point."""
    rank = 24
    model = Model.__new__(Model)
    model.path, model.lengths = tmp_path / "model", None
    model.torch = make(model.path, VARIANTS.get(name, (name, {}))[0])
    subspace = orthogonal(64, rank, 99)
    project(model.torch, name, subspace)
    model.torch.save_pretrained(model.path)
    model.logits = model.run(model.path)
    if name in ("gpt2-wide", "opt", "phi"): # the stream is centred
        subspace = np.linalg.qr(subspace - subspace.mean(0))[0]
    bases = [subspace @ orthogonal(rank, rank, seed) for seed in range(points(name))]
    rewritten, _ = transform(model, tmp_path, FOLD, write_bases(tmp_path, bases))
    unchanged(model, rewritten)
    text = rewritten.read_text()
    assert re.search(r"fin.rms_norm %\d+ {eps = [^}]*, width = 64 : i64} : tensor<\?x\?x24xf32>",
                     text)
    assert not re.search(r"arith.addf [^:]*: tensor<\?x\?x64xf32>", text)


def test_widths_may_differ_and_slicing_loses_little_by_little(models, tmp_path):
    model = models("llama")
    bases = [orthogonal(64, 64, 5)] * 6
    errors = []
    for removed in (0, 8, 24):
        sliced = [q[:, :64 - removed - 8 * (i % 2) * (removed > 0)] for i, q in enumerate(bases)]
        rewritten, _ = transform(model, tmp_path, FOLD, write_bases(tmp_path, sliced))
        errors.append(np.abs(model.run(rewritten) - model.logits).mean())
    assert errors[0] < 1e-5 < errors[1] < errors[2]


def sliced_opt_parameters(layers, hidden, ffn, vocab, positions, k):
    """Sliced weights, k x k shortcuts, an untied head of full width and the bias that the
    final norm gives it; SliceGPT's own code counts the same for OPT-125M."""
    per_layer = [3 * (hidden * k + hidden), k * hidden + k, k * k, ffn * k + ffn]
    last = [ffn * k + k + k * k, ffn * hidden + hidden + k * hidden]
    return (vocab * k + (positions + 2) * k + layers * sum(per_layer) + (layers - 1) * last[0]
            + last[1] + vocab * hidden + vocab)


def test_parameter_count(models, tmp_path):
    assert sliced_opt_parameters(12, 768, 3072, 50272, 2048, 608) == 147_250_880
    rewritten, _ = transform(models("opt"), tmp_path, FOLD, write_bases(
        tmp_path, [orthogonal(64, 48, seed) for seed in range(6)]))
    with safe_open(rewritten.with_suffix(".safetensors"), "numpy") as f:
        stored = sum(int(np.prod(f.get_slice(k).get_shape())) for k in f.keys())
    assert stored == sliced_opt_parameters(3, 64, 96, 96, 64, 48)
