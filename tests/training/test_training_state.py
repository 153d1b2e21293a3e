import math
from pathlib import Path
from types import SimpleNamespace

import builders.models
import keras
import numpy as np
import pytest
from builders.galaxies import redshift_dataset

from galvae.runs import checkpoints
from galvae.runs.state import CheckpointState
from galvae.training.state import TrainingState

IDENTITY = {"run_id": "r", "config_sha256": "c", "epochs": 9}


def training_state(epochs=9, early_stopping=None):
    return TrainingState(SimpleNamespace(epochs=epochs, early_stopping=early_stopping), redshift_dataset())


def add(state, *losses):
    """Adds epochs of given validation losses; their weights are the losses themselves."""
    for loss in losses:
        row = {"epoch": state.epoch + 1, "loss": loss, "val_loss": loss, "seconds": 1.0}
        state.add({**row, "images_per_second": 1.0}, {"kernel": np.array([loss]), "optimizer/m": np.zeros(1)})


@pytest.fixture
def compiled_model():
    """A small compiled model, whose Adam has moments."""

    def build():
        model = builders.models.build("cvae2", augment=True)
        model.compile(optimizer=keras.optimizers.Adam(0.01, name="adam"))
        model.optimizer.build(model.trainable_variables)
        return model

    return build


def test_the_best_epoch_is_the_one_of_least_validation_loss():
    state = training_state()
    assert (state.epoch, state.best, state.best_loss, state.is_done) == (0, None, math.inf, False)
    state.rollbacks = 2
    add(state, 3.0, 1.0)
    assert (state.epoch, state.best_epoch, state.best_loss, state.rollbacks) == (2, 2, 1.0, 0)
    state.rollbacks = 1
    add(state, 2.0)
    assert (state.best_epoch, state.rollbacks) == (2, 1)
    assert {name: array.tolist() for name, array in state.best.items()} == {"kernel": [1.0]}
    assert {name: array.tolist() for name, array in state.last.items()} == {
        "kernel": [2.0],
        "optimizer/m": [0.0],
    }


def test_a_run_is_done_after_its_epochs_or_without_progress():
    state = training_state(epochs=2)
    add(state, 3.0)
    assert not state.is_done
    add(state, 4.0)
    assert state.is_done
    state = training_state(early_stopping=2)
    add(state, 3.0, 3.5)
    assert not state.is_done
    add(state, 3.2)
    assert state.is_done


def test_a_model_is_restored_bit_by_bit(compiled_model):
    model, state = compiled_model(), training_state()
    data = state.dataset
    inputs = {"images": data.images[:32], "condition": data.condition[:32]}
    state.restore(model)  # before the first epoch it takes the variables instead
    before = state.snapshot(model)
    assert before.keys() == state.last.keys()
    model.fit(inputs, batch_size=16, verbose=0)
    after = state.snapshot(model)
    assert any(not np.array_equal(after[name], array) for name, array in before.items())
    assert any(name.startswith("optimizer/") for name in after)
    assert any("seed" in name for name in after)
    state.restore(model)
    for name, array in state.snapshot(model).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_state_comes_back_from_its_checkpoint(tmp_path):
    state = training_state()
    add(state, 3.0, 1.0, 2.0)
    state.rollbacks, state.learning_rate_scale, state.peak_memory_mb = 1, 0.5, 7.0
    saved = state.to_checkpoint(IDENTITY)
    assert (saved.epoch, saved.best_epoch, saved.best_loss, saved.epochs) == (3, 2, 1.0, 9)
    assert saved.dataset_sha256 == state.dataset.digest
    assert (saved.image_shape, saved.condition_names) == ([16, 16, 3], ["redshift"])
    assert CheckpointState.from_json(saved.to_json(), Path("state.json")) == saved
    path = checkpoints.save(tmp_path, saved.epoch, state.best, state.last, saved)
    again = training_state()
    again.load(path, checkpoints.read_state(path))
    assert (again.epoch, again.best_epoch, again.best_loss) == (3, 2, 1.0)
    assert (again.rollbacks, again.learning_rate_scale) == (1, 0.5)
    assert again.history == state.history
    for name in ("best", "last"):
        arrays, expected = getattr(again, name), getattr(state, name)
        assert arrays.keys() == expected.keys()
        for path, array in expected.items():
            np.testing.assert_array_equal(arrays[path], array)
