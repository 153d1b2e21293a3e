"""Petrosian radius, flux, r50 and concentration of galaxies whose curve of growth is known from its formula."""

import numpy as np
import pytest
from builders.profiles import pixels
from scipy.optimize import brentq
from scipy.special import gamma, gammainc, gammaincinv

from galvae.morphology.profile import STEP, curve_of_growth, flux_within, petrosian_radius, radius_of


def growth_of(image, centre, excluded=None):
    return curve_of_growth(
        image, np.zeros(image.shape, bool) if excluded is None else excluded, *map(float, centre)
    )


def sersic(index, radius):
    """Surface brightness at an offset, and share of the light within a distance, of a Sersic profile of flux 1."""
    b = gammaincinv(2 * index, 0.5)
    flux = 2 * np.pi * index * radius**2 * gamma(2 * index) / b ** (2 * index)

    def light(x, y):
        return np.exp(-b * (np.hypot(x, y) / radius) ** (1 / index)) / flux

    def share(distance):
        return gammainc(2 * index, b * (distance / radius) ** (1 / index))

    return light, share


def petrosian_by_formula(share):
    """Radius at which an annulus of 0.8 to 1.25 radii is a fifth as bright as the mean within."""

    def excess(radius):
        annulus = (share(1.25 * radius) - share(0.8 * radius)) / (1.25**2 - 0.8**2)
        return annulus / share(radius) - 0.2

    return brentq(excess, 1, 200)


@pytest.mark.parametrize(
    ("index", "radius", "side"), [(1, 8.0, 101), (4, 12.0, 151), (1, 5.0, 64), (0.5, 4.0, 64)]
)
def test_radii_flux_and_concentration_of_sersic_profiles(index, radius, side):
    light, share = sersic(index, radius)
    centre = side / 2 - 0.7, side / 2 - 0.4  # off the grid
    image = pixels(light, side, centre)
    # The cusp: the flux of the central pixels is what is left.
    if index > 1:
        fine = pixels(light, 9, (centre[0] - side // 2 + 4, centre[1] - side // 2 + 4), 101)
        image[side // 2 - 4 : side // 2 + 5, side // 2 - 4 : side // 2 + 5] = fine
    growth = growth_of(image, centre)
    petrosian, found = petrosian_radius(growth)
    expected = petrosian_by_formula(share)
    assert found
    assert petrosian == pytest.approx(expected, rel=0.01)
    flux = flux_within(growth, 1.5 * petrosian)
    assert flux == pytest.approx(share(1.5 * expected), rel=0.005)
    total = share(1.5 * expected)
    r20, r50, r80 = (
        brentq(lambda r, part=part: share(r) - part * total, 1e-6, 200) for part in (0.2, 0.5, 0.8)
    )
    assert radius_of(growth, 0.5 * flux) == pytest.approx(r50, rel=0.01)
    concentration = 5 * np.log10(radius_of(growth, 0.8 * flux) / radius_of(growth, 0.2 * flux))
    assert concentration == pytest.approx(5 * np.log10(r80 / r20), abs=0.05)


def test_the_growth_of_a_flat_image_is_the_area_of_its_circles_up_to_the_corners():
    growth = growth_of(np.full((40, 50), 3.0), (24.3, 19.6))
    radii = STEP * (1 + np.arange(len(growth)))
    np.testing.assert_allclose(growth, 3 * np.pi * radii**2)
    assert 19.6 < radii[-1] < 30  # it ends where half of a circle is outside
    assert [flux_within(growth, radius) for radius in (0.1, 7.3, radii[-1])] == pytest.approx(
        [3 * np.pi * radius**2 for radius in (0.1, 7.3, radii[-1])]
    )
    assert radius_of(growth, 3 * np.pi * 5.1**2) == pytest.approx(5.1)


def test_excluded_pixels_are_filled_with_the_mean_of_their_annulus():
    image = pixels(lambda x, y: np.exp(-np.hypot(x, y) / 4), 61, (30, 30))
    excluded = np.zeros(image.shape, bool)
    excluded[33:40, 20:28] = True
    growth = growth_of(np.where(excluded, 1e6, image), (30, 30), excluded)
    np.testing.assert_allclose(growth, growth_of(image, (30, 30)), rtol=0.005)


def test_a_curve_without_an_edge_has_no_petrosian_radius_and_one_without_light_none_at_all():
    flat = growth_of(np.ones((30, 30)), (14.5, 14.5))
    radius, found = petrosian_radius(flat)
    assert not found and radius == pytest.approx(len(flat) * STEP / 1.25, abs=STEP)
    for light in (np.zeros((30, 30)), -np.ones((30, 30))):
        radius, found = petrosian_radius(growth_of(light, (14.5, 14.5)))
        assert np.isnan(radius) and not found
    assert np.isnan(radius_of(flat, 2 * flat[-1]))
