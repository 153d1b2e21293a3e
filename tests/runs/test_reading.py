"""Runs of galvae 0.1, whose files would now be read otherwise: opened on the same images, refused on others."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders.configs import train_config

from galvae.config.check import write_config
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory
from galvae.runs.trained_run import TrainedRun

MADE = Path(__file__).parents[1] / "regression" / "made_by_0_1"
CHANGED = (
    "was trained by galvae 0.1, whose images, ids or redshifts of these files were others",
    "row 0 of a FITS image is drawn at the bottom, tables are joined by ids, and -1, -99 and the like are unknown",
    "expected the cache entry that 0.1 prepared, in $GALVAE_CACHE or dataset.cache_dir, or a new run with "
    "dataset.reading=2",
)


@pytest.fixture
def old(tmp_path):
    """A run of 0.1, and beside it its galaxies with one pixel more."""
    shutil.copytree(MADE / "vae", tmp_path / "vae")
    with np.load(MADE / "galaxies.npz") as file:
        arrays = dict(file)
    arrays["images"][0, 0, 0] += 1
    np.savez(tmp_path / "other.npz", **arrays)
    return tmp_path / "vae"


def points_to(run, path):
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("/data/galaxies_0_1.npz", str(path)))


def test_other_images_are_refused_by_what_has_changed(old, tmp_path):
    run = TrainedRun.open(old, dataset={"path": str(tmp_path / "other.npz")})
    assert run.config.dataset.reading == 1
    with pytest.raises(GalvaeError) as error:
        _ = run.dataset
    assert all(part in str(error.value) for part in CHANGED)


@pytest.mark.slow
def test_a_run_is_resumed_on_its_own_images_only_and_keeps_its_reading(galvae, old, tmp_path):
    points_to(old, tmp_path / "other.npz")
    before = (old / "config.yaml").read_bytes()
    status, _, err = galvae("train", f"resume={old}", "epochs=3")
    assert status == 2
    assert all(part in err.splitlines()[-1] for part in CHANGED)
    assert (old / "config.yaml").read_bytes() == before
    shutil.copyfile(MADE / "galaxies.npz", tmp_path / "other.npz")
    status, _, err = galvae("train", f"resume={old}", "epochs=3")
    assert status == 0, err
    assert "galvae 0.1," not in err and "read otherwise" not in err
    assert RunDirectory.open(old).config.dataset.reading == 1


def test_nothing_begins_with_an_earlier_reading(galvae, small_files, tmp_path):
    line = "galvae: dataset.reading: expected 2, since only runs that galvae 0.1 began have another; received 1\n"
    for command in ("train", "prepare"):
        words = small_files if command == "train" else small_files[:3]
        assert galvae(command, *words, "dataset.reading=1") == (2, "", line)
        assert [path.name for path in tmp_path.iterdir()] == ["galaxies.npy"]
    # A run of 0.1 that was stopped before its first checkpoint.
    (tmp_path / "run").mkdir()
    write_config(train_config(*small_files, "dataset.reading=1"), tmp_path / "run" / "config.yaml")
    status, _, err = galvae("train", f"resume={tmp_path / 'run'}")
    assert (status, len([line for line in err.splitlines() if not line.startswith("data: ")])) == (2, 1)
    assert "a run that galvae 0.1 began, without a checkpoint; expected a new run in another directory" in err
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["config.yaml"]


def test_the_command_of_0_1_is_told_how_to_resume(galvae, small_files, tmp_path):
    (tmp_path / "run").mkdir()
    write_config(train_config(*small_files, "dataset.reading=1"), tmp_path / "run" / "config.yaml")
    status, _, err = galvae("train", *small_files, f"hydra.run.dir={tmp_path / 'run'}")
    assert status == 2
    assert err.endswith(
        f"received dataset.reading=2 (there 1); a run of galvae 0.1: resume={tmp_path / 'run'} resumes it\n"
    )
