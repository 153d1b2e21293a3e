"""Means with their errors, and errors of predictions: pure functions of arrays."""

import numpy as np

CONFIDENCE = 0.95
RESAMPLED_VALUES = 5_000_000  # that the bootstrap holds at a time


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
