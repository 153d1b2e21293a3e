"""Codes and numbers far larger than usual, which are drawn without an error or a warning (warnings are errors)."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from galvae import figures
from galvae.figures import cards
from galvae.figures.style import amount


def drawn(figure):
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure.axes[0]


@pytest.mark.parametrize("centre", [0.0, 1e12, -1e12])
@pytest.mark.parametrize("spread", [0.0, 1e11])
def test_codes_far_from_the_origin_are_drawn(centre, spread):
    codes = (centre + spread * np.random.default_rng(0).normal(size=(50, 3))).astype(np.float32)
    amounts = codes.astype(float).var(axis=0)
    axes = drawn(figures.pairs(codes, amounts, max_dims=2))
    low, high = axes.get_xlim()
    column = codes[:, np.argmax(amounts)]
    assert low < np.median(column) < high
    axes = drawn(figures.latent_scatter(codes[:, :1], amounts[:1]))
    assert sum(bar.get_height() for bar in axes.patches) == 50
    drawn(figures.latent_scatter(codes, amounts))
    drawn(figures.information_bars(amounts))


def test_large_amounts_are_short():
    assert amount(1.961, "nats") == "1.96 nats"
    assert amount(99_999.0, "nats") == "99999.00 nats"
    assert amount(3.2e24, "nats") == "3e+24 nats"
    assert amount(3.2e24, "variance") == "variance 3e+24"


def test_predictions_far_from_the_truth_are_drawn():
    true = np.linspace(0.1, 2, 20)
    axes = drawn(figures.predictions(true, 1e30 * true, "redshift", "rmse = 1e30"))
    assert axes.get_ylim()[1] >= 2e30


def test_a_long_name_of_a_condition_gives_a_short_name_of_a_file():
    numbers = {"true": np.arange(3.0), "predicted": np.arange(3.0), "unit": "", "errors": {"rmse": 0.5}}
    names = ["redshift", "a/b", 2 * "x" * 100, 2 * "x" * 100 + "y"]
    report = type("Report", (), {"facts": {"predictions": [{"name": name, **numbers} for name in names]}})
    files = list(cards.conditions(report, None, figures.Style()))
    cut = "predicted_" + "x" * 50
    assert files == ["predicted_redshift", "predicted_a_b", f"{cut}_2", f"{cut}_3"]
