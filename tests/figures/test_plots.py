"""Plots of numbers: the axes, the labels and the data in them."""

import numpy as np
import pytest

from galvae import figures
from galvae.data.galaxies import Column
from galvae.figures.style import DPI, PLAIN


def history(epochs=5, kl=True, beta=1.0):
    row = {"loss": 10.0, "reconstruction": 9.0, **({"kl": 1.0} if kl else {})}
    return [
        {
            "epoch": epoch,
            **{name: value / epoch for name, value in row.items()},
            **{f"val_{name}": 2 * value / epoch for name, value in row.items()},
            "beta": beta,
            "seconds": 0.1,
        }
        for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("kl", [True, False])
def test_loss_curves_show_every_term_on_a_logarithmic_scale(kl):
    figure = figures.loss_curves(history(kl=kl))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "reconstruction", "kl"][: 2 + kl]
    for axes in figure.axes:
        training, validation = axes.lines
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4, 5])
        np.testing.assert_allclose(validation.get_ydata(), 2 * np.asarray(training.get_ydata()))
        assert axes.get_yscale() == ("linear" if axes.get_title() == "kl" else "log")
        assert axes.get_xlabel() == "epoch"
    assert [axes.get_ylabel() for axes in figure.axes] == ["per image", "", "nats per image"][: 2 + kl]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["training", "validation"]


def test_a_cross_entropy_is_drawn_above_the_entropy_of_the_images():
    floors = {"reconstruction": (1.5, 3.0), "loss": (1.0, 2.0)}
    loss, reconstruction, kl = figures.loss_curves(history(), floors).axes
    for axes, start, (training, validation) in (
        (loss, 10, (1.0, 2.0)),
        (reconstruction, 9, (1.5, 3.0)),
        (kl, 1, (0, 0)),
    ):
        value = start / np.arange(1, 6)
        np.testing.assert_allclose(axes.lines[0].get_ydata(), value - training)
        np.testing.assert_allclose(axes.lines[1].get_ydata(), 2 * value - validation)
    above = "nats per image above\nthe entropy of the images"
    assert [axes.get_ylabel() for axes in (loss, reconstruction, kl)] == [above, "", "nats per image"]


def test_a_loss_that_hardly_changes_is_drawn_on_a_linear_scale():
    rows = [{"epoch": epoch, "loss": 31 - 0.1 * epoch, "val_loss": 32.0} for epoch in (1, 2, 3)]
    figure = figures.loss_curves(rows)
    assert figure.axes[0].get_yscale() == "linear"
    figure.draw_without_rendering()
    assert len(figure.axes[0].get_yticklabels()) > 2


def test_beta_times_kl_is_drawn_where_beta_is_not_one():
    kl = figures.loss_curves(history(beta=0.1)).axes[2]
    training, _, weighted = kl.lines
    np.testing.assert_allclose(weighted.get_ydata(), 0.1 * np.asarray(training.get_ydata()))
    assert kl.get_legend().get_texts()[2].get_text() == "β × training"


def test_a_term_that_touches_zero_is_drawn_on_a_linear_scale():
    rows = history()
    rows[0]["reconstruction"] = 0.0
    assert [axes.get_yscale() for axes in figures.loss_curves(rows).axes] == ["log", "linear", "linear"]


def test_latent_scatter_takes_the_two_most_informative_axes():
    codes = np.random.default_rng(0).normal(size=(50, 4))
    axes = figures.latent_scatter(codes, np.array([0.1, 2.0, 0.0, 3.5])).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), codes[:, [3, 1]])
    assert axes.get_xlabel() == "latent 3 (z₃), 3.50 nats"
    assert axes.get_ylabel() == "latent 1 (z₁), 2.00 nats"


def test_one_latent_dimension_is_a_histogram():
    axes = figures.latent_scatter(np.linspace(-1, 1, 40)[:, None], np.array([1.5])).axes[0]
    assert sum(patch.get_height() for patch in axes.patches) == 40
    assert axes.get_xlabel() == "latent 0 (z₀), 1.50 nats"


def test_one_latent_dimension_has_a_histogram_for_each_class_present():
    column = Column("class", "", np.where(np.arange(40) < 30, 0, 2), ["spiral", "merger", "elliptical"])
    axes, bar = figures.latent_scatter(np.linspace(-1, 1, 40)[:, None], np.array([1.5]), column).axes
    assert [text.get_text() for text in bar.get_yticklabels()] == ["spiral", "elliptical"]
    outlines = [patch.get_edgecolor() for patch in axes.patches]
    assert outlines == [tuple(colour) for colour in PLAIN.class_colours(3)[[0, 2]]]
    (spirals, ellipticals) = (patch.get_xy()[patch.get_xy()[:, 1] > 0, 0] for patch in axes.patches)
    assert spirals.max() < 0.6 and ellipticals.min() > 0.3  # of the code that is 0.54 where the class changes


def test_information_falls_from_bar_to_bar_and_inactive_dimensions_are_grey():
    active = np.array([True, True, False, True])
    axes = figures.information_bars(np.array([0.5, 2.0, 0.0, 1.0]), active=active).axes[0]
    assert [bar.get_height() for bar in axes.patches] == [2.0, 1.0, 0.5, 0.0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "3", "0", "2"]
    colours = [bar.get_facecolor() for bar in axes.patches]
    assert colours[0] == colours[1] == colours[2] != colours[3]
    assert axes.get_ylabel() == "KL divergence (nats)"


def test_pairs_count_every_galaxy_in_each_panel():
    codes = np.random.default_rng(0).normal([5, 1, -3], [1, 1, 2], size=(4000, 3))
    figure = figures.pairs(codes, np.array([1.0, 3.0, 2.0]), max_dims=2)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    assert len(visible) == 3
    top, pair, side = visible
    assert top.get_title() == "3.00 nats" and side.get_title() == "2.00 nats"
    assert (pair.get_xlabel(), pair.get_ylabel()) == ("latent 1 (z₁)", "latent 2 (z₂)")
    counts = pair.collections[0].get_array()
    assert counts.sum() == pytest.approx(4000, rel=0.01)
    # Columns of the counts follow the first axis, rows the second.
    low, high = pair.get_xlim()
    edges = np.linspace(low, high, counts.shape[1] + 1)
    bottom, top_edge = pair.get_ylim()
    inside = codes[(codes[:, 2] > bottom) & (codes[:, 2] < top_edge), 1]
    np.testing.assert_array_equal(np.histogram(inside, edges)[0], counts.filled(0).sum(axis=0))
    # A histogram is that of its own dimension.
    generated = np.array([(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in top.patches])
    assert np.average(generated[:, 0], weights=generated[:, 1]) == pytest.approx(codes[:, 1].mean(), abs=0.02)
    normal = top.lines[0]
    np.testing.assert_allclose(
        normal.get_ydata(), np.exp(-(normal.get_xdata() ** 2) / 2) / np.sqrt(2 * np.pi)
    )
    assert not figures.pairs(codes, np.ones(3), prior=False).axes[0].lines


def boxes(figure, texts):
    """Rectangles of those of the texts that are drawn, in dots."""
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in texts if text.get_text()]


def assert_clear(rectangles):
    for index, box in enumerate(rectangles):
        assert not any(box.overlaps(other) for other in rectangles[:index])


@pytest.mark.parametrize("latent_dim", [10, 100, 300, 1000])
def test_numbers_below_the_bars_stand_clear_of_each_other(latent_dim):
    figure = figures.information_bars(np.arange(latent_dim, 0, -1.0))
    labels = figure.axes[0].get_xticklabels()
    assert 9 < len(labels) <= 40
    assert_clear(boxes(figure, labels))


@pytest.mark.parametrize("count", [2, 3, 5, 8])
def test_the_key_and_the_names_of_a_corner_plot_cover_nothing(count):
    codes = np.random.default_rng(0).normal(size=(200, 512))
    figure = figures.pairs(codes, np.arange(512.0), "nats", count)
    visible = [axes for axes in figure.axes if axes.get_visible()]
    names = [*(axes.xaxis.label for axes in visible), *(axes.yaxis.label for axes in visible)]
    assert_clear(boxes(figure, [*names, *(axes.title for axes in visible)]))
    (key,) = figure.legends
    box = key.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in visible)
    width, height = figure.get_size_inches() * DPI
    assert box.x1 <= width and box.y1 <= height


def test_predictions_lie_on_the_line_where_they_agree():
    true = np.linspace(0, 2, 30)
    axes = figures.predictions(true, true + 0.1, "redshift", "bias = +0.100").axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), np.stack([true, true + 0.1], axis=1))
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[0, 0], [2.1, 2.1]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true redshift", "predicted redshift")
    assert axes.get_title(loc="left") == "bias = +0.100"


def test_many_predictions_are_counted_in_hexagons():
    true = np.linspace(0, 2, 50_001)
    (hexagons,) = figures.predictions(true, true / 2, "redshift", "").axes[0].collections
    x, y = hexagons.get_offsets().T
    np.testing.assert_allclose(y, x / 2, atol=0.03)


def test_no_galaxy_lies_under_the_errors_of_predictions():
    figure = figures.predictions(np.array([0.0, 1.0]), np.array([1.0, 0.9]), "redshift", "bias = +0.1")
    (axes,) = figure.axes

    assert axes.get_title(loc="left") == "bias = +0.1"
    assert not axes.texts


def test_losses_below_one_are_labelled_as_those_above():
    rows = [{"epoch": 1, "loss": 0.5, "val_loss": 0.5}, {"epoch": 2, "loss": 0.05, "val_loss": 0.06}]
    figure = figures.loss_curves(rows)
    figure.draw_without_rendering()
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels(which="both")]
    assert "0.06" in labels
    assert not any("e" in label for label in labels)


def test_the_prior_is_named_where_it_is_drawn():
    codes = np.random.default_rng(0).normal(size=(50, 3))
    (legend,) = figures.pairs(codes, np.ones(3)).legends
    assert [text.get_text() for text in legend.get_texts()] == ["prior"]
    assert legend.get_title().get_text().replace("\n", " ").startswith("one sample of each posterior; colour")
    assert not figures.pairs(codes, np.ones(3), prior=False).legends[0].get_texts()


def test_more_runs_than_colours_differ_in_their_markers():
    names = [f"run {index}" for index in range(25)]
    axes = figures.rate_distortion(np.arange(25.0), np.arange(25.0), names, names).axes[0]
    assert len({(str(line.get_color()), line.get_marker()) for line in axes.lines}) == 25


def test_small_information_is_not_written_as_nothing():
    assert figures.amount(1.957, "nats") == "1.96 nats"
    assert figures.amount(0.5, "nats") == "0.50 nats"
    assert figures.amount(0.0521, "nats") == "0.05 nats"
    assert figures.amount(0.0014, "variance") == "variance 0.001"
