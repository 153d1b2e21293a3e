"""Means with confidence intervals, and errors of predictions: pure functions of arrays."""

import numpy as np

CONFIDENCE = 0.95
RESAMPLED_VALUES = 5_000_000  # values that the bootstrap resamples at once


def summary(values, resamples, seed):
    """Mean of one score over galaxies with its bootstrap interval, and the score's median and scatter.

    Args:
        values: (n,); values that are not finite are left out and counted.
        resamples: number of bootstrap resamples.
        seed: seed of the bootstrap.

    Returns:
        dict with mean, low and high (95 % percentile interval of the mean), median, p16, p84, and `undefined`,
        the number of values left out. Statistics that are undefined for zero values or one are None.

    Reference:
        Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile intervals).
    """
    values = np.asarray(values, np.float64)
    finite = values[np.isfinite(values)]
    result = dict.fromkeys(("mean", "low", "high", "median", "p16", "p84"))
    result["undefined"] = len(values) - len(finite)
    if len(finite):
        result["mean"] = float(finite.mean())
        result["median"], result["p16"], result["p84"] = (
            float(value) for value in np.quantile(finite, [0.5, 0.16, 0.84])
        )
    if len(finite) > 1:
        from scipy.stats import bootstrap  # late: slow to import, and only `evaluate` needs it

        interval = bootstrap(
            (finite,),
            np.mean,
            n_resamples=resamples,
            batch=max(1, RESAMPLED_VALUES // len(finite)),
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).confidence_interval
        result["low"], result["high"] = float(interval.low), float(interval.high)
    return result


def prediction_errors(true, predicted, redshift=True):
    """Errors of predicted conditions.

    Args:
        true, predicted: (n,), both finite.
        redshift: whether the condition is a redshift; the statistics of photometric redshifts have no meaning for
            other quantities.

    Returns:
        dict with rmse, mean_absolute_error, correlation (None if either is constant), and, for redshifts, the
        statistics of photometric redshifts with dz = predicted - true: bias (median of dz / (1 + true)),
        sigma_nmad (1.48 times the median of |dz - median(dz)| / (1 + true)) and outliers (fraction with
        |dz| / (1 + true) > 0.15).

    Reference:
        Brammer, van Dokkum & Coppi 2008, ApJ 686, 1503 (sigma_nmad); Hildebrandt et al. 2010, A&A 523, A31.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    error = predicted - true
    varied = true.std() > 0 and predicted.std() > 0
    result = {
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mean_absolute_error": float(np.abs(error).mean()),
        "correlation": float(np.corrcoef(true, predicted)[0, 1]) if varied else None,
    }
    if not redshift:
        return result
    relative = error / (1 + true)
    return {
        **result,
        "bias": float(np.median(relative)),
        "sigma_nmad": float(1.48 * np.median(np.abs(error - np.median(error)) / (1 + true))),
        "outliers": float(np.mean(np.abs(relative) > 0.15)),
    }
