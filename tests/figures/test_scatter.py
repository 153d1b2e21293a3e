"""Scatter plots: points, their colours, and the bar that names them."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.colors import same_color

from galvae import figures
from galvae.data.galaxies import Column
from galvae.figures.scatter import BINNED, MOST_NAMES
from galvae.figures.style import DPI, PLAIN, UNKNOWN, Style

NAMES = ("UMAP 1", "UMAP 2")


def points(count, seed=0):
    return np.random.default_rng(seed).normal(size=(2, count))


def sorted_rows(array):
    return array[np.lexsort(array.T)]  # whole rows, so that x and y stay together


def laid_out(figure):
    """Rectangles of the texts on a figure's colour bar, after matplotlib has laid it out."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    return [label.get_window_extent(renderer) for label in figure.axes[1].get_yticklabels()]


def test_points_lie_at_their_coordinates_on_equal_axes():
    x, y = points(50)
    figure = figures.scatter(x, y, NAMES, box=(0, 1, -1, 2), equal=True)
    (axes,) = figure.axes
    np.testing.assert_allclose(axes.collections[0].get_offsets(), np.column_stack([x, y]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    assert axes.get_aspect() == 1
    (box,) = axes.lines
    np.testing.assert_array_equal(box.get_xdata(), [0, 1, 1, 0, 0])
    np.testing.assert_array_equal(box.get_ydata(), [-1, -1, 2, 2, -1])


@pytest.mark.parametrize("stretch", [0.1, 0.4, 1, 3, 8])
@pytest.mark.parametrize("coloured", [False, True])
def test_an_elongated_cloud_fills_its_figure(stretch, coloured):
    x, y = points(400)
    x *= stretch
    column = Column("class", "", np.arange(400) % 2, ["In-between Round Smooth", "b"]) if coloured else None
    figure = figures.scatter(x, y, NAMES, column, equal=True)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (left, low), (right, high) = axes.transData.transform([[x.min(), y.min()], [x.max(), y.max()]])
    width, height = axes.get_window_extent().size
    assert (right - left) / np.ptp(x) == pytest.approx((high - low) / np.ptp(y), rel=0.01)
    if stretch in (0.4, 1, 3):  # beyond, axes would be too narrow
        assert right - left > 0.75 * width and high - low > 0.75 * height
    assert min(width, height) > 1.5 * DPI


def test_points_asked_for_are_numbered():
    x, y = points(50)
    wanted = [[0.5, -1.0], [2.0, 0.25], [0.5, -1.0]]
    (axes,) = figures.scatter(x, y, NAMES, points=wanted).axes
    (crosses,) = axes.lines
    np.testing.assert_array_equal(crosses.get_xydata(), wanted)
    assert crosses.get_marker() == "x"
    assert [(text.get_text(), list(text.xy)) for text in axes.texts] == [
        (str(number), point) for number, point in enumerate(wanted, 1)
    ]


def test_names_of_classes_never_overlap_in_a_flat_figure():
    x, y = points(400)
    names = [f"In-between Round Smooth {index}" for index in range(30)]
    column = Column("class", "", np.arange(400) % 30, names)
    edges = sorted((box.y0, box.y1) for box in laid_out(figures.scatter(9 * x, y, NAMES, column, equal=True)))
    assert len(edges) > 9
    assert all(low[1] <= high[0] + 0.5 for low, high in itertools.pairwise(edges))


def test_classes_that_are_there_have_their_colour_and_name():
    x, y = points(60)
    labels = np.arange(60) % 3 * 2
    figure = figures.scatter(x, y, NAMES, Column("class", "", labels, list("abcdef")))
    axes, bar = figure.axes
    assert [text.get_text() for text in bar.get_yticklabels()] == ["a", "c", "e"]
    assert bar.get_title(loc="left") == "class"
    (drawn,) = axes.collections
    colours = PLAIN.class_colours(6)
    for label in (0, 2, 4):
        own = (drawn.get_facecolors() == colours[label]).all(axis=1)
        expected = np.column_stack([x, y])[labels == label]
        np.testing.assert_allclose(sorted_rows(drawn.get_offsets().data[own]), sorted_rows(expected))
    assert bar.yaxis_inverted()


@pytest.mark.parametrize("count", [2, 10, 30, MOST_NAMES, 100])
def test_names_of_classes_never_overlap(count):
    x, y = points(400)
    names = [f"In-between Round Smooth {index}" for index in range(count)]
    boxes = laid_out(figures.scatter(x, y, NAMES, Column("class", "", np.arange(400) % count, names)))
    assert len(boxes) == (count if count <= MOST_NAMES else -(-count // 3))
    edges = sorted((box.y0, box.y1) for box in boxes)
    assert all(low[1] <= high[0] + 0.5 for low, high in zip(edges, edges[1:], strict=False))


def test_numbers_have_a_colour_bar_with_their_unit_and_unknown_ones_are_grey():
    x, y = points(40)
    values = np.linspace(0, 2, 40)
    values[:5] = np.nan
    figure = figures.scatter(x, y, NAMES, Column("redshift", "mag", values), Style(value_map="plasma"))
    axes, bar = figure.axes
    assert bar.get_ylabel() == "redshift (mag)"
    unknown, known = axes.collections
    np.testing.assert_allclose(unknown.get_offsets(), np.column_stack([x, y])[:5])
    assert same_color(unknown.get_facecolors()[0], UNKNOWN)
    # Each point has the colour of its own value.
    order = np.argsort(known.get_array())
    np.testing.assert_allclose(known.get_array()[order], values[5:])
    np.testing.assert_allclose(known.get_offsets()[order], np.column_stack([x, y])[5:])
    assert known.cmap.name == "plasma"
    np.testing.assert_allclose(known.get_clim(), np.quantile(values[5:], [0.01, 0.99]))
    assert known.colorbar.extend == "both"  # there are values below and above


def test_many_points_are_counted_or_averaged_in_hexagons_and_classes_rasterised():
    x, y = points(BINNED + 1)
    x += 7
    (counted, _) = figures.scatter(x, y, NAMES).axes
    (hexagons,) = (part for part in counted.collections if isinstance(part, PolyCollection))
    assert hexagons.get_array().sum() == 50_001
    middle = np.average(hexagons.get_offsets(), axis=0, weights=hexagons.get_array())
    np.testing.assert_allclose(middle, [x.mean(), y.mean()], atol=0.05)
    values = np.where(np.arange(len(x)) % 2, x - 2 * y, np.nan)  # half of them unknown
    (averaged, _) = figures.scatter(x, y, NAMES, Column("x", "", values)).axes
    (hexagons,) = averaged.collections
    np.testing.assert_allclose(hexagons.get_array(), hexagons.get_offsets() @ [1, -2], atol=0.3)
    (classes, _) = figures.scatter(x, y, NAMES, Column("class", "", np.arange(len(x)) % 2, ["a", "b"])).axes
    (drawn,) = classes.collections
    assert len(drawn.get_offsets()) == BINNED + 1
    assert drawn.get_rasterized()
