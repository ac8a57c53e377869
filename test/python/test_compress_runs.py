"""Runs of fingpt compress: killed and gone on with, refused, and what they may replace."""
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import time

import numpy as np
import pytest

from import_bridge import binary
from test_import_huggingface import make
from tiny_models import CONTEXT, add_tokenizer, changed, compress, digest, fingpt


def test_dry_run_writes_nothing(tmp_path, llama, text):
    plan = json.loads(fingpt("compress", llama, "--calib", text, "--scheme", "w4g32", "--dry-run",
                             "--json").stdout)
    run = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--json")
    assert plan["bytes_after"] == json.loads(run.stdout)["bytes_after"]


def test_memory_is_asked_for_the_text_that_is_there(tmp_path, llama, text):
    plan = fingpt("compress", llama, "-o", tmp_path / "out", "--calib", text, "--tokens", 1 << 30,
                  "--scheme", "w4g32", "--dry-run", "--json")
    assert json.loads(plan.stdout)["peak_bytes"] < 1 << 30


@pytest.mark.parametrize("options", [["--scheme", "w4g32"], ["--tier", "fast", "--no-calib"],
                                     ["--bpw", "4", "--candidates", "w3g32,w4g32"]])
def test_the_plan_says_how_much_memory(options, tmp_path, llama, text):
    texts = [] if "--no-calib" in options else ["--calib", text]
    command = [binary("fingpt"), "compress", str(llama), *map(str, texts), *options]
    plan = subprocess.run([*command, "--dry-run", "--json"], capture_output=True, check=True)
    process = subprocess.Popen([*command, "-o", str(tmp_path / "out"), "--quiet"],
                               stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"VmHWM:\s+(\d+) kB", status):
            peak = 1024 * int(found[1])
        time.sleep(0.005)
    assert process.returncode == 0
    assert 0.6 < json.loads(plan.stdout)["peak_bytes"] / peak < 1.6


def test_the_plan_grows_with_what_a_recipe_holds(tmp_path, text):
    """A model of 300 MB, a hole in a file. None of it is read for a plan."""
    hidden, inner, layers, vocabulary = 1024, 4096, 8, 32000
    make(tmp_path / "tiny", "llama-tied")
    config = json.loads((tmp_path / "tiny/config.json").read_text())
    config |= {"hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
               "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 64,
               "vocab_size": vocabulary}
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden], "model.norm.weight": [hidden]}
    for i in range(layers):
        shapes |= {f"model.layers.{i}.{name}.weight": shape for name, shape in {
            "input_layernorm": [hidden], "post_attention_layernorm": [hidden],
            **{f"self_attn.{k}_proj": [hidden, hidden] for k in "qkvo"},
            "mlp.gate_proj": [inner, hidden], "mlp.up_proj": [inner, hidden],
            "mlp.down_proj": [hidden, inner]}.items()}
    header, size = {}, 0
    for name, shape in shapes.items():
        end = size + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [size, end]}
        size = end
    directory = tmp_path / "model"
    directory.mkdir()
    add_tokenizer(directory)
    (directory / "config.json").write_text(json.dumps(config))
    with open(directory / "model.safetensors", "wb") as file:
        content = json.dumps(header).encode()
        file.write(len(content).to_bytes(8, "little") + content)
        file.truncate(8 + len(content) + size)

    def peak(*options):
        run = fingpt("compress", directory, "--dry-run", "--json", *options)
        return json.loads(run.stdout)["peak_bytes"]

    table = 2 * vocabulary * hidden
    program = peak("--scheme", "keep", "--embeddings", "keep", "--no-calib")
    streamed = peak("--tier", "fast", "--no-calib")
    calibrated = peak("--scheme", "w4g64", "--calib", text)
    probed = peak("--bpw", "4", "--calib", text)
    assert program < 200 << 20
    assert streamed - program == 2 * table
    assert peak("--scheme", "svd20:svd", "--no-calib") - program == 40 * hidden * inner
    assert calibrated > streamed + size  # the source is mapped
    # Either the dense model, or it is more than half of this machine's memory.
    assert probed - calibrated in (2 * size - 4 * hidden * (2 * layers + 1), 0)


@pytest.mark.parametrize("name, options", [
    ("gpt2", ["--scheme", "keep"]), ("gpt2", ["--scheme", "w4", "--keep", "c_attn"]),
    ("phi3", ["--scheme", "w4", "--keep", "qkv"])])
def test_a_fused_tensor_counts_once(name, options, tmp_path, text):
    """Queries, keys and values of one tensor are weights of their own."""
    make(tmp_path / "model", name)
    add_tokenizer(tmp_path / "model")
    plan = json.loads(fingpt("compress", tmp_path / "model", "--calib", text, "--context", CONTEXT,
                             *options, "--dry-run", "--json").stdout)
    run = json.loads(compress(tmp_path / "model", tmp_path / "out", text, *options,
                              "--json").stdout)
    assert plan["bytes_after"] == run["bytes_after"]
    assert run["bytes_after"] <= run["bytes_before"]


def test_a_short_text_serves_for_figures_too(tmp_path, llama, text):
    """All of it would go into calibration: an eighth is held back."""
    short = tmp_path / "short.txt"
    short.write_text(text.read_text()[:3000])
    run = fingpt("compress", llama, "-o", tmp_path / "out", "--calib", short, "--context", CONTEXT)
    assert "are held back" in run.stderr and "| KL " in run.stdout
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["quality"]["tokens"] > 0
    run = fingpt("compress", llama, "-o", tmp_path / "other", "--calib", short, "--context",
                 CONTEXT, "--eval-chunks", 0)
    assert "held back" not in run.stderr
    before = report["calibration"]["tokens"]
    report = json.loads((tmp_path / "other/report.json").read_text())
    assert report["quality"] is None and report["calibration"]["tokens"] > before


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
        state = json.loads((partial / "state.json").read_text())
        return "segment 0" if state.keys() & {"measured", "ranks"} else "calibration"
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
    (["--scheme", "svd40:svd-llm-v2"], 4),
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


def killed_run(out, source, text, scheme, segments):
    """Leaves OUT.partial of a run that finished so many segments or some more, and returns it."""
    partial = out.parent / (out.name + ".partial")
    command = [binary("fingpt"), "compress", str(source), "-o", str(out), "--calib", str(text),
               "--context", str(CONTEXT), "--tokens", str(16 * CONTEXT), "--scheme", scheme,
               "--eval-chunks", "4"]
    for _ in range(100):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while (process.poll() is None and
               not (partial / f"segment-{segments - 1:04}.json").exists()):
            time.sleep(0.001)
        process.kill()
        process.wait()
        if partial.exists():
            break
        subprocess.run(["rm", "-rf", str(out)], check=True)
    assert partial.exists()
    return partial


@pytest.mark.parametrize("name, damage", [
    ("segment-0001.safetensors", "cut"), ("segment-0001.safetensors", "flipped"),
    ("segment-0001.safetensors", "gone"), ("segment-0001.json", "cut"),
    ("segment-0001.json", "flipped"), ("segment-0000.json", "gone"),
    ("bases.safetensors", "flipped")])
def test_what_is_damaged_is_computed_anew(name, damage, tmp_path, llama, text):
    """As by a machine that went down, or a --force that was killed while it removed the files."""
    scheme = "slice25+w4g32"
    compress(llama, tmp_path / "whole", text, "--scheme", scheme)
    file = killed_run(tmp_path / "out", llama, text, scheme, 3) / name
    if damage == "gone":
        file.unlink()
    else:
        data = bytearray(file.read_bytes())
        if damage == "cut":
            del data[len(data) // 2:]
        else:
            data[-20] ^= 4
        file.write_bytes(data)
    log = compress(llama, tmp_path / "out", text, "--scheme", scheme).stderr
    if name == "segment-0001.safetensors":
        assert "resume 1 of" in log and "damaged" in log
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    assert not (tmp_path / "out.partial").exists()


def test_a_state_that_cannot_be_read_is_named(tmp_path, llama, text):
    state = killed_run(tmp_path / "out", llama, text, "w4g32", 2) / "state.json"
    state.write_text(state.read_text()[:50])
    error = compress(llama, tmp_path / "out", text, "--scheme", "w4g32", code=1).stderr
    assert "state.json" in error and "--force starts anew" in error
    compress(llama, tmp_path / "out", text, "--scheme", "w4g32", "--force")


def test_another_recipe_is_not_resumed(tmp_path, llama, text):
    out = tmp_path / "out"
    killed_run(out, llama, text, "w4g32", 2)
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
    (["--max-ppl", "2%", "--eval-chunks", 0], "needs held-out text", 1),
    (["--max-ppl", "2"], "such as 2%", 2),
    (["--scheme", "w4g32", "--tier", "best"], "contradiction", 2),
    (["--scheme", "w4g32", "--size", "1MiB"], "contradiction", 2),
    (["--tier", "fast", "--size", "1MiB"], "contradiction", 2),
    (["--scheme", "w4", "--embeddings", "svd25:svd-llm-v2"], "one without allotted ranks", 1),
    (["--bpw", 4, "--candidates", "w4g32,svd25:svd-llm-v2"], "the budget allots", 2),
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
