"""How well images are reproduced, and conditions predicted: pure functions of arrays."""

import functools
import math

import numpy as np
from keras import ops

LEAST_ERROR = 1e-12  # mean squared error below which the PSNR stays at 120 dB
SSIM_SIGMA = 1.5  # pixels
SSIM_RADIUS = 5  # pixels
SSIM_CONSTANTS = (0.01**2, 0.03**2)
CONFIDENCE = 0.95
RESAMPLED_VALUES = 5_000_000  # that the bootstrap holds at a time


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
    error = ops.maximum(mean_squared_error(images, targets), LEAST_ERROR)
    return -10.0 * ops.log(error) / math.log(10.0)


def r_squared(images, targets):
    """Share of each image's variance that is reproduced, (B,); NaN where the target is constant.

    Args:
        images, targets: (B, H, W, C) intensities.
    """
    unexplained = ops.sum(ops.square(images - targets), axis=(1, 2, 3))
    total = ops.sum(ops.square(targets - ops.mean(targets, axis=(1, 2, 3), keepdims=True)), axis=(1, 2, 3))
    # Asked of the pixels, because the sum over a constant image is not zero to the last digit.
    varied = ops.max(targets, axis=(1, 2, 3)) > ops.min(targets, axis=(1, 2, 3))
    return ops.where(varied, 1.0 - unexplained / ops.where(varied, total, 1.0), float("nan"))


def structural_similarity(images, targets):
    """Structural similarity of each image, (B,), for intensities of range 1, averaged over channels.

    Means and variances are taken under a Gaussian of 1.5 pixels cut off at 11 pixels, where that fits in the
    image; in smaller images, under one that is cut off at the largest odd side that fits.

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
    """(length - 2 radius, length) matrix that smooths a row of pixels where the Gaussian lies inside."""
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    matrix = np.zeros((length - 2 * radius, length), np.float32)
    for row in range(len(matrix)):
        matrix[row, row : row + 2 * radius + 1] = weights / weights.sum()
    return matrix


def summary(values, resamples, seed):
    """Mean with its bootstrap interval, median and scatter of one score over galaxies.

    Args:
        values: (n,); those that are not finite are left out and counted.
        resamples: of the bootstrap.
        seed: of it.

    Returns:
        dict with mean, low and high (95 % percentile interval of the mean), median, p16, p84, and `undefined`,
        the number of values left out. Without any value, or with one, what cannot be told is None.

    Reference:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    found = dict.fromkeys(("mean", "low", "high", "median", "p16", "p84"))
    found["undefined"] = len(values) - len(finite)
    if len(finite):
        found["mean"] = float(finite.mean())
        found["median"], found["p16"], found["p84"] = (
            float(value) for value in np.quantile(finite, [0.5, 0.16, 0.84])
        )
    if len(finite) > 1:
        from scipy.stats import bootstrap

        interval = bootstrap(
            (finite,),
            np.mean,
            n_resamples=resamples,
            batch=max(1, RESAMPLED_VALUES // len(finite)),
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        found["low"], found["high"] = float(interval.low), float(interval.high)
    return found


def prediction_errors(true, predicted, redshift=True):
    """Errors of predicted conditions.

    Args:
        true, predicted: (n,), both finite.
        redshift: whether the condition is one; the terms of photometric redshifts mean nothing of others.

    Returns:
        dict with rmse, mean_absolute_error, correlation (None where either is constant), and, for redshifts, in the
        terms of photometric ones with dz = predicted - true: bias (median of dz / (1 + true)), sigma_nmad (1.48
        times the median of |dz - median(dz)| / (1 + true)) and outliers (share with |dz| / (1 + true) > 0.15).

    Reference:
        Brammer, van Dokkum & Coppi 2008, ApJ 686, 1503 (sigma_nmad); Hildebrandt et al. 2010, A&A 523, A31.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    error = predicted - true
    varied = true.std() > 0 and predicted.std() > 0
    found = {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mean_absolute_error": float(np.abs(error).mean()),
        "correlation": float(np.corrcoef(true, predicted)[0, 1]) if varied else None,
    }
    if not redshift:
        return found
    relative = error / (1 + true)
    return {
        **found,
        "bias": float(np.median(relative)),
        "sigma_nmad": float(1.48 * np.median(np.abs(error - np.median(error)) / (1 + true))),
        "outliers": float(np.mean(np.abs(relative) > 0.15)),
    }
