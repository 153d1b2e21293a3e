"""Pixels that are set aside: known answers for the fill, the reduction and the recognition of cut images."""

import numpy as np

from galvae.data.masking import averaged, edge_frame, filled, is_cut


def test_pixels_set_aside_get_the_median_of_their_own_images_and_bands_frame():
    images = np.zeros((2, 20, 20, 2), np.float32)
    images[0, ..., 0], images[0, ..., 1], images[1] = 3, 5, 7
    images[:, 2:18, 2:18] = 1000  # the galaxy, most of the pixels, which is no sky
    images[0, 0, :30:2] += 900  # a bright star at the edge, which a median does not see
    aside = np.zeros(images.shape, bool)
    aside[0, 10, 10] = aside[1, 2, 3, 1] = True
    images[aside] = np.nan
    done = filled(images, aside)
    assert done[0].data[10, 10].tolist() == [3, 5] and done.data[1, 2, 3, 1] == 7
    np.testing.assert_array_equal(done.mask, aside)
    np.testing.assert_array_equal(done.data[~aside], images[~aside])
    assert np.isnan(images[0, 10, 10]).all()  # a copy is filled


def test_the_frame_is_a_tenth_of_each_side():
    frame = np.zeros((20, 50), bool)
    frame[:2] = frame[-2:] = frame[:, :5] = frame[:, -5:] = True
    np.testing.assert_array_equal(edge_frame(20, 50), frame)
    assert edge_frame(4, 4).sum() == 12  # at least one pixel wide


def test_a_frame_without_sky_takes_all_pixels_and_a_band_without_pixels_zero():
    images = np.full((1, 10, 10, 2), 4, np.uint8)
    aside = np.zeros(images.shape, bool)
    aside[0, [0, -1]] = aside[0, :, [0, -1]] = True
    aside[..., 1] = True
    done = filled(images, aside)
    assert done.dtype == np.uint8
    assert set(done.data[..., 0].ravel()) == {4} and set(done.data[..., 1].ravel()) == {0}


def test_a_reduced_pixel_is_set_aside_if_any_part_of_it_is():
    images = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1)
    aside = np.zeros(images.shape, bool)
    aside[0, 3, 6] = True
    done = averaged(np.ma.MaskedArray(images, aside), 4)
    assert np.argwhere(done.mask).tolist() == [[0, 1, 3, 0]]
    assert done.data[0, 0, 0, 0] == (0 + 1 + 8 + 9) / 4
    thirds = averaged(np.ma.MaskedArray(images, aside), 3)
    assert thirds.mask[0, 1, 2, 0] and thirds.mask.sum() == 1  # pixel row 3 of 8 lies in row 1 of 3
    assert averaged(images, None) is images


def test_cut_images_have_blank_lines_or_blank_corners():
    images = np.random.default_rng(0).normal(size=(6, 30, 40, 2)).astype(np.float32)
    images[1, 7] = 0
    images[2, :, 39] = 0
    images[3, :6, :10] = 0  # 60 of 1,200 pixels
    images[4, 7, :, 0] = 0  # of one band only
    images[5, :6, :10] = 0
    images[5, 0, 0] = 1  # 59 of 1,200 pixels
    assert is_cut(images).tolist() == [False, True, True, True, False, False]
    assert not is_cut(np.zeros((2, 8, 8, 3), np.uint8)).any()
