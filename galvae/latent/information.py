"""Information in each latent dimension: its KL divergence from the prior, averaged over images."""

import numpy as np

from galvae.models import losses

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
    return np.asarray(losses.kl_divergence(mean, log_variance)).mean(axis=0)


def information_unit(model):
    """Unit of the information in a latent dimension: "nats", or "variance" for a model without a posterior."""
    return "nats" if "kl" in model.terms else "variance"


def active_units(mean):
    """Latent dimensions that the encoder uses (active units), as (latent_dim,) booleans.

    Args:
        mean: (n, latent_dim) posterior means.

    Reference:
        Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519): the variance of the means exceeds 0.01.
    """
    return mean.var(axis=0) > MIN_VARIANCE
