"""Quality of reconstructed images: pure functions of arrays, one number per image.

Pixels that a mask sets aside count in none of them; an image without any other pixel has no quality, NaN.
"""

import functools
import math

import numpy as np
from keras import ops

from galvae.models.losses import mean_of_used, mean_squared_error

MIN_ERROR = 1e-12  # mean squared error below which the PSNR stays at 120 dB
SSIM_SIGMA = 1.5  # pixels
SSIM_RADIUS = 5  # pixels
SSIM_CONSTANTS = (0.01**2, 0.03**2)


def mean_squared_error_per_band(images, targets, mask=None):
    """Mean squared difference of each image in each band, (B, C).

    Args:
        images, targets: (B, H, W, C) intensities.
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.
    """
    return mean_of_used(ops.square(images - targets), mask, axes=(1, 2))


def peak_signal_to_noise(images, targets, mask=None):
    """Peak signal-to-noise ratio of each image in dB, (B,), for intensities of range 1; at most 120.

    Args:
        images, targets: (B, H, W, C) intensities in [0, 1].
        mask: see `mean_squared_error_per_band`.
    """
    error = mean_squared_error(images, targets, mask)
    error = ops.where(error < MIN_ERROR, MIN_ERROR, error)  # NaN stays
    return -10.0 * ops.log(error) / math.log(10.0)


def r_squared(images, targets, mask=None):
    """Coefficient of determination of each image, (B,); NaN where the target is constant.

    Args:
        images, targets: (B, H, W, C) intensities.
        mask: see `mean_squared_error_per_band`.
    """
    axes, used = (1, 2, 3), 1.0 if mask is None else _used(mask, targets)
    unexplained = ops.sum(used * ops.square(images - targets), axis=axes)
    mean = mean_of_used(targets, mask, keepdims=True)
    total = ops.sum(used * ops.square(targets - mean), axis=axes)
    # Tested on the pixels, because rounding leaves the sum of a constant image slightly above zero.
    lowest, highest = targets, targets
    if mask is not None:
        lowest, highest = (ops.where(used > 0, targets, bound) for bound in (math.inf, -math.inf))
    varied = ops.max(highest, axis=axes) > ops.min(lowest, axis=axes)
    return ops.where(varied, 1.0 - unexplained / ops.where(varied, total, 1.0), float("nan"))


def structural_similarity(images, targets, mask=None):
    """Structural similarity of each image, (B,), for intensities of range 1, averaged over channels.

    Means and variances are weighted by a Gaussian of sigma 1.5 pixels in a window of 11 x 11 pixels, or in the
    largest odd window that fits into a smaller image. Since these windows need every pixel, those that are set aside
    have the target's value in both images: they count as reconstructed without an error.

    Args:
        images, targets: (B, H, W, C) intensities in [0, 1].
        mask: see `mean_squared_error_per_band`.

    Reference:
        Wang et al. 2004, IEEE Trans. Image Process. 13, 600.
    """
    if mask is not None:
        images = ops.where(_used(mask, targets) > 0, images, targets)
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
    similarity = ops.mean(similarity, axis=(1, 2, 3))
    if mask is None:
        return similarity
    return ops.where(ops.min(mask, axis=(1, 2, 3)) == 0, similarity, float("nan"))


def _used(mask, values):
    """One for pixels that count and zero for those that a mask sets aside, in the type of some values."""
    return 1.0 - ops.cast(mask, values.dtype)


@functools.cache
def _smoothing(length, radius):
    """Matrix that smooths a row of pixels where the whole Gaussian lies inside, (length - 2 radius, length)."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    matrix = np.zeros((length - 2 * radius, length), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + 2 * radius + 1] = weights / weights.sum()
    return matrix
