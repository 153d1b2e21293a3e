"""Flips and 90-degree rotations of images: the orientations in which a galaxy may as well be seen."""

import numpy as np

# Number of 90-degree rotations, and whether a flip comes first: the eight orientations of a square.
ORIENTATIONS = [(rotations, flip) for flip in (False, True) for rotations in range(4)]


def orientations_of(image_shape, rotated=True):
    """The orientations (rotations, flip) in which images keep their shape, that of the images themselves first.

    Args:
        image_shape: (H, W, C).
        rotated: whether there are others than that.
    """
    square = image_shape[0] == image_shape[1]
    return [pair for pair in ORIENTATIONS if square or not pair[0] % 2] if rotated else ORIENTATIONS[:1]


def orient(images, rotations, flip):
    """Images (n, H, W, C) flipped left to right, if so requested, and rotated by 90 degrees so many times."""
    return np.rot90(images[:, :, ::-1] if flip else images, rotations, axes=(1, 2))
