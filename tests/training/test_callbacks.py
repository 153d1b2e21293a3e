"""Each callback by itself; what they do together is in test_fit.py and test_divergence.py."""

import logging
import math
from signal import SIGTERM
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import redshift_dataset

from galvae.backend import processes
from galvae.errors import TrainingDiverged
from galvae.system import signals
from galvae.training import callbacks
from galvae.training.callbacks import (
    BetaSchedule,
    Checkpointing,
    DivergenceGuard,
    EarlyStop,
    Progress,
    Recorder,
)
from galvae.training.state import TrainingState
from galvae.training.stopping import SignalStop


class Run:
    """A run directory that notes what is saved."""

    identity = {"run_id": "r", "config_sha256": "c", "epochs": 9}

    def __init__(self):
        self.saved = []

    def save_checkpoint(self, state, best, last):
        self.saved.append((state.epoch, state.run_id, len(state.history), sorted(best), sorted(last)))


def row(epoch, loss, **more):
    return {"epoch": epoch, "loss": loss, "val_loss": loss, **more}


@pytest.fixture
def state():
    """The state of a run of nine epochs at most, none of which is done."""
    return TrainingState(SimpleNamespace(epochs=9, early_stopping=3), redshift_dataset())


def add(state, *losses):
    for loss in losses:
        state.add(row(state.epoch + 1, loss), {"kernel": np.array([loss]), "optimizer/m": np.zeros(1)})


def guard_of(state, on_nan="rollback"):
    return DivergenceGuard(state, state.dataset.batches("train", 8, seed=0), on_nan)


def test_checkpoints_are_due_every_so_many_epochs_and_saved_once(state):
    run = Run()
    checkpointing = Checkpointing(state, run, 2)
    checkpointing.save()  # nothing to save yet
    for epoch in range(5):
        add(state, 9.0 - epoch)
        checkpointing.on_epoch_end(epoch)
    checkpointing.save()
    checkpointing.save()
    assert [(epoch, history) for epoch, _, history, *_ in run.saved] == [(2, 2), (4, 4), (5, 5)]
    assert run.saved[0][1:] == ("r", 2, ["kernel"], ["kernel", "optimizer/m"])


def test_automatic_checkpoints_cost_one_percent_of_the_time(state, monkeypatch):
    now, run = [100.0], Run()
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: now[0]))

    def save(*arguments):
        now[0] += 0.5  # seconds that it takes
        run.saved.append(now[0])

    monkeypatch.setattr(run, "save_checkpoint", save)
    checkpointing = Checkpointing(state, run, "auto")
    for epoch in range(8):
        add(state, 1.0)
        checkpointing.on_epoch_end(epoch)
        now[0] += 20
    assert run.saved == [100.5, 161.0, 221.5]


@pytest.mark.parametrize(
    ("values", "weights", "where", "message"),
    [
        ({"val_loss": math.nan}, [1.0], "validation", "expected a finite loss, received nan"),
        ({}, [1.0, math.inf], "its end", "expected finite weights, received NaN or infinity in kernel"),
        ({"loss": 2010.0}, [1.0], "its end", "expected a loss of the order of 2, received 2010"),
    ],
)
def test_the_guard_refuses_epochs_that_are_not_finite_or_explode(state, values, weights, where, message):
    add(state, 3.0, 2.0)
    guard = guard_of(state)
    guard.check(row(3, 1990.0), {"kernel": np.ones(2)})
    with pytest.raises(TrainingDiverged, match=message) as stopped:
        guard.check({**row(3, 2.0), **values}, {"kernel": np.array(weights), "seed": np.array([1, 2])})
    assert stopped.value.metrics == {"epoch": 3, "where": where}


def test_a_negative_loss_explodes_by_what_was_gained_since_the_first_epoch(state):
    add(state, 3.0, -2.0)  # a gain of 5 nats
    guard = guard_of(state)
    guard.check(row(3, 4990.0), {"kernel": np.ones(2)})
    with pytest.raises(TrainingDiverged, match="expected a loss of the order of -2, received 5000"):
        guard.check(row(3, 5000.0), {"kernel": np.ones(2)})


def test_the_guard_refuses_steps_whose_loss_is_not_finite(state, monkeypatch):
    add(state, 3.0)
    guard = guard_of(state)
    monkeypatch.setattr(guard, "not_finite", lambda indices: indices[2:3])
    guard.on_epoch_begin(1)
    guard.on_train_batch_end(0, {"loss": 4.0})
    with pytest.raises(TrainingDiverged) as stopped:
        guard.on_train_batch_end(1, {"loss": math.nan})
    # 32 images in batches of 8: the second step of the second epoch, in an order of its own.
    order = state.dataset.splits["train"][np.random.default_rng([0, 1]).permutation(32)]
    ids = [str(index) for index in order[8:16]]
    assert stopped.value.metrics == {"epoch": 2, "where": "step 2", "ids": ids, "not_finite": ids[2:3]}
    assert f"; images {ids[2]} are not finite even with the weights" in str(stopped.value)
    monkeypatch.setattr(guard, "not_finite", lambda indices: indices[:0])
    guard.on_epoch_begin(1)
    guard.on_train_batch_end(0, {"loss": 4.0})
    with pytest.raises(
        TrainingDiverged, match=f"images {', '.join(ids[:5])} ...; try a smaller learning_rate"
    ):
        guard.on_train_batch_end(1, {"loss": math.inf})


def test_a_collapse_is_one_warning(state, caplog):
    guard = guard_of(state)
    for epoch, kl in ((1, 0.011), (2, 0.009), (3, 1e-5)):
        guard.check(row(epoch, 1.0, val_kl=kl), {})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "epoch 2: posterior collapse: the latent codes carry only 0.009 nats" in caplog.text


def test_rolling_back_halves_the_learning_rate_three_times_at_most(state):
    error = TrainingDiverged("diverged", {})
    guard = guard_of(state)
    for scale in (0.5, 0.25, 0.125):
        guard.roll_back(error)
        assert state.learning_rate_scale == scale
    with pytest.raises(TrainingDiverged):
        guard.roll_back(error)
    state.rollbacks = 0  # as after a better epoch
    with pytest.raises(TrainingDiverged):
        guard_of(state, "stop").roll_back(error)
    assert state.learning_rate_scale == 0.125


def test_an_epoch_that_the_guard_refuses_is_not_recorded(state):
    guard = guard_of(state)
    model = SimpleNamespace(
        terms=["reconstruction"],
        steps_per_execution=1,
        variables=[],
        optimizer=SimpleNamespace(learning_rate=0.25, variables=[]),
    )
    recorder = Recorder(state, guard.train, guard)
    recorder.set_model(model)
    logs = {"loss": 2.0, "reconstruction": 1.0, "val_loss": 3.0, "val_reconstruction": 1.5}
    recorder.on_epoch_begin(0)
    recorder.on_train_batch_end(0)
    recorder.on_epoch_end(0, logs)
    (recorded,) = state.history
    assert recorded.pop("images_per_second") == 32 / recorded.pop("seconds")
    assert list(recorded) == ["epoch", *logs, "learning_rate"]
    assert recorded == {"epoch": 1, **logs, "learning_rate": 0.25}
    assert state.peak_memory_mb > 10
    recorder.on_epoch_begin(1)
    with pytest.raises(TrainingDiverged):
        recorder.on_epoch_end(1, {**logs, "val_loss": math.inf})
    assert state.epoch == 1


def test_training_stops_early_without_progress(state, caplog):
    caplog.set_level(logging.INFO)
    stop, model = EarlyStop(state), SimpleNamespace(stop_training=False)
    stop.set_model(model)
    for epoch, loss in enumerate((2.0, 1.0, 1.0, 3.0)):
        add(state, loss)
        stop.on_epoch_end(epoch)
        assert not model.stop_training
    add(state, 4.0)
    stop.on_epoch_end(4)
    assert model.stop_training
    assert "stopped early: no better validation loss in 3 epochs" in caplog.text


def test_a_signal_is_answered_once_the_last_epoch_is_saved(state, monkeypatch):
    events, waiting = [], [None, SIGTERM, SIGTERM]
    monkeypatch.setattr(signals, "received", lambda: waiting.pop(0))
    monkeypatch.setattr(signals, "record", lambda number: events.append(number))
    monkeypatch.setattr(signals, "answer", lambda: events.append("answered"))
    stop = SignalStop(SimpleNamespace(save=lambda: events.append("saved")))
    stop.on_train_batch_end(0)
    assert events == []
    stop.on_train_batch_end(1)
    stop.on_test_batch_end(0)
    assert events == ["saved", SIGTERM, "answered"] * 2


@pytest.mark.parametrize(("at_once", "asked"), [(1, 2), (4, 10), (16, 40)])
def test_several_processes_ask_each_other_for_signals_every_sixteen_steps(at_once, asked, monkeypatch):
    calls = []
    monkeypatch.setattr(processes, "count", lambda: 2)
    stop = SignalStop(None)
    stop.set_model(SimpleNamespace(steps_per_execution=at_once))
    monkeypatch.setattr(stop, "answer", lambda: calls.append(1))
    for batch in range(30):
        stop.on_train_batch_end(batch)
    for batch in range(10):
        stop.on_test_batch_end(batch)
    assert len(calls) == asked


def test_beta_is_set_when_an_epoch_begins():
    values = []
    schedule = BetaSchedule([0.5, 2.0])
    schedule.set_model(SimpleNamespace(beta=SimpleNamespace(assign=values.append)))
    schedule.on_epoch_begin(1)
    assert values == [2.0]


def test_progress_is_a_bar_and_twenty_lines_at_most(caplog):
    caplog.set_level(logging.INFO)
    batches = redshift_dataset().batches("train", 10)  # 32 images: four steps
    progress = Progress(50, batches, 10)
    progress.set_model(SimpleNamespace(terms=["reconstruction"]))
    assert (progress.bar.n, progress.bar.total) == (320, 1600)
    logs = {"loss": 1.23456, "reconstruction": 2.0, "val_loss": 3.0}
    for epoch in range(10, 50):
        progress.on_epoch_begin(epoch)
        for step in range(4):
            progress.on_train_batch_end(step)
        assert progress.bar.disable or progress.bar.n == (epoch + 1) * 32
        progress.on_epoch_end(epoch, logs)
    progress.bar.close()
    assert len(caplog.messages) == 16
    assert caplog.messages[-1] == "epoch 50/50  loss 1.235  reconstruction 2  val_loss 3"
