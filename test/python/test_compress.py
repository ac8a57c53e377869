"""fingpt calibrate and compress on tiny random models: statistics against transformers,
schemes, budgets, and runs that are killed."""
import hashlib
import json
import os
import pathlib
import random
import shutil
import re
import subprocess
import time

import numpy as np
import pytest

from import_bridge import binary, forward
from test_import_huggingface import bert, make, tokens

torch = pytest.importorskip("torch")
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
    directory = tmp_path_factory.mktemp("llama") / "model"
    make(directory, "llama-tied", num_key_value_heads=2)
    add_tokenizer(directory)
    return directory


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


def linear_inputs(model, ids):
    """XᵀX, Σ|x| and max|x| of every torch linear, by weight name."""
    sums = {}

    def hook(name):
        def run(module, inputs, output):
            x = inputs[0].detach().reshape(-1, inputs[0].shape[-1]).double()
            gram, total, top = sums.get(name, (0, 0, torch.zeros(x.shape[1]).double()))
            sums[name] = (gram + x.T @ x, total + x.abs().sum(0),
                          torch.maximum(top, x.abs().max(0).values))
        return run

    handles = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) or type(module).__name__ == "Conv1D":
            handles.append(module.register_forward_hook(hook(name + ".weight")))
    with torch.no_grad():
        for row in ids:
            model(torch.tensor(row[None]))
    for handle in handles:
        handle.remove()
    return sums


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "opt", "phi", "phi3", "gemma2",
                                  "gemma3", "mistral"])
def test_statistics_agree_with_transformers(name, tmp_path, text):
    model = make(tmp_path / "model", name)
    add_tokenizer(tmp_path / "model")
    sequences = 4
    fingpt("calibrate", tmp_path / "model", "--text", text, "-o", tmp_path / "stats.safetensors",
           "--context", CONTEXT, "--tokens", sequences * CONTEXT)
    ids = np.array([CHARACTERS.index(c) for c in text.read_text()[:sequences * CONTEXT]])
    expected = linear_inputs(model, ids.reshape(sequences, CONTEXT))
    stats = safetensors_numpy.load_file(tmp_path / "stats.safetensors")
    with safetensors_numpy.safe_open(str(tmp_path / "stats.safetensors"), "np") as file:
        inputs = json.loads(file.metadata()["fingpt.inputs"])
    found = 0
    for weight, key in inputs.items():
        reference = re.sub(r"\.part\d+$", "", weight)
        if weight not in expected and weight.startswith("model.embed_tokens") or \
                weight in ("transformer.wte.weight", "model.decoder.embed_tokens.weight"):
            reference = "lm_head.weight"
        if reference not in expected:
            assert weight.startswith("residual."), weight
            continue
        gram, total, top = (np.asarray(t) for t in expected[reference])
        n = gram.shape[0]
        got = np.zeros((n, n))
        got[np.triu_indices(n)] = stats[key + ".gram"]
        scale = np.abs(gram).max()
        assert np.abs(np.triu(gram) - got).max() <= 2e-4 * scale, weight
        assert np.allclose(stats[key + ".sum_abs"], total, rtol=1e-3)
        assert np.allclose(stats[key + ".max_abs"], top, rtol=1e-3)
        assert stats[key + ".samples"][0] == sequences * CONTEXT
        found += 1
    assert found >= 3 * 4  # several linears in each of three layers


@pytest.mark.parametrize("scheme", ["w4g32", "w3g16+lr4", "nf4", "svd40", "w4g64:awq",
                                    "w8:rtn", "w4g32-min:hqq", "mxfp4", "w3g32+lr8:loftq+w8", "kv8",
                                    "kv4+w4g32:rtn"])
def test_schemes_end_to_end(scheme, tmp_path, llama, text):
    compress(llama, tmp_path / "out", text, "--scheme", scheme)
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["size"]["after_bytes"] < report["size"]["before_bytes"]
    assert report["quality"]["kl_mean"] < 2
    assert len(report["weights"]) == 3 * 7 + 1
    # It is an ordinary model: it is inspected, run, and verified against its source.
    info = json.loads(fingpt("inspect", tmp_path / "out", "--json").stdout)
    assert info["stored_bytes"] == report["size"]["after_bytes"]
    against = json.loads(fingpt("eval", tmp_path / "out", "--against", llama, "--text", text,
                                "--context", CONTEXT, "--chunks", 4, "--json").stdout)
    assert 0 <= against["kl_mean"] < 2
    fingpt("run", tmp_path / "out", "--prompt", "ab", "-n", 4)


@pytest.mark.parametrize("name, fused", [("gpt2", "attn.c_attn"), ("phi3", "qkv_proj"),
                                         ("phi3", "gate_up_proj")])
def test_parts_of_fused_weights_are_compressed(name, fused, tmp_path, text):
    make(tmp_path / "model", name)
    add_tokenizer(tmp_path / "model")
    compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "w8", "--embeddings", "w8")
    report = json.loads((tmp_path / "out/report.json").read_text())
    parts = [w for w in report["weights"] if w["layer"] == 0 and fused in w["name"]]
    assert len({w["name"] for w in parts}) == len(parts) == (2 if "gate" in fused else 3)
    assert not any(w["kept"] for w in parts)
    # Nothing of the fused tensor is stored beside its parts, and each is itself.
    assert not re.search(rf'fin.param "[^"]*{fused}.weight"', (tmp_path / "out/graph.mlir").read_text())
    assert report["quality"]["kl_mean"] < 1e-2
    assert report["size"]["bits_per_weight"] < 10


def test_more_bits_are_closer(tmp_path, llama, text):
    divergence = []
    for bits in (2, 3, 4, 6, 8):
        out = tmp_path / str(bits)
        run = compress(llama, out, text, "--scheme", f"w{bits}g32", "--embeddings", "w8", "--json")
        divergence.append(json.loads(run.stdout)["quality"]["kl_mean"])
    assert divergence == sorted(divergence, reverse=True)
    assert divergence[-1] < 0.02 * divergence[0]


def test_compressed_model_is_compressed_again(tmp_path, llama, text):
    compress(llama, tmp_path / "once", text, "--scheme", "w8")
    compress(tmp_path / "once", tmp_path / "twice", text, "--scheme", "w4g32")
    once = json.loads(fingpt("inspect", tmp_path / "once", "--json").stdout)
    twice = json.loads(fingpt("inspect", tmp_path / "twice", "--json").stdout)
    assert twice["stored_bytes"] < once["stored_bytes"]
    assert {w["name"] for w in once["weights"]} == {w["name"] for w in twice["weights"]}


def test_keep_and_layers(tmp_path, llama, text):
    compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--keep", "lm_head",
             "--layer", r"layers\.0\..*down_proj=w8")
    report = json.loads((tmp_path / "out/report.json").read_text())
    rows = {w["name"]: w for w in report["weights"]}
    head = rows["model.embed_tokens.weight"]
    assert head["kept"] and "lm_head" in head["kept_reason"]
    assert rows["model.layers.0.mlp.down_proj.weight"]["scheme"] == "w8"
    assert rows["model.layers.1.mlp.down_proj.weight"]["scheme"] == "w4g32"
    page = tmp_path / "out/report.html"
    written = page.read_bytes()
    page.unlink()  # the model is none the worse
    fingpt("inspect", tmp_path / "out")
    fingpt("report", tmp_path / "out")
    assert page.read_bytes() == written
    error = compress(llama, tmp_path / "bad", text, "--keep", "no_such_weight", code=1).stderr
    assert "no_such_weight" in error and "matches no weight" in error
    assert not (tmp_path / "bad").exists()


@pytest.mark.parametrize("bpw", [3.2, 4.5, 6.0])
def test_budget_is_met_and_used(bpw, tmp_path, llama, text):
    run = compress(llama, tmp_path / "out", text, "--bpw", bpw, "--candidates",
                   "w2g32,w3g32,w4g32,w5g32,w6g32,w8g32", "--json")
    result = json.loads(run.stdout)
    assert result["bits_per_weight"] <= bpw
    assert result["bits_per_weight"] >= 0.9 * bpw


@pytest.mark.parametrize("rise", ["+10%", "1%"])
def test_perplexity_is_held(rise, tmp_path, llama, text):
    run = compress(llama, tmp_path / "out", text, "--max-ppl", rise, "--candidates",
                   "w2g32,w3g32,w4g32,w5g32,w6g32,w8g32", "--json")
    quality = json.loads(run.stdout)["quality"]
    assert quality["perplexity"] <= quality["perplexity_before"] * (1 + float(rise.strip("+%")) / 100)


@pytest.mark.parametrize("scheme", ["w2g32", "w3g64"])
def test_budget_reaches_what_a_scheme_reaches(scheme, tmp_path, llama, text):
    """The table stays and is most of the bytes: what is left decides which forms are tried."""
    options = ["--embeddings", "keep"]
    compress(llama, tmp_path / "uniform", text, "--scheme", scheme, *options)
    size = json.loads((tmp_path / "uniform/report.json").read_text())["size"]["after_bytes"]
    compress(llama, tmp_path / "budget", text, "--size", size, *options)
    assert json.loads((tmp_path / "budget/report.json").read_text())["size"]["after_bytes"] <= size


def test_an_encoder_has_no_output_head(tmp_path):
    """Norms and residual sums follow its last linear: it is one like the others."""
    bert("BertModel").save_pretrained(tmp_path / "model")
    fingpt("compress", tmp_path / "model", "-o", tmp_path / "out", "--scheme", "w4g32:rtn",
           "--embeddings", "keep", "--no-calib")
    report = json.loads((tmp_path / "out/report.json").read_text())
    changed = [w["name"] for w in report["weights"] if w["bytes_after"] < w["bytes_before"]]
    kept = [w["name"] for w in report["weights"] if w["bytes_after"] == w["bytes_before"]]
    assert any(name.endswith("layer.2.output.dense.weight") for name in changed)
    assert all("embeddings" in name for name in kept)


def test_measurements_serve_the_next_size(tmp_path, llama, text, monkeypatch):
    cache, note = tmp_path / "cache", "measurements of an earlier run"
    monkeypatch.setenv("FINGPT_CACHE_DIR", str(cache))

    def run(name, bits, *options):
        return compress(llama, tmp_path / name, text, "--bpw", bits, "--candidates",
                        "w3g32,w4g32,w6g32", *options).stderr

    assert note not in run("first", 5.0)
    assert note in run("second", 4.5)
    assert note not in run("alone", 4.5, "--no-cache")
    assert digest(tmp_path / "second") == digest(tmp_path / "alone")
    file, = (cache / "measurements").iterdir()
    file.write_text('{"model.layers.0.mlp.up_proj.weight": {"forms": {"w3g32": [-1, "x"]}}}')
    run("damaged", 4.5)
    assert digest(tmp_path / "damaged") == digest(tmp_path / "alone")


def test_budget_out_of_reach(tmp_path, llama, text):
    error = compress(llama, tmp_path / "out", text, "--size", "4KiB", code=1).stderr
    assert "budget" in error and "at least" in error
    assert not list(tmp_path.iterdir())


def test_dry_run_writes_nothing(tmp_path, llama, text):
    plan = json.loads(fingpt("compress", llama, "--calib", text, "--scheme", "w4g32", "--dry-run",
                             "--json").stdout)
    run = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--json")
    assert plan["bytes_after"] == json.loads(run.stdout)["bytes_after"]


def test_memory_is_asked_for_the_text_that_is_there(tmp_path, llama, text):
    plan = fingpt("compress", llama, "-o", tmp_path / "out", "--calib", text, "--tokens", 1 << 30,
                  "--scheme", "w4g32", "--dry-run", "--json")
    assert json.loads(plan.stdout)["peak_bytes"] < 1 << 30


def test_recipe_file_says_the_same(tmp_path, llama, text):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("scheme: w3g32+lr4\nembeddings: w8\nlayers:\n  down_proj: w5g32\n"
                      f"calibration: {{tokens: {16 * CONTEXT}, context: {CONTEXT}}}\n")
    fingpt("compress", llama, "-o", tmp_path / "a", "--calib", text, "--recipe", recipe,
           "--eval-chunks", 4)
    compress(llama, tmp_path / "b", text, "--scheme", "w3g32+lr4", "--embeddings", "w8",
             "--layer", "down_proj=w5g32")
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def phase_of(out):
    """How far the run that writes `out` has come, by what it has made durable. With the record of
    the last segment there, both models are compared."""
    if out.exists():
        return "published"
    if list(out.parent.glob(f".{out.name}.partial-*")):
        return "writing"
    partial = out.parent / (out.name + ".partial")
    segments = len(list(partial.glob("segment-*.json")))
    if segments:
        return f"segment {segments}"
    try:
        return "segment 0" if "measured" in json.loads((partial / "state.json").read_text()) \
            else "calibration"
    except OSError:
        return "start"


def phases_until(process, out, wanted=None):
    """Polls until the run is over or in a phase of `wanted`: when each phase was first seen."""
    seen = {}
    while process.poll() is None:
        phase = phase_of(out)
        seen.setdefault(phase, time.monotonic())
        if wanted and phase in wanted:
            break
        time.sleep(0.0005)
    return seen


@pytest.mark.parametrize("options, share", [
    (["--bpw", "4.0", "--candidates", "w3g32,w4g32,w6g32"], 1),
    (["--max-ppl", "1%", "--candidates", "w3g32,w4g32,w6g32,w8g32"], 4),
    (["--scheme", "slice25+w8"], 4),
    (["--scheme", "w4g32", "own text"], 4)])
def test_interrupted_runs_end_with_the_same_bytes(options, share, tmp_path, llama, text):
    """kill -9 in every phase; the same command goes on, and leaves nothing else behind."""
    kills = max(1, int(os.environ.get("FINGPT_KILLS", 50)) // share)
    rng = random.Random(11)
    own = "own text" in options
    options = ["--tokens", str(8 * CONTEXT), *options[:-1]] if own else \
        ["--tokens", str(16 * CONTEXT), "--calib", str(text), *options]

    def start(out, cache):
        shutil.rmtree(cache / "measurements", ignore_errors=True)  # of the attempts before
        return subprocess.Popen(
            [binary("fingpt"), "compress", str(llama), "-o", str(out), "--context", str(CONTEXT),
             "--eval-chunks", "4", *options],
            env={**os.environ, "FINGPT_CACHE_DIR": str(cache)},
            stdout=subprocess.DEVNULL, stderr=(tmp_path / "stderr").open("w"))

    warm = tmp_path / "cache"
    for name in ("first", "whole"):  # the second finds its code compiled
        process = start(tmp_path / name, warm)
        seen = phases_until(process, tmp_path / name)
        assert process.returncode == 0
        end = time.monotonic()
    expected = digest(tmp_path / "whole")
    assert digest(tmp_path / "first") == expected
    names = sorted(seen.keys() - {"published"}, key=seen.get)
    begins = [*(seen[name] for name in names), end]
    lasts = {name: begins[i + 1] - begins[i] for i, name in enumerate(names)}

    # Each attempt is killed in a few phases, one after the other, and then finishes.
    hit, attempt = {}, 0
    missed = set(names) if kills >= 50 else set()
    while sum(hit.values()) < kills or (missed and attempt < kills):
        out = tmp_path / f"run{attempt}" / "out"
        out.parent.mkdir()
        cache = out.parent / "cache" if attempt % 4 == 3 else warm  # compiles: killed there too
        attempt += 1
        rarest = sorted(names, key=lambda name: (hit.get(name, 0), rng.random()))
        targets = sorted(rarest[:4] + rng.choices(names, k=1), key=names.index)
        for target in targets:
            process = start(out, cache)
            phases_until(process, out, {*names[names.index(target):], "published"})
            time.sleep(rng.uniform(0, lasts[target]))
            process.kill()
            process.wait()
            if process.returncode == 0:
                break
            phase = phase_of(out)
            hit[phase] = hit.get(phase, 0) + 1
            missed.discard(phase)
        if process.returncode != 0:
            assert start(out, cache).wait() == 0, (tmp_path / "stderr").read_text()
        assert digest(out) == expected
        assert {p.name for p in out.parent.iterdir()} <= {"out", "cache"}
    print(f"{sum(hit.values())} kills in {attempt} runs:", dict(sorted(hit.items())))
    assert not missed, hit


def test_another_recipe_is_not_resumed(tmp_path, llama, text):
    out = tmp_path / "out"
    partial = tmp_path / "out.partial"
    command = [binary("fingpt"), "compress", str(llama), "-o", str(out), "--calib", str(text),
               "--context", str(CONTEXT), "--tokens", str(16 * CONTEXT), "--scheme", "w4g32"]
    for _ in range(100):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (partial / "segment-0001.json").exists():
            time.sleep(0.001)
        process.kill()
        process.wait()
        if partial.exists():
            break
        subprocess.run(["rm", "-rf", str(out)], check=True)
    assert partial.exists()
    error = compress(llama, out, text, "--scheme", "w3g32", code=1).stderr
    assert "another recipe" in error and "w4g32" in error and "w3g32" in error
    compress(llama, out, text, "--scheme", "w3g32", "--force")
    assert json.loads((out / "report.json").read_text())["recipe"]["scheme"] == "w3g32"


def test_a_refused_rewrite_leaves_nothing(tmp_path, text):
    make(tmp_path / "model", "gemma2")
    add_tokenizer(tmp_path / "model")
    error = compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "slice20+w4",
                     code=1).stderr
    assert "the residual stream has no free basis" in error
    assert not (tmp_path / "out.partial").exists() and not (tmp_path / "out").exists()


def test_existing_output_is_not_overwritten(tmp_path, llama, text):
    first = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--json")
    before = digest(tmp_path / "out")
    # The same run has nothing left to do.
    again = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--json")
    assert json.loads(again.stdout) == json.loads(first.stdout)
    assert "finished before" in again.stderr and "layers.0" not in again.stderr
    assert digest(tmp_path / "out") == before
    error = compress(llama, tmp_path / "out", text, "--scheme", "w3g32", code=1).stderr
    assert "--force" in error
    assert digest(tmp_path / "out") == before


@pytest.mark.parametrize("verb", ["import", "compress"])
def test_force_replaces_models_only(verb, tmp_path, llama, text):
    """Neither what is being read nor anything else."""
    rest = ["--scheme", "w8:rtn", "--no-calib"] if verb == "compress" else []
    source = tmp_path / "here/model"
    fingpt("import", llama, "-o", source)
    (tmp_path / "borrows").mkdir()
    shutil.copy(source / "graph.mlir", tmp_path / "borrows")
    (tmp_path / "borrows/model.safetensors").symlink_to(source / "model.safetensors")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(source)
    before = digest(source)

    def refused(out, why, source=source, *options, cwd=None):
        run = subprocess.run([binary("fingpt"), verb, str(source), "-o", str(out), "--force",
                              "--quiet", *map(str, rest), *map(str, options)],
                             capture_output=True, text=True, timeout=600, cwd=cwd)
        assert run.returncode == 1 and run.stderr.count("\n") == 1 and why in run.stderr, run

    refused(source, "holds what is read")
    refused(tmp_path / "here", "holds what is read")
    refused(tmp_path / "here/../here/model/", "holds what is read")
    refused(source, "holds what is read", source / "graph.mlir")
    refused(source, "holds what is read", tmp_path / "link")
    refused(source, "holds what is read", llama, "--tokenizer", source / "tokenizer.json")
    refused(source, "holds what is read", tmp_path / "borrows/graph.mlir")
    refused(tmp_path / "link", "is no directory")
    refused(tmp_path / "notes", "expected a model directory")
    refused(tmp_path / "file", "is no directory")
    refused(".", "a name of its own", cwd=tmp_path / "notes")
    assert digest(source) == before
    assert (tmp_path / "notes/a.txt").read_text() == (tmp_path / "file").read_text() == "mine"
    for _ in range(2):
        fingpt(verb, source, "-o", tmp_path / "out", "--force", *rest)


def test_force_replaces_statistics_only(tmp_path, llama, text):
    source = tmp_path / "model"
    shutil.copytree(llama, source)
    before = digest(source)
    options = ["--text", text, "--context", CONTEXT, "--tokens", 4 * CONTEXT, "--force"]
    for out in (source / "model.safetensors", source / "config.json", text):
        error = fingpt("calibrate", source, *options, "-o", out, code=1).stderr
        assert error.count("\n") == 1 and "expected a file of statistics" in error
    assert digest(source) == before
    for _ in range(2):
        fingpt("calibrate", source, *options, "-o", source / "statistics.safetensors")


def test_unfinished_runs_are_told_from_other_directories(tmp_path, llama, text):
    model = tmp_path / "model.partial"
    shutil.copytree(llama, model)
    before = digest(model)
    for force in ([], ["--force"]):
        error = compress(model, tmp_path / "model", text, "--scheme", "w4g32", *force,
                         code=1).stderr
        assert "is not used" in error and "an unfinished run" in error
    assert digest(model) == before
    state = tmp_path / "out.partial/state.json"
    state.parent.mkdir()
    state.write_text('{"fingerprint": {}}')
    error = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", code=1).stderr
    assert "another version" in error and "--force" in error
    compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--force")
    assert not state.parent.exists()


def test_without_a_text(tmp_path, llama):
    run = fingpt("compress", llama, "-o", tmp_path / "out", "--tier", "fast", "--json")
    assert json.loads(run.stdout)["quality"] is None
    error = fingpt("compress", llama, "-o", tmp_path / "b", "--scheme", "w4g64:gptq", "--no-calib",
                   code=1).stderr
    assert "statistics" in error
    # The model writes its own text, the same every time.
    for out in ("c", "d"):
        fingpt("compress", llama, "-o", tmp_path / out, "--scheme", "w4g32", "--context", CONTEXT,
               "--tokens", 8 * CONTEXT)
    report = json.loads((tmp_path / "c/report.json").read_text())
    assert report["calibration"]["tokens"] == 8 * CONTEXT
    assert report["quality"]["kl_mean"] < 2
    assert digest(tmp_path / "c") == digest(tmp_path / "d")


def changed(directory, source, edit):
    """A copy of a model whose tensors `edit` has changed."""
    shutil.copytree(source, directory)
    tensors = safetensors_numpy.load_file(directory / "model.safetensors")
    edit(tensors)
    safetensors_numpy.save_file(tensors, directory / "model.safetensors",
                                metadata={"format": "pt"})
    return directory


@pytest.mark.parametrize("name,place", [
    ("model.layers.1.mlp.up_proj.weight", (3, 5)), ("model.layers.1.input_layernorm.weight", (7,)),
    ("model.embed_tokens.weight", (11, 2))])
@pytest.mark.parametrize("options", [["--tier", "fast"], ["--scheme", "w4g32"],
                                     ["--bpw", "4"]])
def test_values_that_are_not_finite_are_named(name, place, options, tmp_path, llama, text):
    """Where they lie, not where what they make is found first; and in what stays as it is."""
    def edit(tensors):
        tensors[name] = tensors[name].copy()
        tensors[name][place] = np.nan
    source = changed(tmp_path / "model", llama, edit)
    error = compress(source, tmp_path / "out", text, *options, code=1).stderr
    assert f"{name}[{', '.join(map(str, place))}]: value, expected a finite number" in error
    assert not list(tmp_path.glob("out*"))


def test_huge_outliers_are_compressed(tmp_path, llama, text):
    def edit(tensors):
        name = "model.layers.0.mlp.up_proj.weight"
        tensors[name] = tensors[name].copy()
        tensors[name][3, 5] = 1e30
    source = changed(tmp_path / "model", llama, edit)
    compress(source, tmp_path / "out", text, "--scheme", "w4g32")
    for _, values in safetensors_numpy.load_file(tmp_path / "out/model.safetensors").items():
        assert values.dtype.kind != "f" or np.isfinite(values).all()


def test_a_changed_model_is_not_resumed(tmp_path, llama, text):
    """One byte anywhere in the weights makes it another."""
    def edit(tensors):
        name = "model.layers.1.mlp.down_proj.weight"
        tensors[name] = tensors[name].copy()
        tensors[name][-1, -1] += 1e-3
    source = tmp_path / "model"
    shutil.copytree(llama, source)
    compress(source, tmp_path / "out", text, "--scheme", "w4g32")
    assert "was finished before" in compress(source, tmp_path / "out", text, "--scheme",
                                             "w4g32").stderr
    other = changed(tmp_path / "other", llama, edit)
    shutil.copy(other / "model.safetensors", source)
    error = compress(source, tmp_path / "out", text, "--scheme", "w4g32", code=1).stderr
    assert "exists already" in error


@pytest.mark.parametrize("options,problem,code", [
    (["--calib", "{empty}", "--scheme", "w4g32"], "too short", 1),
    (["--max-ppl", "2%", "--tokens", 10**6], "needs held-out text", 1),
    (["--max-ppl", "2%", "--eval-chunks", 0], "needs held-out text", 1),
    (["--max-ppl", "2"], "such as 2%", 2),
    (["--scheme", "w4g32", "--tier", "best"], "contradiction", 2),
    (["--scheme", "w4g32", "--size", "1MiB"], "contradiction", 2),
    (["--tier", "fast", "--size", "1MiB"], "contradiction", 2),
])
def test_what_is_refused_leaves_nothing(options, problem, code, tmp_path, llama, text):
    (tmp_path / "empty.txt").touch()
    options = [str(o).format(empty=tmp_path / "empty.txt") for o in options]
    options = options if "--calib" in options else ["--calib", text, *options]
    run = fingpt("compress", llama, "-o", tmp_path / "out", "--context", CONTEXT, *options,
                 code=code)
    assert problem in run.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("out*"))


def test_a_method_without_its_statistics_is_refused_at_once(tmp_path, llama):
    run = fingpt("compress", llama, "-o", tmp_path / "out", "--no-calib", "--scheme", "w4g32",
                 "--layer", r"layers\.1\.mlp.down=w4g32:gptq", code=1)
    assert "model.layers.1.mlp.down_proj.weight" in run.stderr
    assert not re.search(r"\d+/\d+ ", run.stderr)  # no weight was compressed
    assert not list(tmp_path.iterdir())


def test_a_budget_heeds_what_is_asked_of_a_weight(tmp_path, llama, text):
    run = compress(llama, tmp_path / "out", text, "--bpw", 9, "--layer", "down_proj=w8g32",
                   "--embeddings", "w6g32", "--keep", "o_proj", "--candidates", "w3g32,w4g32",
                   "--json")
    assert json.loads(run.stdout)["bits_per_weight"] <= 9
    report = json.loads((tmp_path / "out/report.json").read_text())
    for w in report["weights"]:
        if "down_proj" in w["name"]:
            assert w["scheme"] == "w8g32"
        elif "embed_tokens" in w["name"]:
            assert w["scheme"] == "w6g32"
        elif "o_proj" in w["name"]:
            assert w["kept"]
        else:
            assert w["scheme"] in ("w3g32", "w4g32")


def test_a_budget_leaves_what_is_small_enough(tmp_path, llama, text):
    """A compressed model under a budget that it meets is not made larger or worse."""
    compress(llama, tmp_path / "small", text, "--scheme", "w3g32", "--embeddings", "w4g32")
    before = json.loads((tmp_path / "small/report.json").read_text())["size"]["after_bytes"]
    run = compress(tmp_path / "small", tmp_path / "out", text, "--size", before + 5000, "--json")
    result = json.loads(run.stdout)
    assert result["bytes_after"] == before
    assert result["quality"]["kl_mean"] < 1e-6


@pytest.mark.parametrize("scheme", ["mxfp4", "nvfp4", "nf4"])
def test_a_budget_is_met_from_any_form(scheme, tmp_path, llama, text):
    """Tables that weights share are counted once."""
    compress(llama, tmp_path / "small", text, "--scheme", scheme, "--embeddings", scheme)
    before = json.loads((tmp_path / "small/report.json").read_text())["size"]["after_bytes"]
    size = before * 9 // 10
    run = compress(tmp_path / "small", tmp_path / "out", text, "--size", size, "--json")
    assert json.loads(run.stdout)["bytes_after"] <= size


def test_slicing_from_a_statistics_file(tmp_path, llama, text):
    """Principal directions alone change nothing; fewer of them make a narrower model."""
    stats = tmp_path / "stats.safetensors"
    fingpt("calibrate", llama, "--text", text, "--context", CONTEXT, "--tokens", 16 * CONTEXT,
           "-o", stats)
    ids, dense, logits = tokens(), forward(llama, tokens()), []
    for percent in (0, 25):
        out = tmp_path / f"sliced{percent}"
        subprocess.run([binary("fingpt-opt"), str(llama), "--fin-fold-norms",
                        f"--fin-slice=stats={stats} percent={percent}",
                        f"--fin-write-params=file={out}.safetensors", "-o", f"{out}.mlir"],
                       check=True)
        logits.append(forward(f"{out}.mlir", ids))
    assert np.abs(logits[0] - dense).max() < 1e-3 * np.abs(dense).max()
    # Of 64 directions 48, and closer to the model than to nothing.
    assert "tensor<?x?x48xf32>" in pathlib.Path(f"{out}.mlir").read_text()
    assert 1e-3 < np.linalg.norm(logits[1] - dense) / np.linalg.norm(dense) < 1


def test_a_pair_is_left_out_where_it_saves_nothing(tmp_path, llama, text):
    compress(llama, tmp_path / "out", text, "--scheme", "w4g32+lr1000", "--embeddings", "keep")
    report = json.loads((tmp_path / "out/report.json").read_text())
    for w in report["weights"]:
        if not w["kept"]:
            assert w["bytes_after"] < w["bytes_before"] / 2, w["name"]
            assert "left out" in w["note"]


def test_low_rank_does_not_depend_on_the_forms_of_others(tmp_path, llama, text):
    rows = []
    for name, options in (("alone", []), ("beside", ["--layer", r"layers\.1\.mlp.down=w8g32"])):
        compress(llama, tmp_path / name, text, "--scheme", "svd30", *options)
        report = json.loads((tmp_path / name / "report.json").read_text())
        rows.append({w["name"]: w["error"] for w in report["weights"] if "layers.0" in w["name"]})
    assert rows[0] == rows[1]


def test_materialized_weights_compute_the_same(tmp_path, llama, text):
    compress(llama, tmp_path / "out", text, "--scheme", "w3g16+lr4")
    subprocess.run([binary("fingpt-opt"), str(tmp_path / "out"), "--fin-materialize-weights",
                    f"--fin-write-params=file={tmp_path}/dense.safetensors", "-o",
                    str(tmp_path / "dense.mlir")], check=True)
    ids = tokens()
    assert np.abs(forward(tmp_path / "out", ids) - forward(tmp_path / "dense.mlir", ids)).max() \
        < 1e-4


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "phi", "qwen2"])
def test_rotation_changes_nothing(name, tmp_path, text):
    model = make(tmp_path / "model", name)
    add_tokenizer(tmp_path / "model")
    compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "rot", "--embeddings", "keep")
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["rewrites"][0]["pass"] == "fin-rotate"
    ids = tokens()
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits.numpy()
    error = np.abs(forward(tmp_path / "out", ids) - expected).max()
    assert error <= 1e-3 * np.abs(expected).max()


def test_a_layer_that_does_nothing_is_dropped(tmp_path, text):
    model = make(tmp_path / "model", "llama", num_hidden_layers=5)
    with torch.no_grad():
        layer = model.model.layers[2]
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(tmp_path / "model")
    add_tokenizer(tmp_path / "model")
    compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "drop1", "--embeddings",
             "keep")
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["rewrites"] == [{"pass": "fin-drop-layers", "detail": "layers 2"}]
    assert report["quality"]["kl_mean"] < 1e-6
    fingpt("run", tmp_path / "out", "--prompt", "ab", "-n", 4)


def test_rotate_and_quantize(tmp_path, llama, text):
    compress(llama, tmp_path / "out", text, "--scheme", "rot+w4g32", "--embeddings", "w8")
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["recipe"]["scheme"] == "rot+w4g32"
    assert report["quality"]["kl_mean"] < 0.5


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt", "phi"])
def test_a_narrow_stream_slices_losslessly(name, tmp_path, text):
    """What writes the stream leaves its last 16 of 64 columns empty."""
    model = make(tmp_path / "model", name)
    narrow = torch.nn.init.orthogonal_(torch.empty(64, 64))[:, :48]
    keep = narrow @ narrow.T
    with torch.no_grad():
        for key, p in model.named_parameters():
            writer = any(part in key for part in ("o_proj", "down_proj", "out_proj", "fc2",
                                                  "attn.c_proj", "mlp.c_proj", "dense"))
            if any(part in key for part in ("embed", "wte", "wpe")):
                p.copy_(p @ keep)  # [rows, 64]
            elif writer and p.ndim == 1:
                p.copy_(keep @ p)
            elif writer:
                p.copy_(p @ keep if name == "gpt2" else keep @ p)
    model.save_pretrained(tmp_path / "model")
    add_tokenizer(tmp_path / "model")
    run = compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "slice12.5",
                   "--embeddings", "keep", "--json")
    # 12.5% leaves 56 of 64: room for the 48 and, in LayerNorm models, the mean.
    assert json.loads(run.stdout)["quality"]["kl_mean"] < 1e-5


def test_low_rank_pairs_are_of_the_weight_itself(tmp_path, text):
    """b·a = U·Uᵀ·w for the U that b spans: nothing was corrected before the SVD, whatever inputs the
    layers before make. Corrections of what low rank removes run away in deep models."""
    model = make(tmp_path / "model", "llama-bias")
    add_tokenizer(tmp_path / "model")
    compress(tmp_path / "model", tmp_path / "out", text, "--scheme", "svd40")
    stored = safetensors_numpy.load_file(tmp_path / "out/model.safetensors")
    dense = dict(model.named_parameters())
    pairs = [name.removesuffix(".lr.b") for name in stored if name.endswith(".lr.b")]
    assert len(pairs) == 3 * 7
    for name in pairs:
        b, a = (stored[f"{name}.lr.{k}"].astype(np.float64) for k in "ba")
        u = np.linalg.qr(b)[0]
        w = u @ (u.T @ dense[name].detach().double().numpy())
        assert np.linalg.norm(b @ a - w) < 2e-3 * np.linalg.norm(w), name


def test_slicing_more_loses_more(tmp_path, llama, text):
    divergence = []
    for percent in (12.5, 25, 50):
        run = compress(llama, tmp_path / str(percent), text, "--scheme", f"slice{percent}",
                       "--embeddings", "keep", "--json")
        divergence.append(json.loads(run.stdout)["quality"]["kl_mean"])
    assert divergence == sorted(divergence)


def test_slice_and_quantize(tmp_path, llama, text):
    run = compress(llama, tmp_path / "out", text, "--scheme", "slice25+w8", "--embeddings", "w8",
                   "--json")
    assert np.isfinite(json.loads(run.stdout)["quality"]["kl_mean"])
    fingpt("run", tmp_path / "out", "--prompt", "ab", "-n", 4)
