"""Budgets of fingpt compress: met, used, and what they leave alone."""
import json

import pytest

from tiny_models import compress, digest


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


def test_a_budget_goes_with_rewrites(tmp_path, llama, text):
    """A recipe that names rewrites alone leaves the forms to the budget."""
    (tmp_path / "recipe.yaml").write_text("scheme: rot\n")
    for name, options in (("file", ["--recipe", tmp_path / "recipe.yaml"]),
                          ("options", ["--scheme", "rot"])):
        run = compress(llama, tmp_path / name, text, "--bpw", 5, *options, "--json")
        assert 4.5 < json.loads(run.stdout)["bits_per_weight"] <= 5
        report = json.loads((tmp_path / name / "report.json").read_text())
        assert report["rewrites"][0]["pass"] == "fin-rotate"
        assert not all(w["kept"] for w in report["weights"])
    assert digest(tmp_path / "file") == digest(tmp_path / "options")


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
