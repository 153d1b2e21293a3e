"""Walks along latent dimensions, and blocks of generated galaxies: which image is drawn where, under which text."""

import numpy as np
import pytest
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses

from galvae import figures
from galvae.figures.canvas import rgb
from galvae.figures.style import PLAIN, Style

MINUS = "\N{MINUS SIGN}"


def drawn_texts(figure):
    """Position of each text in dots, by text."""
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def seen(figure, row, column, zoom):
    """The image of 8 pixels whose row and column have these labels."""
    positions = drawn_texts(figure)
    return image_at(rendered(figure), (positions[column][0], positions[row][1]), (8, 8), zoom)


@pytest.mark.parametrize("style", [PLAIN, Style(image_map="hot")])
def test_each_latent_dimension_is_a_row_and_each_offset_a_column(style):
    images = ellipses(6, 8, bands=1).reshape(2, 3, 8, 8, 1) / 255
    numbers = [12, 0], [-3.0, 0.0, 3.0], None, [1.96, 0.0052]
    figure = figures.latent_walks(images, *numbers, names=["e1 (+), r50 (-)", ""], style=style)
    rows = [f"latent 12 (z₁₂)\n1.96 nats\ne1 (+), r50 ({MINUS})", "latent 0 (z₀)\n0.005 nats"]
    columns = [f"{MINUS}3.0", "+0.0", "+3.0"]
    assert list(drawn_texts(figure)) == rows + columns
    for row, label in enumerate(rows):
        for column, offset in enumerate(columns):
            expected = rgb(images[row, [column]], style)[0]
            np.testing.assert_array_equal(seen(figure, label, offset, 55), expected)


def test_the_galaxy_at_the_origin_is_below_the_walks_with_its_reconstruction():
    images, pair = ellipses(4, 8).reshape(1, 4, 8, 8, 3) / 255, ellipses(2, 8, seed=1) / 255
    offsets = [-1.5, -0.5, 0.5, 1.5]
    figure = figures.latent_walks(images, [1], offsets, None, [2.0], "variance", None, ("id G007", pair))
    positions = drawn_texts(figure)
    assert positions["latent 1 (z₁)\nvariance 2.00"][1] < positions["id G007"][1]
    for index, (caption, offset) in enumerate(zip(("original", "decoded"), offsets, strict=False)):
        column = f"{offset:+.1f}".replace("-", MINUS)
        assert positions[caption][0] == positions[column][0]
        np.testing.assert_array_equal(seen(figure, "id G007", column, 41), rgb(pair[[index]], PLAIN)[0])
    assert (seen(figure, "id G007", "+1.5", 41) == 255).all()  # no image


def test_coordinates_are_below_each_image_and_percentiles_above_the_ends():
    images, pair = ellipses(6, 8).reshape(2, 3, 8, 8, 3) / 255, ellipses(2, 8, seed=1) / 255
    values = [[-1.5, 0.25, 2.0], [-0.011, 3.0, 4.0]]
    numbers = [4, 1], ["0.5 %", "99.5 %"], values, [2.0, 1.0]
    figure = figures.latent_walks(images, *numbers, galaxy=("id G007", pair))
    positions, dots = drawn_texts(figure), rendered(figure)
    columns = [
        [f"{MINUS}1.50", f"{MINUS}0.01", "original"],
        ["+0.25", "+3.00", "decoded"],
        ["+2.00", "+4.00"],
    ]
    for index, column in enumerate(columns):
        assert len({positions[text][0] for text in column}) == 1  # below each other
        for row, (label, text) in enumerate(
            zip(("latent 4 (z₄)\n2.00 nats", "latent 1 (z₁)\n1.00 nats"), column, strict=False)
        ):
            centre = positions[text][0], positions[label][1]
            assert positions[text][1] == pytest.approx(centre[1] + 8 * 55 / 2, abs=5)
            np.testing.assert_array_equal(
                image_at(dots, centre, (8, 8), 55), rgb(images[row, [index]], PLAIN)[0]
            )
    assert positions["0.5 %"][0] == positions["+0.25"][0] - (positions["+2.00"][0] - positions["+0.25"][0])
    assert positions["99.5 %"][0] == positions["+2.00"][0]


def test_an_axis_label_names_the_dimension_and_its_information():
    assert figures.axis_label(3, 1.957, "nats") == "latent 3 (z₃), 1.96 nats"
    assert figures.axis_label(np.int64(0), 2.0, "variance") == "latent 0 (z₀), variance 2.00"
    assert figures.axis_label(3, 1.957, "nats", "r50 (-)") == f"latent 3 (z₃), 1.96 nats: r50 ({MINUS})"


def test_hyphens_that_stand_for_minus_signs_are_drawn_as_such():
    assert (
        figures.with_minus("-1.5 (-), +0.3, f606w-814 a-b -.5")
        == f"{MINUS}1.5 ({MINUS}), +0.3, f606w-814 a-b {MINUS}.5"
    )


def test_short_blocks_are_rows_with_the_same_galaxy_in_the_same_column():
    images = ellipses(6, 8).reshape(2, 3, 8, 8, 3)
    figure = figures.blocks(images / 255, ["z = 0.5", "z = 1"])
    texts, dots = drawn_texts(figure), rendered(figure)
    assert list(texts) == ["z = 0.5", "z = 1"]
    columns = [[], []]
    for row, title in enumerate(texts):
        for image in images[row]:
            ((x, y),) = places(dots, image, 55)
            assert y == texts[title][1] and x > texts[title][0]  # beside its row
            columns[row].append(x)
    assert columns[0] == columns[1] == sorted(columns[0])


def test_long_blocks_are_panels_under_their_titles():
    images = ellipses(42, 8).reshape(2, 21, 8, 8, 3)
    figure = figures.blocks(images / 255, ["z = 0.5", "z = 1"])
    texts, dots = drawn_texts(figure), rendered(figure)
    assert texts["z = 0.5"][1] == texts["z = 1"][1]
    for block, (x, y) in zip(images, texts.values(), strict=True):
        (first,), (third,), (last,) = (places(dots, block[index], 25) for index in (0, 2, 20))
        assert third[0] == x and y < third[1] == first[1]  # the middle one of five columns, in the first row
        assert last.tolist() == [first[0], first[1] + 4 * 9 * 25]


def test_a_single_block_is_a_grid():
    images = ellipses(5, 8)[None] / 255
    figure, grid = figures.blocks(images, []), figures.grid(images[0])
    assert not figure.axes[0].texts
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), grid.axes[0].images[0].get_array())
