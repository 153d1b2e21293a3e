"""The figure of `galvae prior`: its numbers read back from what is drawn."""

import numpy as np
import pytest
from builders.labels import unreadable
from matplotlib.colors import to_hex

from galvae.figures.priors import priors
from galvae.figures.style import TRAIN, VAL


def measured(w1, nats):
    return {
        "w1": w1,
        "w1_error": w1 / 10,
        "gap": w1 - 0.062,
        "gap_error": w1 / 20,
        "above_normal": nats,
        "above_normal_error": abs(nats) / 50,
    }


PRIORS = {
    "normal": {"label": "N(0, I)", **measured(0.31, 0.0)},
    "gaussian": {"label": "Gaussian fitted to training codes", **measured(0.11, 52.14)},
    "mixture": {"label": "mixture of 40 Gaussians", **measured(0.065, 61.3)},
    "flow": {"label": "flow fitted to training codes", **measured(0.068, 62.1)},
}


def report(names, normal=PRIORS["normal"]):
    return {
        "chosen": names[-1],
        "priors": {name: PRIORS[name] for name in names},
        "normal": {name: value for name, value in normal.items() if name != "label"},
        "training_codes": {"w1": 0.062, "w1_error": 0.007},
        "n": {"validation_galaxies": 1600},
    }


@pytest.mark.parametrize("names", [("gaussian", "mixture", "flow"), ("gaussian",), ("normal",)])
def test_the_numbers_of_a_report_are_drawn(names):
    figure = priors(report(names))
    rows = ["normal", *(name for name in names if name != "normal")]  # N(0, I) once, and always
    for panel, measure in zip(figure.axes, ("w1", "above_normal"), strict=True):
        for place, (name, dot) in enumerate(zip(rows, panel.containers, strict=False)):
            value, error = PRIORS[name][measure], PRIORS[name][f"{measure}_error"]
            assert dot.lines[0].get_xydata().tolist() == [[value, place]]
            ends = dot.lines[2][0].get_segments()[0]
            np.testing.assert_allclose(ends[:, 0], [value - error, value + error])
            assert to_hex(dot.lines[0].get_color()) == (VAL if name == names[-1] else TRAIN).lower()
    distance, likelihood = figure.axes
    assert [len(panel.containers) for panel in figure.axes] == [len(rows) + 1, len(rows)]
    assert distance.containers[-1].lines[0].get_xydata().tolist() == [[0.062, len(rows)]]  # a perfect prior
    *labels, perfect = [label.get_text() for label in distance.get_yticklabels()]
    assert [label.split("\n")[0] for label in labels] == [PRIORS[name]["label"] for name in rows]
    assert [label.endswith("(chosen)") for label in labels] == [name == names[-1] for name in rows]
    assert "perfect" in perfect and "1,600 validation" in distance.get_xlabel()
    assert [text.get_text() for text in distance.texts][:: len(rows)] == ["+0.248 ± 0.015", "0.062"]
    assert unreadable(figure) == []


def test_a_normal_far_away_is_an_arrow_with_its_number():
    figure = priors(report(("gaussian", "flow"), {**PRIORS["normal"], **measured(1.119, 0.0)}))
    distance = figure.axes[0]
    assert len(distance.containers) == 3 and distance.get_xlim()[1] < 0.3
    assert distance.texts[0].get_text() == "1.119, +1.057 ± 0.056"
    assert unreadable(figure) == []
