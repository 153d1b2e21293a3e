"""A Gaussian prior with the mean and the full covariance of the training images' codes, or of these at a condition."""

import numpy as np

from galvae.latent.priors.mixture import MixturePrior, standardised


class GaussianPrior(MixturePrior):
    """Prior that is a multivariate Gaussian; given a condition, its mean is the linear regression of the codes on it.

    Args:
        mean: (latent_dim + K,), of codes and then conditions.
        covariance: (latent_dim + K, latent_dim + K), symmetric.
        shift, scale, latent_dim: see MixturePrior; None for codes in their own unit, without a condition.
    """

    label = "Gaussian fitted to training codes"

    def __init__(self, mean, covariance, shift=None, scale=None, latent_dim=None):
        shift = np.zeros(len(mean)) if shift is None else shift
        scale = np.ones(len(mean)) if scale is None else scale
        arrays = np.ones(1), np.asarray(mean)[None], np.asarray(covariance)[None]
        super().__init__(*arrays, shift, scale, len(mean) if latent_dim is None else latent_dim)

    @classmethod
    def fit(cls, codes, condition=None, seed=0, validation=None):
        """Takes the mean and covariance of codes and conditions."""
        joint, shift, scale = standardised(codes, condition)
        covariance = np.atleast_2d(np.cov(joint, rowvar=False, bias=True))
        return cls(joint.mean(axis=0), covariance, shift, scale, np.shape(codes)[1])

    @staticmethod
    def _root(covariance):
        """Eigenvectors times the roots of their variances, as samples of galvae 0.1 were drawn."""
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))

    @classmethod
    def from_arrays(cls, arrays):
        (mean,), (covariance,), (latent_dim,) = (
            arrays[name] for name in ("means", "covariances", "latent_dim")
        )
        return cls(mean, covariance, arrays["shift"], arrays["scale"], latent_dim)
