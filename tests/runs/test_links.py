"""Links that a run or a sweep from elsewhere may hold: no command writes through them."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import ellipses

import galvae.cli.application  # noqa: F401  (makes hydra_plugins importable)
from galvae.analysis import plane
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory
from galvae.runs.evaluations import evaluations
from galvae.runs.links import check_output, check_sweep, refuse_link_below
from galvae.runs.sweep import Sweep
from galvae.runs.trained_run import TrainedRun

DAMAGE = {
    "file": lambda path, victim: path.symlink_to(victim / "file"),
    "folder": lambda path, victim: path.symlink_to(victim),
    "dangling link": lambda path, victim: path.symlink_to(victim / "new"),
    "pipe": lambda path, victim: os.mkfifo(path),
}


@pytest.fixture
def victim(tmp_path):
    """A folder of the user's, with a file, and what both must still be in the end."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "file").write_text("the user's own\n")
    yield folder
    assert os.listdir(folder) == ["file"]
    assert (folder / "file").read_text() == "the user's own\n"


def content(folder):
    """All paths below a folder, with what they are or hold."""
    return {
        path: os.readlink(path) if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.fixture
def run(tmp_path):
    """A directory with the files of a run, whose content does not matter."""
    path = tmp_path / "run"
    for folder in ("checkpoints/epoch-0001", "figures"):
        (path / folder).mkdir(parents=True)
    for name in ("config.yaml", "metrics.json", "split.npz", "train.log", "figures/loss.png"):
        (path / name).write_text(name)
    return path


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize(
    "name",
    [
        *("train.log", "config.yaml", "environment.json", "data_report.json", "split.npz", "history.csv"),
        *("metrics.json", "checkpoints", "figures"),
    ],
)
def test_what_training_writes_may_be_no_link_or_pipe(name, kind, run, victim):
    check_output(run, "train")
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    DAMAGE[kind](path, victim)
    with pytest.raises(GalvaeError, match=f"^{path}: expected ") as error:
        check_output(run, "train")
    expected = "received a pipe, a socket or a device" if kind == "pipe" else f"received one to {victim}"
    assert expected in str(error.value)


@pytest.mark.parametrize("name", ["checkpoints/epoch-0002", "checkpoints/.tmp-a-1-0002", "figures/loss.png"])
def test_no_link_lies_among_checkpoints_or_figures(name, run, victim):
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    with pytest.raises(GalvaeError, match=f"^{run / name}: expected no link in this directory"):
        check_output(run, "train")


def test_a_log_with_another_name_is_refused_since_it_is_appended_to(run, victim):
    os.link(run / "metrics.json", run / "copy.json")  # replaced, never written in place: no harm
    check_output(run, "train")
    (run / "train.log").unlink()
    os.link(victim / "file", run / "train.log")
    with pytest.raises(
        GalvaeError, match=r"train\.log: expected a file of its own, received one that has 2 names"
    ):
        check_output(run, "train")


def test_links_that_nothing_is_written_through_are_no_harm(run, victim, tmp_path):
    for name in ("sample", "data", "notes.txt", "evaluate.log"):
        (run / name).symlink_to(victim)
    (tmp_path / "behind").symlink_to(run)  # a larger disk
    for path in (run, tmp_path / "behind"):
        check_output(path, "train")
        refuse_link_below(path, path / "evaluate" / "0")
        with pytest.raises(GalvaeError, match="sample: expected no link in this directory"):
            refuse_link_below(run, path / "sample" / "more")
    refuse_link_below(run, tmp_path / "behind")
    refuse_link_below(run, tmp_path / "elsewhere")
    with pytest.raises(GalvaeError, match=r"evaluate\.log: expected no link"):
        check_output(run, "evaluate")


@pytest.mark.parametrize(("name", "target"), [("train.log", "file"), ("figures", "."), ("checkpoints", ".")])
def test_a_run_with_a_link_is_not_resumed_and_nothing_changes(
    name, target, galvae, trained, victim, tmp_path
):
    run = Path(shutil.copytree(trained("vae"), tmp_path / "run"))
    shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim / target)
    before = content(run)
    status, out, err = galvae("train", f"resume={run}", "epochs=3")
    assert (status, out) == (2, "")
    assert err.startswith(
        f"galvae: {run / name}: expected no link in this directory, since nothing is written"
    )
    assert err.count("\n") == 1
    assert content(run) == before


def test_commands_that_read_a_run_write_into_its_own_folders(galvae, trained, victim, tmp_path):
    """The run lies behind a link, as on a larger disk; links inside it are left alone."""
    (tmp_path / "outputs").symlink_to(tmp_path / "scratch")
    run = Path(
        shutil.copytree(trained("vae"), tmp_path / "scratch" / "run", ignore=shutil.ignore_patterns("codes"))
    )
    for name in ("sample", "codes", "evaluate", "figures/more"):
        (run / name).symlink_to(victim)
    status, out, err = galvae("sample", "run=outputs/run", "n=1")
    assert (status, out) == (0, f"{run / 'sample-2'}\n"), err
    assert (run / "sample-2" / "samples.npz").is_file()
    status, _, err = galvae("sample", "run=outputs/run", "n=1", "hydra.run.dir=outputs/run/sample/new")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{tmp_path}/outputs/run/sample: expected no link in this directory" in err


def test_codes_are_not_cached_through_a_link(trained, victim, tmp_path, caplog):
    run = Path(shutil.copytree(trained("vae"), tmp_path / "run", ignore=shutil.ignore_patterns("codes")))
    (run / "codes").symlink_to(victim)
    with caplog.at_level("INFO"):
        assert len(TrainedRun.open(run).codes("all").mean) == 60
    assert f"the codes cannot be cached in {run}: {run / 'codes'}: expected no link" in caplog.text


def test_a_finished_run_behind_a_link_is_found_as_before(galvae, trained, tmp_path):
    (tmp_path / "outputs").symlink_to(tmp_path / "scratch")
    shutil.copytree(trained("vae"), tmp_path / "scratch" / "run")
    status, _, err = galvae("train", "resume=outputs/run")
    assert status == 0, err
    assert "already finished after 2 epochs" in (tmp_path / "scratch" / "run" / "train.log").read_text()


def test_evaluations_behind_a_link_are_left_out(tmp_path):
    for folder in (tmp_path / "run", tmp_path / "elsewhere"):
        folder.mkdir()
    (tmp_path / "run" / "own.json").write_text('{"epoch": 1}')
    (tmp_path / "elsewhere" / "metrics.json").symlink_to(tmp_path / "run" / "own.json")
    (tmp_path / "run" / "evaluate").symlink_to(tmp_path / "elsewhere")  # whose file leads into the run again
    assert evaluations(tmp_path / "run", 1, "a") == []
    (tmp_path / "run" / "evaluate-2").mkdir()
    (tmp_path / "run" / "evaluate-2" / "metrics.json").write_text('{"epoch": 1}')
    (tmp_path / "behind").symlink_to(tmp_path / "run")
    for run in (tmp_path / "run", tmp_path / "behind"):
        assert [one.folder for one in evaluations(run, 1, "a")] == [run / "evaluate-2"]


def test_embeddings_are_not_looked_for_behind_a_link(tmp_path, monkeypatch):
    """Else a link to / would have galvae umap read every folder of the disk."""
    for folder in ("run/umap-2/0", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "embedding.npz").touch()
    (tmp_path / "run" / "umap").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "run" / "umap-2" / "link").symlink_to(tmp_path / "elsewhere")
    looked = []
    monkeypatch.setattr(plane, "find_stored", lambda paths, *_: looked.extend(paths) or ("found", "it"))
    run = SimpleNamespace(path=tmp_path / "run", weights_digest="a")
    settings = dict(n_neighbors=2, min_dist=0, metric="euclidean", n_epochs=1, fitted=100, seed=0)
    plane.embed(run, np.arange(9), SimpleNamespace(**settings), None)
    assert looked == [tmp_path / "run" / "umap-2" / "0" / "embedding.npz"]


def test_a_sweep_with_a_link_is_refused_before_hydra_writes(galvae, victim, tmp_path):
    np.save(tmp_path / "galaxies.npy", ellipses(30, 8))
    words = [
        "prepare",
        "-m",
        "dataset=files",
        "dataset.path=galaxies.npy",
        "dataset.axes=NHWC",
        "hydra.sweep.dir=sweep",
    ]
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "multirun.yaml").symlink_to(victim / "file")
    status, _, err = galvae(*words, "dataset.image_size=8")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("galvae: sweep/multirun.yaml: expected no link in this directory")
    assert os.listdir(tmp_path / "sweep") == ["multirun.yaml"]
    # Of two jobs, one whose directory is a link, where a log is not taken for the job's own and removed.
    (tmp_path / "sweep" / "multirun.yaml").unlink()
    (victim / "file").rename(victim / "prepare.log")
    (tmp_path / "sweep" / "0_files").symlink_to(victim)
    status, _, err = galvae(*words, "dataset.image_size=8,4")
    assert "sweep/0_files: expected no link in this directory" in err
    assert "sweep of 2: 2 failed" in err  # the other one for its size
    assert "1_files: failed: dataset.image_size: expected" in err
    (victim / "prepare.log").rename(victim / "file")


def test_a_process_of_a_sweep_is_not_started_in_a_link(victim, tmp_path, monkeypatch):
    from hydra_plugins import processes
    from hydra_plugins._commands import Job

    monkeypatch.setattr(processes.subprocess, "Popen", None)
    monkeypatch.setattr(processes, "visible_gpus", list)
    launcher = processes.ProcessesLauncher(1)
    launcher.folder, launcher.task = tmp_path, SimpleNamespace(sweep=Sweep(), name="train")
    config = SimpleNamespace(hydra=SimpleNamespace(job=SimpleNamespace(name="train")))
    (tmp_path / "0").symlink_to(victim)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "train.log").symlink_to(victim / "file")
    launcher.run([Job(number, tmp_path / str(number), [], config) for number in (0, 1)])
    for name, path in (("0", "0"), ("1", "1/train.log")):
        job = launcher.task.sweep.jobs[name]
        assert (job["status"], job["exit_status"]) == ("failed", 2)
        assert job["error"].startswith(f"{tmp_path / path}: expected no link in this directory")


@pytest.mark.parametrize("name", ["multirun.yaml", "jobs.json", ".submitit", ".submitit/17"])
def test_what_a_sweep_writes_may_be_no_link(name, victim, tmp_path):
    folder = tmp_path / "sweep"
    (folder / name).parent.mkdir(parents=True)
    check_sweep(folder)
    (folder / name).symlink_to(victim)
    with pytest.raises(GalvaeError, match=f"^{folder / name}: expected no link in this directory"):
        check_sweep(folder)
    (folder / name).unlink()
    os.link(victim / "file", folder / name)
    if name == "multirun.yaml":  # which Hydra writes in place
        with pytest.raises(GalvaeError, match=f"^{folder / name}: expected a file of its own"):
            check_sweep(folder)


def test_submitits_own_links_stay_in_its_folder(tmp_path):
    folder = tmp_path / ".submitit"
    (folder / "17").mkdir(parents=True)
    (folder / "submission_file.sh").symlink_to(folder / "17" / "17_submission.sh")
    check_sweep(tmp_path)


def test_a_checkpoint_may_not_be_a_link_to_another_one(tmp_path):
    (tmp_path / "checkpoints" / "epoch-0001").mkdir(parents=True)
    check_output(tmp_path, "train")
    (tmp_path / "checkpoints" / "epoch-0002").symlink_to(tmp_path / "checkpoints" / "epoch-0001")
    with pytest.raises(GalvaeError, match="epoch-0002: expected no link in this directory"):
        check_output(tmp_path, "train")


def test_the_run_that_is_read_is_the_one_behind_the_link(trained, tmp_path):
    (tmp_path / "run").symlink_to(trained("vae"))
    assert RunDirectory.open(tmp_path / "run").finished
