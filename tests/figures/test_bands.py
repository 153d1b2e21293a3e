"""Which bands figures show, in which colours, and what they leave out."""

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import same_color, to_hex

from galvae import figures
from galvae.analysis.report import Report
from galvae.data.galaxies import Column
from galvae.figures.canvas import residual_rgb, rgb
from galvae.figures.cards import CARDS
from galvae.figures.style import PLAIN, UNKNOWN, Style
from galvae.stretch import SOFTENING, to_unit

BYTE = 1 / 255


def images_of(bands, count=4):
    return ellipses(count, 16, bands).astype(np.float32) / 255


@pytest.mark.parametrize("stretch", ["none", "linear", "asinh"])
def test_three_chosen_bands_are_shown_by_luptons_asinh(stretch):
    images = images_of(5)
    drawn = rgb(to_unit(images, stretch, (0, 1)), Style(rgb=(4, 0, 2), stretch=stretch))
    # Of astropy's two numbers, this Q and this stretch let a mean of 1 become 1.
    q = 10 * np.sinh(0.1 * np.arcsinh(1 / SOFTENING))
    for image, colours in zip(images, drawn, strict=True):
        expected = make_lupton_rgb(
            *(image[..., band].astype(float) for band in (4, 0, 2)), stretch=q * SOFTENING, Q=q
        )
        np.testing.assert_allclose(colours.astype(float), expected, atol=1.5)  # astropy rounds down


def test_the_colour_of_a_galaxy_does_not_depend_on_the_others_of_a_figure():
    images, style = images_of(4), Style(rgb=(2, 1, 0))
    np.testing.assert_array_equal(rgb(images, style)[[1]], rgb(images[[1]], style))
    np.testing.assert_array_equal(
        rgb(images[:, :, :, ::-1][..., 1:], style), rgb(images[..., [0, 1, 2]], Style(rgb=(0, 1, 2)))
    )


def test_black_and_white_stay_and_bright_pixels_keep_their_hue():
    style = Style(rgb=(0, 1, 2))
    pixels = np.array([[0, 0, 0], [1, 1, 1], [1, 0.5, 0], [-3, 0, 0], [7, 7, 7]]).reshape(5, 1, 1, 3)
    black, white, orange, negative, above = rgb(pixels, style)[:, 0, 0]
    assert black.tolist() == negative.tolist() == [0, 0, 0]
    assert white.tolist() == above.tolist() == [255, 255, 255]
    assert orange.tolist() == [255, 128, 0]
    assert (rgb(np.full((1, 2, 2, 3), np.nan), style) == 255).all()


def test_without_a_choice_three_bands_are_drawn_as_they_are():
    images = images_of(3)
    np.testing.assert_allclose(rgb(images, PLAIN) * BYTE, images, atol=0.51 * BYTE)


def residual_rows(originals, decoded, style, mask=None, **options):
    """The drawn rows of residuals: a list of label, (n, H, W, 3) dots, one to a pixel of the image, and limit."""
    figure = figures.reconstructions(originals, decoded, 4, style=style, mask=mask, **options)
    dots, side, found = rendered(figure), originals.shape[1], []
    for text in figure.axes[0].texts:
        (x, y), (label, _, limit) = text.get_position(), text.get_text().partition("\n±")
        if limit:
            zoom = round((dots.shape[1] - x - 0.3 * 26) / (4 * side + 3))
            places = [(round(x + 0.3 * 26) + ((side + 1) * n + side / 2) * zoom, y) for n in range(4)]
            rows = [image_at(dots, place, (side, side), zoom) for place in places]
            found.append((label, np.array(rows), float(limit)))
    return found


def test_each_of_several_bands_has_its_own_residuals():
    originals, decoded = images_of(5), images_of(5)[::-1]
    residuals = originals - decoded
    exact = np.quantile(np.abs(residuals), 0.998)
    names = ["u", "g", "r", "i", "z"]
    for named in (names, range(5)):
        options = {"band_names": names} if named is names else {}
        found = residual_rows(originals, decoded, PLAIN, **options)
        assert [label for label, *_ in found] == [f"residual {name}" for name in named]
        for band, (_, drawn, limit) in enumerate(found):
            assert limit == pytest.approx(exact, rel=0.05)
            np.testing.assert_array_equal(drawn, residual_rgb(residuals[..., band : band + 1], exact))


def test_residuals_of_many_bands_are_those_of_the_bands_shown():
    originals, decoded, style = images_of(7), images_of(7)[::-1], Style(rgb=(4, 0, 2))
    ((_, drawn, limit),) = residual_rows(originals, decoded, style)
    residuals = (originals - decoded)[..., [4, 0, 2]]
    exact = np.quantile(np.abs(residuals), 0.998)
    assert limit == pytest.approx(exact, rel=0.05)
    np.testing.assert_allclose(drawn * BYTE, 0.5 + np.clip(residuals / exact, -1, 1) / 2, atol=BYTE)
    ((_, drawn, _),) = residual_rows(originals, decoded, PLAIN)
    residuals = originals - decoded
    np.testing.assert_array_equal(drawn, residual_rgb(residuals, np.quantile(np.abs(residuals), 0.998)))


@pytest.mark.parametrize("bands", [1, 3])
def test_pixels_that_are_set_aside_have_no_residual(bands):
    originals, decoded = images_of(bands), images_of(bands)[::-1]
    mask = np.zeros(originals.shape, bool)
    mask[:, 3:9, 2:7] = True
    originals = np.where(mask, 1000, originals)
    ((_, drawn, limit),) = residual_rows(originals, decoded, PLAIN, mask)
    assert limit < 1
    zero = residual_rgb(np.zeros((1, 1, 1, bands)), 1.0)[0, 0, 0]
    assert (drawn[:, 3:9, 2:7] == zero).all()
    assert (drawn[:, 10:, 8:] != zero).any()


def test_the_card_of_reconstructions_draws_masks():
    originals = images_of(3, 3)
    arrays = {"originals": originals, "decoded": originals - 0.5, "mask": np.ones(originals.shape, bool)}
    facts = {"columns": 3, "captions": None, "groups": None}
    report = Report(question="", perfect="", chance="", arrays={"reconstructions": arrays}, facts=facts)
    (axes,) = CARDS["reconstructions"](report, None, PLAIN)["reconstructions"].axes
    assert any(
        text.get_text() == "residual\n±0.001" for text in axes.texts
    )  # the smallest limit: there is none


def test_runs_of_different_bands_stand_side_by_side():
    blocks, styles = [images_of(5, 1), images_of(3, 1)], [Style(rgb=(4, 0, 2)), PLAIN]
    dots = rendered(figures.panels(blocks, ["five", "three"], 2, styles))
    five, three = (
        places(dots, rgb(block, style)[0], 62) for block, style in zip(blocks, styles, strict=True)
    )
    assert len(five) == len(three) == 1 and five[0, 0] < three[0, 0]


def unlabelled_column(count=30):
    return Column("class", "", np.arange(count) % 3 - 1, ["spiral", "elliptical", "merger"])


def test_unlabelled_galaxies_are_grey_and_named_so_last():
    x, y = np.random.default_rng(0).normal(size=(2, 30))
    figure = figures.scatter(x, y, ("x", "y"), unlabelled_column())
    FigureCanvasAgg(figure).draw()
    axes, bar = figure.axes
    (points,) = axes.collections
    positions, colours = points.get_offsets().data, points.get_facecolors()
    known = [to_hex(colour) for colour in PLAIN.class_colours(2)]
    expected = {(x[index], y[index]): [UNKNOWN.lower(), *known][index % 3] for index in range(30)}
    assert {tuple(point): to_hex(own) for point, own in zip(positions, colours, strict=True)} == expected
    assert [text.get_text() for text in bar.get_yticklabels()] == ["spiral", "elliptical", "unlabelled"]
    (mesh,) = (part for part in bar.collections if isinstance(part, QuadMesh))
    expected = [*PLAIN.class_colours(2), UNKNOWN]
    assert all(map(same_color, mesh.get_facecolors(), expected))


def test_unlabelled_galaxies_have_a_histogram_of_their_own_and_room_for_their_name():
    codes = np.random.default_rng(0).normal(size=(30, 1))
    axes, _ = figures.latent_scatter(codes, np.ones(1), unlabelled_column()).axes
    edges = [patch.get_edgecolor() for patch in axes.patches]
    assert sum(same_color(edge, UNKNOWN) for edge in edges) == 1 and len(edges) == 3
    grid, points = images_of(3).reshape(2, 2, 16, 16, 3), np.random.default_rng(0).normal(size=(30, 2))
    short = Column("class", "", np.arange(30) % 3 - 1, ["a", "b"])
    labelled = Column("class", "", np.arange(30) % 2, ["a", "b"])
    wide, narrow = (
        figures.plane_and_scatter(grid, [0, 1], [0, 1], ("x", "y"), points, column, PLAIN)
        for column in (short, labelled)
    )
    assert wide.get_figwidth() > narrow.get_figwidth()
    assert wide.axes[0].get_xlabel() == narrow.axes[0].get_xlabel() == "x"
