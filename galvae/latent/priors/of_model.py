"""Registry of priors, and the prior that a model was trained with."""

from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.normal import NormalPrior

PRIORS = {"normal": NormalPrior, "gaussian": GaussianPrior}


def prior_of(model):
    """The prior that a model was trained with: the standard normal of a VAE's KL term.

    A plain autoencoder has no prior: a Gaussian with the moments of its training codes serves as one.

    Args:
        model: a model of galvae.models.

    Returns:
        Prior.
    """
    if "kl" in model.terms:
        return NormalPrior(model.latent_dim)
    return GaussianPrior(*model.code_moments.moments())
