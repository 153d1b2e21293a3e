"""Encodes images into latent codes and decodes codes into images, in batches; caches codes on disk."""

import json
import logging
from dataclasses import dataclass

import numpy as np

from galvae.backend.graph import compiled
from galvae.data.batches import Batches
from galvae.errors import GalvaeError
from galvae.latent.orientations import orient, orientations_of
from galvae.models.build import layer_bytes
from galvae.system.atomic import save_arrays
from galvae.system.progress import progress_bar
from galvae.system.safe_read import read_npz

BATCH = 256  # images at a time, or fewer where their values at a layer are many
LARGEST_BATCH = 1_000_000_000  # bytes of these values
MIN_COMPILED = 10 * BATCH  # compiling a function pays off from this number of images on
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


def encode_dataset(model, dataset, indices, rotated=None):
    """Encodes images of a dataset.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) row indices of the images to encode, which may be repeated.
        rotated: (n,) numbers of the orientations in which they are encoded, positions in
            `galvae.latent.orientations.orientations_of`; None: as they are stored.

    Returns:
        Codes.

    Raises:
        GalvaeError: if a code is not finite, or larger than LARGEST_CODE.
    """
    encode, done = compiled_for(model.encode, len(indices)), 0
    means, log_variances = [], []
    for inputs in batches(dataset, indices, "encoding", batch_size(model)):
        images = inputs["images"]
        if rotated is not None:
            images = _orient_each(images, rotated[done : done + len(images)])
            done += len(images)
        mean, log_variance = encode(images, inputs.get("condition"))
        means.append(np.asarray(mean))
        if log_variance is not None:
            log_variances.append(np.asarray(log_variance))
    codes = Codes(indices, np.concatenate(means), np.concatenate(log_variances) if log_variances else None)
    check_codes(codes.mean, codes.log_variance)
    return codes


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


def _orient_each(images, numbers):
    """Images (n, H, W, C), each in its own orientation (n,), see `encode_dataset`."""
    result, orientations = np.empty_like(images), orientations_of(images.shape[1:])
    for number in np.unique(numbers):
        rows = numbers == number
        result[rows] = orient(images[rows], *orientations[number])
    return result


def encode_images(model, images, condition=None):
    """Posterior means and log-variances of images in memory.

    Args:
        model: a model of galvae.models.
        images: (n, H, W, C) stored pixel values (not scaled).
        condition: (n, K) in physical units, for conditional models.

    Returns:
        mean (n, latent_dim) and log-variance (n, latent_dim), which is None for a plain autoencoder.
    """
    encode = compiled_for(model.encode, len(images))
    size = batch_size(model)
    parts = [slice(start, start + size) for start in range(0, len(images), size)]
    encoded = [encode(images[part], None if condition is None else condition[part]) for part in parts]
    return tuple(
        None if arrays[0] is None else np.concatenate([np.asarray(array) for array in arrays])
        for arrays in zip(*encoded, strict=True)
    )


def decode_codes(model, codes, condition=None):
    """Decodes latent codes into images.

    Args:
        model: a model of galvae.models.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, for conditional models.

    Returns:
        (n, H, W, C) float32 intensities in [0, 1].
    """
    images = np.empty((len(codes), *model.image_shape), np.float32)
    start = 0
    for batch in decoded_batches(model, codes, condition):
        images[start : start + len(batch)] = batch
        start += len(batch)
    return images


def decoded_batches(model, codes, condition=None):
    """Decodes latent codes one batch at a time, with a progress bar.

    Args:
        model, codes, condition: see `decode_codes`.

    Yields:
        (B, H, W, C) float32 intensities in [0, 1].

    Raises:
        GalvaeError: if an intensity is NaN.
    """
    decode, size = compiled_for(model.decode, len(codes)), batch_size(model)
    with progress_bar(len(codes), "decoding") as bar:
        for start in range(0, len(codes), size):
            part = slice(start, start + size)
            images = np.asarray(decode(codes[part], None if condition is None else condition[part]))
            if np.isnan(images.sum()):
                wrong = np.isnan(images).any(axis=(1, 2, 3)).sum()
                raise GalvaeError(
                    f"run: expected weights that decode codes to intensities, received NaN for {wrong} of "
                    f"{len(images)} codes; the weights or the codes are far larger than those of a trained model"
                )
            yield images
            bar.update(len(images))


def compiled_for(function, count):
    """Compiles a function of tensors if it will process enough images to pay off.

    Args:
        function: a model's method, or a function of tensors that calls such methods.
        count: number of images.

    Returns:
        The compiled function, or the function itself.
    """
    return compiled(function) if count >= MIN_COMPILED else function


def batch_size(model):
    """Number of images that a model can be given at a time, so that their values at any layer fit in memory.

    Args:
        model: a model of galvae.models.
    """
    return max(1, min(BATCH, LARGEST_BATCH // layer_bytes(model)))


def batches(dataset, indices, description, size=None):
    """Yields images of a dataset in batches, as inputs of a model, with a progress bar.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the images.
        description: text of the progress bar.
        size: number of images in a batch, see `batch_size`; None: BATCH, where no model receives them.

    Yields:
        dict of images (B, H, W, C), stored pixel values, and, if the dataset has them, condition (B, K) and mask
        (B, H, W, C).
    """
    with progress_bar(len(indices), description) as bar:
        for part, inputs in Batches(dataset, indices, size or BATCH):
            yield inputs
            bar.update(len(part))


def condition_of(model, galaxies, indices):
    """Conditions of galaxies as inputs of a model.

    Args:
        model: a model of galvae.models.
        galaxies: Galaxies.
        indices: (n,) row indices of the galaxies.

    Returns:
        (n, K) in physical units; None for a model without a condition.
    """
    return galaxies.condition[indices] if model.condition_dim else None
