"""How much each latent dimension tells about an image."""

import numpy as np

from galvae.models import losses

ACTIVE = 0.01  # least variance of an active unit's posterior means


def information(mean, log_variance):
    """How much each latent dimension tells about an image.

    Args:
        mean: (n, latent_dim).
        log_variance: (n, latent_dim), or None.

    Returns:
        (latent_dim,): mean KL divergence from the prior in nats; without a posterior, the codes' variance.
    """
    if log_variance is None:
        return mean.var(axis=0)
    return np.asarray(losses.kl_divergence(mean, log_variance)).mean(axis=0)


def information_unit(model):
    """Unit of `information`: "nats", or "variance" for a model without a posterior."""
    return "nats" if "kl" in model.terms else "variance"


def prior(model):
    """Mean and standard deviation of each latent dimension, (latent_dim,) each, before an image is seen.

    A plain autoencoder has no prior: the moments of its training codes stand in for it.
    """
    if "kl" in model.terms:
        return np.zeros(model.latent_dim), np.ones(model.latent_dim)
    mean, covariance = model.code_moments.moments()
    return mean, np.sqrt(np.maximum(np.diag(covariance), 0))


def active_units(mean):
    """Which latent dimensions the encoder uses, (latent_dim,) booleans.

    Args:
        mean: (n, latent_dim) posterior means.

    Reference:
        Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519): the means' variance exceeds 0.01.
    """
    return mean.var(axis=0) > ACTIVE
