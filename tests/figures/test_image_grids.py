"""Images of galaxies: each stands where it belongs, with its own pixels, not stretched."""

import itertools
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from builders.drawn import image_at, places, rendered
from builders.galaxies import ellipses
from PIL import Image

from galvae import figures
from galvae.data.galaxies import Column
from galvae.figures.canvas import LINE_HEIGHT, residual_rgb
from galvae.figures.style import DPI, Style


def dots(figure):
    """The dots of a figure as drawn, (height, width, 3) in [0, 1]."""
    return rendered(figure) / 255


def texts(figure):
    """Position of each text in dots, by text."""
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def cells(figure, side, columns, rows, left=0):
    """The images of a figure whose rows are all alike, (rows, columns, H, W, 3), by arithmetic.

    Each pixel must cover a whole number of dots, all of one colour.

    Args:
        figure: matplotlib Figure.
        side: of a square image, or (H, W).
        columns, rows: of images.
        left: dots on the left of them.
    """
    drawn = dots(figure)
    width = drawn.shape[1] - left
    high, wide = np.broadcast_to(side, 2)
    gap = max(1, round(0.06 * high))
    zoom = round(width / (columns * (wide + gap) - gap))
    assert width == zoom * (columns * (wide + gap) - gap)
    blocks = np.empty((rows, columns, high, wide, 3))
    for row in range(rows):
        for column in range(columns):
            y, x = row * (high + gap) * zoom, left + column * (wide + gap) * zoom
            cell = drawn[y : y + high * zoom, x : x + wide * zoom]
            assert not np.ptp(cell.reshape(high, zoom, wide, zoom, 3), axis=(1, 3)).any()
            blocks[row, column] = cell[::zoom, ::zoom]
    return blocks


@pytest.mark.parametrize("shape", [(8, 8), (8, 12), (12, 8)])
def test_grid_places_every_galaxy_upright_and_unstretched(shape):
    images = ellipses(7, shape) / 255
    figure = figures.grid(images, columns=3)
    drawn = cells(figure, shape, 3, 3).reshape(9, *shape, 3)
    np.testing.assert_allclose(drawn[:7], images, atol=0.51 / 255)
    assert (drawn[7:] == 1).all()  # the two empty cells
    width, height = figure.get_size_inches() * DPI
    # Each dot of the canvas is one of the figure.
    assert (round(height), round(width)) == figure.axes[0].images[0].get_array().shape[:2]
    assert 1300 < width < 1500


def test_grid_is_nearly_square():
    images = ellipses(10, 8) / 255
    drawn = cells(figures.grid(images), 8, 4, 3).reshape(12, 8, 8, 3)
    np.testing.assert_allclose(drawn[:10], images, atol=0.51 / 255)


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_any_number_of_bands_can_be_drawn(bands):
    images = ellipses(2, 8, bands) / 255
    drawn = cells(figures.grid(images, columns=2), 8, 2, 1)[0]
    expected = images if bands == 3 else np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)
    np.testing.assert_allclose(drawn, expected, atol=1.01 / 255)


def test_one_band_is_drawn_in_the_colours_that_were_asked_for():
    images = ellipses(2, 8, 1) / 255
    drawn = cells(figures.grid(images, 2, style=Style(image_map="hot")), 8, 2, 1)[0]
    np.testing.assert_allclose(drawn, matplotlib.colormaps["hot"](images[..., 0])[..., :3], atol=0.51 / 255)


@pytest.mark.parametrize("bands", [1, 3])
def test_intensities_outside_the_range_are_clipped(bands):
    images = np.array([-1.0, 2.0]).reshape(2, 1, 1, 1) * np.ones((2, 8, 8, bands))
    drawn = cells(figures.grid(images, columns=2), 8, 2, 1)[0]
    assert (drawn[0] == 0).all() and (drawn[1] == 1).all()


def test_captions_stand_under_their_images():
    images = ellipses(4, 8)
    figure = figures.grid(images / 255, 2, ["a", "b", "c", "d"])
    drawn, positions, zoom = rendered(figure), texts(figure), 83
    for image, name in zip(images, "abcd", strict=True):
        ((x, y),) = places(drawn, image, zoom)
        assert positions[name] == (x, y + 4 * zoom + LINE_HEIGHT // 8)
    assert positions["d"][1] < len(drawn)


def test_rows_carry_their_labels():
    images = ellipses(6, 8).reshape(2, 3, 8, 8, 3)
    labels, columns = ["latent 3 (z₃)\n2.00 nats", "latent 0 (z₀)\n1.00 nats"], ["-3", "0", "+3"]
    figure = figures.rows(images / 255, labels, columns)
    drawn, positions, zoom = rendered(figure), texts(figure), 55
    for row, column in np.ndindex(2, 3):
        # The middle of a label is the middle of its row, and of its column.
        expected = positions[columns[column]][0], positions[labels[row]][1]
        np.testing.assert_array_equal(places(drawn, images[row, column], zoom), [expected])
    left, top = drawn.shape[1] - 26 * zoom, positions["0"][1]  # three images of 8 pixels and two gaps of 1
    assert positions[labels[0]][0] < left and top < positions[labels[0]][1] - 4 * zoom


def test_walks_without_a_galaxy_have_no_row_for_it():
    figure = figures.latent_walks(ellipses(3, 8)[None] / 255, [1], [-1, 0, 1], None, [0.02], "variance")
    assert [text for text in texts(figure) if text.startswith("latent")] == ["latent 1 (z₁)\nvariance 0.02"]
    assert "original" not in texts(figure)


@pytest.mark.parametrize(("count", "across"), [(3, 3), (20, 20), (25, 10)])
def test_blocks_are_rows_if_these_are_short_and_panels_otherwise(count, across):
    images = np.repeat(ellipses(1, 8)[None] / 255, count, axis=1).repeat(2, axis=0)
    figure = figures.blocks(images, ["z = 1", "z = 2"])
    assert set(texts(figure)) == {"z = 1", "z = 2"}
    inside = (dots(figure) != 1).any(axis=-1).astype(int)
    inside = inside[np.flatnonzero(inside.any(axis=1))[-5]]  # through the lowest images
    assert np.sum(np.diff(inside, prepend=0) == 1) == across


def test_a_single_block_is_a_grid_without_its_title():
    figure = figures.blocks(ellipses(4, 8)[None] / 255, ["z = 1"])
    np.testing.assert_array_equal(dots(figure), dots(figures.grid(ellipses(4, 8) / 255)))
    assert not texts(figure)


def test_labels_over_narrow_columns_are_thinned_out():
    images = np.zeros((1, 100, 8, 8, 3))
    figure = figures.rows(images, ["latent 0 (z₀)"], [f"z {value:.2f}" for value in np.linspace(0, 1, 100)])
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith("z ")]
    assert 5 < len(labels) < 50
    spacing = np.diff([text.get_position()[0] for text in labels])
    assert (spacing > 6 * 0.5 * 8 * DPI / 72).all()  # six characters of half the font size


def test_reconstructions_stand_between_originals_and_residuals():
    originals, decoded = ellipses(5, 8) / 255, ellipses(5, 8, seed=1) / 255
    decoded[3:] = 0.9 * originals[3:]
    residuals = originals - decoded
    # Each group has its own limit.
    best, worst = (np.quantile(np.abs(part), 0.998) for part in (residuals[:3], residuals[3:]))
    assert worst < 0.5 * best
    figure = figures.reconstructions(originals, decoded, columns=3, groups=["best", "worst"])
    labels = [text.get_text() for text in figure.axes[0].texts]
    left = round(max(text.get_position()[0] for text in figure.axes[0].texts) + 0.3 * LINE_HEIGHT)
    assert labels[:3] == ["best:\noriginal", "decoded", f"residual\n±{best:.2g}"]
    assert labels[3:] == ["worst:\noriginal", "decoded", f"residual\n±{worst:.2g}"]
    drawn = cells(figure, 8, 3, 6, left)
    np.testing.assert_allclose(drawn[0], originals[:3], atol=0.51 / 255)
    np.testing.assert_allclose(drawn[1], decoded[:3], atol=0.51 / 255)
    for row, part, limit in ((2, residuals[:3], best), (5, residuals[3:], worst)):
        expected = 0.5 + np.clip(part / limit, -1, 1) / 2
        np.testing.assert_allclose(drawn[row, : len(part)], expected, atol=0.51 / 255)
    np.testing.assert_allclose(drawn[4, :2], decoded[3:], atol=0.51 / 255)
    assert (drawn[3:, 2] == 1).all()


def test_without_groups_all_residuals_share_a_scale():
    originals, decoded = ellipses(5, 8) / 255, ellipses(5, 8, seed=1) / 255
    decoded[3:] = 0.9 * originals[3:]
    figure = figures.reconstructions(originals, decoded, columns=3)
    limit = np.quantile(np.abs(originals - decoded), 0.998)
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == ["original", "decoded", f"residual\n±{limit:.2g}"] * 2


def test_residuals_of_one_band_are_white_at_zero_blue_below_and_red_above():
    values = np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    blue, white, red = residual_rgb(values, 1.0)[:, 0, 0] / 255
    assert blue[2] > blue[0] and red[0] > red[2] and white.min() > 0.95


def test_generated_galaxies_stand_over_their_nearest():
    images, others = ellipses(4, 8) / 255, ellipses(4, 8, seed=1) / 255
    captions = [f"{value}" for value in range(4)]
    figure = figures.compared(images, others, ("generated", "real"), 2, captions)
    labels = [text for text in figure.axes[0].texts if not text.get_text().isdigit()]
    assert [text.get_text() for text in labels] == ["generated", "real"] * 2
    drawn, positions = dots(figure), texts(figure)
    zoom = round((positions["1"][0] - positions["0"][0]) / 9)
    for index in range(4):
        x, y = positions[str(index)]
        middle = y - LINE_HEIGHT // 8 - 4 * zoom  # of the image over the caption
        for image, above in ((others[index], 0), (images[index], 9 * zoom)):
            found = image_at(drawn, (x, middle - above), (8, 8), zoom)
            np.testing.assert_allclose(found, image, atol=0.51 / 255)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file(ending, tmp_path):
    paths = []
    for name in ("a", "b"):
        figure = figures.grid(ellipses(4, 8) / 255, captions=list("abcd"))
        paths.append(figures.save(figure, tmp_path / name, Style(format=ending)))
    assert paths[0].name == f"a.{ending}"
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]
    if ending == "png":
        with Image.open(paths[0]) as image:
            assert image.size == tuple(np.round(figure.get_size_inches() * 200).astype(int))


def test_an_animation_runs_forwards_and_backwards(tmp_path):
    frames = ellipses(8, 8, bands=1).reshape(4, 2, 8, 8, 1) / 255
    captions = [["now", ""], ["", "now"], ["now", "now"], ["", "now"]]
    figures.animate(frames, tmp_path / "walk.gif", captions=captions, seconds=0.2)
    with Image.open(tmp_path / "walk.gif") as animation:
        assert animation.n_frames == 6
        for index, step in enumerate([0, 1, 2, 3, 2, 1]):
            animation.seek(index)
            assert animation.info["duration"] == 200
            dots = np.asarray(animation.convert("L")) / 255
            for column, image in enumerate(frames[step, ..., 0]):  # 41 dots per pixel, and a gap of one pixel
                found = image_at(dots, (41 * (4 + 9 * column), 41 * 4), (8, 8), 41)
                np.testing.assert_allclose(found, image, atol=0.03)
            # Each frame has its own captions.
            dark = [(dots[8 * 41 :, half] < 0.5).any() for half in (slice(330), slice(330, None))]
            assert dark == [text != "" for text in captions[step]]


def test_class_colours_differ():
    for style in (Style(), Style(class_map="jet"), Style(class_map="tab10")):
        assert len({tuple(colour) for colour in style.class_colours(10)}) == 10
    assert (Style().class_colours(11)[10] == Style().class_colours(11)[0]).all()


def test_a_style_takes_its_keys_from_the_command_and_the_bands_from_the_run():
    command = SimpleNamespace(format="pdf", image_map="hot", class_map="jet", value_map="magma")
    data = SimpleNamespace(rgb=[2, 0, 1], stretch="asinh")
    assert Style.of(command, data) == Style("pdf", "hot", "jet", "magma", [2, 0, 1], "asinh")
    assert Style.of(command) == Style("pdf", "hot", "jet", "magma", None, "none")


def test_few_reconstructions_do_not_make_a_tall_figure():
    images = ellipses(3, 64) / 255
    figure = figures.reconstructions(images, images, 1, groups=["best", "typical", "worst"])
    width, height = 200 * figure.get_size_inches()
    assert height < 3500
    assert width > 300


def test_long_ids_under_images_do_not_run_into_each_other():
    captions = ["id J095959.99+021234.5", "0.00", "1.00", "id 1237648720693755918"]
    figure = figures.grid(np.repeat(ellipses(1, 8) / 255, 12, axis=0), 12, captions * 3)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 12
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    width, height = 200 * figure.get_size_inches()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 for box in boxes)


def test_a_caption_is_wrapped_only_if_it_does_not_fit():
    # 138 dots each, as Galaxy10 in the default figure of `evaluate`.
    images = np.repeat(ellipses(1, 69), 8, axis=0) / 255
    short, longer, longest = "z 0.42\npred. 0.52", "pred. 0.523", "pred. 0.52 or more"
    figure = figures.grid(images, 8, [*[short] * 6, longer, longest])
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert captions == [*[short] * 6, "pred.\n0.523", "pred.\n0.52 or\nmore"]
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


@pytest.mark.parametrize(
    ("axis", "name", "short"),
    [(0, "latent 0 (z₀)", "z₀"), (317, "latent 317 (z₃₁₇)", "z₃₁₇")],
)
def test_a_latent_dimension_has_a_long_and_a_short_name(axis, name, short):
    assert figures.latent_name(axis) == name
    assert figures.latent_name(np.int64(axis), short=True) == short
    assert figures.axis_label(axis, 1.957, "nats") == f"{name}, 1.96 nats"


def test_dollar_signs_of_the_data_are_no_formulas(tmp_path):
    name = "$_$"  # matplotlib cannot read it as a formula
    images = ellipses(2, 8) / 255
    classes = Column(name, "", np.arange(4) % 2, [name, "b"])
    numbers = Column(name, name, np.arange(4.0))
    points = np.arange(4.0)
    for figure in (
        figures.grid(images, captions=[name, "b"]),
        figures.rows(images[None], [name], [name, "b"]),
        figures.panels([images, images], [name, "b"]),
        figures.scatter(points, points, ("x", "y"), classes),
        figures.scatter(points, points, ("x", "y"), numbers),
        figures.latent_scatter(points[:, None], np.ones(1), classes),
        figures.predictions(points, points, name, "rmse = 0"),
        figures.rate_distortion([1, 2], [2, 1], [name, "b"], [name, "4"]),
    ):
        figures.save(figure, tmp_path / "figure")
