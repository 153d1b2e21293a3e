"""Patches of pixels that fit together: the kernels with which the network `slim` draws an image.

The patches that one feature draws around it, put side by side, are a kernel of 3f x 3f pixels, where f is the side of
a patch. Of it only the part counts that is smooth: a kernel of f + 2 pixels convolved with a triangle, which is twice a
box of f pixels. Its transform has zeros of second order at the frequencies k/f of the grid of patches, so that neither
constant features nor a gradient in them leave a grid in the image. The pixels of a patch share the mean of their
biases.

Reference:
    Kinoshita & Kiya 2020 (arXiv:2002.02117): fixed smooth layers, here of order 2 and composed with the convolution
    before them.
"""

import math

import numpy as np


def spread(factor):
    """What makes smooth kernels of free ones, along one axis, (3, f, f + 2).

    Independent entries of variance v / (f + 2)^2 become entries of variance v / 3^2.

    Args:
        factor: side f of a patch in pixels.
    """
    side, smooth = factor + 2, _smooth(factor)
    scale = math.sqrt(factor * side / np.square(smooth).sum())
    # A convolution's first row multiplies the feature above, for which it draws the last of three patches.
    return scale * smooth.reshape(3, factor, side)[::-1]


def projection(factor):
    """What keeps of a kernel its smooth part, along one axis, (3, f, 3, f).

    Args:
        factor: side f of a patch in pixels.
    """
    smooth = _smooth(factor)
    return (smooth @ np.linalg.pinv(smooth)).reshape(3, factor, 3, factor)[::-1, :, ::-1]


def smooth_kernel(kernel, projection, ops=np):
    """The part of a kernel that counts.

    Args:
        kernel: (3, 3, N, f*f*C).
        projection: see `projection`.
        ops: the array module, `numpy` or `keras.ops`.

    Returns:
        (3, 3, N, f*f*C).
    """
    factor = projection.shape[1]
    patches = ops.reshape(kernel, (*kernel.shape[:3], factor, factor, -1))
    smooth = ops.einsum("iuap,jvbq,abnpqc->ijnuvc", projection, projection, patches)
    return ops.reshape(smooth, kernel.shape)


def even_bias(bias, factor, ops=np):
    """The part of a bias that counts, (f*f*C,): the same for all pixels of a patch.

    Args:
        bias: (f*f*C,).
        factor: side f of a patch in pixels.
        ops: the array module, `numpy` or `keras.ops`.
    """
    return ops.tile(ops.mean(ops.reshape(bias, (factor**2, -1)), axis=0), factor**2)


def _smooth(factor):
    """Each pixel of f + 2 convolved with a triangle, (3 f, f + 2)."""
    triangle = np.convolve(np.ones(factor), np.ones(factor))
    return np.stack([np.convolve(pixel, triangle) for pixel in np.eye(factor + 2)], axis=1)
