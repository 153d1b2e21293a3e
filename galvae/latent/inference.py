"""Encodes images into latent codes and decodes codes into images, in batches."""

import keras
import numpy as np

from galvae.backend.graph import compiled
from galvae.data.batches import BATCH, batches
from galvae.errors import GalvaeError
from galvae.latent.codes import Codes, check_codes
from galvae.latent.orientations import orient, orientations_of
from galvae.models.build import layer_bytes
from galvae.system.progress import progress_bar

LARGEST_BATCH = 1_000_000_000  # bytes of the values at a layer of the images that a model is given at a time
MIN_COMPILED = 10 * BATCH  # compiling a function pays off from this number of images on


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
    encode, done = compiled_for(model.encode, model, len(indices)), 0
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
    encode = compiled_for(model.encode, model, len(images))
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
    decode, size = compiled_for(model.decode, model, len(codes)), batch_size(model)
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


def compiled_for(function, model, count):
    """Compiles a function of tensors if it will process enough images to pay off.

    On JAX it always does: there, each operation outside of a compiled function is compiled for itself.

    Args:
        function: a model's method, or a function of tensors that calls such methods.
        model: a model of galvae.models.
        count: number of images.

    Returns:
        The compiled function, or the function itself.
    """
    if count >= MIN_COMPILED or keras.config.backend() == "jax":
        return compiled(function, model)
    return function


def batch_size(model):
    """Number of images that a model can be given at a time, so that their values at any layer fit in memory.

    Args:
        model: a model of galvae.models.
    """
    return max(1, min(BATCH, LARGEST_BATCH // layer_bytes(model)))
