"""A mixture of Gaussians as the prior, with full covariances, of the codes or of the codes given a condition."""

import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from galvae.latent.priors.prior import Prior
from galvae.system.progress import progress_bar

COMPONENTS = (1, 2, 3, 5, 10, 20, 40, 60)  # that are tried
REGULARISATION = 1e-4  # added to the variances of standardised codes
CHOOSING = 5  # one in so many codes chooses the number of components where no others are given
CONSTANT_SCALE = 1e-3  # unit of codes and conditions that are all the same
MIN_VARIANCE = 1e-12  # along an eigenvector, in units of standardised codes, so that the density stays finite


class MixturePrior(Prior):
    """Prior that is a mixture of multivariate Gaussians, joint ones of codes and condition if there is a condition.

    In each component k, p(code | condition c) is a Gaussian again, of mean m_z + S_zc S_cc^-1 (c - m_c) and covariance
    S_zz - S_zc S_cc^-1 S_cz, and its weight is w_k N(c; m_c, S_cc), divided by the sum over components. A class enters
    as its one-hot columns, constant in all but a few components: to ask for a class selects those of its galaxies.

    Args:
        weights: (k,) sum to one.
        means: (k, latent_dim + K), in standard units: what is in them, times `scale`, plus `shift`, are codes and
            conditions in physical units.
        covariances: (k, latent_dim + K, latent_dim + K), in standard units.
        shift, scale: (latent_dim + K,).
        latent_dim: number of latent dimensions; the K columns after them are the condition.

    Reference:
        Bishop 2006, Pattern Recognition and Machine Learning, eqs. 2.81, 2.82 (conditional Gaussian) and 9.2.
    """

    def __init__(self, weights, means, covariances, shift, scale, latent_dim):
        self.weights, self.means, self.covariances = weights, means, covariances
        self.shift, self.scale, self.latent_dim = shift, scale, int(latent_dim)
        codes = slice(self.latent_dim)
        centre = weights @ means[:, codes]
        centred = means[:, codes] - centre
        covariance = np.einsum("k,kij->ij", weights, covariances[:, codes, codes])
        covariance = covariance + (weights * centred.T) @ centred
        self.mean = shift[codes] + scale[codes] * centre
        self.covariance = scale[codes, None] * covariance * scale[codes]
        self.std = np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @property
    def label(self):
        """What it is, in a figure."""
        return (
            f"mixture of {len(self.weights)} Gaussians"
            if len(self.weights) > 1
            else "mixture of one Gaussian"
        )

    @classmethod
    def fit(cls, codes, condition=None, seed=0, validation=None):
        """Fits mixtures of more and more components, until other codes are no longer better described.

        Args:
            codes, condition, seed, validation: see `Prior.fit`; without `validation`, every fifth code is set aside.

        Returns:
            MixturePrior of the largest mean of log p(code | condition) over the validation codes.
        """
        # Late: it takes a second, and only fitting needs it.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if validation is None:
            held_out = np.arange(len(codes)) % CHOOSING == CHOOSING - 1
            parts = [
                (codes[rows], None if condition is None else condition[rows])
                for rows in (~held_out, held_out)
            ]
            (codes, condition), validation = parts
        joint, shift, scale = standardised(codes, condition)
        best, highest, dimensions = None, -np.inf, joint.shape[1]
        candidates = [
            count for count in COMPONENTS if count == 1 or 2 * count * (dimensions + 1) <= len(joint)
        ]
        with (
            threadpool_limits(1),  # after the import, since libraries loaded later are not limited
            progress_bar(len(candidates), "fitting mixtures", "mixture") as bar,
            warnings.catch_warnings(),
        ):
            # The number of components is chosen by what a fit is worth, whether or not it has converged.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for count in candidates:
                fitted = GaussianMixture(count, reg_covar=REGULARISATION, random_state=seed).fit(joint)
                prior = cls(
                    fitted.weights_, fitted.means_, fitted.covariances_, shift, scale, np.shape(codes)[1]
                )
                likelihood = prior.log_prob(*validation).mean()
                bar.update()
                if likelihood <= highest:
                    break
                best, highest = prior, likelihood
        return best

    def sample(self, n, condition=None, seed=None, temperature=1.0):
        """Draws random codes as `Prior.sample` does; the temperature leaves alone which component a code is of."""
        generator = np.random.default_rng(seed)
        noise = temperature * generator.standard_normal((n, self.latent_dim))
        return self.from_noise(noise, condition, generator.gumbel(size=(n, len(self.weights))))

    def from_noise(self, noise, condition=None, choice=0.0):
        """Transforms standard normal noise into codes of this prior.

        Args:
            noise, condition: see `Prior.from_noise`.
            choice: (n, k) numbers of the Gumbel distribution, by which a code's component is drawn: that of the largest
                sum of log-weight and number. Under another condition, few codes are then of another component.

        Returns:
            (n, latent_dim) float32.

        Reference:
            Maddison, Tarlow & Minka 2014 (arXiv:1411.0030), section 2 (the Gumbel-max trick).
        """
        condition = self._standard_condition(condition, len(noise))
        scores = np.broadcast_to(self._log_weights(condition), (len(noise), len(self.weights))) + choice
        chosen, codes = scores.argmax(axis=1), np.empty((len(noise), self.latent_dim))
        for component in np.unique(chosen):
            rows = chosen == component
            mean, covariance = self._component(component, None if condition is None else condition[rows])
            codes[rows] = mean + noise[rows] @ self._root(covariance).T
        return (self.shift[: self.latent_dim] + self.scale[: self.latent_dim] * codes).astype(np.float32)

    @staticmethod
    def _root(covariance):
        """A matrix whose product with its transpose is a covariance: the symmetric one, alike in like components."""
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T

    def log_prob(self, codes, condition=None):
        scale = self.scale[: self.latent_dim]
        codes = (np.asarray(codes, np.float64) - self.shift[: self.latent_dim]) / scale
        condition = self._standard_condition(condition, len(codes))
        terms = self._log_weights(condition) + np.stack(
            [log_density(codes, *self._component(k, condition)) for k in range(len(self.weights))], axis=1
        )
        return np.logaddexp.reduce(terms, axis=1) - np.log(scale).sum()

    def _standard_condition(self, condition, count):
        """A condition in standard units, (n, K); None if none is given, or the prior was fitted without."""
        columns = slice(self.latent_dim, None)
        if condition is None or not len(self.shift[columns]):
            return None
        condition = np.broadcast_to(condition, (count, len(self.shift[columns])))
        return (condition - self.shift[columns]) / self.scale[columns]

    def _log_weights(self, condition):
        """Logarithms of the components' weights, (k,), or (n, k) for conditions (n, K) in standard units."""
        weights = np.log(self.weights)
        if condition is None or len(weights) == 1:
            return weights
        columns = slice(self.latent_dim, None)
        weights = weights + np.stack(
            [
                log_density(condition, mean[columns], covariance[columns, columns])
                for mean, covariance in zip(self.means, self.covariances, strict=True)
            ],
            axis=1,
        )
        return weights - np.logaddexp.reduce(weights, axis=1, keepdims=True)

    def _component(self, k, condition):
        """Mean and covariance of the codes of component k; at conditions (n, K), the mean is (n, latent_dim)."""
        codes, columns = slice(self.latent_dim), slice(self.latent_dim, None)
        mean, covariance = self.means[k], self.covariances[k]
        if condition is None:
            return mean[codes], covariance[codes, codes]
        gain, given = self.given_condition(k)
        return mean[codes] + (condition - mean[columns]) @ gain.T, given

    def given_condition(self, k):
        """How the codes of component k depend on the condition, in standard units.

        Returns:
            (gain, covariance): (latent_dim, K), by which a difference of conditions moves their mean, and their
            covariance at any condition, (latent_dim, latent_dim).
        """
        codes, columns = slice(self.latent_dim), slice(self.latent_dim, None)
        covariance = self.covariances[k]
        # One-hot columns add up to one and constant ones do not vary, so that an inverse need not exist.
        gain = covariance[codes, columns] @ np.linalg.pinv(
            covariance[columns, columns], 1e-10, hermitian=True
        )
        return gain, covariance[codes, codes] - gain @ covariance[columns, codes]

    def arrays(self):
        names = ("weights", "means", "covariances", "shift", "scale")
        return {**{name: getattr(self, name) for name in names}, "latent_dim": np.array([self.latent_dim])}

    @classmethod
    def from_arrays(cls, arrays):
        return cls(**{**arrays, "latent_dim": arrays["latent_dim"][0]})


def standardised(codes, condition=None):
    """Codes and conditions side by side with a mean of 0 and a standard deviation of 1.

    Args:
        codes: (n, latent_dim).
        condition: (n, K), or None.

    Returns:
        (joint, shift, scale): (n, latent_dim + K) float64, and what undoes it: joint * scale + shift. Columns that are
        constant become 0.
    """
    joint = np.asarray(codes, np.float64)
    if condition is not None:
        joint = np.concatenate([joint, np.asarray(condition, np.float64)], axis=1)
    constant = np.ptp(joint, axis=0) == 0
    shift = np.where(constant, joint[0], joint.mean(axis=0))
    scale = np.where(constant, CONSTANT_SCALE, joint.std(axis=0))
    return (joint - shift) / scale, shift, scale


def log_density(x, mean, covariance):
    """Logarithm of a multivariate Gaussian's density, (n,) in nats.

    Args:
        x: (n, d).
        mean: (d,), or (n, d).
        covariance: (d, d), symmetric; variances below MIN_VARIANCE count as that.
    """
    values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
    values = np.maximum(values, MIN_VARIANCE)
    projected = (x - mean) @ vectors
    return -0.5 * ((projected**2 / values).sum(axis=1) + np.log(2 * np.pi * values).sum())
