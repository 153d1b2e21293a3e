"""Labels of ticks: each can be read, whatever numbers a figure shows."""

import functools

import numpy as np
import pytest
from builders.labels import unreadable
from matplotlib.figure import Figure

from galvae import figures
from galvae.data.galaxies import Column
from galvae.figures.ticks import fit_ticks, fitting_ticks, short_texts

MINUS = "\N{MINUS SIGN}"
# Centre and scatter of numbers whose labels are long, or whose labels matplotlib writes too close to each other.
RANGES = {
    "usual": (0, 1),
    "negative": (-987654.3, 1234.5),
    "fractions": (-0.125, 0.03),
    "narrow": (1000.0, 1e-3),
    "narrower": (-17.123, 1e-5),
    "large": (0, 1e9),
    "huge": (-3e20, 1e24),
    "tiny": (0, 1e-7),
    "constant": (5.5, 0),
}
LATENTS = (2, 5, 64)


def numbers(name, count=60, seed=0):
    centre, scatter = RANGES[name]
    return centre + scatter * np.random.default_rng(seed).normal(size=count)


def plots(name):
    """Functions that draw every figure with ticks, of numbers of a range, by the figure's name."""
    x, y = numbers(name), numbers(name, seed=1)
    column, across = Column("stellar mass", "Msun", y), np.linspace(-1, 1, 60)
    scatter = functools.partial(figures.scatter, names=("UMAP 1", "UMAP 2"))
    drawn = {
        "scatter": lambda: scatter(x, y, column=column),
        "wide": lambda: scatter(x, 0.2 * y, equal=True),
        "high": lambda: scatter(0.1 * x, y, column=column, equal=True),
        "points": lambda: scatter(across, across, points=[[0.5, 0.5], [-0.5, 0.2]]),
        "histogram": lambda: figures.latent_scatter(x[:, None], np.ones(1)),
        "predictions": lambda: figures.predictions(x, y, "redshift", "bias = +0.01"),
    }
    for latent_dim in LATENTS:
        codes = numbers(name, (60, latent_dim))
        variance, size = codes.var(axis=0), np.abs(codes).mean(axis=0)
        drawn[f"latent {latent_dim}"] = functools.partial(figures.latent_scatter, codes, variance)
        drawn[f"information {latent_dim}"] = functools.partial(figures.information_bars, size)
    for epochs in (2, 300):
        rows = [{"epoch": epoch + 1} for epoch in range(epochs)]
        for seed, term in enumerate(("loss", "kl")):
            for row, value in zip(rows, np.abs(numbers(name, epochs, seed)), strict=True):
                row |= {term: value, f"val_{term}": value}
        drawn[f"loss {epochs}"] = functools.partial(figures.loss_curves, rows)
        drawn[f"entropy {epochs}"] = functools.partial(figures.loss_curves, rows, {"loss": (0.0, 0.0)})
    runs, groups = 2 ** np.arange(1, 7), ["a"] * 3 + ["b"] * 3
    panels = [("validation loss", "", x[:6]), ("validation reconstruction", "a kind", y[:6])]
    drawn["losses"] = lambda: figures.loss_against_latent_dim(runs, panels, groups)
    drawn["rate"] = lambda: figures.rate_distortion(np.abs(x[:6]), y[:6], groups, list(map(str, runs)))
    centre, spread = RANGES[name]
    points, label = np.stack([x, y], axis=1), ("latent 1 (z₁), 1.42 nats", "y")
    for columns in (2, 5, 11, 30):
        grid = np.linspace(centre - (spread or 1), centre + (spread or 1), columns)
        images = np.zeros((columns, columns, 16, 16, 1))
        plane = functools.partial(figures.plane, images, grid, grid, label)
        drawn[f"plane {columns}"] = plane
        drawn[f"strip {columns}"] = functools.partial(figures.plane, images[:2], grid, grid[:2], label)
        drawn[f"plane and scatter {columns}"] = functools.partial(
            figures.plane_and_scatter, *plane.args, points, column
        )
    images = np.zeros((5, 16, 16, 1))
    drawn["montage"] = lambda: figures.montage(images, points[:5], label, background=points)[0]
    return drawn


@pytest.mark.parametrize("name", ["high", "latent 64", "loss 300", "rate", "plane and scatter 11", "montage"])
def test_long_labels_can_be_read(name):
    assert unreadable(plots("fractions")[name]()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["negative", "narrow", "huge", "tiny", "constant"])
def test_any_numbers_can_be_read(name):
    found = {plot: unreadable(draw()) for plot, draw in plots(name).items()}
    assert {plot: texts for plot, texts in found.items() if texts} == {}


def plain_axes(labels, width=3.0):
    figure = Figure(figsize=(width, 2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1])
    axes.set_xticks(np.linspace(0, 1, len(labels)), labels)
    return figure, axes


def test_labels_that_touch_or_are_cut_off_are_noticed():
    assert unreadable(plain_axes(["0.0", "0.5", "1.0"])[0]) == []
    assert "123456789 | 123456780" in unreadable(plain_axes(["0", "123456789", "123456780", "1"], 2.2)[0])
    figure, axes = plain_axes(["0", "1"])
    axes.set_title("above", y=-0.1)
    axes.title.set_x(0)
    assert "0 | above" in unreadable(figure)
    figure, axes = plain_axes(["0", "1"])
    figure.set_layout_engine("none")
    axes.set_position([0, 0.3, 0.5, 0.5])
    assert unreadable(figure) == ["0.0 is cut off", "0.5 is cut off", "1.0 is cut off"]
    axes.set_yticks([0.5, 1])
    axes.set_ylim(0.6, 0.9)  # labels outside of the view are not drawn
    assert unreadable(figure) == []


def test_as_many_round_numbers_are_labelled_as_have_room():
    values, texts = fitting_ticks(-3, 3, 300)
    assert values.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert texts == [f"{MINUS}3", f"{MINUS}2", f"{MINUS}1", "0", "1", "2", "3"]
    assert fitting_ticks(-3, 3, 64)[1] == [f"{MINUS}2", "0", "2"]
    assert fitting_ticks(-3, 3, 64, horizontal=False)[1] == [f"{MINUS}2", "0", "2"]
    assert fitting_ticks(-3, 3, 100, horizontal=False)[0].tolist() == values.tolist()
    assert fitting_ticks(-3, 3, 60, size=4)[0].tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert fitting_ticks(-3, 3, 40)[1] == [f"{MINUS}3", "3"]
    assert fitting_ticks(0, 1, 300, preferred=np.array([0.1, 0.4, 0.7]))[1] == ["0.1", "0.4", "0.7"]
    assert fitting_ticks(0, 1, 30, preferred=np.array([0.1, 0.4, 0.7]))[1] != ["0.1", "0.4", "0.7"]
    assert 1 <= len(fitting_ticks(1000, 1000.002, 60)[0]) <= 2


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([-1, 0, 1], [f"{MINUS}1", "0", "1"]),
        ([0, 0.25, 0.5], ["0.00", "0.25", "0.50"]),
        ([-0.1, -1e-18, 0.1], [f"{MINUS}0.1", "0.0", "0.1"]),
        ([1000.0005, 1000.001], ["1000.0005", "1000.0010"]),
        ([100_000, 150_000], ["100000", "150000"]),
        ([0, 2e9, 4e9], ["0", "2e9", "4e9"]),
        ([-1.5e-7, 1.5e-7], [f"{MINUS}1.5e{MINUS}7", f"1.5e{MINUS}7"]),
        ([2.5], ["2.5"]),
        ([0], ["0"]),
        ([], []),
    ],
)
def test_numbers_have_as_few_digits_as_tell_them_apart(values, texts):
    assert short_texts(values) == texts


def test_ticks_follow_the_view_and_the_size_of_the_axes():
    for width, fewest, most in ((2.0, 2, 4), (6.0, 4, 10)):
        figure = Figure(figsize=(width, 2), layout="constrained")
        axes = figure.subplots()
        axes.plot([-0.225, -0.05], [1e7, 3e7])
        fit_ticks(axes)
        figure.draw_without_rendering()
        low, high = axes.get_xlim()
        labels = [label.get_text() for label in axes.get_xticklabels()]
        assert fewest <= len(labels) <= most
        ticks = [float(label.replace(MINUS, "-")) for label in labels]
        np.testing.assert_allclose(axes.get_xticks(), ticks)
        assert all(low <= tick <= high for tick in axes.get_xticks())
        assert not axes.yaxis.get_offset_text().get_text()
        assert unreadable(figure) == []
