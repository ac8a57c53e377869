"""fingpt calibrate and compress on tiny random models: statistics against transformers, schemes
and rewrites of the graph."""
import json
import pathlib
import re
import subprocess

import numpy as np
import pytest

from import_bridge import binary, forward
from test_import_huggingface import bert, make, tokens
from tiny_models import CHARACTERS, CONTEXT, add_tokenizer, changed, compress, digest, fingpt

torch = pytest.importorskip("torch")
safetensors_numpy = pytest.importorskip("safetensors.numpy")


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
    before, after = (report["size"][key] for key in ("before_bytes", "after_bytes"))
    assert after == before if scheme == "kv8" else after < before
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


def test_an_encoder_is_compared_by_its_hidden_states(tmp_path, text):
    bert("BertModel").save_pretrained(tmp_path / "model")
    add_tokenizer(tmp_path / "model")
    costs = []
    for bits in (8, 3):
        out = tmp_path / f"w{bits}"
        run = json.loads(compress(tmp_path / "model", out, text, "--scheme", f"w{bits}g32",
                                  "--eval-text", text, "--json").stdout)
        report = json.loads((out / "report.json").read_text())
        assert report["quality"]["relative_change"] == run["quality"]["relative_change"]
        against = json.loads(fingpt("eval", out, "--against", tmp_path / "model", "--text", text,
                                    "--context", CONTEXT, "--chunks", 4, "--json").stdout)
        for key in ("tokens", "cosine", "relative_change"):
            assert against[key] == pytest.approx(run["quality"][key], rel=1e-6)
        assert "cosine" in fingpt("report", out, "--format", "md").stdout
        costs.append(against["relative_change"])
    assert 0 < costs[0] < costs[1] / 10
    error = fingpt("eval", tmp_path / "w8", "--against", tmp_path / "model", "--text", text,
                   "--context", 4096, code=1).stderr
    assert "--context" in error and "4096" in error
    error = compress(tmp_path / "model", tmp_path / "x", text, "--max-ppl", "2%", code=1).stderr
    assert "predict tokens" in error


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


def test_huge_outliers_are_compressed(tmp_path, llama, text):
    def edit(tensors):
        name = "model.layers.0.mlp.up_proj.weight"
        tensors[name] = tensors[name].copy()
        tensors[name][3, 5] = 1e30
    source = changed(tmp_path / "model", llama, edit)
    compress(source, tmp_path / "out", text, "--scheme", "w4g32")
    for _, values in safetensors_numpy.load_file(tmp_path / "out/model.safetensors").items():
        assert values.dtype.kind != "f" or np.isfinite(values).all()


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


def test_ranks_follow_the_spectra(tmp_path, llama, text):
    """Weights of small rank leave their share to the others, to the same bytes over all."""
    def edit(tensors):
        for name in tensors:
            if "layers.0.mlp" in name:
                u, s, v = np.linalg.svd(tensors[name], full_matrices=False)
                tensors[name] = (u[:, :8] * s[:8] @ v[:8]).astype(np.float32)
    source = changed(tmp_path / "model", llama, edit)
    removed = {}
    for scheme in ("svd40:svd-llm", "svd40:svd-llm-v2"):
        compress(source, tmp_path / scheme, text, "--scheme", scheme, "--embeddings", "keep")
        stored = safetensors_numpy.load_file(tmp_path / scheme / "model.safetensors")
        ranks = {n: a.shape[0] for n, a in stored.items() if n.endswith(".lr.a")}
        small = [rank for name, rank in ranks.items() if "layers.0.mlp" in name]
        report = json.loads((tmp_path / scheme / "report.json").read_text())
        rows = [w for w in report["weights"] if "layers" in w["name"]]
        kept = sum(w["bytes_after"] for w in rows) / sum(2 * np.prod(w["shape"]) for w in rows)
        removed[scheme] = (set(small), kept)
        assert kept <= 0.6
    (uniform, _), (allotted, kept) = removed.values()
    assert min(uniform) > 8 and allotted == {8} and kept > 0.57


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
    model = make(tmp_path / "model", "llama", num_hidden_layers=6)
    with torch.no_grad():
        for number in (2, 4):
            layer = model.model.layers[number]
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.save_pretrained(tmp_path / "model")
    add_tokenizer(tmp_path / "model")
    source, dropped = tmp_path / "model", []
    for out in ("one", "two"):
        compress(source, tmp_path / out, text, "--scheme", "drop1", "--embeddings", "keep")
        report = json.loads((tmp_path / out / "report.json").read_text())
        dropped += report["rewrites"]
        assert report["quality"]["kl_mean"] < 1e-6
        source = tmp_path / out
    # The numbers of the layers that stay do not change.
    assert sorted(d["detail"] for d in dropped) == ["layers 2", "layers 4"]
    assert "4 layers" in fingpt("inspect", source).stdout
    fingpt("run", source, "--prompt", "ab", "-n", 4)


def test_tables_that_are_small_already_stay(tmp_path, llama, text):
    """Nothing is won by coding them again in as many bytes."""
    compress(llama, tmp_path / "one", text, "--scheme", "keep", "--embeddings", "w4g32")

    def table(out, *options):
        compress(tmp_path / "one", tmp_path / out, text, "--scheme", "w4g32", *options)
        rows = json.loads((tmp_path / out / "report.json").read_text())["weights"]
        return next(row for row in rows if "embed_tokens" in row["name"])

    for out, options in (("two", []), ("three", ["--embeddings", "w6g64"])):
        kept = table(out, *options)
        assert kept["bytes_after"] == kept["bytes_before"]
        assert kept["kept_reason"] == "small enough"
    smaller = table("four", "--embeddings", "w3g64")
    assert smaller["bytes_after"] < smaller["bytes_before"]
    named = table("five", "--layer", "embed_tokens=w6g64")
    assert named["bytes_after"] > named["bytes_before"]


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
