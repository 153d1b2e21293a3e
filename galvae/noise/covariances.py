"""Covariances of random fields and their spectra: estimated from images, tapered, corrected."""

import numpy as np

BLOCK = 128  # images whose transforms are in memory
LARGEST_STEP = 4.0  # factor by which a round of calibration changes the power at a frequency at most
TINY = 1e-30  # in place of zero where images have no noise, or no galaxy


def pairs(fields, reach):
    """Sums of products of all pairs of pixels at each distance, over all images, as covariances."""
    frame = [length + r for length, r in zip(fields.shape[1:3], reach, strict=True)]
    bands, total = fields.shape[-1], 0
    for start in range(0, len(fields), BLOCK):
        part = np.ascontiguousarray(np.moveaxis(fields[start : start + BLOCK], -1, 1), np.float32)
        part = np.fft.rfft2(part, frame)
        sums = [
            (part[:, b].conj() * part[:, c]).sum(axis=0, dtype=complex)
            for b in range(bands)
            for c in range(bands)
        ]
        total = total + np.stack(sums)
    sums = np.fft.irfft2(total, frame).reshape(bands, bands, *frame).transpose(2, 3, 0, 1)
    rows, columns = (np.arange(-r, r + 1) for r in reach)
    return sums[np.ix_(rows, columns)]


def ratio(sums, weights):
    """Mean products of pairs of pixels, 0 where there are none."""
    return sums / np.where(weights > 1e-6 * weights.max(), weights, np.inf)


def tapered(covariance):
    """Covariances that fall to zero at the largest distance, by a window whose transform is nowhere negative."""
    windows = [
        _parzen(np.abs(np.arange(length) - length // 2) / (length // 2 + 1))
        for length in covariance.shape[:2]
    ]
    return covariance * np.outer(*windows)[..., None, None]


def _parzen(x):
    return np.where(x < 0.5, 1 - 6 * x**2 * (1 - x), 2 * (1 - x) ** 3)


def spectrum_of(covariance, frame):
    """Cross-spectrum of the bands on a frame, Hermitian, (frame_y, frame_x / 2 + 1, C, C)."""
    laid = np.zeros((*frame, *covariance.shape[2:]))
    lags = [np.arange(length) - length // 2 for length in covariance.shape[:2]]
    rows, columns = (lag % length for lag, length in zip(lags, frame, strict=True))
    np.add.at(laid, np.ix_(rows, columns), covariance)
    spectrum = np.fft.rfft2(laid, axes=(0, 1)).conj()  # exp(+i f d) pairs band b at p with c at p + d
    return 0.5 * (spectrum + np.swapaxes(spectrum, -1, -2).conj())


def power_of(images):
    """Mean cross-power of the bands by frequency: frequencies in cycles per pixel (f,), and power (f, C, C)."""
    height, width, bands = images.shape[1:]
    window = np.outer(
        *(np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2 for length in (height, width))
    )
    total = np.zeros((height, width, bands, bands))
    for start in range(0, len(images), BLOCK):
        part = np.moveaxis(images[start : start + BLOCK], -1, 1)
        edges = [part[..., 0, :], part[..., -1, :], part[..., 1:-1, 0], part[..., 1:-1, -1]]
        part = np.fft.fft2((part - np.median(np.concatenate(edges, -1), -1)[..., None, None]) * window)
        for b, c in np.ndindex(bands, bands):
            total[..., b, c] += (part[:, b].conj() * part[:, c]).real.sum(axis=0)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    ring = np.round(frequency * min(height, width)).astype(int)
    rings = range(ring.max() + 1)
    power = np.stack([total[ring == one].mean(axis=0) for one in rings])
    return np.array([frequency[ring == one].mean() for one in rings]), power


def step_of(power, wanted):
    """Matrices A (f, C, C) for which A power A' is the wanted cross-power, up to LARGEST_STEP."""
    root, inverse = _root(power, 0.5), _root(power, -0.5)
    values, vectors = np.linalg.eigh(inverse @ wanted @ inverse)
    values = np.clip(values, 1 / LARGEST_STEP, LARGEST_STEP)
    return root @ (vectors * np.sqrt(values)[:, None]) @ np.swapaxes(vectors, -1, -2) @ inverse


def bounded(wanted, power):
    """Ratio of the wanted to the present power, by which a round of calibration changes it."""
    ratio = np.maximum(wanted, 0) / np.maximum(power, TINY)
    return np.clip(ratio, 1 / LARGEST_STEP, LARGEST_STEP)


def _root(matrices, exponent):
    """Powers of symmetric matrices (f, C, C), whose eigenvalues are first made positive."""
    values, vectors = np.linalg.eigh(matrices)
    values = np.maximum(values, 1e-6 * np.abs(values).max(axis=-1, keepdims=True) + TINY)
    return (vectors * (values**exponent)[:, None]) @ np.swapaxes(vectors, -1, -2)
