"""The noise of real images' borders: its variance and correlations are those of the images that it comes from."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from galvae.analysis.border_noise import BorderNoise


def red_noise(count, side, sigma, seed=0):
    """Noise whose neighbouring pixels and bands are correlated, (count, side, side, 3), mean 0."""
    generator = np.random.default_rng(seed)
    own, common = generator.normal(size=(count, side, side, 3)), generator.normal(size=(count, side, side, 1))
    noise = gaussian_filter(own + common, (0, 0.6, 0.8, 0), mode="wrap")
    return noise * sigma / noise.std()


def galaxies(count, side):
    """A galaxy on a bright sky of unequal bands, (count, side, side, 3), which does not reach the border."""
    y, x = np.mgrid[:side, :side] - 0.45 * side
    galaxy = np.exp(-(x**2 + (y / 0.6) ** 2) / (2 * (side / 14) ** 2))
    return np.broadcast_to(galaxy[..., None] + [3.0, 2.0, 1.0], (count, side, side, 3))


def statistics(noise):
    """Standard deviation, and correlations of neighbours along columns, along rows, and of the first two bands."""
    noise = noise - noise.mean()
    pairs = (
        (noise[:, 1:], noise[:, :-1]),
        (noise[:, :, 1:], noise[:, :, :-1]),
        (noise[..., 0], noise[..., 1]),
    )
    return [noise.std(), *((first * second).mean() / noise.var() for first, second in pairs)]


@pytest.mark.parametrize(("side", "tolerance"), [(64, 0.03), (32, 0.1)])
def test_noise_has_the_variance_and_the_correlations_of_real_borders(side, tolerance):
    noise = red_noise(50, side, 0.02)
    drawn = BorderNoise(galaxies(50, side) + noise)(100, np.random.default_rng(0))
    assert drawn.shape == (100, side, side, 3) and abs(drawn.mean()) < 1e-3
    expected = statistics(noise)
    assert 0.3 < expected[1] < expected[2] - 0.05  # of which a rotated patch would have the mean
    np.testing.assert_allclose(statistics(drawn), expected, rtol=tolerance)
    # Every part of the frame is covered alike.
    np.testing.assert_allclose(drawn.std(axis=(0, 3)), 0.02, rtol=0.4)


def test_an_image_gets_the_noise_of_one_galaxy():
    sigmas = np.where(np.arange(40) % 2, 0.01, 0.05)[:, None, None, None]
    drawn = BorderNoise(galaxies(40, 32) + sigmas * red_noise(40, 32, 1))(100, np.random.default_rng(0))
    levels = np.sort(drawn.std(axis=(1, 2, 3)))
    assert levels[30] < 0.015 and levels[70] > 0.035


def test_neighbours_are_no_noise():
    images = galaxies(40, 64) + red_noise(40, 64, 0.02)
    images[:, 2:9, 3:11] += 0.3  # one object near a corner of each
    images[::2, -6:, 30:40] += 0.05  # and a fainter one, below a threshold of single pixels
    noise = BorderNoise(images)
    drawn = noise(200, np.random.default_rng(0))
    assert noise.images == 40
    assert drawn.max() < 0.12 and drawn.std() == pytest.approx(0.02, rel=0.05)


def test_pixels_that_are_set_aside_are_no_noise():
    images, excluded = galaxies(20, 32) + red_noise(20, 32, 0.02), np.zeros((20, 32, 32), bool)
    images[:, :, -5:], excluded[:, :, -5:] = 3, True
    drawn = BorderNoise(images, excluded)(100, np.random.default_rng(0))
    assert np.abs(drawn).max() < 0.2


def test_without_a_border_free_of_objects_there_is_no_noise():
    images = galaxies(20, 32) + red_noise(20, 32, 0.02)
    images[:, ::4] += 0.5
    images[:, :, ::4] += 0.5
    crowded = images.copy()
    crowded[:, 3::8, 3::8] += 5
    assert BorderNoise(crowded).images == 0
