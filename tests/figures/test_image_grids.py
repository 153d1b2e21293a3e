"""Pictures of galaxies: each is where it belongs, with its own pixels, unstretched."""

import numpy as np
import pytest
from conftest import blobs
from PIL import Image

from galvae import figures
from galvae.figures.canvas import WIDTH, residual_rgb
from galvae.figures.style import DPI, Style


def dots(figure):
    """The picture in a figure's only axes, (height, width, 3) in [0, 1]."""
    picture = np.asarray(figure.axes[0].images[0].get_array())
    assert picture.dtype == np.uint8
    return picture / 255


def texts(figure):
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def cells(figure, side, columns, rows, left=0, top=0, under=0):
    """The galaxies of a picture whose rows are all alike, (rows, columns, side, side, 3), by arithmetic.

    Each pixel must cover a whole number of dots, all of one colour.
    """
    picture = dots(figure)
    width = picture.shape[1] - left
    gap = max(1, round(0.06 * side))
    zoom = round(width / (columns * (side + gap) - gap))
    assert width == zoom * (columns * (side + gap) - gap)
    step = (side + gap) * zoom
    found = np.empty((rows, columns, side, side, 3))
    for row in range(rows):
        for column in range(columns):
            y, x = top + row * (step + under), left + column * step
            cell = picture[y : y + side * zoom, x : x + side * zoom]
            assert not np.ptp(cell.reshape(side, zoom, side, zoom, 3), axis=(1, 3)).any()
            found[row, column] = cell[::zoom, ::zoom]
    return found


def test_grid_places_every_galaxy_unstretched():
    images = blobs(7, 8) / 255
    figure = figures.grid(images, columns=3)
    found = cells(figure, 8, 3, 3).reshape(9, 8, 8, 3)
    np.testing.assert_allclose(found[:7], images, atol=0.51 / 255)
    assert (found[7:] == 1).all()  # the two empty places
    width, height = figure.get_size_inches() * DPI
    assert (round(height), round(width)) == dots(figure).shape[:2]  # a dot is a dot
    assert abs(width - WIDTH) < WIDTH / 2
    assert figure.axes[0].images[0].get_interpolation() == "nearest"


def test_grid_is_nearly_square():
    assert cells(figures.grid(blobs(10, 8) / 255), 8, 4, 3).shape[:2] == (3, 4)


@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_any_number_of_bands_can_be_drawn(bands):
    images = blobs(2, 8, bands) / 255
    found = cells(figures.grid(images, columns=2), 8, 2, 1)[0]
    expected = images if bands == 3 else np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1)
    np.testing.assert_allclose(found, expected, atol=1.01 / 255)


def test_one_band_is_drawn_in_the_colours_that_were_asked_for():
    import matplotlib

    images = blobs(2, 8, 1) / 255
    found = cells(figures.grid(images, 2, style=Style(image_map="hot")), 8, 2, 1)[0]
    np.testing.assert_allclose(found, matplotlib.colormaps["hot"](images[..., 0])[..., :3], atol=0.51 / 255)


def test_intensities_outside_the_range_are_clipped():
    images = np.array([-1.0, 2.0]).reshape(2, 1, 1, 1) * np.ones((2, 8, 8, 1))
    found = cells(figures.grid(images, columns=2), 8, 2, 1)[0]
    assert (found[0] == 0).all() and (found[1] == 1).all()


def test_captions_stand_under_their_images():
    figure = figures.grid(blobs(4, 8) / 255, 2, ["a", "b", "c", "d"])
    zoom = (dots(figure).shape[1]) / 17
    places = texts(figure)
    assert [places[name][0] / zoom for name in "abcd"] == [4, 13, 4, 13]
    assert places["a"][1] > 8 * zoom and places["c"][1] > places["a"][1] + 8 * zoom
    assert places["c"][1] < dots(figure).shape[0]


def test_rows_carry_their_labels():
    images = blobs(6, 8).reshape(2, 3, 8, 8, 3) / 255
    figure = figures.rows(images, ["code 3\n2.00 nats", "code 0\n1.00 nats"], ["-3", "0", "+3"])
    places = texts(figure)
    left = places["code 3\n2.00 nats"][0] + 0.3 * 26
    top = places["0"][1]
    picture = dots(figure)
    zoom = round((picture.shape[1] - left) / 26)
    # The middle of a label is the middle of its row, and of its column.
    first, second = places["code 3\n2.00 nats"][1], places["code 0\n1.00 nats"][1]
    assert second - first == 9 * zoom
    assert places["0"][0] - places["-3"][0] == places["+3"][0] - places["0"][0] == 9 * zoom
    y, x = round(second), round(places["0"][0])
    np.testing.assert_allclose(picture[y, x], images[1, 1, 4, 4], atol=0.51 / 255)
    assert top < first - 4 * zoom


def test_labels_over_narrow_columns_are_thinned_out():
    images = np.zeros((1, 100, 8, 8, 3))
    figure = figures.rows(images, ["code 0"], [f"z {value:.2f}" for value in np.linspace(0, 1, 100)])
    shown = [text for text in figure.axes[0].texts if text.get_text().startswith("z ")]
    assert 5 < len(shown) < 50
    apart = np.diff([text.get_position()[0] for text in shown])
    assert (apart > 6 * 0.5 * 8 * DPI / 72).all()  # six letters of half a font's size


def test_reconstructions_stand_between_originals_and_residuals():
    originals, decoded = blobs(5, 8) / 255, blobs(5, 8, seed=1) / 255
    figure = figures.reconstructions(originals, decoded, columns=3, groups=["best", "worst"])
    residuals = originals - decoded
    limit = np.quantile(np.abs(residuals), 0.998)
    labels = [text.get_text() for text in figure.axes[0].texts]
    left = round(max(text.get_position()[0] for text in figure.axes[0].texts) + 0.3 * 26)
    assert labels[:3] == ["best:\noriginal", "decoded", f"residual\n±{limit:.2g}"]
    assert labels[3] == "worst:\noriginal"
    found = cells(figure, 8, 3, 6, left)
    np.testing.assert_allclose(found[0], originals[:3], atol=0.51 / 255)
    np.testing.assert_allclose(found[1], decoded[:3], atol=0.51 / 255)
    np.testing.assert_allclose(found[2], 0.5 + np.clip(residuals[:3] / limit, -1, 1) / 2, atol=0.51 / 255)
    np.testing.assert_allclose(found[4, :2], decoded[3:], atol=0.51 / 255)
    assert (found[3:, 2] == 1).all()


def test_residuals_of_one_band_are_white_at_zero_blue_below_and_red_above():
    values = np.array([-1.0, 0.0, 1.0]).reshape(3, 1, 1, 1)
    blue, white, red = residual_rgb(values, 1.0)[:, 0, 0] / 255
    assert blue[2] > blue[0] and red[0] > red[2] and white.min() > 0.95


def test_generated_galaxies_stand_over_their_nearest():
    images, others = blobs(4, 8) / 255, blobs(4, 8, seed=1) / 255
    captions = [f"{value}" for value in range(4)]
    figure = figures.compared(images, others, ("generated", "real"), 2, captions)
    labels = [text for text in figure.axes[0].texts if not text.get_text().isdigit()]
    assert [text.get_text() for text in labels] == ["generated", "real"] * 2
    picture, places = dots(figure), texts(figure)
    for index in range(4):
        x, y = (round(place) for place in places[str(index)])
        zoom = round((places["1"][0] - places["0"][0]) / 9)
        above = y - 26 // 8 - 4 * zoom  # the middle of the image over the caption
        np.testing.assert_allclose(picture[above, x], others[index, 4, 4], atol=0.51 / 255)
        np.testing.assert_allclose(picture[above - 9 * zoom, x], images[index, 4, 4], atol=0.51 / 255)


@pytest.mark.parametrize("ending", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_file(ending, tmp_path):
    paths = []
    for name in ("a", "b"):
        figure = figures.grid(blobs(4, 8) / 255, captions=list("abcd"))
        paths.append(figures.save(figure, tmp_path / name, Style(format=ending)))
    assert paths[0].name == f"a.{ending}"
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]
    if ending == "png":
        with Image.open(paths[0]) as picture:
            assert picture.size == tuple(np.round(figure.get_size_inches() * 200).astype(int))


def test_an_animation_runs_forth_and_back(tmp_path):
    frames = np.linspace(0, 1, 4).reshape(4, 1, 1, 1, 1) * np.ones((4, 2, 8, 8, 3))
    figures.animate(frames, tmp_path / "walk.gif", captions=["code 0", "code 1"])
    with Image.open(tmp_path / "walk.gif") as animation:
        assert animation.n_frames == 6
        brightness = []
        for frame in range(6):
            animation.seek(frame)
            brightness.append(np.asarray(animation.convert("L"))[20, 20] / 255)
    np.testing.assert_allclose(brightness, [0, 1 / 3, 2 / 3, 1, 2 / 3, 1 / 3], atol=0.03)


def test_class_colours_differ():
    for style in (Style(), Style(class_map="jet"), Style(class_map="tab10")):
        assert len({tuple(colour) for colour in style.class_colours(10)}) == 10
    assert (Style().class_colours(11)[10] == Style().class_colours(11)[0]).all()


def test_few_reconstructions_are_no_tower():
    images = blobs(3, 64) / 255
    figure = figures.reconstructions(images, images, 1, groups=["best", "typical", "worst"])
    width, height = 200 * figure.get_size_inches()
    assert height < 3500
    assert width > 300


def test_long_ids_under_images_do_not_run_into_each_other():
    captions = ["id J095959.99+021234.5", "0.00", "1.00", "id 1237648720693755918"]
    figure = figures.grid(np.repeat(blobs(1, 8) / 255, 12, axis=0), 12, captions * 3)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 12
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    width, height = 200 * figure.get_size_inches()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 for box in boxes)
