"""Which results of `galvae evaluate` are of a run's present weights."""

import json
import os

import pytest

from galvae.runs.evaluations import card_numbers, evaluated_epoch, mark_old


@pytest.fixture
def evaluated(tmp_path):
    """Writes the metrics.json of an evaluation in a run; returns its path."""

    def write(name, epoch, **results):
        path = tmp_path / "run" / name / "metrics.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"epoch": epoch, "split": "test", **results}))
        return path

    (tmp_path / "run").mkdir()
    return write


def test_results_of_other_weights_are_old(evaluated, tmp_path):
    run = tmp_path / "run"
    assert (mark_old(run, 5, "new"), evaluated_epoch(run, 5, "new")) == (None, None)
    first = evaluated("evaluate", 2, weights_sha256="before")
    assert evaluated_epoch(run, 2, "before") == "epoch 2"
    assert evaluated_epoch(run, 5, "new") == "epoch 2 (old)"
    again = evaluated("evaluate-2/0", 5, weights_sha256="before")  # the same epoch of another attempt
    kept = evaluated("evaluate-3", 5, weights_sha256="new")
    before = kept.read_bytes()
    assert mark_old(run, 5, "new") == (
        "old: evaluate (epoch 2), evaluate-2/0 (epoch 5), since the run has been trained further and its "
        f"weights are now of epoch 5; galvae evaluate run={run} evaluates them"
    )
    for path, epoch in ((first, 2), (again, 5)):
        results = json.loads(path.read_text())
        assert results == {
            "epoch": epoch,
            "split": "test",
            "weights_sha256": "before",
            "old": "weights now of epoch 5",
        }
    assert kept.read_bytes() == before
    assert evaluated_epoch(run, 5, "new") == "epoch 5"


def test_numbers_of_the_card_are_those_of_the_last_one_of_the_present_weights(evaluated, tmp_path):
    run = tmp_path / "run"
    card = {
        "w1": 0.25,
        "w1_error": 0.01,
        "auc": None,
        "decoded": {"w1": 9.0},
        "floor": {"w1": 0.04, "auc": "0.5"},
    }
    evaluated("evaluate", 5, weights_sha256="new", card={**card, "w1": 0.5})
    evaluated("evaluate-2", 5, weights_sha256="new", card=card)
    evaluated("evaluate-3", 5, weights_sha256="new", scores={})  # without a card
    evaluated("evaluate-4", 5, weights_sha256="new", card={"not measured": "few galaxies"})
    evaluated("evaluate-5", 7, weights_sha256="before", card={"w1": 7.0})
    # What is undefined or no number is left out.
    assert card_numbers(run, 5, "new") == {"card.w1": 0.25, "card.w1_error": 0.01, "card.floor.w1": 0.04}
    assert card_numbers(run, 7, "before") == {"card.w1": 7.0}
    assert card_numbers(run, 9, "other") == {}


def test_results_of_0_1_are_judged_by_their_epoch(evaluated, tmp_path):
    evaluated("evaluate", 2)
    assert evaluated_epoch(tmp_path / "run", 2, "any") == "epoch 2"
    assert evaluated_epoch(tmp_path / "run", 3, "any") == "epoch 2 (old)"


def test_what_is_damaged_or_lies_outside_is_left_alone(evaluated, tmp_path):
    evaluated("evaluate", "two")
    evaluated("evaluate-2", 2).write_text("{")
    outside = evaluated("../elsewhere", 2)
    os.symlink(outside.parent, tmp_path / "run" / "evaluate-3")
    before = outside.read_bytes()
    assert mark_old(tmp_path / "run", 5, "new") is None
    assert outside.read_bytes() == before
