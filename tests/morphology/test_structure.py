"""Gini, M20, asymmetry and clumpiness of layouts that can be computed by hand."""

import numpy as np
import pytest
from builders.profiles import gaussian, pixels, spiral
from scipy.ndimage import gaussian_filter

from galvae.morphology.segmentation import GALAXY, NOTHING
from galvae.morphology.structure import asymmetry, clumpiness, gini_and_m20


def gini_m20(image):
    return gini_and_m20(image, np.full(image.shape, GALAXY, np.uint8))


def asymmetry_of(image, start, radius, excluded=None, width=4):
    """(A, x, y) where the sky is what lies outside the circle."""
    excluded = np.zeros(image.shape, bool) if excluded is None else excluded
    rows, columns = np.indices(image.shape)
    occupied = np.hypot(rows - start[1], columns - start[0]) < radius
    return asymmetry(image, excluded, occupied, *map(float, (*start, radius)), width)


def test_gini_is_0_for_a_flat_disc_and_1_for_one_bright_pixel():
    rows, columns = np.indices((31, 31))
    kinds = np.where(np.hypot(rows - 15, columns - 15) < 9, GALAXY, NOTHING).astype(np.uint8)
    assert gini_and_m20(np.full((31, 31), 0.7), kinds)[0] == pytest.approx(0, abs=1e-12)
    image = np.zeros((31, 31))
    image[14, 17] = 5
    assert gini_and_m20(image, kinds)[0] == 1


def test_gini_is_the_mean_difference_of_all_pairs():
    image = np.random.default_rng(0).exponential(size=(6, 7))
    differences = np.abs(image.ravel()[:, None] - image.ravel())
    n = image.size
    assert gini_m20(image)[0] == pytest.approx(differences.sum() / (2 * n * (n - 1) * image.mean()))
    # Negative pixels count by their size, as Lotz et al. have it.
    image[2, 3] *= -1
    assert gini_m20(image)[0] == gini_m20(np.abs(image))[0]


def test_m20_of_a_row_of_five_pixels_by_hand():
    # The centroid is at 1.8: moments of 4 x 3.24, 0.64, 0.04, 1.44 and 3 x 4.84. The first pixel holds a fifth.
    assert gini_m20(np.array([[4.0, 1, 1, 1, 3]]))[1] == pytest.approx(np.log10(12.96 / 29.6))


def test_m20_takes_the_brightest_pixels_until_they_hold_a_fifth():
    image = np.ones((1, 19))
    image[0, 0], image[0, 18] = 3, 2.9  # of 22.9: the first holds less than a fifth, both hold more
    positions = np.arange(19.0)
    centroid = (image[0] * positions).sum() / 22.9
    moments = image[0] * (positions - centroid) ** 2
    assert gini_m20(image)[1] == pytest.approx(np.log10((moments[0] + moments[18]) / moments.sum()))


def test_gini_and_m20_fail_without_light_and_m20_of_a_point():
    assert np.isnan(gini_m20(np.zeros((5, 5)))).all()
    assert np.isnan(gini_m20(np.full((5, 5), -1.0))).all()
    image = np.zeros((5, 5))
    image[1, 3] = 2
    assert gini_m20(image) == (1, pytest.approx(np.nan, nan_ok=True))


@pytest.mark.parametrize("centre", [(30.0, 32.0), (30.5, 31.5), (30.5, 32.0)])
def test_a_galaxy_symmetric_about_a_pixel_or_its_edge_has_no_asymmetry(centre):
    image = spiral((61, 65), centre, 5)
    # It has no mirror symmetry, to which a mistaken rotation would be blind.
    assert np.abs(image - image[:, ::-1]).max() > 0.2 * image.max()
    value, x, y = asymmetry_of(image, (centre[0] + 1.2, centre[1] - 0.8), 20)
    assert value == pytest.approx(0, abs=1e-9)
    assert (x, y) == centre


def test_a_symmetric_galaxy_off_the_grid_has_little_asymmetry():
    image = gaussian_filter(spiral((61, 65), (30.3, 31.85), 6), 1)
    value, x, y = asymmetry_of(image, (30, 32), 20)
    assert (x, y) == pytest.approx((30.3, 31.85), abs=0.0701)
    assert abs(value) < 0.02  # 0.05 about the nearest half pixel


def test_asymmetry_of_a_galaxy_with_a_second_blob_by_hand():
    image = np.round(1e4 * gaussian((61, 65), (30, 32), 3)) / 1e4
    flux = image.sum()
    image[20:22, 34:36] += 0.01
    # Each pixel of the blob differs from the one opposite, and this from it.
    value, x, y = asymmetry_of(image, (30, 32), 22)
    assert (x, y) == (30, 32)
    assert value == pytest.approx(2 * 0.04 / (flux + 0.04), rel=1e-9)
    excluded = np.zeros(image.shape, bool)
    excluded[20:22, 34:36] = True
    assert asymmetry_of(image, (30, 32), 22, excluded)[0] == pytest.approx(0, abs=1e-12)
    excluded = np.zeros(image.shape, bool)
    excluded[43:45, 25:27] = True  # the pixels opposite: rows 64 - 20, columns 60 - 34, ...
    assert asymmetry_of(image, (30, 32), 22, excluded)[0] == pytest.approx(0, abs=1e-12)


def test_asymmetry_of_the_sky_is_taken_away_with_its_correlation():
    generator = np.random.default_rng(1)
    galaxy = gaussian(64, (31.5, 31.5), 4)
    for smoothing in (0, 1):
        noise = gaussian_filter(generator.normal(size=(40, 64, 64)), (0, smoothing, smoothing))
        images = galaxy + 2e-4 * noise / noise.std()
        values = np.array([asymmetry_of(image, (31.5, 31.5), 14, width=6)[0] for image in images])
        without = np.array([asymmetry_of(image, (31.5, 31.5), 14, width=0)[0] for image in images])
        assert without.mean() > 0.1
        assert abs(values.mean()) < 0.15 * without.mean()


def test_a_galaxy_without_light_has_no_asymmetry():
    value, x, y = asymmetry_of(np.zeros((20, 20)), (9.4, 10.1), 5)
    assert np.isnan(value) and (x, y) == (9.5, 10)


def clumpiness_of(image, petrosian, radius, occupied=True, excluded=None):
    excluded = np.zeros(image.shape, bool) if excluded is None else excluded
    occupied = np.broadcast_to(occupied, image.shape).copy()
    middle = 0.5 * (np.array(image.shape) - 1)
    return clumpiness(image, excluded, occupied, middle[1], middle[0], float(petrosian), float(radius), 4)


def test_a_smooth_galaxy_has_no_clumps():
    assert clumpiness_of(np.full((51, 51), 2.0), 12, 18) == pytest.approx(0, abs=1e-12)
    plane = 50 + np.add.outer(np.arange(51.0), 2 * np.arange(51.0))
    assert clumpiness_of(plane, 12, 18) == pytest.approx(0, abs=1e-12)
    image = pixels(lambda x, y: np.exp(-0.5 * (x**2 + y**2) / 64), 51, (25, 25))
    assert 0 <= clumpiness_of(image, 12, 18) < 0.01


def test_clumps_on_a_flat_galaxy_by_hand():
    rows, columns = np.indices((51, 51))
    distance = np.hypot(rows - 25, columns - 25)
    image = np.ones((51, 51))
    clumps = [(25, 35), (14, 22), (33, 18)]
    for row, column in clumps:
        image[row, column] += 4
    image[25, 26] += 100  # within 3 pixels of the centre, a quarter of a Petrosian radius, does not count
    image[2, 2] += 100  # nor what is outside of the aperture
    light = ((distance >= 3) & (distance <= 18)).sum() + 3 * 4
    # The box has three pixels on a side, so that the average around a clump is 4 / 9 too large.
    expected = 3 * 4 * (1 - 1 / 9) / light
    assert clumpiness_of(image, 12, 18) == pytest.approx(expected)
    # 0.25 x 21 pixels are nearest to a box of five; three clumps are in the larger ring as well.
    light = ((distance >= 5.25) & (distance <= 18)).sum() + 3 * 4
    assert clumpiness_of(image, 21, 18) == pytest.approx(3 * 4 * (1 - 1 / 25) / light)
    excluded = image > 4
    light = ((distance >= 3) & (distance <= 18) & ~excluded).sum()
    assert clumpiness_of(image, 12, 18, excluded=excluded) == pytest.approx(0, abs=1e-12)


def test_clumps_of_the_sky_are_taken_away_with_their_correlation():
    generator = np.random.default_rng(2)
    rows, columns = np.indices((64, 64))
    distance = np.hypot(rows - 31.5, columns - 31.5)
    galaxy, occupied = np.clip(40 - 2 * distance, 0, None), distance < 20
    for smoothing in (0, 1):
        noise = gaussian_filter(generator.normal(size=(30, 64, 64)), (0, smoothing, smoothing))
        images = galaxy + 5 * noise / noise.std()
        values = [clumpiness_of(image, 12, 18, occupied) for image in images]
        without = [clumpiness_of(image, 12, 18) for image in images]
        assert np.mean(without) > 0.04
        assert abs(np.mean(values)) < 0.1 * np.mean(without)


def test_a_galaxy_without_light_has_no_clumpiness():
    assert np.isnan(clumpiness_of(np.zeros((20, 20)), 5, 8))
