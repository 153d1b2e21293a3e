"""Measures of real and of generated galaxies against a condition: slopes, scatter, means in bins; pure functions."""

from dataclasses import dataclass

import numpy as np

from galvae.analysis.distances import bootstrapped, moments, with_errors
from galvae.analysis.properties import MIN_GALAXIES, is_measured
from galvae.analysis.report import UNMEASURED

MOST_BINS = 5
CLEAR = 3  # standard errors from which on a slope or an effect counts as one
# Measures that depend on an image's noise, which decoded images lack: on simulated galaxies, noise of real borders
# changes them by 4 and 2 standard deviations of the real galaxies, and the other measures by less than 0.1.
NOISY = ("asymmetry", "clumpiness")


@dataclass(frozen=True)
class Compared:
    """Measures of real galaxies and of generated ones, with their conditions.

    Attributes:
        names: of the k measures.
        real, generated: (n, k) and (m, k), NaN where one could not be measured.
        x, x_asked: (n,) conditions of the real galaxies, and (m,) those that were asked for.
    """

    names: list
    real: np.ndarray
    generated: np.ndarray
    x: np.ndarray
    x_asked: np.ndarray

    @property
    def usable(self):
        """Measures that differ between real galaxies and that MIN_GALAXIES of either kind have, (k,) bool."""
        enough = np.isfinite(self.generated).sum(axis=0) >= MIN_GALAXIES
        return enough & [is_measured(column) for column in self.real.T]

    @property
    def std(self):
        """Standard deviations of the real galaxies, (k,)."""
        return moments(self.real, np.ones((len(self.real), 1)))[1][:, 0]

    def why_unusable(self, index):
        """The reason why a measure is not usable, as text."""
        for kind, values in (("real", self.real), ("generated", self.generated)):
            count = np.isfinite(values[:, index]).sum()
            if count < MIN_GALAXIES:
                return f"known of {count} {kind} galaxies, fewer than {MIN_GALAXIES}"
        return "the same for all real galaxies"


def trends(compared, resamples, seed):
    """Slope of each measure with the condition and scatter about the line, of real and of generated galaxies.

    Args:
        compared: Compared.
        resamples, seed: see `galvae.analysis.distances.bootstrapped`.

    Returns:
        JSON-able dict: name of a measure -> dict of direction (see `direction`), real and generated (slopes), ratio
        (of the slopes; None without a real trend), scatter_real, scatter_generated and scatter_ratio, each with its
        standard error as real_error; or why it is not measured.
    """
    usable = compared.usable
    real, generated = compared.real[:, usable], compared.generated[:, usable]

    def statistics(weights_real, weights):
        slope_real, scatter_real = fitted_line(real, compared.x, weights_real)
        slope, scatter = fitted_line(generated, compared.x_asked, weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "real": slope_real,
                "generated": slope,
                "ratio": slope / slope_real,
                "scatter_real": scatter_real,
                "scatter_generated": scatter,
                "scatter_ratio": scatter / scatter_real,
            }

    numbers = bootstrapped(statistics, (len(real), len(generated)), resamples, seed)
    result, position = {}, np.cumsum(usable) - 1
    for index, name in enumerate(compared.names):
        if not usable[index]:
            result[name] = {UNMEASURED: compared.why_unusable(index)}
            continue
        own = at(numbers, position[index])
        text = direction(own["real"], own["generated"])
        if text == "no real trend":
            own["ratio"] = np.nan, np.nan
        result[name] = {"direction": "depends on noise" if name in NOISY else text, **with_errors(own)}
    return result


def bins(compared, resamples, seed):
    """Mean and scatter of each measure in bins of the condition, of real and of generated galaxies.

    Args:
        compared: Compared.
        resamples, seed: see `galvae.analysis.distances.bootstrapped`.

    Returns:
        JSON-able list of dicts: low and high (edges), mean and mean_asked (conditions), n and generated (galaxies), and
        measures, name -> dict of real and generated (means), difference (in standard deviations of all real galaxies),
        scatter_real and scatter_generated, each with its standard error as real_error. Bins hold equal numbers of real
        galaxies, MIN_GALAXIES or more; of many equal conditions there may be fewer bins.
    """
    usable, std = compared.usable, compared.std
    count = min(MOST_BINS, len(compared.x) // MIN_GALAXIES)
    edges = np.unique(np.quantile(compared.x, np.linspace(0, 1, count + 1)))
    inside = [np.clip(np.digitize(x, edges), 1, len(edges) - 1) for x in (compared.x, compared.x_asked)]
    result = []
    for index, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True), 1):
        own, asked = (rows == index for rows in inside)
        if own.sum() < MIN_GALAXIES or not asked.any():
            continue
        real, generated = compared.real[own][:, usable], compared.generated[asked][:, usable]

        def statistics(weights_real, weights, real=real, generated=generated):
            mean_real, scatter_real = moments(real, weights_real)
            mean, scatter = moments(generated, weights)
            return {
                "real": mean_real,
                "generated": mean,
                "difference": (mean - mean_real) / std[usable, None],
                "scatter_real": scatter_real,
                "scatter_generated": scatter,
            }

        numbers = bootstrapped(statistics, (len(real), len(generated)), resamples, seed)
        conditions = {"low": low, "high": high, "mean": compared.x[own].mean()}
        conditions["mean_asked"] = compared.x_asked[asked].mean()
        result.append(
            {
                **{key: float(value) for key, value in conditions.items()},
                "n": len(real),
                "generated": len(generated),
                "measures": {
                    compared.names[column]: with_errors(at(numbers, position))
                    for position, column in enumerate(np.flatnonzero(usable))
                },
            }
        )
    return result


def fitted_line(values, x, weights):
    """Weighted least-squares lines of several quantities against one.

    Args:
        values: (n, k), NaN where unknown.
        x: (n,).
        weights: (n, r), r sets of weights.

    Returns:
        Slopes and standard deviations about the line, (k, r) each, NaN where undefined.
    """
    known = np.isfinite(values)
    centre = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    # About the mean, so that small differences of large values keep their digits.
    y, x = np.where(known, values - centre, 0), np.where(known, (x - x.mean())[:, None], 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = known.T.astype(float) @ weights
        x_mean, y_mean, xx, xy, yy = (part.T @ weights / total for part in (x, y, x * x, x * y, y * y))
        slope = (xy - x_mean * y_mean) / (xx - x_mean**2)
        variance = yy - y_mean**2 - slope * (xy - x_mean * y_mean)
    return slope, np.sqrt(np.maximum(variance, 0))


def direction(real, generated):
    """Whether generated galaxies follow the trend of real ones: "right", "reversed", "absent" or "no real trend".

    Args:
        real, generated: (slope, standard error).
    """
    if not abs(real[0]) > CLEAR * real[1]:
        return "no real trend"
    if not abs(generated[0]) > CLEAR * generated[1]:
        return "absent"
    return "right" if real[0] * generated[0] > 0 else "reversed"


def at(numbers, position):
    """The numbers of one measure, name -> (value, standard error), from those of all measures, arrays."""
    return {key: (value[position], error[position]) for key, (value, error) in numbers.items()}
