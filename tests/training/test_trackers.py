"""Trackers: what they record, how a record goes on, and that training neither waits for them nor fails with them."""

import csv
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import ellipses
from builders.processes import child_environment, free_port
from builders.tracked import Record, pixels, read_tensorboard, read_wandb
from PIL import Image

from galvae.config.train import TRACKERS
from galvae.errors import CannotBeDone, GalvaeError, TrainingDiverged
from galvae.training import session
from galvae.training.callbacks import Progress
from galvae.training.trackers import tracking
from galvae.training.trackers import wandb as wandb_tracker
from galvae.training.trackers.tracking import Tracking, check_installed, numbers

CONFIG = train_config("dataset=simulated", "latent_dim=3", "schedule.final=0.25")


class Recording:
    """A third tracker, which is all that it takes: one class, here without a file of its own."""

    def __init__(self, run):
        self.file = run.folder / "recording.jsonl"
        self.next_epoch = min(run.written, run.epochs) + 1
        self.where = str(self.file)
        self._write("begin", {"config": run.config, "name": run.path.name, "first": self.next_epoch})

    def epoch(self, row, time):
        self._write("epoch", {**row, "time": time})
        return True

    def figures(self, paths, epoch):
        self._write("figures", {name: str(path) for name, path in paths.items()})

    def numbers(self, values, epoch):
        self._write("numbers", values)

    def end(self, status):
        self._write("end", status)

    def _write(self, *line):
        with open(self.file, "a") as file:
            file.write(json.dumps(line) + "\n")


def read_recording(folder):
    record, times = Record(), {}
    for line in (folder / "recording.jsonl").read_text().splitlines():
        method, value = json.loads(line)
        if method == "begin":
            record.config, record.name = value["config"], value["name"]
            kept = {
                name: [row for row in rows if row[0] < value["first"]] for name, rows in record.rows.items()
            }
            record.rows = kept
        elif method == "epoch":
            times[value["epoch"]] = value.pop("time")
            epoch = value.pop("epoch")
            for name, number in value.items():
                record.rows.setdefault(name, []).append((epoch, number))
        elif method == "figures":
            record.figures |= {name: pixels(path) for name, path in value.items()}
        elif method == "numbers":
            record.numbers |= value
        else:
            record.status = value
    record.times = [times[epoch] for epoch in sorted(times)]
    return record


READ = {"tensorboard": read_tensorboard, "wandb": read_wandb, "recording": read_recording}
EVERY = [
    pytest.param(name, marks=[pytest.mark.slow] * (name == "wandb")) for name in (*TRACKERS, "recording")
]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch, tmp_path):
    """No variable of W&B's, and none that a tracker sets is left; the recording tracker is where others are."""
    for name in [*os.environ, "WANDB_MODE", "WANDB_SILENT", "WANDB_ERROR_REPORTING", "WANDB_PROJECT"]:
        if name.startswith("WANDB_"):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    use(monkeypatch, Recording)


def use(monkeypatch, kind):
    """Makes a class the tracker `recording`."""
    module = SimpleNamespace(Tracker=kind)
    monkeypatch.setitem(sys.modules, "galvae.training.trackers.recording", module)


@pytest.fixture
def run(tmp_path):
    """A run's directory with a figure of a galaxy without symmetry."""
    path = tmp_path / "sweep" / "3_simulated_z3"
    (path / "figures").mkdir(parents=True)
    Image.fromarray(galaxy()).save(path / "figures" / "samples.png")
    return SimpleNamespace(path=path, environment={"run_id": "3b0267a2cd704a34"}, config=CONFIG)


def galaxy():
    return np.ascontiguousarray(ellipses(1, 24)[0, :20])


def row(epoch, loss):
    return {
        "epoch": epoch,
        "loss": loss,
        "val_loss": loss + 0.5,
        "learning_rate": 0.25,
        "seconds": 2.0,
        "images_per_second": 80.0,
    }


def track(name, run, losses, history=(), status="finished"):
    """Tracks epochs of the given losses after those of a history, and what follows them."""
    followed = Tracking(name, run, list(history))
    for epoch, loss in enumerate(losses, len(history) + 1):
        followed.epoch(row(epoch, loss))
    if status == "finished":
        followed.results(run.path / "figures", {"val_loss": 2.5, "card": {"w1": 0.125}}, "result", epoch)
    followed.end(status)
    return READ[name](run.path / "tracker")


@pytest.mark.parametrize("name", EVERY)
def test_a_run_is_recorded(name, run, caplog):
    caplog.set_level(logging.INFO)
    before = time.time()
    record = track(name, run, [8.0, 4.0, 3.0])
    assert record.rows["loss"] == [(1, 8.0), (2, 4.0), (3, 3.0)]
    assert record.rows["val_loss"] == [(1, 8.5), (2, 4.5), (3, 3.5)]
    assert set(record.rows) == set(row(1, 8.0)) - {"epoch"}
    assert record.times is None or all(before <= moment <= time.time() for moment in record.times)
    assert {name: record.numbers[name] for name in ("result/val_loss", "result/card/w1")} == {
        "result/val_loss": 2.5,
        "result/card/w1": 0.125,
    }
    assert record.config["latent_dim"] == 3 and record.config["schedule"]["final"] == 0.25
    assert record.status == "finished" and record.name in (None, run.path.name)
    (figure,) = record.figures
    assert figure == "result/figures/samples"
    np.testing.assert_array_equal(record.figures[figure][..., :3], galaxy())  # neither mirrored nor rotated
    (line,) = [line for line in caplog.records if line.name.startswith("galvae")]
    assert line.levelname == "INFO" and str(run.path / "tracker") in line.getMessage()


@pytest.mark.parametrize("name", EVERY)
def test_a_resumed_run_goes_on_with_its_record(name, run):
    track(name, run, [8.0, 7.0], status="stopped")
    record = track(name, run, [6.0, 5.0], [row(1, 8.0), row(2, 7.0)])
    assert record.rows["loss"] == [(1, 8.0), (2, 7.0), (3, 6.0), (4, 5.0)]
    assert record.status == "finished"
    if name == "tensorboard":
        assert record.times == sorted(record.times)


@pytest.mark.parametrize("name", EVERY)
def test_epochs_that_were_lost_and_trained_again_are_recorded_once(name, run):
    track(name, run, [8.0, 7.0, 6.0, 5.0], status="stopped")  # the newest checkpoint is of epoch 2
    record = track(name, run, [6.25, 5.25, 4.25], [row(1, 8.0), row(2, 7.0)])
    again = [(3, 6.0), (4, 5.0)] if name == "wandb" else [(3, 6.25), (4, 5.25)]  # which writes no step twice
    assert record.rows["loss"] == [(1, 8.0), (2, 7.0), *again, (5, 4.25)]


@pytest.mark.parametrize("name", EVERY)
def test_epochs_that_were_not_tracked_are_recorded_when_a_tracker_begins(name, run):
    record = track(name, run, [6.0], [row(1, 8.0), row(2, 7.0)])
    assert record.rows["loss"] == [(1, 8.0), (2, 7.0), (3, 6.0)]
    if name == "tensorboard":  # as if they had just been trained, of 2 s each
        assert record.times[1] - record.times[0] == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("sure", [True, False])
def test_epochs_that_may_be_lost_with_a_killed_process_are_recorded_again(sure, run, monkeypatch):
    epoch = Recording.epoch
    use(monkeypatch, type("Tracker", (Recording,), {"epoch": lambda *arguments: epoch(*arguments) and sure}))
    followed, state = Tracking("recording", run, []), run.path / "tracker" / "recording.json"
    for loss in (7.0, 6.0, 5.0):
        followed.epoch(row(int(8 - loss), loss))
    while sure and not (state.exists() and json.loads(state.read_text())["epochs"] == 3):
        time.sleep(0.001)
    followed._call("killed")  # there is no such method: it ends the thread as if the process had been killed
    followed._thread.join(5)
    record = track("recording", run, [4.0], [row(1, 7.0), row(2, 6.0), row(3, 5.0)])
    assert record.rows["loss"] == [(1, 7.0), (2, 6.0), (3, 5.0), (4, 4.0)]
    again = (run.path / "tracker" / "recording.jsonl").read_text().splitlines()[4:]
    assert json.loads(again[0])[1]["first"] == (4 if sure else 1)


def test_the_record_of_another_run_in_the_same_directory_counts_no_more(run):
    track("tensorboard", run, [80.0, 70.0, 60.0], status="stopped")
    run.environment = {"run_id": "f00d"}
    record = track("tensorboard", run, [6.0], [row(1, 8.0), row(2, 7.0)])  # which began without a tracker
    assert record.rows["loss"] == [(1, 8.0), (2, 7.0), (3, 6.0)]


@pytest.mark.parametrize("name", EVERY)
def test_an_evaluation_adds_its_numbers_and_figures(name, run):
    track(name, run, [8.0, 7.0])
    Image.fromarray(galaxy()[::-1]).save(run.path / "card.png")
    evaluation = Tracking(name, run)
    evaluation.results(run.path, {"psnr": 31.5}, "evaluate/test", 1)
    evaluation.end("finished")
    record = track(name, run, [6.0], [row(1, 8.0), row(2, 7.0)])
    assert record.rows["loss"] == [(1, 8.0), (2, 7.0), (3, 6.0)]
    assert record.numbers["evaluate/test/psnr"] == 31.5 and record.numbers["result/val_loss"] == 2.5
    np.testing.assert_array_equal(record.figures["evaluate/test/figures/card"][..., :3], galaxy()[::-1])


def test_numbers_are_the_finite_ones_with_their_names():
    values = {
        "a": 1,
        "b": {"c": 0.5, "d": {"e": -2}},
        "f": float("nan"),
        "g": True,
        "h": "x",
        "i": [1],
        "j": None,
    }
    assert numbers(values, "p") == {"p/a": 1.0, "p/b/c": 0.5, "p/b/d/e": -2.0}


def test_nothing_is_tracked_without_a_tracker_and_by_other_processes_than_the_first(run, monkeypatch):
    for name, first in ((None, True), ("recording", False)):
        monkeypatch.setattr(tracking, "is_first", lambda first=first: first)
        followed = Tracking(name, run, [row(1, 8.0)])
        followed.epoch(row(2, 7.0))
        followed.results(run.path / "figures", {}, "result", 2)
        followed.end("finished")
        assert not (run.path / "tracker").exists()


@pytest.mark.parametrize("method", ["__init__", "epoch", "figures", "numbers", "end"])
def test_a_tracker_that_fails_is_left_alone_after_one_line(method, run, monkeypatch, caplog):
    def fail(self, *arguments):
        raise ConnectionError("no route\nto the host")

    calls = []
    kind = type("Failing", (Recording,), {method: fail, "_write": lambda self, *line: calls.append(line[0])})
    use(monkeypatch, kind)
    followed = Tracking("recording", run, [])
    followed.epoch(row(1, 8.0))
    followed.results(run.path / "figures", {"val_loss": 2.5}, "result", 1)
    if method != "end":
        followed._thread.join(5)
        followed.epoch(row(2, 7.0))
    followed.end("finished")
    every = ["begin", "epoch", "figures", "numbers", "end"]
    assert calls == every[: [*["__init__", *every[1:]]].index(method)]
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert line.getMessage() == "tracker=recording: no route to the host; nothing more is recorded"


def test_a_tracker_that_cannot_be_imported_is_left_alone_after_one_line(run, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "galvae.training.trackers.recording", None)
    followed = Tracking("recording", run, [])
    followed.epoch(row(1, 8.0))
    followed.end("finished")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_training_does_not_wait_for_a_tracker_that_hangs(run, monkeypatch, caplog):
    go_on = threading.Event()
    use(monkeypatch, type("Hanging", (Recording,), {"epoch": lambda self, row, time: go_on.wait(20)}))
    monkeypatch.setattr(tracking, "END_SECONDS", 0.05)
    followed = Tracking("recording", run, [])
    for epoch in range(1, 100):
        followed.epoch(row(epoch, 8.0))
    followed.end("finished")
    assert "tracker=recording: it has not ended within 0.05 s" in caplog.text
    go_on.set()
    followed._thread.join(5)


def test_a_tracker_that_is_not_installed_is_refused_before_training(
    galvae, small_files, tmp_path, monkeypatch
):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    status, _, err = galvae("train", *small_files, "tracker=wandb", "hydra.run.dir=run")
    assert status == 2
    assert err == "galvae: tracker=wandb: expected wandb to be installed, as by pip install -e '.[wandb]'\n"
    assert not (tmp_path / "run").exists()
    check_installed(None)


def test_nothing_is_written_through_a_link(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    folder = run.path / "tracker"
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GalvaeError, match=r"tracker: expected no link"):
        Tracking("recording", run, [])
    folder.unlink()
    (folder / "wandb" / "offline-run-1").mkdir(parents=True)
    (folder / "wandb" / "latest-run").symlink_to("offline-run-1")  # W&B's own
    Tracking("recording", run, []).end("finished")
    (folder / "wandb" / "debug.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GalvaeError, match=r"debug.log: expected no link"):
        Tracking("recording", run, [])


@pytest.mark.parametrize(
    "state", ["{", "[]", '{"run_id": "3b0267a2cd704a34", "epochs": "9"}', '{"epochs": 9}']
)
def test_a_state_that_somebody_forged_counts_as_none(state, run):
    (run.path / "tracker").mkdir()
    (run.path / "tracker" / "recording.json").write_text(state)
    assert track("recording", run, [8.0]).rows["loss"] == [(1, 8.0)]


@pytest.fixture
def train(galvae, small_files, tmp_path):
    """Trains 60 small images for three epochs; returns the run's directory, and what was printed."""

    def run(name, *overrides, status=0):
        arguments = (*small_files, "epochs=3", "checkpoint.every=1", f"hydra.run.dir={tmp_path / name}")
        received, _, err = galvae("train", *arguments, *overrides)
        assert received == status, err
        return tmp_path / name, err

    return run


def history(folder):
    """The rows of history.csv, without what depends on time."""
    with open(folder / "history.csv") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    return [{name: row[name] for name in row if name not in ("seconds", "images_per_second")} for row in rows]


FOLLOWED = [name for name in EVERY if name.values[0] != "recording"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_a_run_that_is_stopped_and_resumed_is_recorded_as_one_and_trains_as_without(name, train, monkeypatch):
    plain, _ = train("plain")

    def stop(self, batch, logs=None):
        if self.done == 2:  # whole epochs
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(Progress, "on_train_batch_begin", stop, raising=False)
        folder, err = train("tracked", f"tracker={name}", status=75)
    assert err.splitlines()[-1].endswith(f"galvae train resume={folder} tracker={name}")
    assert READ[name](folder / "tracker").status == "stopped"
    train("tracked", f"tracker={name}")
    assert history(folder) == history(plain)
    record = READ[name](folder / "tracker")
    for key in history(plain)[0].keys() - {"epoch"}:
        expected = [(row["epoch"], pytest.approx(row[key], rel=1e-6)) for row in history(plain)]
        assert record.rows[key] == expected, key
    assert record.status == "finished" and record.config["latent_dim"] == 8
    assert record.numbers["result/val_loss"] == pytest.approx(min(row["val_loss"] for row in history(plain)))
    drawn = {path.stem: pixels(path) for path in (folder / "figures").glob("*.png")}
    assert set(record.figures) == {f"result/figures/{stem}" for stem in drawn} and len(drawn) == 4
    for stem, figure in drawn.items():
        np.testing.assert_array_equal(record.figures[f"result/figures/{stem}"], figure)


@pytest.mark.parametrize(
    ("error", "status"), [(TrainingDiverged("why", {}), "diverged"), (CannotBeDone("why"), "failed")]
)
def test_the_record_says_how_training_ended(error, status, train, monkeypatch):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(session, "fit", fail)
    folder, _ = train("run", "tracker=tensorboard", status=1)
    assert read_tensorboard(folder / "tracker").status == status


@pytest.mark.slow
@pytest.mark.parametrize("name", TRACKERS)
def test_later_commands_go_on_with_the_record_or_leave_it_out(name, train, galvae, tmp_path):
    folder, _ = train("run", f"tracker={name}")
    arguments = (f"run={folder}", "split=train", "cards=[scores]")
    status, _, err = galvae("evaluate", *arguments, f"tracker={name}")
    assert status == 0, err
    record = READ[name](folder / "tracker")
    scores = json.loads((folder / "evaluate" / "metrics.json").read_text())
    assert record.numbers["evaluate/train/epoch"] == scores["epoch"]
    assert record.numbers["evaluate/train/scores/psnr/mean"] == pytest.approx(
        scores["scores"]["psnr"]["mean"]
    )
    assert "evaluate/train/figures/loss" in record.figures and len(record.rows["loss"]) == 3
    assert galvae("info", f"run={folder}")[0] == 0
    assert galvae("export", f"run={folder}", "hydra.run.dir=shared")[0] == 0
    (bundle,) = [path.parent for path in (tmp_path / "shared").rglob("bundle.json")]
    assert not [path for path in bundle.rglob("*") if "track" in path.name or name in path.name]
    status, _, err = galvae("evaluate", f"run={bundle}", f"tracker={name}")
    assert status == 2 and "tracker: expected null" in err


ALONE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
sys.modules["tensorflow"] = None
from galvae.backend.setup import load
from galvae.training.trackers.tracking import Tracking, log
from builders.configs import train_config
log.warning = lambda *arguments: sys.exit(str(arguments))
run = SimpleNamespace(path=Path(sys.argv[2]), environment={"run_id": "a1"}, config=train_config("dataset=simulated"))
followed = Tracking(sys.argv[1], run, [])
followed.epoch({"epoch": 1, "loss": 8.0})
followed.end("finished")
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no process is left")
"""


@pytest.mark.parametrize("name", FOLLOWED)
def test_a_tracker_needs_neither_tensorflow_nor_a_network_and_leaves_no_process(name, tmp_path):
    command = [sys.executable, "-W", "error", "-c", ALONE, name, str(tmp_path)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}"  # of whoever wants to know something
        network = {
            "WANDB_BASE_URL": address,
            "WANDB_API_KEY": 40 * "a",
            "HTTPS_PROXY": address,
            "HTTP_PROXY": address,
        }
        options = {"env": {**child_environment(), **network}, "capture_output": True, "text": True}
        done = subprocess.run(command, timeout=60, **options)
        assert done.stdout == "no process is left\n", done.stderr
        with pytest.raises(BlockingIOError):  # nobody came
            server.accept()
    assert READ[name](tmp_path / "tracker").rows["loss"] == [(1, 8.0)]


@pytest.mark.slow
def test_training_goes_on_where_wandb_reaches_no_server(run, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", 40 * "a")
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setitem(wandb_tracker.SETTINGS, "init_timeout", 1)
    followed = Tracking("wandb", run, [])
    followed.epoch(row(1, 8.0))
    followed.end("finished")
    (line,) = [line.getMessage() for line in caplog.records if line.name.startswith("galvae")]
    assert line.startswith("tracker=wandb: ") and line.endswith("; nothing more is recorded")
