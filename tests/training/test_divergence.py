import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses
from builders.processes import child_environment

from galvae.backend.setup import Device
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory
from galvae.training.fit import BetaSchedule, Progress


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def rows(folder):
    with open(folder / "history.csv") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def hot(path, index):
    """60 images of which one has pixels whose squares are finite, but not their sum."""
    images = ellipses(60, 16).astype(np.float32) / 255
    images[index, 3:9] = 1.5e19
    np.save(path, images)
    return ("dataset=files", "dataset.axes=NHWC", f"dataset.path={path}", *SMALL, "precision=float32")


@pytest.fixture
def train(galvae, small_files, tmp_path):
    """Trains on 60 small images; returns the run's folder and the lines that were printed."""

    def run(*overrides, data=(*small_files, "precision=float32"), status=1):
        received, _, err = galvae(
            "train", *data, "checkpoint.every=1", f"hydra.run.dir={tmp_path / 'run'}", *overrides
        )
        assert received == status, err
        assert "Traceback" not in err
        assert metrics(tmp_path / "run")["status"] == ("diverged" if status else "finished")
        return tmp_path / "run", err.splitlines()

    return run


@pytest.fixture
def weights_become_nan(monkeypatch):
    """Makes a weight NaN at the beginning or after the last step of epochs, so many times each."""

    def spoil(times, callback="on_epoch_begin"):
        left = dict(times)

        def call(self, number, logs=None):
            done = int(self.model.optimizer.iterations) / 2
            epoch = done + 1 if callback == "on_epoch_begin" else done
            if left.get(epoch):
                left[epoch] -= 1
                self.model.decoder.weights[0].assign(np.full(self.model.decoder.weights[0].shape, np.nan))

        monkeypatch.setattr(Progress, callback, call)

    return spoil


@pytest.mark.parametrize("resident", ["auto", "true"])
def test_the_image_to_blame_is_named(resident, train, tmp_path):
    folder, lines = train(f"resident={resident}", data=hot(tmp_path / "hot.npy", 17))
    result = metrics(folder)
    assert result["not_finite"] == ["17"]
    assert "17" in result["ids"]
    assert result["epoch"] == 1
    assert "images 17 are not finite even with the weights of the epoch before" in lines[-1]
    assert lines[-1] == f"galvae: {result['error']}"
    # The batch that is named is the one that it was in, in the order of seed and epoch.
    split = np.load(folder / "split.npz")["train"]
    order = split[np.random.default_rng([0, 0]).permutation(48)]
    step = 1 + int(np.flatnonzero(order == 17)[0]) // 32
    assert result["where"] == f"step {step}"
    assert result["ids"] == [str(index) for index in order[32 * (step - 1) : 32 * step]]


def test_of_several_steps_at_once_all_are_suspect(train, tmp_path, monkeypatch):
    monkeypatch.setattr(Device, "steps_at_once", lambda self, steps: 2)
    folder, lines = train("batch=13", data=hot(tmp_path / "hot.npy", 17))  # 48 images: steps of 13, 13, 13, 9
    result = metrics(folder)
    assert result["not_finite"] == ["17"]
    split = np.load(folder / "split.npz")["train"]
    order = split[np.random.default_rng([0, 0]).permutation(48)]
    half = int(np.flatnonzero(order == 17)[0]) // 26
    assert result["where"] == ("steps 1 to 2", "steps 3 to 4")[half]
    assert result["ids"] == [str(index) for index in order[26 * half : 26 * (half + 1)]]
    assert "images 17 are not finite even with the weights of the epoch before" in lines[-1]


def test_of_several_steps_whose_loss_is_not_read_all_are_suspect(train, tmp_path, monkeypatch):
    monkeypatch.setattr(Device, "steps_unread", 3)
    folder, _ = train("batch=13", data=hot(tmp_path / "hot.npy", 17))  # 48 images: steps of 13, 13, 13, 9
    split = np.load(folder / "split.npz")["train"]
    order = split[np.random.default_rng([0, 0]).permutation(48)]
    last = int(np.flatnonzero(order == 17)[0]) // 39
    assert metrics(folder)["where"] == ("steps 1 to 3", "step 4")[last]
    assert metrics(folder)["ids"] == [str(index) for index in order[39 * last : 39 * (last + 1)]]


@pytest.mark.slow
def test_the_image_to_blame_is_named_on_jax(tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    command = [sys.executable, "-m", "galvae", "train", *hot(tmp_path / "hot.npy", 17), "backend=jax"]
    env = child_environment()
    done = subprocess.run(
        [*command, "hydra.run.dir=run", "on_nan=rollback"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=env,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert metrics(tmp_path / "run")["not_finite"] == ["17"]
    assert done.stderr.count("of the learning rate") == 3


def test_weights_that_are_not_finite_stop_although_the_loss_is(train, weights_become_nan):
    weights_become_nan({2: 1}, callback="on_train_batch_end")
    folder, lines = train("epochs=4", "model=ae")
    assert metrics(folder)["epoch"] == 2
    assert metrics(folder)["where"] in ("validation", "its end")
    assert checkpoints.newest(folder / "checkpoints").name == "epoch-0001"
    assert len(lines[-1]) < 300


def test_a_loss_that_explodes_stops(train, monkeypatch):
    def far(self, epoch, logs=None):
        if epoch == 2:
            self.model.beta.assign(1e9)

    monkeypatch.setattr(BetaSchedule, "on_epoch_begin", far)
    folder, lines = train("epochs=4")
    assert (metrics(folder)["epoch"], metrics(folder)["where"]) == (3, "its end")
    assert "expected a loss of the order of" in lines[-1]
    assert len(rows(folder)) == 2


def test_rolling_back_resumes_from_the_last_good_epoch_with_half_the_rate(
    train, weights_become_nan, galvae, monkeypatch, tmp_path
):
    weights_become_nan({3: 1, 4: 9})
    constant = ("schedule.name=constant", "schedule.warmup=0")
    folder, lines = train("epochs=4", "on_nan=rollback", *constant)
    warnings = [line for line in lines if "of the learning rate" in line]
    assert "diverged in epoch 3, step 2" in warnings[0]
    assert warnings[0].endswith("resuming from the end of epoch 2 with 0.5 of the learning rate")
    # Epoch 3 was better than those before, so that epoch 4 has three attempts of its own.
    assert [line.split(" with ")[-1].split()[0] for line in warnings] == ["0.5", "0.25", "0.125", "0.0625"]
    assert checkpoints.newest(folder / "checkpoints").name == "epoch-0003"
    state = RunDirectory.open(folder).checkpoint()[1]
    assert (state.learning_rate_scale, state.epoch) == (0.5, 3)
    assert metrics(folder)["epoch"] == 4

    # What diverged can be resumed, with the rate of its last whole epoch.
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    status, _, err = galvae("train", f"resume={folder}")
    assert status == 0, err
    assert [row["epoch"] for row in rows(folder)] == [1, 2, 3, 4]
    np.testing.assert_allclose([row["learning_rate"] for row in rows(folder)], [2e-3, 2e-3, 1e-3, 1e-3])
    for array in checkpoints.read_arrays(checkpoints.newest(folder / "checkpoints"), "last").values():
        assert np.isfinite(array).all()


def test_posterior_collapse_is_a_warning_and_counted(train):
    folder, lines = train("epochs=6", "beta.value=1e5", "learning_rate=0.02", status=0)
    assert metrics(folder)["active_units"] == 0
    assert metrics(folder)["dead_dimensions"] == list(range(8))
    assert sum("posterior collapse: the latent codes carry only" in line for line in lines) == 1
    collapse = "posterior collapse: none of the 8 latent dimensions is active"
    assert sum(line.startswith(collapse) for line in lines) == 1


@pytest.mark.slow
@pytest.mark.parametrize("extreme", ["learning_rate=1e3", "beta.value=1e6"])
def test_extremes_end_in_success_or_say_that_they_did_not(extreme, galvae, small_files, tmp_path):
    status, _, err = galvae("train", *small_files, extreme, f"hydra.run.dir={tmp_path / 'run'}")
    assert "Traceback" not in err
    result = metrics(tmp_path / "run")
    assert (status, result["status"]) in ((0, "finished"), (1, "diverged"))
    if status == 0:
        assert np.isfinite(result["val_loss"])
