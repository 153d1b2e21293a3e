"""Latent codes of images as posterior distributions, and their file."""

import json
import logging
from dataclasses import dataclass

import numpy as np

from galvae.errors import GalvaeError
from galvae.system.atomic import save_arrays
from galvae.system.safe_read import read_npz

FORMAT = 1  # version of the file of cached codes
# Far beyond the codes of any trained model; sums of squares of larger ones could exceed float32.
LARGEST_CODE = 1e12

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Codes:
    """Posterior distributions of images, as means and log-variances.

    Attributes:
        indices: (n,) row indices of the images in their dataset.
        mean: (n, latent_dim) float32 posterior means.
        log_variance: (n, latent_dim) float32; None for a plain autoencoder, whose codes are deterministic.
    """

    indices: np.ndarray
    mean: np.ndarray
    log_variance: np.ndarray | None

    @property
    def std(self):
        """Standard deviations of the posteriors, (n, latent_dim); None for a plain autoencoder."""
        return None if self.log_variance is None else np.exp(0.5 * self.log_variance)

    def sample(self, seed):
        """A sample from each posterior, (n, latent_dim); the codes themselves for a plain autoencoder.

        Args:
            seed: seed of the random numbers.
        """
        if self.log_variance is None:
            return self.mean
        noise = np.random.default_rng(seed).standard_normal(self.mean.shape)
        return self.mean + self.std * noise

    def at(self, indices):
        """Selects the codes of some of the images.

        Args:
            indices: (m,) row indices in the dataset, all of which are among `self.indices`.

        Returns:
            Codes.
        """
        order = np.argsort(self.indices, kind="stable")
        positions = order[np.searchsorted(self.indices, indices, sorter=order)]
        log_variance = None if self.log_variance is None else self.log_variance[positions]
        return Codes(indices, self.mean[positions], log_variance)

    def save(self, path, identity):
        """Writes the codes as .npz.

        Args:
            path: path of the file.
            identity: text that identifies everything the codes depend on, see `identity`.
        """
        arrays = {"mean": self.mean, "log_variance": self.log_variance}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        save_arrays(path, identity=np.array(identity), indices=self.indices, **arrays)


def identity(weights, dataset, split):
    """JSON text that identifies what the codes of a split depend on: weights, images and split.

    Args:
        weights: SHA-256 of the model's weights.
        dataset: SHA-256 of the dataset, see `GalaxyDataset.digest`.
        split: name of the split.
    """
    values = {"format": FORMAT, "weights": weights, "dataset": dataset, "split": split}
    return json.dumps(values, sort_keys=True)


def read_codes(path, expected, latent_dim, has_posterior):
    """Reads cached codes from a file, if they match the expected identity.

    Args:
        path: path of the file, see `Codes.save`.
        expected: identity of the codes, see `identity`.
        latent_dim: number of latent dimensions.
        has_posterior: whether the model has log-variances.

    Returns:
        Codes; None if the file does not exist or holds other codes. A damaged file is logged as a warning.
    """
    if not path.exists():
        return None
    names = ["identity", "indices", "mean", *(["log_variance"] if has_posterior else [])]
    try:
        arrays = read_npz(path, names)
        if str(arrays["identity"]) != expected:
            return None
        shape = (len(arrays["indices"]), latent_dim)
        for name in names[2:]:
            array = arrays[name]
            if array.shape != shape or array.dtype != np.float32:
                raise GalvaeError(
                    f"{path}: expected {name} as float32 of shape {shape}, received {array.dtype} of shape "
                    f"{array.shape}"
                )
            if not np.isfinite(array).all():
                raise GalvaeError(f"{path}: expected finite codes, received NaN or infinity in {name}")
    except GalvaeError as error:
        log.warning("the cached codes cannot be used; encoding the images again: %s", error)
        return None
    return Codes(arrays["indices"], arrays["mean"], arrays.get("log_variance"))


def check_codes(mean, log_variance):
    """Refuses codes that no trained model has.

    Args:
        mean, log_variance: (n, latent_dim), of posteriors; log_variance may be None.

    Raises:
        GalvaeError: if a code is not finite, or larger than LARGEST_CODE.
    """
    # Written so that NaN counts too.
    wrong = ~(np.abs(mean) <= LARGEST_CODE).all(axis=1)
    if log_variance is not None:
        wrong |= ~np.isfinite(log_variance).all(axis=1)
    if wrong.any():
        raise GalvaeError(
            f"run: expected weights that encode galaxies as numbers between -{LARGEST_CODE:g} and {LARGEST_CODE:g}, "
            f"received others or NaN for {wrong.sum()} of {len(wrong)} galaxies; they are not those of a trained model"
        )
