"""What a run, a bundle and the cache are, in about ten lines, at once, and leaving nothing."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from galvae.errors import GalvaeError
from galvae.runs.description import describe
from galvae.runs.directory import RunDirectory
from galvae.runs.trained_run import TrainedRun
from galvae.system.cache_folder import cache_folder


def described(path):
    """The texts that describe something, by their labels."""
    lines, _ = describe(path)
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a trained run, without what other tests have made of it."""
    folder = tmp_path / "run"
    ignored = shutil.ignore_patterns(
        "evaluate*", "sample*", "umap*", "traverse*", "export*", "codes", "prior*"
    )
    shutil.copytree(trained("cvae2"), folder, ignore=ignored)
    return folder


def test_a_run(run):
    texts = described(run)
    assert len(texts) <= 10
    assert texts["model"] == "cvae2 of 3 latents, conv, 16x16x3, conditional on redshift 0.1644 to 2"
    assert texts["dataset"].startswith("files: 58 galaxies (train 4")
    assert texts["dataset"].endswith("/survey.h5")
    assert texts["training"].startswith("finished, epoch 2 of 2, best ")
    assert texts["training"].endswith("tensorflow, float32 on cpu") or "bfloat16" in texts["training"]
    assert "codes" not in texts["kept"]
    assert texts["card"] == "not evaluated"
    assert texts["results"] == "none yet"
    assert texts["next"].startswith(f"galvae sample run={run}, ")


def test_what_is_of_earlier_weights_is_marked(run):
    TrainedRun.open(run).codes("all")
    assert "codes of all" in described(run)["kept"] and "(old)" not in described(run)["kept"]
    checkpoint, _ = RunDirectory.open(run).checkpoint()
    manifest = json.loads((checkpoint / "manifest.json").read_text())
    for old in run.glob("checkpoints/epoch-*"):
        if old != checkpoint:
            shutil.rmtree(old)
    weights = (checkpoint / "last.safetensors").read_bytes()  # any other
    (checkpoint / "best.safetensors").write_bytes(weights)
    manifest["best.safetensors"] = manifest["last.safetensors"]
    (checkpoint / "manifest.json").write_text(json.dumps(manifest))
    assert "codes of all (old)" in described(run)["kept"]
    (run / "codes" / "all.npz").write_bytes(b"PK")
    assert "codes of all (damaged)" in described(run)["kept"]


def test_results_and_numbers_of_the_card(run):
    _, state = RunDirectory.open(run).checkpoint()
    digest = TrainedRun.open(run).weights_digest
    card = {"w1": 0.25, "w1_error": 0.05, "auc": 0.75, "floor": {"w1": 0.125}}
    results = {"epoch": state.best_epoch, "weights_sha256": digest, "card": card}
    for name in ("evaluate-2", "sample", "encode/cosmos", "figures"):
        (run / name).mkdir(parents=True, exist_ok=True)
    (run / "evaluate-2" / "metrics.json").write_text(json.dumps(results))
    texts = described(run)
    assert texts["results"] == "encode/cosmos, evaluate-2, sample"
    assert texts["card"].startswith("mean W1 0.250 ± 0.050 (floor 0.125), AUC 0.750; evaluated: epoch")


def test_a_run_that_has_gone_no_further_says_how_to_go_on(run):
    (run / "metrics.json").write_text('{"status": "stopped"}')
    assert described(run)["next"] == f"galvae train resume={run}"
    shutil.rmtree(run / "checkpoints")
    texts = described(run)
    assert texts["training"] == "stopped, no checkpoint yet" and "model" not in texts


def test_the_cache_and_its_entries(run):
    entry = TrainedRun.open(run).dataset.mapped_files.paths[0].parent
    texts = described(entry)
    assert texts["images"].endswith("of 16x16x3, uint8, stored 0.0 to 255.0") and "path=" not in texts["what"]
    whole = described(cache_folder())
    assert whole[entry.name] == texts["images"]
    assert whole["what"].startswith("a cache folder with ")


def test_a_damaged_entry_and_what_is_nothing_are_one_line(tmp_path):
    (tmp_path / "source.json").write_text("{}")
    (tmp_path / "about.json").write_text("{}")
    (tmp_path / "images.npy").write_text("x")
    with pytest.raises(GalvaeError, match="expected an entry of the cache"):
        describe(tmp_path)
    with pytest.raises(GalvaeError, match="expected a run's directory"):
        describe(tmp_path / "nix")


def test_the_command_prints_the_path_last_and_leaves_nothing(run, galvae, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    status, out, err = galvae("info", f"run={run}")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(run)
    for words, message in (
        (["-m", f"run={run}"], "-m: expected key=value"),
        ([], "run: missing"),
        ([f"run={run}", "nix=3"], "unknown key 'nix'"),
        (["run=latest"], "expected a finished run"),
    ):
        status, out, err = galvae("info", *words)
        assert status == 2 and out == "" and message in err, err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_text_of_an_untrusted_run_stays_one_line(run):
    environment = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps({**environment, "galvae": "0\n\x1b[2J"}))
    lines, _ = describe(run)
    assert all(line.isprintable() for line in lines)


@pytest.mark.slow
def test_info_loads_neither_keras_nor_a_backend(run):
    program = (
        "import sys; from galvae.cli.main import run\n"
        f"run(['info', {f'run={run}'!r}])\n"
        "assert not {'keras', 'tensorflow', 'jax', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, env=dict(os.environ))
