"""Images over planes: each is centred at its coordinates, in its own pixels."""

import numpy as np
import pytest
from builders.drawn import image_at, rendered
from builders.galaxies import ellipses
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color

from galvae import figures
from galvae.data.galaxies import Column
from galvae.figures.canvas import MAX_DOTS
from galvae.figures.style import DPI, UNKNOWN

NAMES = ("UMAP 1", "UMAP 2")
BYTE = 0.51 / 255  # of rounding


def images(count, side=8, seed=0):
    return (ellipses(count, side, seed=seed) / 255).astype(np.float32)


def cell(figure, row, column, shape=(8, 8), dots=None):
    """The drawn dots of one image of a plane, (H, zoom, W, zoom, 3), by its ticks; row 0 is the lowest."""
    axes, (high, wide) = figure.axes[-1], shape
    dots = (rendered(figure) if dots is None else dots) / 255
    ticks = axes.transData.transform([[x, axes.get_yticks()[row]] for x in axes.get_xticks()])
    zoom = round((ticks[1, 0] - ticks[0, 0]) / (wide + 1))
    low_x, low_y = round(ticks[column, 0] - zoom * wide / 2), round(ticks[0, 1] - zoom * high / 2)
    block = dots[::-1][low_y : low_y + zoom * high, low_x : low_x + zoom * wide][::-1]
    return block.reshape(high, zoom, wide, zoom, 3)


@pytest.mark.parametrize("shape", [(8, 8), (8, 12)])
def test_images_stand_upright_at_their_coordinates_unstretched(shape):
    galaxies = images(12, shape).reshape(3, 4, *shape, 3)
    figure = figures.plane(galaxies, np.arange(4.0), np.arange(3.0), NAMES)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2", "3"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1", "2"]
    dots = rendered(figure)
    for row in range(3):
        for column in range(4):
            block = cell(figure, row, column, shape, dots)
            expected = np.broadcast_to(galaxies[row, column][:, None, :, None], block.shape)
            np.testing.assert_allclose(block, expected, atol=BYTE)  # a whole number of dots for each pixel
    heights = axes.transData.transform([[0, y] for y in axes.get_yticks()])[:, 1]
    assert np.diff(heights).min() > 0, "the first row is the lowest"


def test_empty_cells_are_white_and_faded_ones_grey():
    galaxies = images(4).reshape(2, 2, 8, 8, 3)
    galaxies[0, 0] = np.nan
    faded = np.array([[False, True], [False, False]])
    figure = figures.plane(galaxies, np.arange(2.0), np.arange(2.0), NAMES, faded)
    assert (cell(figure, 0, 0) == 1).all()
    assert [text.get_text() for text in figure.texts] == ["grey: no real galaxy nearby"]
    assert not figures.plane(galaxies, np.arange(2.0), np.arange(2.0), NAMES, faded & False).texts
    grey = cell(figure, 0, 1)[:, 0, :, 0]
    expected = 0.68 + 0.2 * galaxies[0, 1].mean(axis=-1, keepdims=True)  # a fifth of it, of 0.85 the rest
    np.testing.assert_allclose(grey, np.repeat(expected, 3, axis=-1), atol=2 * BYTE)
    np.testing.assert_allclose(cell(figure, 1, 1)[:, 0, :, 0], galaxies[1, 1], atol=BYTE)


def test_many_images_have_ticks_at_round_numbers():
    x = np.linspace(-1.97, 5.63, 20)
    galaxies = images(1).reshape(1, 1, 8, 8, 3).repeat(20, 1)
    figure = figures.plane(galaxies, x, np.array([2.5]), NAMES)
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["\N{MINUS SIGN}1", "0", "1", "2", "3", "4", "5"]
    # Between the middles of the images, which are 8 pixels wide with one between them.
    zoom = axes.images[0].get_array().shape[1] / (20 * 9 - 1)
    expected = np.interp(np.arange(-1, 6), x, zoom * (4 + 9 * np.arange(20)))
    np.testing.assert_allclose(axes.get_xticks(), expected)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["2.5"]


def test_labels_lie_within_the_figure():
    x = np.linspace(-123.45, 100, 3)
    figure = figures.plane(images(9).reshape(3, 3, 8, 8, 3), x, x, NAMES)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    axes = figure.axes[0]
    for label in (axes.xaxis.label, axes.yaxis.label, *axes.get_yticklabels()):
        extent = label.get_window_extent(renderer)
        assert extent.x0 >= 0
        assert extent.y0 >= 0


def test_a_scatter_beside_the_plane_marks_its_positions_and_has_its_axes():
    codes = np.random.default_rng(0).normal([3, -1], [1, 0.2], (30, 2))
    x, y = np.array([-1.0, 0, 1]), np.array([0.0, 2])
    galaxies = images(6).reshape(2, 3, 8, 8, 3)
    figure = figures.plane_and_scatter(galaxies, x, y, NAMES, codes, Column("z", "", codes[:, 0]))
    scatter, bar, plane = figure.axes
    drawn = scatter.collections[1]
    order = np.argsort(drawn.get_array())
    np.testing.assert_allclose(drawn.get_offsets()[order], codes[np.argsort(codes[:, 0])])
    np.testing.assert_array_equal(scatter.lines[0].get_xdata(), [-1, 0, 1, -1, 0, 1])
    np.testing.assert_array_equal(scatter.lines[0].get_ydata(), [0, 0, 0, 2, 2, 2])
    assert scatter.get_position().x1 < bar.get_position().x0 < plane.get_position().x0
    for axes in (scatter, plane):
        assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    np.testing.assert_allclose(cell(figure, 1, 2)[:, 0, :, 0], galaxies[1, 2], atol=BYTE)


@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (12, 8)])
def test_a_montage_centres_upright_images_at_their_positions(shape):
    galaxies = images(3, shape)
    positions = np.array([[0.0, 0], [3, 1], [-2, 4]])
    background = np.array([[0.5, 1.5], [100, 100]])
    figure, overlapping = figures.montage(
        galaxies, positions, NAMES, np.array([False, True, False]), background
    )
    (axes,) = figure.axes
    assert not overlapping
    assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    dots = rendered(figure) / 255
    centres = axes.transData.transform(positions)
    zoom = round(1400 / 8 / shape[1])
    grey = 0.68 + 0.2 * galaxies[1].mean(axis=-1, keepdims=True)
    for (x, y), expected in zip(centres, [galaxies[0], grey, galaxies[2]], strict=True):
        drawn = image_at(dots, (x, len(dots) - y), shape, zoom)
        np.testing.assert_allclose(drawn, np.broadcast_to(expected, drawn.shape), atol=2 * BYTE)
    extents = np.array([image.get_extent() for image in axes.images])
    sides = axes.transData.transform(extents[:, 1::2]) - axes.transData.transform(extents[:, ::2])
    np.testing.assert_allclose(sides, [[zoom * shape[1], zoom * shape[0]]] * 3, rtol=0.01)  # dots of a pixel
    # A dot to the right is as long as one upwards, and the closest images do not touch.
    (left, low), (right, high) = axes.transData.transform([[0, 0], [1, 1]])
    assert right - left == pytest.approx(high - low, rel=0.01)
    assert np.abs(centres[1] - centres[0]).max() > zoom * max(shape)
    np.testing.assert_allclose(axes.collections[0].get_offsets(), background[:1])
    assert same_color(axes.collections[0].get_facecolors()[0], UNKNOWN)


def test_a_montage_is_bounded_and_reports_overlapping_images():
    positions = np.array([[0.0, 0], [0.01, 0], [1000, 3]])
    figure, overlapping = figures.montage(images(3), positions, NAMES)
    assert overlapping
    assert max(figure.get_size_inches() * DPI) < 1.1 * MAX_DOTS + 200
    assert figures.montage(images(1), positions[:1], NAMES)[1] is False


def test_images_are_averaged_where_a_row_would_grow_too_long():
    galaxies = images(2, side=64)
    assert figures.shrunk(galaxies, MAX_DOTS // 64) is galaxies
    small = figures.shrunk(galaxies, MAX_DOTS // 64 * 2)
    assert small.shape == (2, 32, 32, 3)
    np.testing.assert_allclose(small[1, 3, 5], galaxies[1, 6:8, 10:12].mean(axis=(0, 1)), atol=1e-6)
    # Of 65 x 67 pixels, one at the lower edge and two at both sides fill no square of three.
    odd = images(2, (64, 67))
    small = figures.shrunk(odd, MAX_DOTS // 67 * 3)
    assert small.shape == (2, 21, 22, 3)
    np.testing.assert_allclose(small[1, 20, 2], odd[1, 60:63, 6:9].mean(axis=(0, 1)), atol=1e-6)
    odd = images(2, (65, 68))
    small = figures.shrunk(odd, MAX_DOTS // 68 * 3)
    np.testing.assert_allclose(small[1, 20, 2], odd[1, 61:64, 7:10].mean(axis=(0, 1)), atol=1e-6)


@pytest.mark.parametrize("rows", [2, 4, 6])
def test_labels_of_few_rows_do_not_overlap(rows):
    x, y = np.linspace(1.1, 30.3, 20), np.linspace(-6.87, -6.87 + 1.537 * (rows - 1), rows)
    galaxies = np.zeros((rows, 20, 64, 64, 1))  # a dot for each pixel
    axes = figures.plane(galaxies, x, y, NAMES).axes[0]
    canvas = FigureCanvasAgg(axes.figure)
    canvas.draw()
    boxes = [label.get_window_extent(canvas.get_renderer()) for label in axes.get_yticklabels()]
    assert boxes
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_a_position_given_twice_does_not_shrink_the_plane():
    positions = np.array([[0.0, 0], [3, 1], [0, 0]])
    figure, overlapping = figures.montage(images(3), positions, NAMES)
    once, _ = figures.montage(images(2), positions[:2], NAMES)
    assert overlapping
    np.testing.assert_allclose(figure.get_size_inches(), once.get_size_inches())


def test_a_single_position_is_drawn_on_the_scale_of_the_points_behind_it():
    background = np.random.default_rng(0).uniform(0, 8, (50, 2))
    figure, overlapping = figures.montage(images(1), [[4.0, 4.0]], NAMES, background=background)
    assert not overlapping
    assert np.ptp(figure.axes[0].get_xlim()) < 8


def test_images_fill_the_cells_that_are_occupied_row_by_row():
    occupied = np.array([[True, False, True], [False, True, False]])
    cells = figures.fill_cells(images(3), occupied)
    np.testing.assert_array_equal(cells[occupied], images(3))
    np.testing.assert_array_equal(cells[1, 1], images(3)[2])
    assert np.isnan(cells[~occupied]).all()
