"""The sky is not shifted by neighbours, and the galaxy is the segment next to the middle."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label

from galvae.morphology.segmentation import (
    GALAXY,
    NEIGHBOUR,
    NOTHING,
    border_values,
    border_width,
    segments,
    sky_of,
    smoothed,
)

NOTHING_EXCLUDED = np.zeros((20, 24), bool)


def test_neighbours_in_a_fifth_of_the_border_shift_neither_level_nor_noise():
    generator = np.random.default_rng(0)
    values = generator.normal(10, 2, 4000)
    values[:800] += generator.uniform(5, 200, 800)
    level, sigma = sky_of(values)
    assert level == pytest.approx(10, abs=0.3)  # the median of all is 10.64
    assert sigma == pytest.approx(2, rel=0.12)


def test_level_and_noise_of_a_sky_alone_are_those_of_its_normal_distribution():
    level, sigma = sky_of(np.random.default_rng(1).normal(-3, 0.5, 100_000))
    assert level == pytest.approx(-3, abs=0.01)
    assert sigma == pytest.approx(0.5, rel=0.01)


def test_a_constant_sky_has_no_noise_and_few_different_integers_have_some():
    assert sky_of(np.empty(0)) == (0, 0)
    assert sky_of(np.full(30, 7.0)) == (7, 0)
    values = np.repeat([3.0, 4.0], [80, 20])
    assert sky_of(values) == (3, pytest.approx(np.sqrt(0.2), rel=0.02))


def test_the_border_is_a_frame_of_a_tenth_of_the_shorter_side():
    assert [border_width(side) for side in (5, 8, 29, 30, 128)] == [2, 2, 2, 3, 12]
    image, excluded = np.arange(20.0 * 24).reshape(20, 24), NOTHING_EXCLUDED.copy()
    excluded[0, :5] = True
    inner = set(image[3:-3, 3:-3].ravel()) | set(range(5))
    assert sorted(border_values(image, excluded, 3)) == sorted(set(image.ravel()) - inner)


@pytest.mark.parametrize("shape", [(20, 24), (5, 5), (1, 7)])
def test_smoothing_is_that_of_scipy(shape):
    image = np.random.default_rng(2).normal(size=shape)
    np.testing.assert_allclose(
        smoothed(image), gaussian_filter(image, 1, mode="mirror", truncate=3), atol=1e-12
    )


def test_the_galaxy_is_the_segment_next_to_the_middle_and_the_rest_are_neighbours():
    image = np.zeros((20, 24))
    image[9:12, 13:16] = 2  # the nearest to the middle, (9.5, 11.5)
    image[5:7, 9:13] = 3  # near enough, but not as near
    image[0:3, 0:3] = 9
    image[16:19, 18:21] = 5
    image[4, 4:8] = 9  # four pixels are noise
    kinds, neighbours = segments(image, 1.0, NOTHING_EXCLUDED)
    assert neighbours == 3
    np.testing.assert_array_equal(kinds == GALAXY, image == 2)
    near = np.zeros(image.shape, bool)
    near[0:5, 0:5] = near[14:20, 16:23] = near[3:9, 7:15] = True  # two pixels around each
    np.testing.assert_array_equal(kinds == NEIGHBOUR, near)
    assert kinds[4, 5] == NOTHING


def test_a_neighbours_surroundings_do_not_cut_into_the_galaxy():
    image = np.zeros((20, 24))
    image[8:12, 10:14], image[8:12, 15:19] = 2, 2
    kinds, neighbours = segments(image, 1.0, NOTHING_EXCLUDED)
    assert neighbours == 1
    assert (kinds[8:12, 10:14] == GALAXY).all() and (kinds[8:12, 14:21] == NEIGHBOUR).all()


def test_segments_touch_at_corners_and_end_at_excluded_pixels():
    image = np.zeros((20, 24))
    image[8:11, 10:13] = image[11:14, 13:16] = 2
    excluded = NOTHING_EXCLUDED.copy()
    assert segments(image, 1.0, excluded)[1] == 0
    excluded[10, 12] = True
    kinds, neighbours = segments(image, 1.0, excluded)
    assert neighbours == 1
    assert kinds[10, 12] != GALAXY and (kinds == GALAXY).sum() == 8


def test_a_segment_far_from_the_middle_is_no_galaxy():
    image = np.zeros((20, 24))
    image[3:5, 9:14] = 2  # its nearest pixels are 5.5 from the middle, more than a quarter of 20
    kinds, neighbours = segments(image, 1.0, NOTHING_EXCLUDED)
    assert neighbours == 1 and not (kinds == GALAXY).any()
    kinds, neighbours = segments(np.roll(image, 1, axis=0), 1.0, NOTHING_EXCLUDED)
    assert neighbours == 0 and (kinds == GALAXY).sum() == 10


def test_the_number_of_segments_of_random_images_is_that_of_scipy():
    generator = np.random.default_rng(3)
    for _ in range(10):
        image = gaussian_filter(generator.normal(size=(20, 24)), 1.2)
        threshold = image.std()
        labels, _ = label(image > threshold, np.ones((3, 3)))
        kinds, neighbours = segments(image, threshold, NOTHING_EXCLUDED)
        large = (np.bincount(labels.ravel())[1:] >= 5).sum()
        assert neighbours + (kinds == GALAXY).any() == large
