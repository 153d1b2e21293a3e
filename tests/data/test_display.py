"""How bright galaxies are drawn: real and generated ones alike."""

import dataclasses

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses

from galvae.data.display import display_range
from galvae.data.summary import galaxies_of
from galvae.figures.canvas import rgb
from galvae.figures.style import Style


def faint(**changes):
    images = ellipses(25, 16).astype(np.float32)
    return dataset(images=images * 1e-3, pixel_range=(0, 1.0), **changes)


@pytest.mark.parametrize("bands", [None, (2, 0, 1)])
def test_faint_galaxies_are_drawn_as_a_stretch_of_the_dataset_would_draw_them(bands):
    data = faint()
    low, high = display_range(data)
    pixels = data.images[data.split("train")]
    np.testing.assert_allclose([low, high], np.percentile(pixels, [25, 99.9]), rtol=1e-5)
    stretched = dataclasses.replace(data, stretch="asinh", pixel_range=(low, high))
    plain = Style(rgb=bands, stretch="asinh")
    shown = rgb(data.to_unit(data.images), Style(rgb=bands, display=(low, high)))
    expected = rgb(stretched.to_unit(data.images), plain)
    np.testing.assert_allclose(shown.astype(int), expected.astype(int), atol=1)
    assert np.median(shown.max(axis=(1, 2, 3))) > 200 > np.median(rgb(data.images, plain).max(axis=(1, 2, 3)))


def test_bright_stretched_and_blank_images_are_drawn_as_they_are():
    bright = dataset(images=ellipses(25, 16))
    assert display_range(bright) is None
    assert display_range(dataclasses.replace(faint(), stretch="linear")) is None
    assert display_range(dataset(images=np.zeros((25, 8, 8, 1), np.uint8))) is None


def test_a_range_of_display_keeps_missing_images_white_and_clips_at_its_ends():
    images = np.array([0.0, 0.1, 0.2, 0.3, np.nan]).reshape(5, 1, 1, 1) * np.ones((5, 2, 2, 3))
    black, low, middle, high, missing = rgb(images, Style(display=(0.1, 0.3)))[:, 0, 0, 0]
    assert (black, low, high, missing) == (0, 0, 255, 255)
    assert middle == round(255 * np.arcsinh(0.5 / 0.05) / np.arcsinh(1 / 0.05))


def test_a_figure_says_of_which_galaxies_it_is():
    splits = {"train": np.arange(1500), "val": np.arange(1500, 1510), "test": np.arange(1510, 1512)}
    data = dataset(images=np.zeros((1512, 1, 1, 1), np.uint8), splits=splits)
    assert galaxies_of(data, data.split("test")) == "test, test: 2 galaxies"
    assert galaxies_of(data, np.array([1505, 1501])) == "test, val: 2 of 10 galaxies"
    assert galaxies_of(data, data.split("all")) == "test, train + val + test: 1,512 galaxies"
    assert galaxies_of(data, np.array([0, 1511])) == "test, train + test: 2 of 1,502 galaxies"
