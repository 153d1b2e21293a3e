import csv
import dataclasses
import json
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
from builders.configs import SMALL, train_config
from builders.galaxies import dataset, ellipses, redshift_dataset
from builders.processes import child_environment
from builders.surveys import write_survey

from galvae.backend.setup import Device
from galvae.data.splits import make_splits
from galvae.errors import TrainingDiverged
from galvae.models.build import build_model
from galvae.runs import checkpoints
from galvae.runs.trained_run import TrainedRun
from galvae.training.callbacks import Progress
from galvae.training.fit import fit


def rows(folder):
    with open(folder / "history.csv") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.fixture
def train(galvae, small_files, tmp_path):
    """Trains on 60 small images; returns the run's folder and what was printed."""

    def run(*overrides, name="run", status=0):
        received, out, err = galvae("train", *small_files, f"hydra.run.dir={tmp_path / name}", *overrides)
        assert received == status, err
        return tmp_path / name, err

    return run


class NotedRun:
    """A run directory that notes what is saved."""

    identity = {"run_id": "r", "config_sha256": "c", "epochs": 9}

    def __init__(self):
        self.saved, self.last = [], None

    def save_checkpoint(self, state, best, last):
        self.saved.append(state.epoch)
        self.last = last


def fitted(*overrides, data=None, steps_at_once=1):
    """Trains a new model on 40 galaxies of 16 pixels, 32 of them for training: its history, and the NotedRun."""
    config, data, run = (
        train_config("dataset=simulated", *SMALL, *overrides),
        data or redshift_dataset(),
        NotedRun(),
    )
    keras.utils.set_random_seed(config.seed)
    model = build_model(config, data.image_shape, data.pixel_range, data.stretch, 1)
    device = SteppingDevice("tensorflow", "cpu", "", 1, "float32", 2)
    SteppingDevice.at_once = steps_at_once
    history, _ = fit(model, data, config, run, device)
    return history, run


class SteppingDevice(Device):
    """A device that takes a given number of steps at once."""

    at_once = 1

    def steps_at_once(self, steps):
        return self.at_once


def without_times(history):
    return [{n: v for n, v in row.items() if n not in ("seconds", "images_per_second")} for row in history]


def test_the_same_seed_gives_the_same_run_and_another_does_not():
    one, again, other = (
        without_times(fitted(f"seed={seed}", "batch=16", "epochs=1")[0]) for seed in (5, 5, 6)
    )
    assert one == again
    assert [row["loss"] for row in one] != [row["loss"] for row in other]


def test_beta_follows_its_schedule_and_validation_uses_the_last_value():
    history, run = fitted("beta=warmup", "beta.epochs=2", "beta.value=0.5", "epochs=5", "checkpoint.every=2")
    assert [row["beta"] for row in history] == [0, 0.25, 0.5, 0.5, 0.5]
    assert run.saved == [2, 4, 5]
    for row in history:
        assert row["loss"] == pytest.approx(15 * row["reconstruction"] + row["beta"] * row["kl"], rel=1e-5)
        assert row["val_loss"] == pytest.approx(
            15 * row["val_reconstruction"] + 0.5 * row["val_kl"], rel=1e-5
        )


def test_early_stopping_counts_epochs_without_progress(train):
    # So small a rate changes no weight: every epoch has the loss of the first, which NumPy finds too.
    unchanging = ("learning_rate=1e-30", "epochs=20", "early_stopping=3")
    folder, err = train("model=ae", "dataset.augment=false", "batch=20", "precision=float32", *unchanging)
    assert len(rows(folder)) == 4
    assert metrics(folder)["epochs"] == 4
    assert "stopped early" in err
    run, splits = TrainedRun.open(folder), np.load(folder / "split.npz")
    # Of 48 images in three unequal batches, each counts alike.
    for split, prefix in (("train", ""), ("val", "val_")):
        images = run.dataset.images[splits[split]]
        decoded = np.asarray(run.model.decode(run.model.encode(images)[0]))
        error = ((decoded - images / 255) ** 2).mean(axis=3).sum(axis=(1, 2)).mean()
        for row in rows(folder):
            assert row[prefix + "reconstruction"] == pytest.approx(error, rel=1e-4)
            assert row[prefix + "loss"] == pytest.approx(15 * error, rel=1e-4)


def test_a_small_training_split_is_one_batch_and_says_so(caplog):
    history, run = fitted("batch=500", "epochs=1")
    assert "the training split has 32 images: one batch of 32 per epoch" in caplog.text
    assert run.last["optimizer/adam/iteration"] == len(history) == 1


def test_divergence_is_one_line_with_status_1_and_keeps_the_last_good_epoch(train, monkeypatch):
    folder, err = train("epochs=30", "learning_rate=1e25", "schedule.warmup=0", status=1)
    lines = [line for line in err.splitlines() if line.startswith("galvae: ")]
    assert len(lines) == 1
    assert "training diverged in epoch" in lines[0]
    assert "Traceback" not in err
    result = metrics(folder)
    assert (result["status"], result["epoch"], result["where"]) == ("diverged", 1, "step 2")
    assert "galvae: " + result["error"] == lines[0]
    # Of the 48 training images in batches of 32, those of the second, in the order of seed and epoch.
    train = make_splits(60, [0.8, 0.1, 0.1], 0)["train"]
    order = train[np.random.default_rng([0, 0]).permutation(48)]
    assert result["ids"] == [str(index) for index in order[32:]]
    assert TrainingDiverged.exit_status == 1


def test_ctrl_c_keeps_the_last_whole_epoch(train, monkeypatch):
    def interrupted(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "on_epoch_begin", interrupted)
    folder, err = train("epochs=9", status=130)
    assert metrics(folder) == {"status": "stopped"}
    checkpoint = checkpoints.newest(folder / "checkpoints")
    assert checkpoint.name == "epoch-0002"
    assert len(rows(folder)) == 2
    assert "Traceback" not in err
    assert TrainedRun.open(folder).state.epoch == 2


def test_a_checkpoint_holds_every_variable_and_the_optimizers(train):
    folder, _ = train()
    checkpoint = checkpoints.newest(folder / "checkpoints")
    best, last = (checkpoints.read_arrays(checkpoint, name) for name in ("best", "last"))
    run = TrainedRun.open(folder)
    model, state = run.model, run.state
    assert set(best) == {variable.path for variable in model.variables}
    assert any("seed" in name for name in best)
    optimizer = {name for name in last if name.startswith("optimizer/")}
    assert set(last) - optimizer == set(best)
    trainable = len(model.trainable_variables)
    assert len(optimizer) >= 2 * trainable  # both moments of Adam
    steps = [last[name] for name in optimizer if name.endswith("iteration")]
    assert steps == [2 * 2]  # two epochs of two steps
    assert state.epoch == 2
    assert len(state.history) == 2


def test_a_full_disk_is_one_line_and_keeps_what_was_written(train, monkeypatch):
    save = checkpoints.save

    def full(folder, epoch, *rest):
        if epoch > 2:
            raise OSError(28, "No space left on device")
        return save(folder, epoch, *rest)

    monkeypatch.setattr(checkpoints, "save", full)
    folder, err = train("epochs=5", "checkpoint.every=1", status=1)
    lines = [line for line in err.splitlines() if line.startswith("galvae: ")]
    assert lines == [
        f"galvae: cannot write in {folder}: No space left on device; free space and repeat the command; "
        "what was written before is kept"
    ]
    assert checkpoints.newest(folder / "checkpoints").name == "epoch-0002"
    assert metrics(folder) == {"status": "failed", "error": "[Errno 28] No space left on device"}


def test_targets_that_bce_has_no_meaning_for_are_refused(galvae, tmp_path):
    noisy = np.random.default_rng(0).normal(0.3, 0.2, (40, 16, 16, 1)).astype(np.float32)
    np.save(tmp_path / "noisy.npy", noisy)

    arguments = (
        "train",
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={tmp_path / 'noisy.npy'}",
        *SMALL,
    )
    status, _, err = galvae(*arguments, "reconstruction.loss=bce")
    assert status == 2
    assert len(err.splitlines()) == 1
    assert "reconstruction.loss: expected intensities in [0, 1] for bce, received intensities from -" in err
    assert not (tmp_path / "outputs").exists()
    status, _, err = galvae(*arguments, "reconstruction.loss=mse")
    assert status == 0
    assert "where the decoder gives 0 to 1" in err


def assert_same_run(one, two):
    """Equal histories and equal variables, bit for bit."""
    assert without_times(rows(one)) == without_times(rows(two))
    first, second = (
        checkpoints.read_arrays(checkpoints.newest(folder / "checkpoints"), "last") for folder in (one, two)
    )
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


# Of 67 images two lack a redshift and 51 are for training: one of the batches is smaller.
SURVEYED = (*SMALL, "latent_dim=3", "batch=26", "precision=float32")


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae", "fancy_cvae"])
def test_a_run_is_the_same_with_resident_images_and_when_they_come_and_go(model, galvae, tmp_path):
    survey = write_survey(tmp_path / "survey.h5", count=67)
    for name, before, after in (("one", "false", "true"), ("two", "true", "auto")):
        for arguments in (
            (*survey, *SURVEYED, f"model={model}", f"hydra.run.dir={name}", f"resident={before}"),
            (f"resume={name}", "epochs=3", f"resident={after}"),
        ):
            status, _, err = galvae("train", *arguments)
            assert status == 0, err
            assert ("of images are held in the CPU's memory" in err) == ("resident=true" in arguments)
    assert_same_run(tmp_path / "one", tmp_path / "two")
    assert "resident" not in (tmp_path / "one" / "config.yaml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("model", ["fancy_cvae"])  # which has all that others have
def test_a_run_is_the_same_with_resident_images_on_jax(model, tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    survey = write_survey(tmp_path / "survey.h5", count=67)
    for resident in ("true", "false"):
        command = [
            sys.executable,
            "-m",
            "galvae",
            "train",
            *survey,
            *SURVEYED,
            f"model={model}",
            "backend=jax",
        ]
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "env": child_environment()}
        done = subprocess.run(
            [*command, f"resident={resident}", f"hydra.run.dir={resident}"], check=False, **options
        )
        assert done.returncode == 0, done.stderr
        assert ("of images are held in the CPU's memory" in done.stderr) == (resident == "true")
    assert_same_run(tmp_path / "true", tmp_path / "false")


def test_resident_is_auto_true_or_false(galvae):
    status, _, err = galvae("train", "resident=yes")
    assert (status, err) == (2, "galvae: resident: expected auto, true or false, received 'yes'\n")


def test_several_steps_at_once_are_the_same_steps(monkeypatch):
    calls = []
    monkeypatch.setattr(Progress, "on_train_batch_begin", lambda self, batch, logs=None: calls.append(batch))
    # 24 images for training: three steps of 7 and one of 3; 30 for validation: four steps of 7 and one of 2.
    splits = {"train": np.arange(24), "val": np.arange(24, 54), "test": np.arange(54, 60)}
    data = dataset(60, images=ellipses(60, 16), splits=splits)
    one, run = fitted("batch=7", data=data)
    assert calls == [0, 1, 2, 3] * 2
    calls.clear()
    two, other = fitted("batch=7", data=data, steps_at_once=2)
    assert calls == [0, 2] * 2
    assert without_times(one) == without_times(two)
    assert run.last.keys() == other.last.keys()
    for name, array in run.last.items():
        np.testing.assert_array_equal(array, other.last[name], err_msg=name)


@pytest.mark.slow
def test_every_validation_sees_every_image_on_jax(tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    survey = write_survey(tmp_path / "survey.h5")
    # So small a rate changes no weight: 30 images, six steps of 5, have the same loss each time.
    settings = (
        "dataset.split=[0.4,0.5,0.1]",
        "batch=5",
        "model=ae",
        "learning_rate=1e-30",
        "epochs=4",
        "dataset.augment=false",
    )
    program = (
        "import sys; from galvae.cli.main import main; from galvae.backend.setup import Device\n"
        "at_once = int(sys.argv[1]); Device.steps_at_once = lambda self, steps: at_once\n"
        "main(sys.argv[2:])"
    )
    for steps in (1, 5):
        arguments = ["train", *survey, *SURVEYED, *settings, "backend=jax", f"hydra.run.dir={steps}"]
        command = [sys.executable, "-c", program, str(steps), *arguments]
        options = {"capture_output": True, "text": True, "cwd": tmp_path, "env": child_environment()}
        done = subprocess.run(command, check=False, **options)
        assert done.returncode == 0, done.stderr
        history = rows(tmp_path / str(steps))
        assert len({row["val_loss"] for row in history}) == 1
        assert [row["loss"] for row in history] == pytest.approx([history[0]["loss"]] * 4, rel=1e-4)
    assert_same_run(tmp_path / "1", tmp_path / "5")


class Recorder(np.ndarray):
    """Images that record how many rows each read gave, and of which type."""

    reads = []

    def __getitem__(self, index):
        rows = self.view(np.ndarray)[index]
        self.reads.append((len(rows), str(rows.dtype)))
        return rows


def test_each_step_reads_its_batch_of_stored_images_once():
    data = dataset(60, images=ellipses(60, 16), splits=make_splits(60, [0.8, 0.1, 0.1], 0))
    data = dataclasses.replace(data, images=data.images.view(Recorder))
    Recorder.reads.clear()
    # 48 images for training: nine steps of 5 and one of 3; 6 for validation: a step of 5 and one of 1.
    fitted("epochs=3", "batch=5", "network.output_bias=zero", data=data)
    counts = Counter(Recorder.reads)
    assert set(counts) == {(5, "uint8"), (3, "uint8"), (1, "uint8")}
    # Each feed reads its first batch once more, for the shapes, and is two batches ahead at most: in training at the
    # end, in validation, which begins anew, each time.
    assert 27 + 3 + 2 <= counts[5, "uint8"] <= 27 + 3 + 2 + 2 + 3
    assert counts[3, "uint8"] == 3
    assert 3 <= counts[1, "uint8"] <= 3 + 3


def test_a_learning_rate_that_is_too_large_is_the_last_line(train, monkeypatch):
    monkeypatch.setattr("galvae.training.session.loss_rose", lambda rows, config: f"{len(rows)} epochs rose")
    _, err = train("epochs=2")
    assert err.splitlines()[-1] == "2 epochs rose"
