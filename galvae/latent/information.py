"""Information in each latent dimension: its KL divergence from the prior, averaged over images."""

import numpy as np

MIN_VARIANCE = 0.01  # of the posterior means of an active unit


def information(mean, log_variance):
    """Information in each latent dimension: its KL divergence from the prior, averaged over images.

    Args:
        mean: (n, latent_dim) posterior means.
        log_variance: (n, latent_dim), or None for deterministic codes.

    Returns:
        (latent_dim,) in nats; for deterministic codes, their variance.
    """
    if log_variance is None:
        return mean.var(axis=0)
    with np.errstate(over="ignore"):  # of weights that no trained model has
        return 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1.0).mean(axis=0)


def information_unit(log_variance):
    """Unit of what `information` returns: "nats", or "variance" of deterministic codes, whose log_variance is None."""
    return "variance" if log_variance is None else "nats"


def active_units(mean):
    """Latent dimensions that the encoder uses (active units), as (latent_dim,) booleans.

    Args:
        mean: (n, latent_dim) posterior means.

    Reference:
        Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519): the variance of the means exceeds 0.01.
    """
    return mean.var(axis=0) > MIN_VARIANCE
