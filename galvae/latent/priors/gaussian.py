"""A Gaussian prior with the mean and the full covariance of the training images' codes."""

import numpy as np

from galvae.latent.priors.prior import Prior

MIN_VARIANCE = 1e-12  # along an eigenvector, so that the density stays finite


class GaussianPrior(Prior):
    """Prior that is a multivariate Gaussian.

    Args:
        mean: (latent_dim,).
        covariance: (latent_dim, latent_dim), symmetric.
    """

    label = "Gaussian fitted to training codes"

    def __init__(self, mean, covariance):
        self.mean, self.covariance = np.asarray(mean), np.asarray(covariance)
        self.latent_dim = len(self.mean)
        self.std = np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @classmethod
    def fit(cls, codes, condition=None, seed=0):
        """Fits the mean and covariance of the codes, ignoring the condition."""
        codes = np.asarray(codes, np.float64)
        return cls(codes.mean(axis=0), np.atleast_2d(np.cov(codes, rowvar=False, bias=True)))

    def from_noise(self, noise, condition=None):
        values, vectors = np.linalg.eigh(self.covariance)
        factor = vectors * np.sqrt(np.maximum(values, 0.0))
        return (self.mean + noise @ factor.T).astype(np.float32)

    def log_prob(self, codes, condition=None):
        values, vectors = np.linalg.eigh(np.asarray(self.covariance, np.float64))
        values = np.maximum(values, MIN_VARIANCE)
        projected = (np.asarray(codes, np.float64) - self.mean) @ vectors
        return -0.5 * ((projected**2 / values).sum(axis=1) + np.log(2 * np.pi * values).sum())

    def arrays(self):
        return {"mean": self.mean, "covariance": self.covariance}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(arrays["mean"], arrays["covariance"])
