"""Quality of reconstructed images: pure functions of arrays, one number per image."""

import functools
import math

import numpy as np
from keras import ops

MIN_ERROR = 1e-12  # mean squared error below which the PSNR stays at 120 dB
SSIM_SIGMA = 1.5  # pixels
SSIM_RADIUS = 5  # pixels
SSIM_CONSTANTS = (0.01**2, 0.03**2)


def mean_squared_error(images, targets):
    """Mean squared difference of each image, (B,).

    Args:
        images, targets: (B, H, W, C) intensities.
    """
    return ops.mean(ops.square(images - targets), axis=(1, 2, 3))


def peak_signal_to_noise(images, targets):
    """Peak signal-to-noise ratio of each image in dB, (B,), for intensities of range 1; at most 120.

    Args:
        images, targets: (B, H, W, C) intensities in [0, 1].
    """
    error = ops.maximum(mean_squared_error(images, targets), MIN_ERROR)
    return -10.0 * ops.log(error) / math.log(10.0)


def r_squared(images, targets):
    """Coefficient of determination of each image, (B,); NaN where the target is constant.

    Args:
        images, targets: (B, H, W, C) intensities.
    """
    unexplained = ops.sum(ops.square(images - targets), axis=(1, 2, 3))
    total = ops.sum(ops.square(targets - ops.mean(targets, axis=(1, 2, 3), keepdims=True)), axis=(1, 2, 3))
    # Tested on the pixels, because rounding leaves the sum of a constant image slightly above zero.
    varied = ops.max(targets, axis=(1, 2, 3)) > ops.min(targets, axis=(1, 2, 3))
    return ops.where(varied, 1.0 - unexplained / ops.where(varied, total, 1.0), float("nan"))


def structural_similarity(images, targets):
    """Structural similarity of each image, (B,), for intensities of range 1, averaged over channels.

    Means and variances are weighted by a Gaussian of sigma 1.5 pixels in a window of 11 x 11 pixels, or in the
    largest odd window that fits into a smaller image.

    Args:
        images, targets: (B, H, W, C) intensities in [0, 1].

    Reference:
        Wang et al. 2004, IEEE Trans. Image Process. 13, 600.
    """
    height, width = targets.shape[1:3]
    radius = min(SSIM_RADIUS, (min(height, width) - 1) // 2)
    rows, columns = _smoothing(height, radius), _smoothing(width, radius)

    def smooth(values):
        # Two matrix products are faster than a convolution of few channels, and need no transposition.
        return ops.matmul(rows, ops.matmul(values, columns.T))

    x, y = (ops.transpose(values, (0, 3, 1, 2)) for values in (images, targets))
    mean_x, mean_y = smooth(x), smooth(y)
    means = mean_x * mean_x + mean_y * mean_y
    variances = smooth(x * x + y * y) - means
    covariance = smooth(x * y) - mean_x * mean_y
    c1, c2 = SSIM_CONSTANTS
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / ((means + c1) * (variances + c2))
    return ops.mean(similarity, axis=(1, 2, 3))


@functools.cache
def _smoothing(length, radius):
    """Matrix that smooths a row of pixels where the whole Gaussian lies inside, (length - 2 radius, length)."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    matrix = np.zeros((length - 2 * radius, length), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + 2 * radius + 1] = weights / weights.sum()
    return matrix
