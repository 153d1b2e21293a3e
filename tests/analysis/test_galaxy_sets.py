"""The physics card of trained runs: which galaxies it decodes, and under which conditions it samples."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from galvae.analysis import physics_card
from galvae.runs.trained_run import TrainedRun

CONFIG = SimpleNamespace(samples=2000, bootstrap=100, seed=4, prior=None)


@pytest.mark.parametrize("model", [pytest.param("ae", marks=pytest.mark.slow), "cvae2"])
def test_a_trained_run_is_compared_with_its_held_out_galaxies(model, trained, monkeypatch):
    monkeypatch.setattr(physics_card, "FEWEST", 5)
    run = TrainedRun.open(trained(model))
    report = physics_card.measure(run, run.dataset.split("train"), CONFIG, {})
    card, arrays = report.summary["card"], report.arrays["card"]
    json.dumps(card, allow_nan=False)
    rows = arrays["indices"]
    np.testing.assert_array_equal(rows, np.sort([*run.dataset.split("val"), *run.dataset.split("test")]))
    assert card["n"] == len(rows) and card["auc"] is None  # of fewer than 50 galaxies

    shown = rows[np.linspace(0, len(rows) - 1, 10).astype(int)]
    condition = run.condition(rows)
    codes = run.prior().sample(len(rows), condition, 4)
    expected = {
        "real": run.dataset.to_unit(run.dataset.images[shown]),
        "decoded": run.decode(run.codes_at(shown).mean, run.condition(shown)),
        "sampled": run.decode(codes, condition)[np.isin(rows, shown)],
    }
    for name, images in expected.items():
        np.testing.assert_allclose(arrays[f"{name}_examples"], images, atol=1e-5, err_msg=name)
    assert card["conditions"] == (None if model == "ae" else "those of the real galaxies")
    assert ("sampled ones have their conditions" in report.lines[0]) == (model != "ae")
