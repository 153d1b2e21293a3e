"""Noise of real images, learned from residuals: what a decoder's mean lacks, put back.

A residual is the difference between a real image and its reconstruction. It is modelled as the sum of two random
fields whose pixels and bands are correlated: the sky's noise, alike in all parts of an image, and what is missing on
the galaxy (structure that the model does not know, photon noise), whose strength depends on the decoded brightness.
Each has its own covariances, because the sky's noise is whiter. Both have an amplitude per image:

    residual(p) = a sky(p) + b excess(brightness(p)) galaxy(p)

The galaxy's field is Gaussian. The sky's is a monotone function of a Gaussian field, because sources that the model
does not know leave it with a tail of bright pixels.

Reference:
    Dietrich & Newsam 1997, SIAM J. Sci. Comput. 18, 1088 (fields of given covariances on a larger periodic frame);
    Grigoriu 1984, J. Struct. Eng. 110, 610 (functions of Gaussian fields); Parzen 1961, Technometrics 3, 167 (taper).
"""

import math

import numpy as np

from galvae.noise.covariances import (
    TINY,
    bounded,
    pairs,
    power_of,
    ratio,
    spectrum_of,
    step_of,
    tapered,
)

REACH = 32  # pixels: largest distance at which pixels are correlated
# Percentiles of brightness between which the excess is measured.
BINS = (0, 10, 25, 50, 75, 85, 90, 94, 97, 98.5, 99.3, 99.7, 100)
SKY = 10  # percentile of a decoded image's pixels that is the level of its sky
CLIPPING = 3.0  # standard deviations beyond which a pixel does not count in an image's amplitude
CLIPPED_STD = 0.98658  # standard deviation of a normal distribution cut at CLIPPING
SCORES = np.linspace(
    -4, 4, 65
)  # standard deviations of the Gaussian at which the sky's distribution is stored
HERMITE = 12  # terms of the expansion of covariances
ROUNDS = 4  # of calibration
CALIBRATED = 800_000  # pixels of the images that are generated in each, or of MOST_CALIBRATED images
MOST_CALIBRATED = 600
BANDWIDTH = 0.3  # of the levels among which amplitudes are drawn, in their standard deviations
ARRAYS = ("sky", "quantiles", "galaxy", "parity", "brightness", "excess", "levels", "amplitudes")


class ResidualNoise:
    """Random noise with the covariances, the amplitudes and the dependence on brightness of residuals.

    Covariances are arrays (2 reach_y + 1, 2 reach_x + 1, C, C): of band b at a pixel and band c at another one, by the
    distance between these from -reach to reach.

    Attributes:
        sky: covariances of the Gaussian field behind the sky's noise, of variance 1.
        quantiles: (len(SCORES), C) values of the sky's noise where that field has the values SCORES.
        galaxy: covariances of the galaxy's field, relative to the excess.
        parity: (2,) factors of the parts of the galaxy's field that are equal and opposite at opposite pixels: as
            galaxies look alike after half a turn, so do residuals.
        brightness, excess: (k, C) decoded brightness above the sky, and the standard deviation of the galaxy's field
            there.
        levels: (n, 2) of each image, see `_levels`.
        amplitudes: (n, 2) of the sky's noise and of the galaxy's field in each image.
    """

    def __init__(self, sky, quantiles, galaxy, parity, brightness, excess, levels, amplitudes):
        self.sky, self.quantiles, self.galaxy, self.parity = sky, quantiles, galaxy, parity
        self.brightness, self.excess = brightness, excess
        self.levels, self.amplitudes = levels, amplitudes
        self._roots = {}

    @classmethod
    def fit(cls, residuals, decoded, mask=None, seed=0):
        """Learns the noise from residuals of real images.

        Args:
            residuals: (n, H, W, C) real minus decoded images, in network units.
            decoded: (n, H, W, C).
            mask: (n, H, W, C) booleans, pixels that are set aside; or None.
            seed: seed of the noise that is generated to calibrate it.
        """
        used = np.ones(residuals.shape, bool) if mask is None else ~np.asarray(mask, bool)
        residuals = np.where(used, residuals, 0).astype(np.float32)
        above = _above_sky(decoded)
        mean = above.mean(axis=-1)
        faint = (mean <= np.median(mean, axis=(1, 2), keepdims=True))[..., None] & used
        reach = tuple(min(REACH, length - 1) for length in residuals.shape[1:3])

        sigma = _clipped_rms(residuals, faint, axis=(0, 1, 2))
        amplitude = _clipped_rms(residuals / sigma, faint, axis=(1, 2, 3))
        scaled = residuals / amplitude
        quantiles = _quantiles(scaled, faint)
        sky = tapered(ratio(pairs(scaled * faint, reach), pairs(faint, reach)))

        variance = np.diagonal(sky[reach])
        noise = np.maximum(amplitude**2 * variance, TINY)
        surplus = residuals**2 - noise
        brightness, excess = _excess(above, surplus, used)
        strength = _by_band(above, brightness, excess)
        weight = used / (noise + strength**2)
        against = ((strength * strength * weight) ** 2).sum(axis=(1, 2, 3))
        own = (surplus * (strength * weight) ** 2).sum(axis=(1, 2, 3)) / np.maximum(against, TINY)
        own = np.sqrt(np.maximum(own, TINY))
        own /= np.sqrt(np.average(own**2, weights=against + TINY))
        beside = pairs(residuals * strength * weight, reach) - sky * pairs(
            amplitude * strength * weight, reach
        )
        galaxy = tapered(ratio(beside, pairs(strength**2 * weight, reach)))
        amplitudes = np.stack([amplitude.ravel(), own], axis=1)
        levels = _levels(decoded, above)
        noise = cls(
            _gaussian(sky, quantiles), quantiles, galaxy, np.ones(2), brightness, excess, levels, amplitudes
        )
        count = min(MOST_CALIBRATED, max(2, CALIBRATED // int(np.prod(decoded.shape[1:3]))))
        repeats = -(-count // len(decoded))  # of few images, so that the noise of one draw does not matter
        chosen = np.linspace(0, repeats * len(decoded) - 1, count).astype(int) % len(decoded)
        for _ in range(ROUNDS):
            noise._calibrate(residuals[chosen], decoded[chosen], used[chosen], faint[chosen], seed)
        return noise

    def arrays(self):
        """The noise as arrays by name, from which `from_arrays` makes it again."""
        return {name: getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(cls, arrays):
        """Noise from the arrays of another one.

        Raises:
            KeyError: if one is missing.
            ValueError: if they do not fit together.
        """
        arrays = {name: np.asarray(arrays[name], np.float64) for name in ARRAYS}
        shape, bands, count = arrays["sky"].shape, arrays["sky"].shape[-1], len(arrays["levels"])
        expected = {
            "sky": (*(length | 1 for length in shape[:2]), bands, bands),
            "galaxy": shape,
            "quantiles": (len(SCORES), bands),
            "parity": (2,),
            "brightness": (len(BINS) - 1, bands),
            "excess": (len(BINS) - 1, bands),
            "levels": (max(count, 1), 2),
            "amplitudes": (count, 2),
        }
        for name, one in expected.items():
            if arrays[name].shape != one:
                raise ValueError(f"{name} of shape {arrays[name].shape}, not {one}")
        return cls(**arrays)

    def _calibrate(self, residuals, decoded, used, faint, seed):
        """Corrects the sky's scale and the galaxy's power by how images with noise differ from real ones."""
        generator = np.random.default_rng(seed)
        size = max(1, 2**24 // decoded[0].size)
        parts = [self._parts(decoded[i : i + size], generator) for i in range(0, len(decoded), size)]
        sky, galaxy = (np.concatenate(fields) for fields in zip(*parts, strict=True))
        noise = np.where(used, np.clip(decoded + sky + galaxy, 0, 1) - decoded, 0)
        weight = used * _by_band(_above_sky(decoded), self.brightness, self.excess) ** 2
        real, sky, both = (_parities(one, weight) for one in (residuals, sky, sky + galaxy))
        self.parity *= np.sqrt(bounded(real - sky, both - sky))
        self.parity /= np.sqrt(np.mean(self.parity**2))
        axes = 0, 1, 2
        self.quantiles *= (_clipped_rms(residuals, faint, axes) / _clipped_rms(noise, faint, axes))[0, 0]
        (frequencies, wanted), power = power_of(residuals), power_of(noise)[1]
        step = step_of(power, wanted)
        shape = self.galaxy.shape[:2]
        frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
        ring = np.abs(frequency[..., None] - frequencies).argmin(axis=-1)
        spectrum = np.fft.fft2(np.fft.ifftshift(self.galaxy, (0, 1)), axes=(0, 1))
        spectrum = step[ring] @ spectrum @ np.swapaxes(step[ring], -1, -2)
        self.galaxy = np.fft.fftshift(np.fft.ifft2(spectrum, axes=(0, 1)).real, (0, 1))
        self._roots = {}

    def __call__(self, decoded, generator):
        """Noise for decoded images, of the same shape (B, H, W, C), float32 in network units.

        Each image takes its numbers from the generator in turn: the same noise, whatever the batches.

        Args:
            decoded: (B, H, W, C) intensities in network units.
            generator: numpy Generator.
        """
        sky, galaxy = self._parts(decoded, generator)
        return (sky + galaxy).astype(np.float32)

    def _parts(self, decoded, generator):
        """Noise of the sky and on the galaxy, see `__call__`."""
        decoded = np.asarray(decoded, np.float32)
        count, height, width, bands = decoded.shape
        reach = [length // 2 for length in self.sky.shape[:2]]
        frame = height + reach[0], width + reach[1]
        numbers = generator.standard_normal((count, 2 + 2 * bands * frame[0] * frame[1]), np.float32)
        above = _above_sky(decoded)
        amplitudes = self._drawn(_levels(decoded, above), numbers[:, :2])[..., None, None, None]
        white = numbers[:, 2:].reshape(count, 2, bands, *frame)
        sky, galaxy = (
            np.moveaxis(self._field(name, white[:, index]), 1, -1)[:, :height, :width]
            for index, name in enumerate(("sky", "galaxy"))
        )
        sky = _by_band(sky, np.broadcast_to(SCORES[:, None], self.quantiles.shape), self.quantiles)
        even, odd = self.parity
        galaxy = (even + odd) / 2 * galaxy + (even - odd) / 2 * galaxy[:, ::-1, ::-1]
        excess = amplitudes[:, 1] * _by_band(above, self.brightness, self.excess)
        return amplitudes[:, 0] * sky, excess * galaxy

    def _drawn(self, levels, jitter):
        """Amplitudes (n, 2) of images like those of given levels."""
        centre, scale = self.levels.mean(axis=0), self.levels.std(axis=0) + 1e-12
        own, wanted = (self.levels - centre) / scale, (levels - centre) / scale + BANDWIDTH * jitter
        distance = ((wanted[:, None] - own) ** 2).sum(axis=-1)
        return self.amplitudes[distance.argmin(axis=1)].astype(np.float32)

    def _field(self, name, white):
        """Gaussian fields (n, C, *frame) with one of the covariances, from independent normal numbers."""
        frame = white.shape[2:]
        if (name, frame) not in self._roots:
            spectrum = spectrum_of(getattr(self, name), frame)
            values, vectors = np.linalg.eigh(spectrum)
            root = np.einsum(
                "...bk,...k,...ck->bc...", vectors, np.sqrt(np.maximum(values, 0)), vectors.conj()
            )
            self._roots[name, frame] = root.astype(np.complex64)
        root = self._roots[name, frame]
        transform = np.fft.rfft2(white)
        fields = np.stack([(transform * row).sum(axis=1) for row in root], axis=1)
        return np.fft.irfft2(fields, frame).astype(np.float32)


def _above_sky(decoded):
    return decoded - np.percentile(decoded, SKY, axis=(1, 2), keepdims=True).astype(np.float32)


def _levels(decoded, above):
    """Level of the sky and, above it, the logarithm of that of the galaxy, of each image, (n, 2)."""
    sky = np.percentile(decoded.mean(axis=-1), SKY, axis=(1, 2))
    return np.stack([sky, np.log(np.maximum(above.mean(axis=(1, 2, 3)), 1e-4))], axis=1)


def _clipped_rms(values, used, axis):
    """Root mean square about zero without pixels beyond CLIPPING times itself, which keeps the axes."""
    limit, used = np.inf, np.broadcast_to(used, values.shape)
    for _ in range(4):
        kept = used & (np.abs(values) <= limit)
        squared = (values**2 * kept).sum(axis=axis, keepdims=True, dtype=np.float64)
        rms = np.sqrt(squared / np.maximum(kept.sum(axis=axis, keepdims=True), 1))
        rms = np.maximum(rms / (CLIPPED_STD if np.ndim(limit) else 1), 1e-12).astype(np.float32)
        limit = CLIPPING * rms
    return rms


def _quantiles(scaled, faint):
    """Values of each band at the percentiles that SCORES are of a normal distribution, (len(SCORES), C)."""
    shares = [0.5 * math.erfc(-score / math.sqrt(2)) for score in SCORES]
    bands = range(scaled.shape[-1])
    quantiles = np.stack([np.quantile(scaled[..., b][faint[..., b]], shares) for b in bands], axis=1)
    return quantiles - _coefficients(quantiles)[0]


def _coefficients(quantiles):
    """Expansion of functions of a normal variable in normalised Hermite polynomials, (1 + HERMITE, C)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(96)
    values = np.stack([np.interp(nodes, SCORES, one) for one in quantiles.T], axis=1)
    basis = np.polynomial.hermite_e.hermevander(nodes, HERMITE)
    norms = np.sqrt([float(math.factorial(k)) for k in range(1 + HERMITE)])
    return (basis / norms * (weights / weights.sum())[:, None]).T @ values


def _gaussian(covariance, quantiles):
    """Covariances of the Gaussian field whose function has given covariances.

    Reference:
        Mehler's formula: functions f, g of normal variables of correlation r have the covariance sum_k f_k g_k r**k.
    """
    terms = _coefficients(quantiles)[1:]
    trial = np.linspace(-1, 1, 401)
    powers = trial[:, None] ** np.arange(1, 1 + HERMITE)
    result = np.empty_like(covariance)
    for b, c in np.ndindex(covariance.shape[2:]):
        of_trial = np.maximum.accumulate(powers @ (terms[:, b] * terms[:, c]))
        result[..., b, c] = np.interp(covariance[..., b, c], of_trial, trial)
    return result


def _excess(above, surplus, used):
    """Standard deviation beyond the sky's as a function of brightness, in bins: (brightness, excess), (k, C)."""
    brightness, excess, size = [], [], len(BINS) - 1
    for band in range(above.shape[-1]):
        values, extra = above[..., band][used[..., band]], surplus[..., band][used[..., band]]
        bins = np.digitize(values, np.percentile(values, BINS)[1:-1])
        count = np.maximum(np.bincount(bins, minlength=size), 1)
        brightness.append(np.bincount(bins, values, size) / count)
        excess.append(np.sqrt(np.maximum(np.bincount(bins, extra, size) / count, 0)))
    return np.stack(brightness, axis=1), np.stack(excess, axis=1)


def _by_band(values, x, y):
    """A piecewise linear function of each band's values, of the same shape, float32."""
    result = np.empty(values.shape, np.float32)
    for band in range(values.shape[-1]):
        result[..., band] = np.interp(values[..., band], x[:, band], y[:, band])
    return result


def _parities(fields, weight):
    """Mean squares of the parts of fields that are equal and opposite at opposite pixels, (2,)."""
    flipped = fields[:, ::-1, ::-1]
    total = max(weight.sum(dtype=np.float64), TINY)
    parts = fields + flipped, fields - flipped
    return np.array([(part**2 * weight).sum(dtype=np.float64) / total for part in parts])
