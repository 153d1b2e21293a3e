"""Runs that galvae 0.1 made (commit d881945) still open with every command, and give the same numbers."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from galvae.runs.trained_run import TrainedRun

MADE = Path(__file__).parent / "made_by_0_1"
MOVED = f"dataset.path={MADE / 'galaxies.npz'}"
MODELS = ("vae", "cvae2")


@pytest.fixture
def old(tmp_path):
    """Copies a run of 0.1 into the working folder."""
    return lambda model: shutil.copytree(MADE / model, tmp_path / model)


def done(galvae, *words):
    status, out, err = galvae(*words)
    assert status == 0, err
    return out, err


def same(found, expected):
    """Whether two nested values agree, numbers to one part in 10,000."""
    if isinstance(expected, dict):
        assert set(expected) <= set(found)
        for name in expected:
            same(found[name], expected[name])
    elif isinstance(expected, float | int):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    elif isinstance(expected, list):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    else:
        assert found == expected


@pytest.mark.parametrize("model", MODELS)
def test_evaluate_finds_what_0_1_found(model, galvae, old, tmp_path):
    old(model)
    done(
        galvae,
        "evaluate",
        f"run={model}",
        MOVED,
        "split=all",
        "samples=50",
        "bootstrap=200",
        "hydra.run.dir=e",
    )
    report = json.loads((tmp_path / "e" / "metrics.json").read_text())
    expected = json.loads((MADE / f"evaluate_{model}.json").read_text())
    same(report, expected)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae", "cvae2"])
def test_every_other_command_opens_it(model, galvae, old, tmp_path):
    folder = old(model)
    done(galvae, "sample", f"run={model}", MOVED, "n=6", "nearest=true")
    done(galvae, "traverse", f"run={model}", MOVED, "steps=3", "from=G01", "to=G02")
    _, err = done(galvae, "umap", f"run={model}", MOVED, "n_neighbors=4", "n_epochs=20")
    assert f"reusing the embedding {folder / 'umap' / 'embedding.npz'}" in err
    stored = (folder / "umap" / "embedding.npz").read_bytes()
    assert (folder / "umap-2" / "embedding.npz").read_bytes() == stored
    _, err = done(galvae, "explore", f"run={model}", MOVED)
    assert f"the plane is that of {folder / 'umap-2' / 'embedding.npz'}" in err
    _, err = done(galvae, "train", f"resume={model}")
    assert "already finished after 2 epochs" in err


def test_compare_sets_them_side_by_side(galvae, old, tmp_path):
    for model in MODELS:
        old(model)
    out, _ = done(galvae, "compare", "runs=[vae,cvae2]", MOVED, "n=4", "hydra.run.dir=c")
    assert "cvae2" in out and (tmp_path / "c" / "samples.png").is_file()


def test_training_resumes_where_0_1_stopped(galvae, old, tmp_path):
    folder = old("vae")
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("/data/galaxies_0_1.npz", str(MADE / "galaxies.npz")))
    before = (folder / "history.csv").read_text()
    done(galvae, "train", "resume=vae", "epochs=3")
    after = (folder / "history.csv").read_text()
    assert after.startswith(before) and after.count("\n") == before.count("\n") + 1
    assert TrainedRun.open(folder).state.epoch == 3
