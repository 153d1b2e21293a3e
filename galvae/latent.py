"""The latent space: codes of a dataset, images of codes, and how much each dimension tells."""

import numpy as np
from tqdm import tqdm

from galvae import losses
from galvae.data.dataset import Batches

BATCH = 256
BAR = {"unit": "img", "unit_scale": True, "delay": 1, "disable": None, "dynamic_ncols": True}
ACTIVE = 0.01  # least variance of an active unit's posterior means


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
    with tqdm(total=len(indices), desc="encoding", **BAR) as bar:
        for part, inputs in Batches(dataset, indices, BATCH):
            mean, log_variance = model.encode(**inputs)
            means.append(np.asarray(mean))
            if log_variance is not None:
                log_variances.append(np.asarray(log_variance))
            bar.update(len(part))
    return np.concatenate(means), np.concatenate(log_variances) if log_variances else None


def decode_codes(model, codes, condition=None):
    """Images of codes, (n, H, W, C) float32 in [0, 1], decoded a batch at a time.

    Args:
        model: a model of galvae.models.
        codes: (n, latent_dim).
        condition: (n, K) in physical units, for conditional models.
    """
    images = np.empty((len(codes), *model.image_shape), np.float32)
    with tqdm(total=len(codes), desc="decoding", **BAR) as bar:
        for start in range(0, len(codes), BATCH):
            part = slice(start, start + BATCH)
            images[part] = model.decode(codes[part], None if condition is None else condition[part])
            bar.update(len(images[part]))
    return images


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


def information_unit(model):
    """Unit of `information`: "nats", or "variance" for a model without a posterior."""
    return "nats" if "kl" in model.terms else "variance"


def active_units(mean):
    """Which latent dimensions the encoder uses, (latent_dim,) booleans.

    Args:
        mean: (n, latent_dim) posterior means.

    Reference:
        Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519): the means' variance exceeds 0.01.
    """
    return mean.var(axis=0) > ACTIVE


def slerp(start, end, steps):
    """Codes along the great circle between two codes, (steps, latent_dim), lengths changing evenly.

    In many dimensions the codes of a standard normal lie near a sphere, which a straight line would leave.
    Codes that point in (nearly) the same or in opposite directions are joined by a straight line.

    Args:
        start, end: (latent_dim,).
        steps: number of codes, both ends included.

    Reference:
        Shoemake 1985, SIGGRAPH 19, 245; White 2016 (arXiv:1609.04468).
    """
    share = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    straight = (1 - share) * start + share * end
    if min(lengths) == 0:
        return straight
    cosine = np.clip(start @ end / (lengths[0] * lengths[1]), -1, 1)
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return straight
    directions = (
        np.sin((1 - share) * angle) * start / lengths[0] + np.sin(share * angle) * end / lengths[1]
    ) / np.sin(angle)
    return directions * ((1 - share) * lengths[0] + share * lengths[1])
