"""The latent space: codes of a dataset, images of codes, and how much each dimension tells."""

import numpy as np

from galvae import losses
from galvae.data.dataset import Batches

BATCH = 256


def encode_dataset(model, dataset, indices):
    """Posterior means and log-variances of images.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) images to encode.

    Returns:
        mean (n, latent_dim) and log-variance (n, latent_dim), which is None for a plain autoencoder.
    """
    means, log_variances = [], []
    for _, inputs in Batches(dataset, indices, BATCH):
        mean, log_variance = model.encode(**inputs)
        means.append(np.asarray(mean))
        if log_variance is not None:
            log_variances.append(np.asarray(log_variance))
    return np.concatenate(means), np.concatenate(log_variances) if log_variances else None


def decode_codes(model, codes, condition=None):
    """Images of codes, (n, H, W, C) float32 in [0, 1], decoded a batch at a time.

    Args:
        model: a model of galvae.models.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, for conditional models.
    """
    images = []
    for start in range(0, len(codes), BATCH):
        part = slice(start, start + BATCH)
        images.append(np.asarray(model.decode(codes[part], None if condition is None else condition[part])))
    return np.concatenate(images)


def information(mean, log_variance):
    """How much each latent dimension tells about an image.

    Args:
        mean: (n, latent_dim).
        log_variance: (n, latent_dim), or None.

    Returns:
        (latent_dim,): mean KL divergence from the prior in nats; without a posterior, the codes' variance.
    """
    if log_variance is None:
        return mean.var(axis=0)
    return np.asarray(losses.kl_divergence(mean, log_variance)).mean(axis=0)
