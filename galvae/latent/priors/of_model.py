"""Registry of priors, and the prior that a model was trained with."""

import numpy as np

from galvae.errors import GalvaeError
from galvae.latent.codes import LARGEST_CODE
from galvae.latent.priors.flow import FlowPrior
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.mixture import MixturePrior
from galvae.latent.priors.normal import NormalPrior

PRIORS = {"normal": NormalPrior, "gaussian": GaussianPrior, "mixture": MixturePrior, "flow": FlowPrior}


def prior_of(model):
    """The prior that a model was trained with: the standard normal of a VAE's KL term.

    A plain autoencoder has no prior: a Gaussian with the moments of its training codes serves as one.

    Args:
        model: a model of galvae.models.

    Returns:
        Prior.

    Raises:
        GalvaeError: if these moments are not finite, or larger than those of any codes.
    """
    if "kl" in model.terms:
        return NormalPrior(model.latent_dim)
    with np.errstate(over="ignore", invalid="ignore"):  # of weights that are no moments
        mean, covariance = model.code_moments.moments()
    if not (np.abs(mean).max() <= LARGEST_CODE and np.abs(covariance).max() <= LARGEST_CODE**2):
        raise GalvaeError(
            f"run: expected weights whose code_moments are those of codes between -{LARGEST_CODE:g} and "
            f"{LARGEST_CODE:g}, received larger ones or NaN; they are not those of a trained model"
        )
    return GaussianPrior(mean, covariance)
