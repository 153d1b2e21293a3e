"""Base class of priors: fit, sampling, density and storage as plain arrays."""

from abc import ABC, abstractmethod

import numpy as np


class Prior(ABC):
    """Distribution of latent codes, with or without a condition such as redshift.

    Attributes:
        latent_dim: number of latent dimensions.
        mean: (latent_dim,) mean of the codes.
        std: (latent_dim,) standard deviation of the codes.
        label: what it is, in a figure.
    """

    @classmethod
    @abstractmethod
    def fit(cls, codes, condition=None, seed=0, validation=None):
        """Fits the prior to codes.

        Args:
            codes: (n, latent_dim) samples from the posteriors of the training images.
            condition: (n, K) in physical units, or None.
            seed: seed of the fit's random numbers.
            validation: (codes, condition) of other galaxies, by which sizes are chosen and fits are ended; None: a part
                of the codes is set aside for that.

        Returns:
            Prior.
        """

    @abstractmethod
    def from_noise(self, noise, condition=None):
        """Transforms standard normal noise into codes of this prior.

        Args:
            noise: (n, latent_dim).
            condition: (n, K) in physical units, or None.

        Returns:
            (n, latent_dim) float32.
        """

    def sample(self, n, condition=None, seed=None, temperature=1.0):
        """Draws random codes, the same on every backend for the same seed.

        Args:
            n: number of codes.
            condition: (n, K) in physical units, or None.
            seed: integer, or None for different codes each time.
            temperature: factor by which the noise is multiplied.

        Returns:
            (n, latent_dim) float32.
        """
        noise = np.random.default_rng(seed).standard_normal((n, self.latent_dim))
        return self.from_noise(temperature * noise, condition)

    @abstractmethod
    def log_prob(self, codes, condition=None):
        """Logarithm of the density at codes, (n,) float64 in nats.

        Args:
            codes: (n, latent_dim).
            condition: (n, K) in physical units, or None.
        """

    @abstractmethod
    def arrays(self):
        """Everything needed to restore the prior, as a dict of NumPy arrays for a safetensors file."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays):
        """Restores a prior from the result of `arrays`."""
