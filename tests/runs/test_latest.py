"""The links to the latest run and the latest sweep: which calls move them."""

import os
from pathlib import Path

import pytest

import galvae.cli.application  # noqa: F401  (makes hydra_plugins importable)
from galvae.errors import GalvaeError

RUN, SWEEP = Path("outputs/train/latest"), Path("outputs/multirun/latest")


@pytest.fixture
def train(galvae, monkeypatch):
    """Calls `galvae train`, whose runs are a file; returns the exit status."""

    def main(command, output_dir):
        if command.latent_dim == 3:
            raise GalvaeError("latent_dim: expected another")
        (output_dir / "history.csv").touch()

    monkeypatch.setattr("galvae.commands.train.main", main)
    return lambda *words: galvae("train", *words)[0]


def test_a_sweep_moves_its_own_link_only(train):
    assert train("hydra.run.dir=mine") == 0
    assert (os.readlink(RUN), os.path.lexists(SWEEP)) == ("../../mine", False)
    assert train("-m", "latent_dim=2,4", "hydra.sweep.dir=deep") == 0
    assert (os.readlink(RUN), os.readlink(SWEEP)) == ("../../mine", "../../deep")
    assert train("-m", "latent_dim=3,4") == 2  # one job is enough
    folder = SWEEP.resolve()
    assert (folder.parent, (folder / "1_hdf_vae_z4").is_dir()) == (SWEEP.parent.resolve(), True)
    assert train("hydra.run.dir=other") == 0
    assert (os.readlink(RUN), SWEEP.resolve()) == ("../../other", folder)


def test_what_leaves_nothing_moves_no_link(train, galvae, small_files):
    assert train("latent_dim=3") == 2
    assert train("-m", "latent_dim=3") == 2
    assert not os.path.lexists("outputs")
    assert train("-m", "latent_dim=2", "hydra.sweep.dir=deep") == 0
    assert train("-m", "latent_dim=3") == 2
    assert train("-m", "latent_dim=3", "hydra.sweep.dir=new/deep") == 2
    assert (os.readlink(SWEEP), os.listdir(SWEEP.parent)) == ("../../deep", ["latest"])
    assert galvae("prepare", "-m", *small_files[:3], "dataset.image_size=8,16")[0] == 0
    assert os.readlink(SWEEP) == "../../deep"
    assert not os.path.lexists(RUN)


def test_jobs_in_processes_are_jobs_too(train, monkeypatch):
    from hydra_plugins.processes import ProcessesLauncher

    calls = []

    def run(self, jobs):
        assert SWEEP.resolve() == self.folder  # from its start on
        for job in jobs:
            calls.append(job.arguments)
            job.directory.mkdir()
            self.note(job, "finished")

    monkeypatch.setattr(ProcessesLauncher, "run", run)
    assert train("-m", "latent_dim=2,4", "hydra/launcher=processes", "hydra.sweep.dir=deep") == 0
    assert os.readlink(SWEEP) == "../../deep"
    for _, *words in calls:
        assert train(*words) == 0
    assert sorted(path.name for path in Path("deep").glob("*/history.csv")) == ["history.csv"] * 2
    assert not os.path.lexists(RUN)


def test_a_link_that_cannot_be_set_costs_no_run(train, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "multirun").write_text("in the way")
    assert train("-m", "latent_dim=2,4", "hydra.sweep.dir=deep") == 0
    assert len(list(Path("deep").glob("*/history.csv"))) == 2
