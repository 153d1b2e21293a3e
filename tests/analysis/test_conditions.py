"""Conditions inferred from images: of which galaxies, in which units, over which trial values."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import redshift_dataset
from builders.models import build

from galvae.analysis import conditions
from galvae.data.conditions import one_hot
from galvae.latent.inference import encode_dataset
from galvae.runs.conditions import Conditions

ROWS = np.random.default_rng(0).permutation(40)[:20]
AUDITED = {"not measured": "40 galaxies"}


@pytest.fixture(autouse=True)
def no_audit(monkeypatch):
    """Predictions alone are tested here; test_condition_audit.py has the audit."""
    monkeypatch.setattr(conditions, "audit", lambda run, config: (AUDITED, {"a": {}}, ["  audited"]))


def grid_run():
    return SimpleNamespace(model=build("cvae2"), dataset=redshift_dataset())


def test_each_galaxy_has_the_prediction_of_its_own_image_and_some_have_none(monkeypatch):
    run, grids = grid_run(), []

    def likely(model, dataset, rows, grid):
        grids.append(grid)
        return dataset.condition[rows, 0] + 1

    monkeypatch.setattr(conditions, "most_likely_condition", likely)
    monkeypatch.setattr(conditions, "MAX_PREDICTED", 7)
    report = conditions.measure(run, ROWS, SimpleNamespace(condition_grid=16), {})
    values, unit = report.columns["predicted_redshift"]
    queried = np.isfinite(values)
    assert unit == "" and queried.sum() == 7 and queried[0] and queried[-1]
    np.testing.assert_allclose(values[queried], np.linspace(0.1, 2, 40)[ROWS[queried]] + 1, rtol=1e-6)
    found = report.summary["predictions"]["redshift"]
    assert found["galaxies"] == 7 and found["rmse"] == pytest.approx(1) and found["bias"] > 0
    (drawn,) = report.facts["predictions"]
    np.testing.assert_allclose(drawn["predicted"], drawn["true"] + 1, rtol=1e-6)
    # Trial values span the conditions of the training galaxies, which are not all there are.
    train = run.dataset.condition[run.dataset.split("train"), 0]
    assert (train.min(), train.max()) != (run.dataset.condition.min(), run.dataset.condition.max())
    np.testing.assert_allclose(grids, [np.linspace(train.min(), train.max(), 16)])
    how = f"the objective's minimum over 16 values from {train.min():.4g} to {train.max():.4g}"
    assert report.summary["predictions"]["how"] == how
    line = f"  predicted redshift: rmse 1, sigma_nmad {found['sigma_nmad']:.3g}; {how}"
    assert report.lines == [line, "  audited"]
    assert report.summary["conditions"] == report.facts["audit"] == AUDITED and report.arrays == {"a": {}}


def two_conditions():
    """Forty galaxies with redshifts and masses."""
    data = redshift_dataset()
    masses = np.linspace(11, 8, 40, dtype=np.float32)[:, None]
    changes = {"condition_names": ["redshift", "mass"], "condition_units": ["", "solMass"]}
    return dataclasses.replace(data, condition=np.concatenate([data.condition, masses], axis=1), **changes)


def test_each_of_several_conditions_has_its_own_values_and_unit(monkeypatch):
    data = two_conditions()
    run = SimpleNamespace(dataset=data)
    monkeypatch.setattr(
        conditions,
        "predict",
        lambda run, rows, size: (
            {"redshift": data.condition[rows, 0] + 1, "mass": data.condition[rows, 1] + 2},
            "somehow",
        ),
    )
    report = conditions.measure(run, ROWS, SimpleNamespace(condition_grid=0), {})
    for index, (name, unit) in enumerate({"redshift": "", "mass": "solMass"}.items()):
        values, found = report.columns[f"predicted_{name}"]
        np.testing.assert_allclose(values, data.condition[ROWS, index] + index + 1, rtol=1e-6)
        assert found == unit and report.summary["predictions"][name]["rmse"] == pytest.approx(index + 1)
        assert report.facts["predictions"][index]["unit"] == unit
        # The statistics of photometric redshifts are those of redshifts alone.
        assert ("sigma_nmad" in report.summary["predictions"][name]) == (name == "redshift")


def test_the_other_conditions_of_a_galaxy_are_its_own_at_every_trial_value(monkeypatch):
    model, data, asked = build("cvae2", condition_dim=2), two_conditions(), []

    def terms(self, outputs):
        asked.append(np.asarray(outputs["condition"]))
        return {"value": outputs["condition"][:, 0]}

    monkeypatch.setattr(type(model), "loss_terms", terms)
    monkeypatch.setattr(type(model), "total_loss", lambda self, terms, training: terms["value"])
    conditions.most_likely_condition(model, data, ROWS, np.array([0.0, 1, 2]))
    for value, condition in zip([0, 1, 2], asked, strict=True):
        expected = data.condition[ROWS].copy()
        expected[:, 0] = value
        np.testing.assert_allclose(model.physical_condition(condition), expected, rtol=1e-5, atol=1e-5)


def test_the_class_of_a_galaxy_is_the_one_of_the_smallest_objective(monkeypatch):
    """Of a model whose objective is the squared difference of the class asked for from twice the redshift."""
    data, labels = redshift_dataset(), np.arange(40) % 3
    condition = np.concatenate([one_hot(labels, 3), data.condition], axis=1)
    names = ["class=a", "class=b", "class=c", "redshift"]
    data = dataclasses.replace(data, condition=condition, condition_names=names, condition_units=[""] * 4)
    model = build("cvae2", condition_dim=4)
    monkeypatch.setattr(type(model), "loss_terms", lambda self, outputs: outputs)

    def objective(self, outputs, training):
        label = outputs["condition"][:, :3] @ np.array([[0], [1], [2]], np.float32)
        return (label[:, 0] - 2 * outputs["condition"][:, 3]) ** 2

    monkeypatch.setattr(type(model), "total_loss", objective)
    run = SimpleNamespace(
        model=model, dataset=data, conditions=Conditions(names, [[0, 1]] * 3 + [[0, 2]], "cvae2")
    )
    predicted, how = conditions.predict(run, ROWS, 11)
    redshift = data.condition[ROWS, 3]
    np.testing.assert_array_equal(predicted["class"], np.clip(np.rint(2 * redshift), 0, 2))
    span = data.condition[data.split("train"), 3]
    expected = np.clip(labels[ROWS] / 2, span.min(), span.max())
    np.testing.assert_allclose(predicted["redshift"], expected, atol=0.01)
    assert how.startswith("the objective's minimum over 3 classes, and over 11 values from ")
    # Every second class is right.
    right = SimpleNamespace(bootstrap=100, seed=0)
    found = conditions._class_errors(np.array([0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 2, 2, 2]), right)
    assert found["accuracy"] == 0.5 and found["balanced_accuracy"] == pytest.approx((1 + 0.25) / 2)
    assert (found["galaxies"], found["classes"]) == (6, 2) and found["accuracy_error"] > 0.1


def test_a_grid_of_none_asks_nothing_and_a_small_one_has_three_values(monkeypatch):
    run, grids = grid_run(), []
    monkeypatch.setattr(
        conditions, "most_likely_condition", lambda *given: grids.append(given[3]) or np.zeros(20)
    )
    asked_nothing = conditions.measure(run, ROWS, SimpleNamespace(condition_grid=0), {})
    assert asked_nothing.columns == {}
    assert (asked_nothing.summary, asked_nothing.lines) == ({"conditions": AUDITED}, ["  audited"])
    conditions.measure(run, ROWS, SimpleNamespace(condition_grid=1), {})
    assert [len(grid) for grid in grids] == [3]
    run.model = build("vae")
    assert conditions.predict(run, ROWS, 16) == ({}, None)


def test_predictions_are_in_the_units_of_the_condition():
    model, data = build("fancy_cvae"), redshift_dataset()
    model.set_condition_scale(data.condition)
    # A head that answers one standard deviation above the mean, whatever it sees.
    kernel, bias = model.prediction_head.kernel, model.prediction_head.bias
    kernel.assign(np.zeros(kernel.shape, np.float32))
    bias.assign([1.0])
    run = SimpleNamespace(
        model=model, dataset=data, codes_at=lambda rows: encode_dataset(model, data, np.asarray(rows))
    )
    report = conditions.measure(run, ROWS, SimpleNamespace(condition_grid=0), {})
    expected = data.condition.mean() + data.condition.std()
    np.testing.assert_allclose(report.columns["predicted_redshift"][0], expected, rtol=1e-4)
    assert report.summary["predictions"]["how"] == "from the image"
