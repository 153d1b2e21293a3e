"""The latent space: codes of a dataset, images of codes, and how much each dimension tells."""

import numpy as np
from tqdm import tqdm

from galvae.backend.setup import compiled
from galvae.data.batches import Batches

BATCH = 256
COMPILED = 10 * BATCH  # images from which on it pays to compile a function for them
BAR = {"unit": "img", "unit_scale": True, "delay": 1, "disable": None, "dynamic_ncols": True}


def encode_dataset(model, dataset, indices):
    """Posterior means and log-variances of images.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) images to encode.

    Returns:
        mean (n, latent_dim) and log-variance (n, latent_dim), which is None for a plain autoencoder.
    """
    encode = for_many(model.encode, len(indices))
    means, log_variances = [], []
    for inputs in batches(dataset, indices, "encoding"):
        mean, log_variance = encode(**inputs)
        means.append(np.asarray(mean))
        if log_variance is not None:
            log_variances.append(np.asarray(log_variance))
    return np.concatenate(means), np.concatenate(log_variances) if log_variances else None


def decode_codes(model, codes, condition=None):
    """Images of codes, (n, H, W, C) float32 in [0, 1]; arguments as of `decoded_batches`."""
    images = np.empty((len(codes), *model.image_shape), np.float32)
    start = 0
    for batch in decoded_batches(model, codes, condition):
        images[start : start + len(batch)] = batch
        start += len(batch)
    return images


def decoded_batches(model, codes, condition=None):
    """Images of codes, a batch at a time, with a progress bar.

    Args:
        model: a model of galvae.models.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, for conditional models.

    Yields:
        (B, H, W, C) float32 in [0, 1].
    """
    decode = for_many(model.decode, len(codes))
    with tqdm(total=len(codes), desc="decoding", **BAR) as bar:
        for start in range(0, len(codes), BATCH):
            part = slice(start, start + BATCH)
            images = np.asarray(decode(codes[part], None if condition is None else condition[part]))
            yield images
            bar.update(len(images))


def for_many(function, count):
    """A model's function, compiled if it is to see many images."""
    return compiled(function) if count >= COMPILED else function


def batches(dataset, indices, doing):
    """What a model takes of images, a batch at a time, with a progress bar.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) images.
        doing: word that the bar shows.

    Yields:
        dict of images (B, H, W, C) as stored and, if the dataset has one, condition (B, K).
    """
    with tqdm(total=len(indices), desc=doing, **BAR) as bar:
        for part, inputs in Batches(dataset, indices, BATCH):
            yield inputs
            bar.update(len(part))
