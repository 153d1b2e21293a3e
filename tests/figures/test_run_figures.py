"""Figures of several runs: what is drawn, and that texts stand clear of each other."""

import numpy as np
import pytest
from builders.drawn import places, rendered
from builders.galaxies import ellipses
from matplotlib.colors import to_rgba

from galvae import figures
from galvae.figures.style import DPI, MUTED


def extents(figure, texts):
    """Rectangles of texts in dots of the figure, from the lower left."""
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in texts]


def assert_clear(boxes):
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])


def test_panels_place_every_image_of_every_run_unstretched():
    blocks = [ellipses(5, 8, seed=seed) / 255 for seed in range(2)]
    figure = figures.panels(blocks, ["one", "two"])
    dots = rendered(figure)
    np.testing.assert_array_equal(np.round(figure.get_size_inches() * DPI, 6), dots.shape[1::-1])
    # 1050 dots, the width sought, over the 3 x 8 pixels of a panel and 6 % more; a gap of one pixel.
    zoom, between = 41, 41
    height, width = 2 * 8 * zoom + between, 3 * 8 * zoom + 2 * between
    margin = (dots.shape[1] - 2 * width) // 3  # on the left, on the right and between the panels
    assert margin > 26  # dots of a line of text
    left, top = margin, dots.shape[0] - height - margin
    for block in blocks:
        for index, image in enumerate(block):
            y, x = (9 * zoom * step for step in divmod(index, 3))
            drawn_image = dots[top + y :, left + x :][: 8 * zoom, : 8 * zoom]
            expected = np.round(255 * image).repeat(zoom, 0).repeat(zoom, 1)
            np.testing.assert_array_equal(drawn_image, expected)
        left += width + margin
    for blank in (
        dots[:, :margin],
        dots[:, margin + width : -margin - width],
        dots[:, -margin:],
        dots[-margin:],
    ):
        assert (blank == 255).all()


def test_images_of_different_sizes_make_panels_of_one_size():
    blocks = [ellipses(4, 8) / 255, ellipses(4, 16, bands=1) / 255, ellipses(4, 32) / 255]
    dots = rendered(figures.panels(blocks, [""] * 3, columns=3))
    # The panels' upper edges lie on one line, the first that is not white.
    filled = next(row for row in (dots != 255).any(axis=-1) if row.any())
    starts = np.flatnonzero(np.diff(filled.astype(int), prepend=0) == 1)
    assert len(starts) == 6  # two images of each panel
    sides = [
        next(length for length in range(1, 2000) if not filled[start + length : start + length + 1].any())
        for start in starts
    ]
    assert max(sides) <= 1.1 * min(sides)
    assert [side % pixels for side, pixels in zip(sides[::2], (8, 16, 32), strict=True)] == [0, 0, 0]


@pytest.mark.parametrize("count", [1, 5, 12])
def test_titles_stand_over_their_panels_and_clear_of_each_other(count):
    titles = [f"cvae2, latent_dim {index}, dataset.image_size 32, beta.value 0.1" for index in range(count)]
    figure = figures.panels([ellipses(9, 12) / 255] * count, titles)
    texts = figure.axes[0].texts
    assert [text.get_text().replace("\n", " ") for text in texts] == titles
    boxes = extents(figure, texts)
    assert_clear(boxes)
    width, height = figure.get_size_inches() * DPI
    dots = np.asarray(figure.axes[0].images[0].get_array())  # without the titles
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        below = dots[int(height - box.y1) : int(height - box.y0), int(box.x0) : int(box.x1)]
        assert (below == 255).all()  # on white


def test_a_title_stands_over_the_panel_of_its_run():
    blocks = [ellipses(1, 8, seed=seed) / 255 for seed in range(5)]
    figure = figures.panels(blocks, list("abcde"), columns=3)
    dots = rendered(figure)
    for block, text in zip(blocks, figure.axes[0].texts, strict=True):
        (place,) = places(dots, np.round(255 * block[0]).astype(np.uint8), 83)
        x, y = text.get_position()
        assert x == place[0]
        assert 0 < place[1] - 4 * 83 - y < 83


def test_panels_stand_in_rows_of_at_most_four():
    sizes = {
        count: figures.panels([ellipses(1, 64) / 255] * count, [""] * count).get_size_inches()
        for count in (3, 6, 8)
    }
    ratios = {count: width / height for count, (width, height) in sizes.items()}
    assert ratios[3] == pytest.approx(3, rel=0.15)
    assert ratios[6] == pytest.approx(3 / 2, rel=0.15)
    assert ratios[8] == pytest.approx(4 / 2, rel=0.15)


LATENT_DIM = [8, 2, 4, 2, 8, 4]
GROUPS = ["vae", "vae", "vae", "ae", "ae", "ae"]
LOSS = [1.0, 3.0, 2.0, 6.0, 4.0, 5.0]


def test_losses_are_joined_in_the_order_of_latent_dim_for_each_group():
    panels = [("validation loss", "", LOSS), ("reconstruction", "two runs", [value / 2 for value in LOSS])]
    figure = figures.loss_against_latent_dim(LATENT_DIM, panels, GROUPS)
    for axes, (name, kind, _), factor in zip(figure.axes, panels, (1, 0.5), strict=True):
        assert axes.get_title() == kind
        vae, ae = axes.lines
        np.testing.assert_array_equal(vae.get_xdata(), [2, 4, 8])
        np.testing.assert_allclose(vae.get_ydata(), factor * np.array([3, 2, 1]))
        np.testing.assert_allclose(ae.get_ydata(), factor * np.array([6, 5, 4]))
        assert axes.get_ylabel() == f"{name} per image"
        assert axes.get_xscale() == "log"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "8"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["vae", "ae"]


def test_the_legend_lies_beside_the_axes():
    groups = [f"cvae2, network.name slim, dataset.image_size {index}" for index in range(24)]
    figure = figures.loss_against_latent_dim(np.arange(2, 26), [("loss", "", np.arange(24.0))], groups)
    (box,) = extents(figure, figure.legends)
    width, height = figure.get_size_inches() * DPI
    assert box.x0 > figure.axes[0].get_window_extent().x1
    assert box.x1 <= width
    assert box.y0 >= 0
    assert figure.axes[0].get_window_extent().width > 300
    styles = [(*line.get_color(), line.get_marker(), line.get_linestyle()) for line in figure.axes[0].lines]
    assert len(set(styles)) == 24


def test_tick_labels_stand_clear_of_each_other():
    figure = figures.loss_against_latent_dim(np.arange(1, 65), [("loss", "", np.ones(64))], [""] * 64)
    assert_clear(extents(figure, figure.axes[0].get_xticklabels()))
    assert not figure.legends


def test_one_latent_dim_and_unknown_losses_can_be_drawn():
    figure = figures.loss_against_latent_dim([8, 8], [("loss", "", [1.0, np.nan])], ["a", "b"])
    first, second = figure.axes[0].lines
    np.testing.assert_array_equal(first.get_ydata(), [1.0])
    assert len(second.get_ydata()) == 0


def test_groups_have_the_colours_of_the_style():
    figure = figures.rate_distortion([1, 2], [2, 1], ["a", "b"], ["2", "4"])
    assert [to_rgba(line.get_color()) for line in figure.axes[0].lines] == [
        to_rgba(MUTED[0]),
        to_rgba(MUTED[1]),
    ]
    jet = figures.Style(class_map="jet")
    other = figures.rate_distortion([1, 2], [2, 1], ["a", "b"], ["2", "4"], style=jet)
    assert to_rgba(other.axes[0].lines[0].get_color()) != to_rgba(MUTED[0])


def test_rate_and_distortion_are_joined_in_the_order_of_the_rates():
    figure = figures.rate_distortion([5, 1, 3], [1, 3, 2], ["", "", ""], ["16", "2", "4"], "latent_dim")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[1, 3], [3, 2], [5, 1]])
    assert {text.get_text(): tuple(text.xy) for text in axes.texts} == {
        "16": (5, 1),
        "2": (1, 3),
        "4": (3, 2),
    }
    assert axes.get_title(loc="right") == "beside the points: latent_dim"
    assert axes.get_xlabel().startswith("rate")
    assert axes.get_ylabel().startswith("distortion")
    assert not figure.legends


def test_runs_that_cannot_be_compared_have_axes_of_their_own():
    figure = figures.rate_distortion(
        [5, 1, 3], [1, 3, 2], ["a", "b", "a"], ["16", "2", "4"], "latent_dim", ["size 8", "size 16", "size 8"]
    )
    first, second = figure.axes
    assert [first.get_title(loc="right"), second.get_title(loc="right")] == [
        f"{kind}\nbeside the points: latent_dim" for kind in ("size 8", "size 16")
    ]
    np.testing.assert_array_equal(first.lines[0].get_xydata(), [[3, 2], [5, 1]])
    np.testing.assert_array_equal(second.lines[1].get_xydata(), [[1, 3]])
    assert len(first.lines[1].get_xydata()) == len(second.lines[0].get_xydata()) == 0
    assert {text.get_text(): text.xy for text in first.texts} == {"16": (5, 1), "4": (3, 2)}
    assert {text.get_text(): text.xy for text in second.texts} == {"2": (1, 3)}


def test_labels_stand_beside_their_points_and_clear_of_each_other():
    generator = np.random.default_rng(0)
    rate, distortion = generator.uniform(0, 10, (2, 12))
    rate[6:], distortion[6:] = rate[:6] + 0.1, distortion[:6]  # pairs that nearly coincide
    names = [str(2**index) for index in range(12)]
    figure = figures.rate_distortion(rate, distortion, list("ab") * 6, names)
    axes = figure.axes[0]
    boxes = extents(figure, axes.texts)
    assert_clear(boxes)
    points = axes.transData.transform(np.stack([rate, distortion], axis=1))
    inside = axes.get_window_extent()
    for box, point in zip(boxes, points, strict=True):
        centre = np.array([(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2])
        assert np.linalg.norm(centre - point) < 20 * DPI / 72
        assert inside.x0 <= centre[0] <= inside.x1
        assert not any(box.contains(*other) for other in points)
