"""Images over planes: each is centred at its coordinates, in its own pixels."""

import numpy as np
import pytest
from builders.galaxies import blobs
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color

from galvae import figures
from galvae.figures.canvas import FADED_GREY, MAX_DOTS
from galvae.figures.style import DPI, UNKNOWN

NAMES = ("UMAP 1", "UMAP 2")
BYTE = 0.51 / 255  # of rounding


def images(count, side=8, seed=0):
    return (blobs(count, side, seed=seed) / 255).astype(np.float32)


def cell(figure, row, column, side=8):
    """The dots of one image of a plane, (side, zoom, side, zoom, 3); row 0 is the lowest."""
    axes = figure.axes[-1]
    dots = np.asarray(axes.images[0].get_array()) / 255
    x, y = axes.get_xticks()[column], axes.get_yticks()[row]
    zoom = round((axes.get_xticks()[1] - axes.get_xticks()[0]) / (side + 1))
    low_x, low_y = round(x - zoom * side / 2), round(y - zoom * side / 2)
    block = dots[low_y : low_y + zoom * side, low_x : low_x + zoom * side]
    return block.reshape(side, zoom, side, zoom, 3)


def test_images_stand_at_their_coordinates_unstretched():
    galaxies = images(12).reshape(3, 4, 8, 8, 3)
    figure = figures.plane(galaxies, np.arange(4.0), np.arange(3.0), NAMES)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "1", "2", "3"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1", "2"]
    for row in range(3):
        for column in range(4):
            block = cell(figure, row, column)
            expected = np.broadcast_to(galaxies[row, column][:, None, :, None], block.shape)
            np.testing.assert_allclose(block, expected, atol=BYTE)  # a whole number of dots for each pixel
    assert np.diff(axes.get_yticks()).max() < 0, "the first row is the lowest"
    height, width = axes.images[0].get_array().shape[:2]
    box = axes.get_position()
    np.testing.assert_allclose(box.size * figure.get_size_inches() * DPI, (width, height))


def test_empty_cells_are_white_and_faded_ones_grey():
    galaxies = images(4).reshape(2, 2, 8, 8, 3)
    galaxies[0, 0] = np.nan
    faded = np.array([[False, True], [False, False]])
    figure = figures.plane(galaxies, np.arange(2.0), np.arange(2.0), NAMES, faded)
    assert (cell(figure, 0, 0) == 1).all()
    assert [text.get_text() for text in figure.texts] == ["grey: no real galaxy nearby"]
    assert not figures.plane(galaxies, np.arange(2.0), np.arange(2.0), NAMES, faded & False).texts
    grey = cell(figure, 0, 1)
    assert np.ptp(grey, axis=-1).max() < 1e-6
    assert abs(grey - FADED_GREY).max() <= 0.2 * FADED_GREY + BYTE
    np.testing.assert_allclose(cell(figure, 1, 1)[:, 0, :, 0], galaxies[1, 1], atol=BYTE)


def test_many_images_have_ticks_at_round_numbers():
    x = np.linspace(-1.97, 5.63, 20)
    galaxies = images(1).reshape(1, 1, 8, 8, 3).repeat(20, 1)
    figure = figures.plane(galaxies, x, np.array([2.5]), NAMES)
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert labels == ["\N{MINUS SIGN}1", "0", "1", "2", "3", "4", "5"]
    dots = np.interp(np.arange(-1, 6), x, np.linspace(0, 19, 20))
    positions = axes.get_xticks()
    np.testing.assert_allclose(np.diff(positions) / np.diff(positions)[0], np.diff(dots) / np.diff(dots)[0])
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


def test_a_scatter_beside_the_plane_marks_its_positions():
    codes = np.random.default_rng(0).normal(size=(30, 2))
    x, y = np.array([-1.0, 0, 1]), np.array([0.0, 2])
    figure = figures.plane_and_scatter(images(6).reshape(2, 3, 8, 8, 3), x, y, NAMES, codes)
    scatter, plane = figure.axes
    np.testing.assert_allclose(scatter.collections[0].get_offsets(), codes)
    np.testing.assert_array_equal(scatter.lines[0].get_xdata(), [-1, 0, 1, -1, 0, 1])
    np.testing.assert_array_equal(scatter.lines[0].get_ydata(), [0, 0, 0, 2, 2, 2])
    assert scatter.get_position().x1 < plane.get_position().x0
    assert scatter.get_xlabel() == plane.get_xlabel() == NAMES[0]


def test_a_montage_centres_images_at_their_positions():
    positions = np.array([[0.0, 0], [3, 1], [-2, 4]])
    background = np.array([[0.5, 0.5], [100, 100]])
    figure, overlapping = figures.montage(
        images(3), positions, NAMES, np.array([False, True, False]), background
    )
    (axes,) = figure.axes
    assert not overlapping
    assert (axes.get_xlabel(), axes.get_ylabel()) == NAMES
    scale = (
        axes.get_position().size
        * figure.get_size_inches()
        * DPI
        / [np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())]
    )
    assert scale[0] == pytest.approx(scale[1], rel=0.01)
    extents = np.array([image.get_extent() for image in axes.images])
    np.testing.assert_allclose(extents[:, :2].mean(axis=1), positions[:, 0], atol=1 / scale[0])
    np.testing.assert_allclose(extents[:, 2:].mean(axis=1), positions[:, 1], atol=1 / scale[0])
    sides = (extents[:, 1] - extents[:, 0]) * scale[0] / 8
    np.testing.assert_allclose(sides, np.round(sides), rtol=0.01)  # dots of a pixel
    for index, (low, high) in enumerate(zip(extents[:, ::2], extents[:, 1::2], strict=True)):
        others = np.delete(extents, index, axis=0)
        separate = (
            (others[:, 0] >= high[0])
            | (others[:, 1] <= low[0])
            | (others[:, 2] >= high[1])
            | (others[:, 3] <= low[1])
        )
        assert separate.all()
    np.testing.assert_allclose(axes.images[0].get_array() / 255, images(3)[0], atol=BYTE)
    assert np.ptp(np.asarray(axes.images[1].get_array()), axis=-1).max() < 1e-6  # grey
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
    assert figures.shrunk(images(2, side=65), MAX_DOTS // 65 * 3).shape == (2, 21, 21, 3)


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
