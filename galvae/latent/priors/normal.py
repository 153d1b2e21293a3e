"""The standard normal prior, which the KL term of every VAE assumes."""

import numpy as np

from galvae.latent.priors.prior import Prior


class NormalPrior(Prior):
    """Prior that is the standard normal distribution in every latent dimension.

    Args:
        latent_dim: number of latent dimensions.
    """

    label = "N(0, I)"

    def __init__(self, latent_dim):
        self.latent_dim = latent_dim
        self.mean, self.std = np.zeros(latent_dim), np.ones(latent_dim)

    @classmethod
    def fit(cls, codes, condition=None, seed=0, validation=None):
        """Standard normal with the codes' number of dimensions; nothing is fitted."""
        return cls(codes.shape[1])

    def from_noise(self, noise, condition=None):
        return noise.astype(np.float32)

    def log_prob(self, codes, condition=None):
        codes = np.asarray(codes, np.float64)
        return -0.5 * ((codes**2).sum(axis=1) + self.latent_dim * np.log(2 * np.pi))

    def arrays(self):
        return {"latent_dim": np.array([self.latent_dim], np.int64)}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(int(arrays["latent_dim"][0]))
