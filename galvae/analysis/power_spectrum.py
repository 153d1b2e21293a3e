"""Radial power spectrum of images: how much structure they hold at each scale. Pure functions of arrays."""

import numpy as np

from galvae.analysis.distances import bootstrapped

FREQUENCIES = (0.05, 0.1, 0.25, 0.4)  # cycles per pixel at which images are compared


def radial_power(images):
    """Power spectrum of each image's mean band, averaged over rings of equal spatial frequency.

    The median of the outermost pixels is subtracted and the image tapered towards its edges (Hann window), since the
    transform would otherwise see an edge between opposite borders, which has power at all frequencies.

    Args:
        images: (n, H, W, C).

    Returns:
        (frequencies, power): mean frequency of each ring (f,), in cycles per pixel, up to 0.5; and (n, f), squared
        intensity per pixel, so that white noise of variance s**2 has power s**2 at all frequencies.

    Reference:
        Harris 1978, Proc. IEEE 66, 51 (windows).
    """
    means = np.asarray(images, np.float64).mean(axis=-1)
    _, height, width = means.shape
    edges = [means[:, 0], means[:, -1], means[:, 1:-1, 0], means[:, 1:-1, -1]]
    means -= np.median(np.concatenate(edges, axis=1), axis=1)[:, None, None]
    window = np.outer(_hann(height), _hann(width))
    squared = np.abs(np.fft.fft2(means * window)) ** 2 / (window**2).sum()
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.round(frequency * min(height, width)).astype(int)  # 0 is the mean intensity
    rings = range(1, min(height, width) // 2 + 1)
    power = np.stack([squared[:, ring == number].mean(axis=1) for number in rings], axis=1)
    return np.array([frequency[ring == number].mean() for number in rings]), power


def power_ratio(frequencies, real, generated, resamples, seed, paired=False):
    """Ratio of the mean power of generated images to that of real ones, at FREQUENCIES.

    Args:
        frequencies: (f,) of the power spectra.
        real, generated: (n, f) and (m, f) power spectra, see `radial_power`.
        resamples, seed, paired: see `galvae.analysis.distances.bootstrapped`.

    Returns:
        (value, standard error), arrays (len(FREQUENCIES),), NaN at frequencies that the images do not resolve.
    """

    def statistics(weights_real, weights):
        mean_real, mean = (
            real.T @ weights_real / weights_real.sum(axis=0),
            generated.T @ weights / weights.sum(axis=0),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            return {"ratio": mean / mean_real}

    real, generated = (_at(frequencies, power) for power in (real, generated))
    return bootstrapped(statistics, (len(real), len(generated)), resamples, seed, paired)["ratio"]


def _at(frequencies, power):
    """Power spectra (n, f) interpolated between rings at FREQUENCIES; NaN outside of them."""
    interpolate = [np.interp(FREQUENCIES, frequencies, row, left=np.nan, right=np.nan) for row in power]
    return np.reshape(interpolate, (len(power), len(FREQUENCIES)))


def _hann(size):
    """Window that falls to zero half a pixel beyond both ends, (size,)."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
