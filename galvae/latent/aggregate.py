"""The aggregate posterior, the distribution of all galaxies' codes, as a mean and a covariance."""

from dataclasses import dataclass

import numpy as np

FLOOR = 1e-6  # of the mean variance, which a direction has in which codes without a posterior do not differ


@dataclass(frozen=True)
class Aggregate:
    """Mean and covariance of the aggregate posterior, in which distances between codes are measured.

    Attributes:
        mean: (latent_dim,).
        covariance: (latent_dim, latent_dim), symmetric and positive definite.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, codes):
        """The aggregate posterior of galaxies.

        Its covariance is that of the posterior means plus the mean of the posteriors' own variances (the law of total
        variance), so that a latent dimension that has collapsed counts no more than its noise: its means hardly differ,
        but its variance is 1. In every direction the variance is FLOOR of the mean or more, also without posteriors.

        Args:
            codes: Codes.
        """
        mean = codes.mean.mean(axis=0, dtype=np.float64)
        covariance = np.atleast_2d(np.cov(codes.mean.astype(np.float64), rowvar=False, bias=True))
        if codes.std is not None:
            covariance = covariance + np.diag(np.mean(codes.std.astype(np.float64) ** 2, axis=0))
        floor = max(FLOOR * np.trace(covariance) / len(mean), np.finfo(np.float32).tiny)
        return cls(mean, covariance + floor * np.eye(len(mean)))

    def whitened(self, codes):
        """Codes (n, latent_dim) from the mean, in units in which the covariance is the identity, as float64."""
        root = np.linalg.cholesky(self.covariance)
        return np.linalg.solve(root, (np.asarray(codes, np.float64) - self.mean).T).T

    def distances(self, codes):
        """Mahalanobis distance of codes (n, latent_dim) from the mean, (n,).

        Reference:
            Mahalanobis 1936, Proc. Natl. Inst. Sci. India 2, 49.
        """
        return np.linalg.norm(self.whitened(codes), axis=1)
