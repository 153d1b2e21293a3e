"""Several processes that train one run: real processes of this machine, against one that trains alone."""

import csv
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from builders.configs import SMALL
from builders.processes import child_environment, free_port
from builders.surveys import write_survey

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed"),
]

EPOCHS = 4
# Of 67 images 53 are for training: two batches of 24, which 1, 2 and 4 processes can share, and one of 5.
KEYS = (
    *(*SMALL, "network.filters=[4]", "model=vae", "batch=24", "latent_dim=3", "precision=float32"),
    *("backend=jax", f"epochs={EPOCHS}"),
    *("schedule.name=constant", "schedule.warmup=0"),  # so that a run of two epochs may have more
)
# Most of the time of these processes is compiling, and half of their imports TensorFlow.
QUICK = {
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
# The process STRUCK sends itself a signal when the losses of an epoch are known, which do not count yet. Training that
# diverges is tried again once.
CHILD = """
import os, signal, sys
sys.modules["tensorflow"] = None
from galvae.backend import processes
from galvae.cli.main import main

gather, epochs = processes.gather, []

def struck(what, value):
    if callbacks := sys.modules.get("galvae.training.callbacks"):  # which needs Keras, and Keras its backend
        callbacks.ROLLBACKS = 1
    if what == "losses":
        epochs.append(value)
    if [os.environ["JAX_PROCESS_ID"], str(len(epochs))] == os.environ["STRUCK"].split()[:2] and what == "losses":
        os.kill(os.getpid(), int(os.environ["STRUCK"].split()[2]))
    return gather(what, value)

processes.gather = struck
main()
"""


def start(count, words, folder, struck="", own=()):
    """Starts processes of one command, each in a folder of its own; returns them.

    Args:
        count: number of processes.
        words: of the command line.
        folder: where they have their folders; `cache` and `compiled` lie beside it.
        struck: "RANK EPOCH SIGNAL", see CHILD; the epoch is counted from the first that the process trains.
        own: (rank, words) of a process that has others.
    """
    port, started = free_port(), []
    for rank in range(count):
        (folder / f"of-{rank}").mkdir(exist_ok=True)
        environment = {
            **child_environment(),
            **QUICK,
            "GALVAE_CACHE": str(folder.parent / "cache"),
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "compiled"),
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(rank),
            "STRUCK": struck,
        }
        command = [sys.executable, "-c", CHILD, "train", *(own[1] if own and own[0] == rank else words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, env=environment, cwd=folder / f"of-{rank}", **pipes))
    return started


def end(started):
    """Waits for processes; returns (status, stdout, stderr) of each."""
    try:
        with ThreadPoolExecutor(len(started)) as threads:
            outputs = list(threads.map(lambda process: process.communicate(timeout=250), started))
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]


def run(*arguments, **options):
    """Runs processes to their end; arguments and result as of `start` and `end`."""
    return end(start(*arguments, **options))


def history(folder):
    """The losses of a run, an array of (epochs, losses)."""
    with open(folder / "history.csv") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("seconds", "images_per_second")]
    return np.array([[float(row[name]) for name in names] for row in rows])


def assert_as_alone(alone, run, epochs=EPOCHS):
    """A run has as many epochs, and the losses of one that a single process trained without a break."""
    np.testing.assert_allclose(history(run), history(alone)[:epochs], rtol=2e-5)
    if epochs == EPOCHS:
        assert json.loads((run / "metrics.json").read_text())["status"] == "finished"


def assert_quiet(folder, results):
    """Only the first process has said anything, and only it has left anything behind."""
    for rank, (_, out, err) in enumerate(results[1:], 1):
        assert (out, err) == ("", "")
        assert list((folder / f"of-{rank}").iterdir()) == []


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    survey = write_survey(tmp_path_factory.mktemp("data") / "survey.h5", count=67)
    return [*survey, "dataset.condition=[]", *KEYS]


@pytest.fixture(scope="module")
def begun(words, tmp_path_factory):
    """A run of which a single process has trained two epochs."""
    folder = tmp_path_factory.mktemp("begun")
    results = run(1, [*words, "epochs=2", f"hydra.run.dir={folder}/run"], folder)
    assert results[0][0] == 0, results
    return folder / "run"


@pytest.fixture(scope="module")
def alone(begun, tmp_path_factory):
    """A run that a single process has trained."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(begun, folder / "run")
    results = run(1, [f"resume={folder}/run", f"epochs={EPOCHS}"], folder)
    assert results[0][0] == 0, results
    assert len(history(folder / "run")) == EPOCHS
    return folder / "run"


def test_four_processes_have_the_losses_of_one(words, alone, tmp_path):
    results = run(4, [*words, "hydra.run.dir=run"], tmp_path)
    assert [status for status, _, _ in results] == [0] * 4, results
    assert_quiet(tmp_path, results)
    status, out, err = results[0]
    first = tmp_path / "of-0"
    assert out == f"{first / 'run'}\n"
    assert "Gloo" not in err and "JAX distributed" not in err
    assert_as_alone(alone, first / "run")
    assert (first / "outputs" / "train" / "latest").resolve() == first / "run"
    machine = json.loads((first / "run" / "environment.json").read_text())
    assert [machine[name] for name in ("count", "processes", "nodes")] == [4, 4, 1]
    metrics = json.loads((first / "run" / "metrics.json").read_text())
    assert [metrics[name] for name in ("devices", "processes", "nodes")] == [4, 4, 1]


def assert_ended(results, victim, folder):
    """Of two processes one was killed, which the other one says in one line."""
    status, out, err = results[1 - victim]
    assert (results[victim][0], status, out) == (-signal.SIGKILL, 75, ""), results
    assert err.splitlines()[-1].startswith(f"galvae: process {victim} ({os.uname().nodename}) ended without")
    assert err.endswith(f"; resume with: galvae train resume={folder}/run\n")
    assert len(err.splitlines()) == 1 or victim == 1  # no screenful of C++
    assert list((folder / "of-1").iterdir()) == []


def test_the_death_of_the_first_process_ends_the_others(words, alone, tmp_path):
    keys = ["checkpoint.every=1", f"hydra.run.dir={tmp_path}/run"]
    assert_ended(run(2, [*words, *keys], tmp_path, struck=f"0 3 {signal.SIGKILL}"), 0, tmp_path)
    assert_as_alone(alone, tmp_path / "run", epochs=2)


def test_two_processes_resume_what_one_began_and_one_dies_and_one_resumes(begun, alone, tmp_path):
    shutil.copytree(begun, tmp_path / "run")
    keys = [f"resume={tmp_path}/run", f"epochs={EPOCHS}"]
    assert_ended(run(2, keys, tmp_path, struck=f"1 2 {signal.SIGKILL}"), 1, tmp_path)
    assert_as_alone(alone, tmp_path / "run", epochs=3)
    machine = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert (machine["processes"], machine["resumed"][0]["processes"]) == (1, 2)
    results = run(1, keys, tmp_path)
    assert results[0][0] == 0, results
    assert_as_alone(alone, tmp_path / "run")


def test_a_signal_to_one_stops_all(words, tmp_path):
    folder = f"{tmp_path}/run"
    results = run(2, [*words, f"hydra.run.dir={folder}"], tmp_path, struck=f"1 3 {signal.SIGUSR1}")
    assert [status for status, _, _ in results] == [75, 75], results
    assert_quiet(tmp_path, results)
    expected = f"galvae: stopped by SIGUSR1; resume with: galvae train resume={folder}"
    assert results[0][2].splitlines()[-1] == expected
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == {"status": "stopped"}
    assert len(history(tmp_path / "run")) == 3


def test_divergence_rolls_all_back_and_ends_in_one_line(words, tmp_path):
    keys = ["learning_rate=1e30", "on_nan=rollback", f"hydra.run.dir={tmp_path}/run"]
    results = run(2, [*words, *keys], tmp_path)
    assert [status for status, _, _ in results] == [1, 1], results
    assert_quiet(tmp_path, results)
    assert results[0][2].count("resuming from the end of epoch 0") == 1
    assert results[0][2].splitlines()[-1].startswith("galvae: training diverged in epoch 1")
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "diverged"


def test_processes_with_other_files_or_keys_are_refused_in_one_line(words, tmp_path):
    words = [*words, "hydra.run.dir=run"]
    other = write_survey(tmp_path / "other.h5", count=68)
    for own, expected in (
        ([*words, "batch="], "galvae: process 1 ("),
        (
            [*words, "batch=12"],
            "galvae: batch: expected the same on all 2 processes, received 24 on process 0",
        ),
        (
            [*other, *words[len(other) :]],
            "galvae: dataset (SHA-256): expected the same on all 2 processes, received ",
        ),
    ):
        results = run(2, words, tmp_path, own=(1, own))
        assert [status for status, _, _ in results] == [2, 2], results
        assert_quiet(tmp_path, results)
        *before, line = results[0][2].splitlines()
        assert line.startswith(expected) and "process 1 (" in line
        assert not before or before[0].startswith("data: images from")
        assert not Path(tmp_path, "of-0", "run").exists()
