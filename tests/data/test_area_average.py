import numpy as np
import pytest

from galvae.data.area_average import area_average, fitted_within, thumbnails
from galvae.errors import GalvaeError


def test_whole_factors_average_blocks():
    images = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    for size, factor in ((6, 2), (4, 3), (1, 12)):
        blocks = images.reshape(3, size, factor, size, factor, 3).mean(axis=(2, 4))
        np.testing.assert_array_equal(area_average(images, size), np.floor(blocks + 0.5))


def test_other_factors_keep_the_light_and_its_centre():
    images = np.random.default_rng(0).uniform(size=(2, 10, 10, 1)).astype(np.float32)
    small = area_average(images, 7)
    assert small.shape == (2, 7, 7, 1)
    np.testing.assert_allclose(small.mean(axis=(1, 2)), images.mean(axis=(1, 2)), rtol=1e-5)
    # By hand along one axis: the first of 2 new pixels covers old pixel 0 and half of pixel 1.
    column = np.array([1.0, 2.0, 6.0], np.float32)
    image = np.broadcast_to(column[None, :, None, None], (1, 3, 3, 1))
    np.testing.assert_allclose(area_average(image, 2)[0, :, 0, 0], [(1 + 1) / 1.5, (1 + 6) / 1.5], rtol=1e-6)


def test_integers_are_rounded_to_the_nearest_and_images_keep_their_orientation():
    image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1) * 10
    # Along each axis, the first of 2 new pixels covers pixel 0 and half of pixel 1: weights 2/3 and 1/3.
    weights = np.array([[2, 1, 0], [0, 1, 2]]) / 3
    by_hand = weights @ image[0, ..., 0] @ weights.T
    np.testing.assert_allclose(by_hand, [[40 / 3, 80 / 3], [160 / 3, 200 / 3]])
    assert area_average(image, 2)[0, ..., 0].tolist() == [[13, 27], [53, 67]]


def test_a_constant_stays_and_the_type_too():
    for kind in (np.uint8, np.float32):
        images = np.full((1, 9, 9, 2), 200, kind)
        for size in (9, 5, 3):
            averaged = area_average(images, size)
            assert averaged.dtype == kind
            np.testing.assert_allclose(averaged, 200, rtol=1e-6)


@pytest.mark.parametrize(("shape", "size"), [((1, 8, 9, 1), 4), ((1, 8, 8, 1), 9)])
def test_shapes_that_cannot_be_averaged_are_refused(shape, size):
    with pytest.raises(GalvaeError, match=f"at least {size} pixels, received {shape[1]}x{shape[2]}"):
        area_average(np.zeros(shape, np.uint8), size)


def test_whole_images_keep_their_shape():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 14, 3), np.uint8)
    assert fitted_within(images, 14) is images
    halved = images.reshape(2, 4, 2, 7, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(fitted_within(images, 7), halved, atol=0.51)
    square = images[:, :, :8]
    np.testing.assert_array_equal(fitted_within(square, 5), area_average(square, 5))
    assert fitted_within(images, 5).shape == (2, 3, 5, 3)


def test_thumbnails_are_averages_of_the_central_square():
    images = np.random.default_rng(0).uniform(size=(2, 8, 14, 3)).astype(np.float32)
    np.testing.assert_array_equal(thumbnails(images, 4), area_average(images[:, :, 3:11], 4))
    np.testing.assert_array_equal(
        thumbnails(images.transpose(0, 2, 1, 3), 99), images[:, :, 3:11].transpose(0, 2, 1, 3)
    )
