"""Sweeps: jobs in one process and in several, jobs that fail, and the same command a second time."""

import importlib.util
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import ellipses

import galvae.cli.application  # noqa: F401  (makes hydra_plugins importable)
from galvae.cli import overrides
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory
from galvae.runs.sweep import Sweep, describe_exit, recorded
from galvae.training import session

# What the jobs of `galvae prepare` do instead, depending on image_size: loaded by every Python process whose
# PYTHONPATH has its folder.
INSTEAD = """\
import os, signal, sys, time
size = next((word[-2:] for word in sys.orig_argv if word.startswith("dataset.image_size=")), None)
if "hydra.mode=RUN" in sys.orig_argv:
    if size == "10":
        os.abort()
    if size == "11":
        os.kill(os.getpid(), signal.SIGKILL)
    if size == "12":
        print("galvae: no room on the disk", flush=True)
        os._exit(1)
    if size in ("13", "14", "15"):
        print("GPU", os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
        time.sleep(60 if "sleep" in os.environ else 1)
"""


@pytest.fixture
def prepare(tmp_path):
    """Starts `galvae prepare -m` in processes of its own, in an empty folder; returns the Popen."""
    np.save(tmp_path / "galaxies.npy", ellipses(60, 16))
    (tmp_path / "instead").mkdir()
    (tmp_path / "instead" / "sitecustomize.py").write_text(INSTEAD)

    def start(*arguments, **environment):
        path = os.pathsep.join([str(tmp_path / "instead"), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "PYTHONPATH": path, **environment}
        command = [sys.executable, "-m", "galvae", "prepare", "-m", "hydra/launcher=processes"]
        dataset = [
            "dataset=files",
            "dataset.axes=NHWC",
            f"dataset.path={tmp_path / 'galaxies.npy'}",
            "hydra.sweep.dir=sweep",
        ]
        return subprocess.Popen(
            [*command, *dataset, *arguments],
            cwd=tmp_path,
            env={name: value for name, value in environment.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def jobs(folder):
    """The content of a sweep's jobs.json, as {directory: (status, error)}."""
    held = json.loads((folder / "jobs.json").read_text())
    return {name: (job["status"], job.get("error")) for name, job in held.items()}


def working_in(folder):
    """Numbers of the living processes that write in a folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, state = (process / "cmdline").read_bytes(), (process / "stat").read_text()
        except OSError:
            continue
        if f"hydra.run.dir='{folder}".encode() in command and ") Z " not in state:
            found.add(int(process.name))
    return found


def wait_for(condition, seconds=60):
    """Waits until a condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


@pytest.mark.slow
def test_of_four_processes_three_die_and_all_are_listed(prepare, tmp_path):
    process = prepare("dataset.image_size=10,11,12,16", "hydra.launcher.jobs=2")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    reasons = {
        "0_files": ("failed", "killed by SIGABRT"),
        "1_files": ("failed", "killed by SIGKILL, as by the system when memory runs out"),
        "2_files": ("failed", "no room on the disk"),
        "3_files": ("finished", None),
    }
    assert jobs(tmp_path / "sweep") == reasons
    heading, *lines = err.splitlines()
    assert heading == "sweep of 4: 1 finished, 3 failed"
    assert sorted(lines) == [
        f"  {tmp_path}/sweep/{name}: failed: {error}" for name, (status, error) in reasons.items() if error
    ]
    assert out.splitlines()[-1] == str(tmp_path / "sweep")
    assert (tmp_path / "sweep" / "3_files" / "contact_sheet.png").is_file()
    assert working_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_ends_all_processes(number, status, prepare, tmp_path):
    process = prepare("dataset.image_size=13,14,15", "hydra.launcher.jobs=2", sleep="")
    logs = [tmp_path / "sweep" / name / "prepare.log" for name in ("0_files", "1_files")]
    wait_for(lambda: all(log.is_file() and "GPU" in log.read_text() for log in logs))
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in err
    assert "sweep of 3: 3 stopped" in err
    assert jobs(tmp_path / "sweep")["2_files"] == ("stopped", "not started")
    assert working_in(tmp_path) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_processes_end_with_a_parent_that_is_killed(prepare, tmp_path):
    process = prepare("dataset.image_size=13,14", "hydra.launcher.jobs=2", sleep="")
    logs = [tmp_path / "sweep" / name / "prepare.log" for name in ("0_files", "1_files")]
    wait_for(lambda: all(log.is_file() and "GPU" in log.read_text() for log in logs))
    assert len(working_in(tmp_path)) == 2
    process.kill()
    process.communicate()
    wait_for(lambda: working_in(tmp_path) == set(), seconds=10)


@pytest.mark.slow
def test_each_process_has_a_gpu_of_those_that_are_visible(prepare, tmp_path):
    process = prepare("dataset.image_size=13,14", CUDA_VISIBLE_DEVICES="3,GPU-5c3")
    process.communicate(timeout=120)
    assert process.returncode == 0
    logs = [(tmp_path / "sweep" / name / "prepare.log").read_text() for name in ("0_files", "1_files")]
    assert [log.splitlines()[0] for log in logs] == ["GPU 3", "GPU GPU-5c3"]


@pytest.mark.parametrize(
    ("visible", "found"),
    [("0,1", ["0", "1"]), ("MIG-1", ["MIG-1"]), ("", []), ("-1", []), (None, ["0", "1", "2"])],
)
def test_gpus_are_those_that_cuda_would_see(visible, found, tmp_path, monkeypatch):
    from hydra_plugins.processes import visible_gpus

    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n2\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == found


@pytest.mark.parametrize("home", [None, "/proc/none"])
def test_processes_that_begin_together_fill_a_cold_cache_once(home, prepare, tmp_path):
    cache = tmp_path / "cache"
    process = prepare(
        "dataset.split_seed=0,1",
        "hydra.launcher.jobs=2",
        HOME=home,
        GALVAE_CACHE=str(cache),
        MPLCONFIGDIR=None,
    )
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "sweep of 2: 2 finished\n")
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_without_a_cache_or_a_home_it_is_a_line(prepare, tmp_path):
    process = prepare("dataset.split_seed=0,1", HOME="/proc/none", GALVAE_CACHE=None, XDG_CACHE_HOME=None)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert len(err.splitlines()) == 3
    assert err.count("failed: cannot write the cache in /proc/none/.cache/galvae") == 2


@pytest.mark.slow
def test_the_second_time_finished_jobs_are_skipped_and_others_resume(galvae, small_files, tmp_path):
    command = ["train", *small_files, "-m", "latent_dim=2,0", "epochs=1", "hydra.sweep.dir=sweep"]
    refused = "latent_dim: expected integer, at least 1 and at most 65536, received 0"
    for _ in range(2):
        status, out, err = galvae(*command)
        assert status == 2
        assert out.splitlines()[-1] == str(tmp_path / "sweep")
        report = err[err.index("sweep of 2") :].splitlines()
        assert report == [
            "sweep of 2: 1 finished, 1 failed",
            f"  {tmp_path}/sweep/1_files_vae_z0: failed: {refused}",
        ]
        names = sorted(path.name for path in (tmp_path / "sweep").iterdir())
        assert names == ["0_files_vae_z2", "jobs.json", "multirun.yaml"]
    assert err.count("already finished") == 1
    # A job that was refused starts anew, one that grows resumes.
    status, _, err = galvae(*command[:-3], "latent_dim=2,4", "epochs=2", "hydra.sweep.dir=sweep")
    assert (status, err.count("resuming after epoch 1 of 2")) == (0, 1)
    runs = [RunDirectory.open(tmp_path / "sweep" / name) for name in ("0_files_vae_z2", "1_files_vae_z4")]
    assert [(run.status, run.metrics["epochs"]) for run in runs] == [("finished", 2)] * 2


@pytest.mark.slow
def test_a_finished_job_costs_no_process(galvae, small_files, tmp_path, monkeypatch):
    command = ["train", *small_files, "-m", "latent_dim=2,3", "epochs=1", "hydra.sweep.dir=sweep"]
    assert galvae(*command)[0] == 0
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(subprocess, "Popen", None)
    status, out, err = galvae(*command, "hydra/launcher=processes", "hydra.launcher.jobs=1")
    assert (status, err) == (0, "sweep of 2: 2 finished\n")
    assert out.count("was finished before") == 2


@pytest.mark.slow
def test_what_lies_in_the_way_of_one_process_does_not_stop_the_others(prepare, tmp_path):
    (tmp_path / "sweep" / "1_files").mkdir(parents=True)
    (tmp_path / "sweep" / "1_files" / "metrics.json").write_text("[1")
    (tmp_path / "sweep" / "0_files").write_text("a file")
    _, err = prepare("dataset.image_size=8,12,16", "hydra.launcher.jobs=1").communicate(timeout=120)
    heading, *_ = err.splitlines()
    assert heading == "sweep of 3: 1 finished, 2 failed"
    assert jobs(tmp_path / "sweep") == {
        "0_files": ("failed", f"cannot start: File exists: {tmp_path}/sweep/0_files"),
        "1_files": ("failed", "no room on the disk"),
        "2_files": ("finished", None),
    }


def test_a_slurm_job_that_was_cancelled_while_it_waited_is_listed(tmp_path, monkeypatch):
    from hydra_plugins import slurm
    from hydra_plugins._commands import Job

    launcher = slurm.SlurmLauncher(1, None, 0, 1, 1, 1, 1, None, None, None, 0, True, {})
    launcher.folder, launcher.task = tmp_path, SimpleNamespace(sweep=Sweep())
    monkeypatch.setattr(slurm, "queue", dict)
    job = Job(0, tmp_path / "0", [], None)
    for damage in (None, lambda file: file.write_text("{}"), lambda file: file.unlink() or os.mkfifo(file)):
        if damage is not None:  # in the file with its exit status, which an earlier submission has left
            launcher._exit_file(job).parent.mkdir(exist_ok=True)
            launcher._exit_file(job).touch()
            damage(launcher._exit_file(job))
        assert launcher._still_queued({job: "7_0"}) == {}
        assert jobs(tmp_path) == {"0": ("failed", "cancelled in the queue")}


@pytest.mark.parametrize(("name", "backend"), [("train", "tensorflow"), ("encode", "jax")])
def test_several_processes_of_slurm_only_train_and_only_with_jax(name, backend):
    from hydra_plugins import slurm
    from hydra_plugins._commands import Job

    launcher = slurm.SlurmLauncher(1, None, 0, 1, 2, 1, 1, None, None, None, 0, True, {})
    assert (launcher.parameters["nodes"], launcher.parameters["ntasks_per_node"]) == (2, 1)
    launcher.task = SimpleNamespace(name=name)
    with pytest.raises(
        GalvaeError, match="hydra.launcher.nodes: expected galvae train backend=jax for 2 processes"
    ):
        launcher.run([Job(0, None, [], SimpleNamespace(backend=backend))])


@pytest.mark.slow
def test_a_defect_in_one_job_is_listed_and_the_others_run(galvae, small_files, tmp_path, monkeypatch):
    begin = session._begin

    def break_one(config, *more):
        if config.latent_dim == 2:
            raise ZeroDivisionError("a defect")
        return begin(config, *more)

    monkeypatch.setattr(session, "_begin", break_one)
    status, _, err = galvae(
        "train", *small_files, "-m", "latent_dim=2,3", "epochs=1", "hydra.sweep.dir=sweep"
    )
    assert status == 1
    folder = tmp_path / "sweep" / "0_files_vae_z2"
    assert err.endswith(
        f"sweep of 2: 1 finished, 1 failed\n  {folder}: failed: ZeroDivisionError: a defect\n"
    )
    assert "in break_one" in (folder / "train.log").read_text()


def test_two_sweeps_of_the_same_second_have_a_directory_each(galvae, small_files, tmp_path, monkeypatch):
    class Frozen(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 11, 20, 10, 9, 8)

    monkeypatch.setattr(overrides, "datetime", Frozen)
    for _ in range(2):
        assert galvae("prepare", *small_files[:3], "-m", "dataset.image_size=16")[0] == 0
    names = sorted(path.name for path in (tmp_path / "outputs" / "multirun").iterdir())
    assert names == ["2026-11-20_10-09-08", "2026-11-20_10-09-08-2"]


def test_a_sweep_of_wrong_values_only_leaves_nothing(galvae, tmp_path):
    for launcher in ((), ("hydra/launcher=processes",)):
        status, _, err = galvae("train", "-m", "latent_dim=two,three", "hydra.sweep.dir=new/sweep", *launcher)
        assert status == 2
        assert "sweep of 2: 2 failed" in err
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("returncode", "log", "expected"),
    [
        (0, "", ("finished", None, 0)),
        (-signal.SIGSEGV, "", ("failed", "killed by SIGSEGV", 1)),
        (75, "galvae: stopped by SIGUSR1; resume\n", ("stopped", "stopped by SIGUSR1; resume", 75)),
        (130, "galvae: stopped by Ctrl-C\n", ("stopped", "stopped by Ctrl-C", 75)),
        (2, "INFO x\ngalvae: epochs: expected\n", ("failed", "epochs: expected", 2)),
        (1, "Traceback\nValueError: x\nsrun: error: task 0\n\n", ("failed", "ValueError: x", 1)),
        (255, "", ("failed", "ended without any output", 2)),
    ],
)
def test_how_a_process_ended_in_words(returncode, log, expected):
    assert describe_exit(returncode, io.BytesIO(log.encode())) == expected


DAMAGED_RECORDS = {
    "a thousand levels": "[" * 1000 + "]" * 1000,
    "a hundred levels": '{"0": {"slurm": ' + "[" * 100 + "]" * 100 + "}}",
    "a list of jobs": '[{"status": "failed"}]',
    "a job that is none": '{"0": "finished"}',
    "a number that is a list": '{"0": {"status": "failed", "slurm": ["7_0"]}}',
    "bytes": "\0\1",
}


@pytest.mark.parametrize("kind", DAMAGED_RECORDS)
def test_a_damaged_record_of_jobs_is_an_empty_one(kind, tmp_path):
    job = {"status": "failed", "error": "why", "exit_status": 1, "slurm": "7_0"}
    (tmp_path / "jobs.json").write_text(json.dumps({"0": job}))
    assert recorded(tmp_path) == {"0": job}
    (tmp_path / "jobs.json").write_text(DAMAGED_RECORDS[kind])
    assert recorded(tmp_path) == {}
    Sweep().note(tmp_path, tmp_path / "1", "finished")
    assert recorded(tmp_path) == {"1": {"status": "finished"}}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [((0, 0), 0), ((0, 75), 75), ((75, 1), 1), ((1, 2, 75), 2), ((130, 0), 130), ((), 0)],
)
def test_the_exit_status_of_a_sweep_is_that_of_its_worst_job(statuses, expected, tmp_path):
    sweep = Sweep()
    for number, exit_status in enumerate(statuses):
        status = "failed" if exit_status else "finished"
        sweep.note(tmp_path, tmp_path / str(number), status, "why", exit_status)
    assert sweep.report() == expected


@pytest.mark.parametrize(
    ("launcher", "key", "value"),
    [
        ("processes", "jobs", "-1"),
        ("processes", "jobs", "two"),
        ("slurm", "time", "null"),
        ("slurm", "memory", "16G"),
        ("slurm", "gpus", "-1"),
    ],
)
def test_a_wrong_value_of_a_launchers_key_is_a_line(launcher, key, value, galvae, tmp_path):
    command = ["train", "-m", "seed=1,2", f"hydra/launcher={launcher}", f"hydra.launcher.{key}={value}"]
    status, _, err = galvae(*command)
    assert status == 2
    assert len(err.splitlines()) == 1
    assert f"hydra.launcher.{key}: expected " in err
    assert os.listdir(tmp_path) == []


def test_slurm_without_submitit_or_without_slurm_is_a_line(galvae, small_files, monkeypatch, tmp_path):
    command = ["train", *small_files, "-m", "latent_dim=2,3", "hydra/launcher=slurm"]
    monkeypatch.setenv("PATH", "/nowhere")
    status, _, err = galvae(*command)
    assert (status, err) == (
        1,
        "galvae: hydra/launcher=slurm: expected a machine of a SLURM cluster, received no squeue\n",
    )
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "submitit" else find(name))
    status, _, err = galvae(*command)
    assert status == 2
    assert err == (
        "galvae: hydra/launcher=slurm: expected submitit to be installed, as by pip install -e '.[slurm]'\n"
    )
    assert not (tmp_path / "outputs").exists()
