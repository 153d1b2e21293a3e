"""The radial power spectrum of noise and waves whose power is known."""

import numpy as np
import pytest

from galvae.analysis.power_spectrum import FREQUENCIES, power_ratio, radial_power


@pytest.mark.parametrize("shape", [(32, 32), (24, 40)])
def test_white_noise_has_its_variance_at_all_frequencies(shape):
    noise = np.random.default_rng(0).normal(7, 0.5, (400, *shape, 2))
    frequencies, power = radial_power(noise)
    assert power.shape == (400, min(shape) // 2)
    # That of the mean of two bands. The first ring holds the error of the sky's level too.
    np.testing.assert_allclose(power[:, 1:].mean(axis=0), 0.5**2 / 2, rtol=0.06)
    assert frequencies[0] == pytest.approx(1 / min(shape), rel=0.25) and 0.48 < frequencies[-1] <= 0.5


@pytest.mark.parametrize("cycles", [3, 10])
def test_a_wave_has_its_power_at_its_frequency(cycles):
    wave = np.sin(2 * np.pi * cycles * (np.arange(64) + 0.5) / 64)  # whose median at the edges is 0
    for image in (np.tile(wave, (64, 1)), np.tile(wave[:, None], (1, 64))):
        frequencies, power = radial_power(image[None, ..., None])
        assert frequencies[power[0].argmax()] == pytest.approx(cycles / 64, abs=0.25 / 64)


def test_the_level_of_the_sky_and_a_step_between_opposite_edges_have_no_power():
    y, x = np.mgrid[:48, :48] - 23.5
    galaxy = np.exp(-(x**2 + y**2) / (2 * 4**2))[None, ..., None]
    frequencies, power = radial_power(np.concatenate([galaxy, galaxy + 9, galaxy + 0.01 * x[..., None]]))
    np.testing.assert_allclose(power[1], power[0], atol=1e-12)
    # Without the taper, the step of 0.48 between the edges would have 1000 times the power that is allowed here.
    assert power[2, frequencies > 0.25].max() < 1e-6


def test_the_ratio_is_that_of_the_mean_powers_and_its_error_that_of_the_galaxies():
    generator = np.random.default_rng(0)
    frequencies, real = radial_power(generator.normal(0, 1, (300, 40, 40, 1)))
    _, other = radial_power(generator.normal(0, 2, (200, 40, 40, 1)))
    ratio, error = power_ratio(frequencies, real, other, 300, 0)
    assert ratio.shape == (len(FREQUENCIES),)
    assert (np.abs(ratio - 4) < 3.5 * error).all() and (error < 0.25).all() and (error > 0).all()


def test_frequencies_that_an_image_does_not_resolve_are_undefined():
    frequencies, power = radial_power(np.random.default_rng(0).normal(size=(20, 8, 8, 1)))
    ratio, error = power_ratio(frequencies, power, 3 * power, 100, 0, paired=True)
    for numbers, value in ((ratio, 3), (error, 0)):
        assert np.isnan(numbers[:2]).all()  # 0.05 and 0.1 cycles per pixel
        np.testing.assert_allclose(numbers[2:], value, atol=1e-12)
