"""The state of a checkpoint as JSON, and the values in it that are refused."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from builders.states import ROW, checkpoint_state

from galvae.errors import GalvaeError
from galvae.runs.state import CHECKS, CheckpointState, early_stop

PATH = Path("run/checkpoints/epoch-0012/state.json")
KEYS = [
    *(
        "format",
        "run_id",
        "config_sha256",
        "epochs",
        "epoch",
        "best_epoch",
        "best_loss",
        "learning_rate_scale",
    ),
    *("rollbacks", "dataset_sha256", "image_shape", "pixel_range", "stretch", "condition_names"),
    *("condition_ranges", "peak_memory_mb", "history"),
]


def test_a_state_survives_as_json():
    numbers = {
        "best_epoch": 7,
        "best_loss": 0.5,
        "learning_rate_scale": 0.25,
        "rollbacks": 2,
        "peak_memory_mb": 3.5,
    }
    state = checkpoint_state(12, **numbers)
    values = json.loads(json.dumps(state.to_json()))
    assert values["format"] == 2
    assert sorted(values) == sorted(KEYS), "checkpoints of earlier versions have these keys"
    assert CheckpointState.from_json(values, PATH) == state


def test_every_value_has_a_check():
    assert set(CHECKS) == {field.name for field in dataclasses.fields(CheckpointState)}


@pytest.mark.parametrize("number", [99, 1, None, "2"])
def test_another_format_is_refused(number):
    values = checkpoint_state(1).to_json() | {"format": number}
    with pytest.raises(GalvaeError, match="epoch-0012: expected a checkpoint of format 2, received another"):
        CheckpointState.from_json(values, PATH)


@pytest.mark.parametrize("key", [key for key in KEYS if key != "format"])
def test_a_missing_value_is_refused(key):
    values = checkpoint_state(12).to_json()
    del values[key]
    with pytest.raises(GalvaeError, match=f"received one with an impossible value of {key}$"):
        CheckpointState.from_json(values, PATH)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("run_id", 3),
        ("epochs", -1),
        ("epochs", True),
        ("epochs", 2.0),
        ("best_loss", float("nan")),
        ("best_loss", "1"),
        ("learning_rate_scale", float("inf")),
        ("peak_memory_mb", 2**53),
        ("image_shape", [8, 8]),
        ("image_shape", [8, 8, 0]),
        ("image_shape", [8, 8, 10**9]),
        ("pixel_range", [1.0, 0.0]),
        ("pixel_range", [1.0, 1.0]),
        ("pixel_range", [0.0, 1.0, 2.0]),
        ("stretch", None),
        ("condition_names", ["z", 3]),
        ("condition_ranges", [[1]]),
        ("condition_ranges", [["0.1", None]]),
        ("history", [{"loss": 1.0}] * 12),
        ("history", [{**ROW, "epoch": "1"}] * 12),
    ],
)
def test_an_impossible_value_is_refused(key, value):
    values = checkpoint_state(12).to_json() | {key: value}
    message = rf"state.json: expected the state of a run, received one with an impossible value of {key}$"
    with pytest.raises(GalvaeError, match=message):
        CheckpointState.from_json(values, PATH)


@pytest.mark.parametrize(
    ("key", "value"), [("epoch", 11), ("best_epoch", 13), ("best_epoch", 0), ("history", [])]
)
def test_counts_of_epochs_that_contradict_each_other_are_named_together(key, value):
    values = checkpoint_state(12).to_json() | {key: value}
    with pytest.raises(GalvaeError, match=r"state.json: expected .* an impossible value of epochs$"):
        CheckpointState.from_json(values, PATH)


@pytest.mark.parametrize(
    ("epochs", "patience", "ended"),
    [(9, 2, True), (9, 1, True), (9, 3, False), (5, 2, False), (9, None, False)],
)
def test_early_stopping_ends_a_run_before_its_last_epoch(epochs, patience, ended):
    state = checkpoint_state(5, best_epoch=3)
    line = early_stop(state, SimpleNamespace(epochs=epochs, early_stopping=patience))
    assert (line is not None) == ended
    if ended:
        assert line.startswith(f"early_stopping={patience} ended the run after epoch 5, ")
        assert "smallest in epoch 3: epochs=9 trains nothing more" in line
