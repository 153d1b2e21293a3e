"""Disks that are full, read-only or fail: one line, whole files stay whole, and runs resume when there is space."""

import errno
import json
import os
import subprocess

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses

from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory
from galvae.runs.trained_run import TrainedRun
from galvae.system import atomic

STEPS = {  # where the space ends -> the module and function that then fail, and on which file
    "checkpoint": (checkpoints, "_write_synced", "last.safetensors"),
    "history": (atomic, "replacing", "history.csv"),
    "figure": (atomic, "replacing", "samples.png"),
    "metrics": (atomic, "replacing", "metrics.json"),
}


@pytest.fixture
def disk(tmp_path):
    """A disk of 4 MB; skipped where file systems cannot be mounted."""
    where = tmp_path / "disk"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(where)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def fill(disk, left=0):
    """Leaves so many bytes of a disk."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with open(disk / "filler", "wb") as file:
        file.write(bytes(max(free - left, 0)))


def lines(err):
    return [line for line in err.splitlines() if line.startswith("galvae: ")]


def one_line(status, err):
    """Checks that a command ended with one line that says what to do; returns it."""
    assert status == 1, err
    assert "Traceback" not in err
    assert len(lines(err)) == 1
    assert "No space left" in lines(err)[0]
    assert "free space" in lines(err)[0]
    return lines(err)[0]


def intact(path, epoch):
    """Checks that a run's newest checkpoint is whole and of an epoch, and that nothing half-written lies about."""
    newest = checkpoints.newest(path / "checkpoints")
    assert checkpoints.read_state(newest).epoch == epoch
    assert not [file for file in path.rglob(".*")]
    run = TrainedRun.open(path)
    assert run.state.epoch == epoch


@pytest.mark.slow
def test_a_run_resumes_when_a_full_disk_has_space_again(disk, galvae, tmp_path):
    np.save(tmp_path / "galaxies.npy", ellipses(60, 16))
    small = (
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path}/galaxies.npy",
        *SMALL,
        "checkpoint.every=1",
    )
    where = f"hydra.run.dir={disk}/run"
    assert galvae("train", *small, "epochs=1", where)[0] == 0
    whole = {path: path.read_bytes() for path in (disk / "run" / "checkpoints").rglob("*") if path.is_file()}
    fill(disk, left=20_000)
    status, _, err = galvae("train", *small, "epochs=2", where)
    one_line(status, err)
    assert {path: path.read_bytes() for path in whole} == whole
    intact(disk / "run", 1)
    (disk / "filler").unlink()
    status, _, err = galvae("train", f"resume={disk}/run", "epochs=2")
    assert status == 0, err
    intact(disk / "run", 2)
    assert RunDirectory.open(disk / "run").finished
    assert len((disk / "run" / "history.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("command", "settings", "left"),
    [
        ("sample", ["n=16"], 0),
        ("sample", ["n=16"], 8192),
        ("evaluate", ["split=all", "samples=60", "bootstrap=100"], 65536),
        ("umap", ["n_neighbors=5", "n_epochs=20", "grid=3"], 8192),
    ],
)
@pytest.mark.slow
def test_what_reads_a_run_leaves_nothing_half_written(command, settings, left, disk, galvae, trained):
    fill(disk, left)
    status, _, err = galvae(command, f"run={trained('vae')}", *settings, f"hydra.run.dir={disk}/{command}")
    one_line(status, err)
    written = [path for path in (disk / command).rglob("*") if path.is_file()]
    assert not [path for path in written if path.name.startswith(".")]
    for path in written:
        if path.suffix == ".npz":
            with np.load(path) as stored:
                assert all(stored[name].shape is not None for name in stored)
        if path.suffix == ".json":
            json.loads(path.read_text())


# In the fast suite, the step that costs most if it fails.
SPACE = [step if step == "checkpoint" else pytest.param(step, marks=pytest.mark.slow) for step in STEPS]


@pytest.mark.parametrize("step", SPACE)
def test_no_space_at_each_step_of_a_run(step, galvae, small_files, tmp_path, monkeypatch):
    module, function, name = STEPS[step]
    original = getattr(module, function)

    def failing(path, *arguments):
        if os.path.basename(path) == name and not (step == "metrics" and failing.running):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        failing.running = failing.running and os.path.basename(path) != name
        return original(path, *arguments)

    failing.running = True  # the first metrics.json only says that the run has begun
    where = tmp_path / "run"
    with monkeypatch.context() as patch:
        for user in (
            "galvae.runs.directory",
            "galvae.figures.style",
            "galvae.system.atomic",
            "galvae.runs.checkpoints",
        ):
            patch.setattr(f"{user}.{function}", failing, raising=False)
        status, _, err = galvae("train", *small_files, f"hydra.run.dir={where}")
    one_line(status, err)
    status, _, err = galvae("train", *small_files, f"hydra.run.dir={where}")
    assert status == 0, err
    intact(where, 2)
    assert RunDirectory.open(where).finished


@pytest.mark.slow
def test_a_failed_sync_is_fatal_for_the_files_and_repeated_from_memory(
    galvae, small_files, tmp_path, monkeypatch
):
    where, sync, calls = tmp_path / "run", os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    status, _, err = galvae("train", *small_files, "checkpoint.every=1", f"hydra.run.dir={where}")
    assert status == 1
    assert "Input/output error" in lines(err)[-1]
    assert len(lines(err)) == 1
    # Whatever was written before the failure is gone, and the epoch's files were written anew or not at all.
    assert not list((where / "checkpoints").glob(".tmp-*"))
    for path in (where / "checkpoints").glob("epoch-*"):
        assert checkpoints.verifies(path)
    assert galvae("train", *small_files, "checkpoint.every=1", f"hydra.run.dir={where}")[0] == 0
    intact(where, 2)


def test_a_read_only_run_is_read_into_another_directory(disk, galvae, trained):
    subprocess.run(["cp", "-r", str(trained("vae")), str(disk / "run")], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    status, _, err = galvae("sample", f"run={disk}/run", "n=4")
    assert status == 1
    assert len(lines(err)) == 1
    assert "Read-only file system" in lines(err)[0]
    status, out, err = galvae("sample", f"run={disk}/run", "n=4", "hydra.run.dir=elsewhere")
    assert status == 0, err
    assert out.splitlines()[-1].endswith("/elsewhere")


@pytest.mark.slow
def test_encode_keeps_its_parts_on_a_full_disk_and_goes_on(disk, galvae, trained, tmp_path):
    run = trained("vae")
    height, _, bands = TrainedRun.open(run).state.image_shape
    np.save(tmp_path / "survey.npy", ellipses(400, height, bands).astype(np.float32) / 255)
    command = [
        *("encode", f"run={run}", "dataset=files", "dataset.axes=NHWC", "allow=[bands]", "shards=8"),
        f"dataset.path={tmp_path}/survey.npy",
    ]
    assert galvae(*command, f"hydra.run.dir={tmp_path}/calm")[0] == 0
    assert galvae(*command, f"hydra.run.dir={disk}/results", "shard=5")[0] == 0
    fill(disk, left=30_000)
    status, _, err = galvae(*command, f"hydra.run.dir={disk}/results")
    one_line(status, err)
    parts = sorted((disk / "results" / "parts").iterdir())
    assert 1 <= len(parts) < 8
    assert not [part for part in parts if part.name.startswith(".")]
    whole = {part: part.stat().st_mtime_ns for part in parts}
    (disk / "filler").unlink()
    fill(disk, left=60_000)  # room for all parts, but not for the table
    one_line(*(galvae(*command, f"hydra.run.dir={disk}/results")[index] for index in (0, 2)))
    assert all(part.stat().st_mtime_ns == time for part, time in whole.items())
    assert len(list((disk / "results" / "parts").iterdir())) == 8
    (disk / "filler").unlink()
    assert galvae(*command, f"hydra.run.dir={disk}/results")[0] == 0
    table = (tmp_path / "calm" / "galaxies.ecsv").read_bytes()
    assert (disk / "results" / "galaxies.ecsv").read_bytes() == table
