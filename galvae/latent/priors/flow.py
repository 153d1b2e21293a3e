"""A normalising flow as the prior: affine couplings, sampled and evaluated in NumPy alone, without Keras."""

import logging

import numpy as np

from galvae.errors import GalvaeError
from galvae.latent.priors.mixture import standardised
from galvae.latent.priors.prior import Prior
from galvae.system.threads import one_thread

COUPLINGS, WIDTH = 10, 64
DROPOUT = 0.2  # largest share of features that are dropped; with more than DROPPED / DROPOUT codes it is DROPPED / n
DROPPED = 1_000
LARGEST_SCALE = 2.0  # bound of each coupling's log-scales
MIN_SPREAD = 1e-3  # of the codes in any direction, in standard deviations of a latent, so that the density stays finite
LOOKS = 30  # at the validation codes, while it is trained
CHOOSING = 10  # one in so many codes decides when the fit ends where no others are given
MOMENTS = 20_000  # samples by which their mean and covariance are measured
REDRAWS = 30  # times at most that a sample in empty space is drawn again

NETWORK = ("kernel_0", "bias_0", "kernel_1", "bias_1", "kernel_2", "bias_2")

log = logging.getLogger(__name__)


class FlowPrior(Prior):
    """Prior that is a Gaussian bent by affine couplings, whose networks also see the condition.

    The codes are first whitened: their regression on the condition is subtracted, and the rest is multiplied by the
    inverse root of its covariance. Each coupling then keeps one half of the latents; from these and the condition a
    network computes by how much the other half is shifted and scaled. The networks' last layers start at zero, so that
    the fit starts at the Gaussian. A single latent has no other half: couplings move it by the condition alone.

    Args:
        arrays: dict of arrays. In them, a joint vector is a code and its condition, in standard units: shift, scale
            (latent_dim + K,), see `standardised`; slope (K, latent_dim), the regression; root (latent_dim, latent_dim),
            by which white codes become codes, and centre (latent_dim,), which is subtracted from them before; kept
            (L, latent_dim + K), 1 where a coupling leaves a joint vector as it is; of the couplings' networks kernel_0
            (L, latent_dim + K, W), bias_0 (L, W), kernel_1 (L, W, W), bias_1 (L, W), kernel_2
            (L, W, 2 (latent_dim + K)), bias_2 (L, 2 (latent_dim + K)); lowest (1,), the log-density below which space
            is empty.

    Reference:
        Dinh, Sohl-Dickstein & Bengio 2017, Density estimation using Real NVP (arXiv:1605.08803), eqs. 7 and 8.
    """

    label = "flow fitted to training codes"

    def __init__(self, arrays):
        self._arrays = arrays
        self._unroot = np.linalg.inv(arrays["root"])
        self.latent_dim = len(self._unroot)
        self.mean, self.std = (arrays[name][: self.latent_dim] for name in ("shift", "scale"))

    @classmethod
    def fit(cls, codes, condition=None, seed=0, validation=None, looks=LOOKS):
        """Fits the flow by maximum likelihood, until validation codes are no longer better described.

        Args:
            codes, condition, seed, validation: see `Prior.fit`; without `validation`, every tenth code is set aside.
            looks: at the validation codes, after which the fit ends at the latest.

        Returns:
            FlowPrior.
        """
        from galvae.latent.priors.flow_training import train  # late: it needs Keras

        if validation is None:
            aside = np.arange(len(codes)) % CHOOSING == min(CHOOSING, len(codes)) - 1
            validation = codes[aside], _rows(condition, aside)
            codes, condition = codes[~aside], _rows(condition, ~aside)
        start = cls(_start(codes, condition, seed))
        rows, dropout = start._white(codes, condition), min(DROPOUT, DROPPED / len(codes))
        best = train(start, rows.astype(np.float32), validation, dropout, looks, seed)
        rows = np.random.default_rng(seed).integers(len(codes), size=MOMENTS)
        given = _rows(condition, rows)
        flow = best._with_moments_of_codes(given, seed)
        lowest = flow.log_prob(codes, condition).min(keepdims=True)
        samples = flow.sample(MOMENTS, given, seed)
        redrawn = (flow.log_prob(samples, given) < lowest).mean()
        log.info("%.2g %% of the flow's samples lie where no code does, and are drawn again", 100 * redrawn)
        return cls({**flow.arrays(), "lowest": lowest})

    def _with_moments_of_codes(self, condition, seed):
        """The flow whose samples, at conditions (MOMENTS, K) of the codes, have the mean and covariance of the codes.

        Likelihood alone leaves samples of 32 latents a tenth too narrow.
        """
        noise = np.random.default_rng(seed).standard_normal((MOMENTS, self.latent_dim))
        white = self._white(self._codes(noise, condition), condition)[:, : self.latent_dim]
        root = np.linalg.inv(_root(white)) @ self._arrays["root"]
        return FlowPrior({**self._arrays, "centre": white.mean(axis=0), "root": root})

    @one_thread
    def sample(self, n, condition=None, seed=None, temperature=1.0):
        """Draws random codes as `Prior.sample` does; those in empty space are drawn again.

        Couplings stretch space, and some send a sample where no galaxy is; a density lower than that of every code
        which the flow was fitted to shows it. Blocks of several conditions still share their random numbers.
        """
        generator = np.random.default_rng(seed)
        condition = self._condition(condition, n)
        codes, again = np.empty((n, self.latent_dim), np.float32), np.ones(n, bool)
        for _ in range(1 + REDRAWS):
            noise = temperature * generator.standard_normal((n, self.latent_dim))
            codes[again] = self.from_noise(noise[again], condition[again])
            again[again] = self.log_prob(codes[again], condition[again]) < self._arrays["lowest"]
            if not again.any():
                break
        return codes

    @one_thread
    def from_noise(self, noise, condition=None):
        return self._codes(noise, condition).astype(np.float32)

    def _codes(self, noise, condition):
        """What `from_noise` returns, in float64."""
        shift, scale = self._arrays["shift"], self._arrays["scale"]
        codes, columns = slice(self.latent_dim), slice(self.latent_dim, None)
        given = (self._condition(condition, len(noise)) - shift[columns]) / scale[columns]
        joint = np.concatenate([noise, given], axis=1)
        for layer in reversed(_layers(self._arrays)):
            change, log_scale = _change(np, layer, joint)
            joint = joint * np.exp(log_scale) + change
        whole = (joint[:, codes] - self._arrays["centre"]) @ self._arrays["root"]
        whole = whole + given @ self._arrays["slope"]
        return shift[codes] + scale[codes] * whole

    @one_thread
    def to_noise(self, codes, condition=None):
        """The noise that `from_noise` turns into codes, (n, latent_dim) float64; arguments as in `log_prob`."""
        return _noise(np, self._arrays, self._white(codes, condition))[0][:, : self.latent_dim]

    @one_thread
    def log_prob(self, codes, condition=None):
        volume = np.linalg.slogdet(self._arrays["root"])[1]
        volume = volume + np.log(self._arrays["scale"][: self.latent_dim]).sum()
        return _log_density(np, self._arrays, self._white(codes, condition), self.latent_dim) - volume

    def arrays(self):
        return dict(self._arrays)

    @property
    def networks(self):
        """The arrays that are trained, by name."""
        return {name: self._arrays[name] for name in NETWORK}

    def with_networks(self, networks):
        """The flow with other networks, a dict of arrays like `networks`."""
        return FlowPrior({**self._arrays, **networks})

    def log_density(self, xp, networks, joint, drop):
        """Log-density of white codes with their conditions (n, latent_dim + K), (n,), under other networks.

        Args:
            xp, drop: see `_change`.
            networks: for each name of `networks`, the arrays of the couplings one by one.
            joint: (n, latent_dim + K), whose first latent_dim columns are white codes.
        """
        arrays = {"kept": self._arrays["kept"].astype(np.float32), **networks}
        return _log_density(xp, arrays, joint, self.latent_dim, drop)

    @classmethod
    def from_arrays(cls, arrays):
        return cls(arrays)

    def _condition(self, condition, count):
        """A condition for each of so many codes, (count, K) in physical units."""
        columns = len(self._arrays["slope"])
        if condition is None and columns:
            raise GalvaeError(
                f"condition: expected {columns} values for each code, on which the flow depends, received none"
            )
        return np.broadcast_to(condition if columns else np.empty(0), (count, columns))

    def _white(self, codes, condition):
        """Joint vectors of codes in physical units, (n, latent_dim + K), whose code part is white."""
        joint = np.concatenate([codes, self._condition(condition, len(codes))], axis=1, dtype=np.float64)
        joint = (joint - self._arrays["shift"]) / self._arrays["scale"]
        whole, given = np.split(joint, [self.latent_dim], axis=1)
        white = (whole - given @ self._arrays["slope"]) @ self._unroot + self._arrays["centre"]
        return np.concatenate([white, given], axis=1)


def _start(codes, condition, seed):
    """The arrays of a flow that is the Gaussian of the codes, whose networks are random but for their last layers."""
    joint, shift, scale = standardised(codes, condition)
    latent_dim, size = np.shape(codes)[1], joint.shape[1]
    whole, given = np.split(joint, [latent_dim], axis=1)
    slope = np.linalg.pinv(given, 1e-6) @ whole
    generator = np.random.default_rng(seed)
    kept = np.ones((COUPLINGS, size))
    for first in range(0, COUPLINGS, 2):  # halves, and then the other halves, so that every latent is moved
        half = generator.permutation(latent_dim) < latent_dim // 2
        kept[first, :latent_dim], kept[first + 1, :latent_dim] = half, ~half
    return {
        "shift": shift,
        "scale": scale,
        "slope": slope,
        "root": _root(whole - given @ slope),
        "centre": np.zeros(latent_dim),
        "kept": kept,
        "lowest": np.full(1, -np.inf),
        "kernel_0": generator.normal(0, np.sqrt(2 / kept.sum(axis=1).mean()), (COUPLINGS, size, WIDTH)),
        "bias_0": np.zeros((COUPLINGS, WIDTH)),
        "kernel_1": generator.normal(0, np.sqrt(2 / WIDTH), (COUPLINGS, WIDTH, WIDTH)),
        "bias_1": np.zeros((COUPLINGS, WIDTH)),
        "kernel_2": np.zeros((COUPLINGS, WIDTH, 2 * size)),
        "bias_2": np.zeros((COUPLINGS, 2 * size)),
    }


def _rows(condition, rows):
    """Some rows of a condition (n, K), or None."""
    return None if condition is None else condition[rows]


def _root(codes):
    """The symmetric root of the codes' covariance, (d, d), whose eigenvalues are MIN_SPREAD or larger."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes, rowvar=False, bias=True)))
    return vectors * np.sqrt(np.maximum(values, MIN_SPREAD**2)) @ vectors.T


def _layers(arrays):
    """The arrays of one coupling after the other: kept, kernels and biases."""
    return list(zip(arrays["kept"], *(arrays[name] for name in NETWORK), strict=True))


def _change(xp, layer, joint, drop=lambda features: features):
    """What a coupling does to joint vectors: shift and log-scale, (n, latent_dim + K), zero where it keeps them.

    Args:
        xp: numpy or keras.ops.
        layer: see `_layers`.
        joint: (n, latent_dim + K), before or after the coupling.
        drop: function of the networks' features: dropout, in training.
    """
    kept, kernel_0, bias_0, kernel_1, bias_1, kernel_2, bias_2 = layer
    features = drop(xp.maximum((kept * joint) @ kernel_0 + bias_0, 0.0))
    features = drop(xp.maximum(features @ kernel_1 + bias_1, 0.0))
    change, log_scale = xp.split(features @ kernel_2 + bias_2, 2, axis=-1)
    return (1 - kept) * change, (1 - kept) * LARGEST_SCALE * xp.tanh(log_scale / LARGEST_SCALE)


def _noise(xp, arrays, joint, drop=lambda features: features):
    """The noise of white codes, with their conditions, (n, latent_dim + K), and its log-determinant, (n,).

    Args:
        xp, drop: see `_change`.
        arrays: see FlowPrior.
        joint: (n, latent_dim + K), whose first latent_dim columns are white codes.
    """
    log_determinant = 0.0
    for layer in _layers(arrays):
        change, log_scale = _change(xp, layer, joint, drop)
        joint = (joint - change) * xp.exp(-log_scale)
        log_determinant = log_determinant - xp.sum(log_scale, axis=-1)
    return joint, log_determinant


def _log_density(xp, arrays, joint, latent_dim, drop=lambda features: features):
    """Log-density of white codes, (n,) in nats, in NumPy or with Keras' gradients; see `_noise`."""
    joint, log_determinant = _noise(xp, arrays, joint, drop)
    noise = joint[:, :latent_dim]
    return log_determinant - 0.5 * (xp.sum(noise * noise, axis=-1) + latent_dim * np.log(2 * np.pi))
