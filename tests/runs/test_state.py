"""The state of a checkpoint as JSON, and the values in it that are refused."""

import dataclasses
import json
from pathlib import Path

import pytest
from builders.states import ROW, checkpoint_state

from galvae.errors import GalvaeError
from galvae.runs.state import CHECKS, FORMAT, CheckpointState

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
    state = checkpoint_state(12)
    values = json.loads(json.dumps(state.to_json()))
    assert values["format"] == FORMAT == 2
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
        ("epoch", 11),
        ("best_epoch", 13),
        ("best_epoch", 0),
        ("best_loss", float("nan")),
        ("best_loss", "1"),
        ("learning_rate_scale", float("inf")),
        ("peak_memory_mb", 2**53),
        ("image_shape", [8, 8]),
        ("image_shape", [8, 8, 0]),
        ("image_shape", [8, 8, 10**9]),
        ("pixel_range", [1.0, 0.0]),
        ("pixel_range", [0.0, 1.0, 2.0]),
        ("stretch", None),
        ("condition_names", ["z", 3]),
        ("condition_ranges", [[1]]),
        ("condition_ranges", [["0.1", None]]),
        ("history", []),
        ("history", [{"loss": 1.0}] * 12),
        ("history", [{**ROW, "epoch": "1"}] * 12),
    ],
)
def test_an_impossible_value_is_refused(key, value):
    values = checkpoint_state(12).to_json() | {key: value}
    # Counts of epochs that contradict each other are named together.
    name = key if not CHECKS[key](value) else "epochs"
    message = rf"state.json: expected the state of a run, received one with an impossible value of {name}$"
    with pytest.raises(GalvaeError, match=message):
        CheckpointState.from_json(values, PATH)
