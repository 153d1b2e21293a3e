"""Noise learned from residuals whose covariances, amplitudes and dependence on brightness are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from galvae.analysis.power_spectrum import radial_power
from galvae.morphology.measure import sky_sigma
from galvae.noise.residual_noise import ResidualNoise

HEIGHT, WIDTH = 24, 40
SKY, BIN = 0.1, 0.02


def decoded_images(count, seed=0):
    """Galaxies without symmetry on an even sky, (count, HEIGHT, WIDTH, 3)."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    images = np.empty((count, HEIGHT, WIDTH, 3), np.float32)
    for image in images:
        dy, dx, radius = y - generator.uniform(10, 13), x - generator.uniform(17, 22), generator.uniform(2, 4)
        shape = np.exp(-0.5 * (((dx + 0.4 * dy) / 1.6) ** 2 + dy**2) / radius**2)
        image[:] = SKY + generator.uniform(0.1, 0.5) * shape[..., None] * [1, 0.8, 0.6]
    return images


def red_noise(count, seed=0):
    """Noise of variance 1 with a spectrum without symmetry; the second band is the first one, moved, and its own."""
    generator = np.random.default_rng(seed)
    white = generator.normal(size=(count, HEIGHT, WIDTH, 3))
    noise = gaussian_filter(white, (0, 0.5, 0.9, 0), mode="wrap")
    noise = noise + 0.7 * np.roll(noise, (1, 1), (1, 2))  # along one diagonal
    noise /= noise.std()
    noise[..., 1] = 0.6 * np.roll(noise[..., 0], (1, 2), (1, 2)) + 0.8 * noise[..., 1]
    return noise


def modulation(decoded):
    """Standard deviation of the noise at a brightness: twice that of the sky on a galaxy."""
    return 0.01 * np.array([1, 1.5, 0.7]) * (1 + np.clip((decoded - SKY) / 0.2, 0, 1))


def residuals_of(decoded, seed=0):
    """Residuals with an amplitude of their own in each image, which is larger for bright galaxies."""
    generator = np.random.default_rng(seed + 100)
    amplitude = 5 * np.sqrt(decoded.mean(axis=(1, 2, 3)) - SKY) * generator.choice([0.9, 1.1], len(decoded))
    return amplitude[:, None, None, None] * modulation(decoded) * red_noise(len(decoded), seed)


@pytest.fixture(scope="module")
def learned():
    decoded = decoded_images(300)
    residuals = residuals_of(decoded)
    noise = ResidualNoise.fit(residuals, decoded)
    return decoded, residuals, noise, noise(decoded, np.random.default_rng(1))


def products(noise, shift, first, second):
    """Mean product of a band's pixels and those of another band a shift away."""
    y, x = shift
    moved = noise[:, max(y, 0) : HEIGHT + min(y, 0), max(x, 0) : WIDTH + min(x, 0), second]
    own = noise[:, max(-y, 0) : HEIGHT + min(-y, 0), max(-x, 0) : WIDTH + min(-x, 0), first]
    return (own * moved).mean()


def test_its_power_is_that_of_the_residuals_at_every_frequency(learned):
    # The lowest frequency, of a wave as long as the image, is that of galaxies as a whole, and not of noise.
    decoded, residuals, noise, drawn = learned
    assert drawn.shape == residuals.shape and drawn.dtype == np.float32 and np.abs(drawn.mean()) < 2e-3
    drawn = np.concatenate([drawn, *(noise(decoded, np.random.default_rng(seed)) for seed in (2, 3))])
    bands = [slice(band, band + 1) for band in range(3)]
    for chosen in (
        *bands,
        slice(0, 3),
        slice(0, 2),
    ):  # of single bands, and of means, which know correlations
        ratio = radial_power(drawn[..., chosen])[1].mean(axis=0) / radial_power(residuals[..., chosen])[
            1
        ].mean(axis=0)
        np.testing.assert_array_less(np.abs(ratio - 1), np.where(np.arange(len(ratio)), 0.1, 0.2))


def test_pixels_and_bands_are_correlated_in_the_directions_of_the_residuals(learned):
    residuals, drawn = learned[1], learned[3]
    scale = residuals.var()
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1), (2, 1), (0, 3)):
        for pair in ((0, 0), (0, 1), (1, 0), (1, 2)):
            expected = products(residuals, shift, *pair) / scale
            assert products(drawn, shift, *pair) / scale == pytest.approx(expected, abs=0.05), (shift, pair)
    one, other = (products(drawn, shift, 0, 1) / scale for shift in ((1, 2), (-1, -2)))
    assert one > 3 * abs(other) and one > 0.3  # the second band is the first one, moved this way
    assert products(drawn, (1, 1), 0, 0) > 1.3 * products(drawn, (1, -1), 0, 0)
    # Opposite borders are not neighbours.
    ends = (drawn[:, :, 0] * drawn[:, :, -1]).mean() / drawn.var()
    assert abs(ends) < 0.05


def test_it_is_stronger_on_galaxies_and_in_images_like_noisy_ones(learned):
    decoded, residuals, _, drawn = learned
    above = decoded - SKY
    for chosen in (above < 0.002, (above > 0.05) & (above < 0.1), above > 0.2):
        np.testing.assert_allclose(drawn[chosen].std(), residuals[chosen].std(), rtol=0.08)
    bright = decoded.mean(axis=(1, 2, 3)) > np.median(decoded.mean(axis=(1, 2, 3)))
    for images in (bright, ~bright):
        np.testing.assert_allclose(drawn[images].std(), residuals[images].std(), rtol=0.08)


def test_the_sky_of_other_galaxies_is_right(learned):
    other = decoded_images(200, 7)
    real, mocks = (
        np.clip(other + added, 0, 1)
        for added in (residuals_of(other, 7), learned[2](other, np.random.default_rng(2)))
    )
    assert sky_sigma(mocks).mean() == pytest.approx(sky_sigma(real).mean(), rel=0.05)
    np.testing.assert_allclose(
        np.quantile(sky_sigma(mocks), [0.2, 0.8]), np.quantile(sky_sigma(real), [0.2, 0.8]), rtol=0.08
    )


def test_a_sky_that_is_cut_off_at_zero_keeps_its_standard_deviation():
    generator = np.random.default_rng(0)
    mean = np.full((200, 16, 16, 1), 0.012, np.float32)
    real = np.clip(0.01 + 0.02 * generator.normal(size=mean.shape), 0, 1)
    noise = ResidualNoise.fit(real - mean, mean)
    mocks = np.clip(mean + noise(mean, generator), 0, 1)
    assert mocks.std() == pytest.approx(real.std(), rel=0.05)


@pytest.mark.slow
def test_tails_of_the_sky_come_from_unknown_sources():
    generator = np.random.default_rng(0)
    residuals = 0.01 * red_noise(150)
    for image in residuals:  # in places of the sky that no galaxy covers
        image[generator.integers(2, 20), generator.integers(2, 36)] += 0.1
    decoded = np.full(residuals.shape, SKY, np.float32)
    drawn = ResidualNoise.fit(residuals, decoded)(decoded, generator)
    core = np.percentile(np.abs(residuals), 90)
    assert np.percentile(np.abs(drawn), 90) == pytest.approx(core, rel=0.05)
    for share in (0.0005, 0.9995):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(residuals, share), rel=0.15)


@pytest.mark.slow
def test_what_is_symmetric_stays_so():
    decoded, noise = decoded_images(120), red_noise(120)
    even = (noise + noise[:, ::-1, ::-1]) / np.sqrt(2)
    above = decoded - SKY
    symmetric = (above + above[:, ::-1, ::-1]) / 2
    residuals = 0.005 * red_noise(120, 5) + 0.3 * symmetric * even
    drawn = ResidualNoise.fit(residuals, SKY + symmetric)(SKY + symmetric, np.random.default_rng(0))
    bright = symmetric > 0.1
    for values in (residuals, drawn):
        odd = (values - values[:, ::-1, ::-1])[bright].std() / 2
        assert odd < 0.45 * values[bright].std()  # 0.71 without symmetry
    np.testing.assert_allclose(drawn[bright].std(), residuals[bright].std(), rtol=0.12)


@pytest.mark.slow
def test_pixels_that_are_set_aside_teach_nothing():
    decoded = decoded_images(80)
    residuals, mask = residuals_of(decoded), np.zeros(decoded.shape, bool)
    clean = ResidualNoise.fit(residuals, decoded)(decoded, np.random.default_rng(0))
    mask[::2, :5], mask[1::3, :, -6:] = True, True
    wrong = np.where(mask, 5.0, residuals)
    drawn = ResidualNoise.fit(wrong, decoded, mask)(decoded, np.random.default_rng(0))
    ratio = radial_power(drawn)[1].mean(axis=0) / radial_power(clean)[1].mean(axis=0)
    np.testing.assert_array_less(np.abs(ratio - 1), np.where(np.arange(len(ratio)), 0.1, 0.3))


def test_each_image_has_its_own_numbers_whatever_the_batches(learned):
    decoded, _, noise, drawn = learned
    generator = np.random.default_rng(1)
    parts = [noise(decoded[part], generator) for part in (slice(0, 3), slice(3, 10))]
    np.testing.assert_array_equal(np.concatenate(parts), drawn[:10])
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01


def test_it_is_the_same_after_its_arrays_were_stored(learned):
    decoded, _, noise, drawn = learned
    arrays = noise.arrays()
    again = ResidualNoise.from_arrays(arrays)(decoded[:5], np.random.default_rng(1))
    np.testing.assert_allclose(again, drawn[:5], atol=1e-6)
    for name, array in arrays.items():
        with pytest.raises(ValueError, match=" of shape "):
            ResidualNoise.from_arrays({**arrays, name: array[:-1]})


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_images_without_noise_get_none(value):
    decoded = np.full((4, 8, 9, 1), value, np.float32)
    drawn = ResidualNoise.fit(np.zeros_like(decoded), decoded)(decoded, np.random.default_rng(0))
    assert np.abs(drawn).max() < 1e-6
