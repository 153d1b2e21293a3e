"""Adaptive moments of Gaussians are those of their formula; of other galaxies those of galsim."""

import numpy as np
import pytest
from builders.profiles import gaussian, pixels

from galvae.morphology.moments import adaptive_moments


def moments(image, centre, excluded=None, start=(9.0, 9.0, 0.0)):
    excluded = np.zeros(image.shape, bool) if excluded is None else excluded
    return np.array(adaptive_moments(np.ascontiguousarray(image), excluded, *map(float, centre), *start))


PIXEL = (1 - 1 / 25) / 12  # variance of five points in a pixel, which adds to that of the galaxy


@pytest.mark.parametrize("shear", [(0.0, 0.0), (0.3, 0.0), (-0.2, 0.25), (0.1, -0.4)])
def test_size_shape_and_kurtosis_of_a_sheared_gaussian(shear):
    sigma, (g1, g2) = 4.0, shear
    sigma_found, e1, e2, rho4 = moments(gaussian((70, 80), (41.3, 33.8), sigma, shear), (40, 34))
    # M = sigma^2 S^2, where S is the shear matrix.
    scale = sigma**2 / (1 - g1**2 - g2**2)
    xx = scale * ((1 + g1) ** 2 + g2**2) + PIXEL
    yy = scale * ((1 - g1) ** 2 + g2**2) + PIXEL
    xy = scale * 2 * g2
    assert sigma_found == pytest.approx((xx * yy - xy**2) ** 0.25, rel=1e-4)
    assert (e1, e2) == pytest.approx(((xx - yy) / (xx + yy), 2 * xy / (xx + yy)), abs=1e-4)
    assert rho4 == pytest.approx(2, abs=0.005)


def test_elongation_is_positive_along_a_row_and_towards_rising_rows_and_columns():
    image = np.zeros((30, 30))
    image[14:17, 9:22] = 1
    image[15, 21] = 2  # no symmetry
    assert moments(image, (15, 15))[1] > 0.5
    assert moments(image.T, (15, 15))[1] < -0.5
    image = sum(np.diag(np.r_[np.zeros(9), np.ones(12 - abs(k)), 3, np.zeros(8)], k) for k in (-1, 0, 1))
    assert moments(image, (15, 15))[2] > 0.5
    assert moments(image[::-1], (15, 15))[2] < -0.5


def test_a_cusp_with_wings_has_a_larger_fourth_moment_than_a_gaussian_and_a_disc_a_smaller_one():
    cusp = pixels(lambda x, y: np.exp(-np.hypot(x, y) / 3), 61, (30, 30))
    disc = pixels(lambda x, y: np.hypot(x, y) < 8.0, 61, (30, 30))
    assert moments(disc, (30, 30))[3] < 1.95 < 2.05 < moments(cusp, (30, 30))[3]


def test_the_start_does_not_matter_and_excluded_pixels_do_not_count():
    image = gaussian(64, (31, 33), 5, (0.2, 0.1))
    expected = moments(image, (31, 33), start=(25.0, 25.0, 0.0))
    for start in ((2.0, 2.0, 0.0), (300.0, 100.0, 50.0)):
        np.testing.assert_allclose(moments(image, (33, 30), start=start), expected, atol=2e-4)
    excluded = np.zeros(image.shape, bool)
    excluded[28:31, 40:43] = True
    bright = np.where(excluded, 1.0, image)
    np.testing.assert_array_equal(
        moments(bright, (31, 33), excluded), moments(np.where(excluded, np.nan, image), (31, 33), excluded)
    )


@pytest.mark.parametrize("image", [np.zeros((20, 20)), -gaussian(20, (10, 10), 3), np.eye(20)])
def test_what_has_no_light_or_no_area_does_not_converge(image):
    assert np.isnan(moments(image, (10, 10))).all()


def test_moments_agree_with_those_of_galsim():
    import galsim

    generator = np.random.default_rng(0)
    for index in (0.8, 1.0, 2.5, 4.0):
        profile = galsim.Sersic(index, half_light_radius=generator.uniform(3, 6)).shear(
            e=generator.uniform(0.1, 0.6), beta=generator.uniform(0, np.pi) * galsim.radians
        )
        profile = galsim.Convolve(profile, galsim.Gaussian(fwhm=2.5)).shift(*generator.uniform(-1, 1, 2))
        image = profile.drawImage(nx=64, ny=64, scale=1)
        found = galsim.hsm.FindAdaptiveMom(image)
        shape = found.observed_shape
        sigma, e1, e2, rho4 = moments(image.array.astype(float), (31.5, 31.5))
        assert sigma == pytest.approx(found.moments_sigma, rel=3e-3)
        assert (e1, e2) == pytest.approx((shape.e1, shape.e2), abs=1e-3)
        assert rho4 == pytest.approx(found.moments_rho4, rel=3e-3)
