"""The latent space: codes of a dataset, images of codes, and how much each dimension tells."""

import numpy as np
from tqdm import tqdm

from galvae import devices, losses
from galvae.data.batches import Batches

BATCH = 256
COMPILED = 10 * BATCH  # images from which on it pays to compile a function for them
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
    return devices.compiled(function) if count >= COMPILED else function


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


def prior(model):
    """Mean and standard deviation of each latent dimension, (latent_dim,) each, before an image is seen.

    A plain autoencoder has no prior: the moments of its training codes stand in for it.
    """
    if "kl" in model.terms:
        return np.zeros(model.latent_dim), np.ones(model.latent_dim)
    mean, covariance = model.code_moments.moments()
    return mean, np.sqrt(np.maximum(np.diag(covariance), 0))


def active_units(mean):
    """Which latent dimensions the encoder uses, (latent_dim,) booleans.

    Args:
        mean: (n, latent_dim) posterior means.

    Reference:
        Burda, Grosse & Salakhutdinov 2016 (arXiv:1509.00519): the means' variance exceeds 0.01.
    """
    return mean.var(axis=0) > ACTIVE


def axis_codes(origin, axes, values):
    """Codes along axes, (len(axes), steps, latent_dim), the other dimensions at the origin.

    Args:
        origin: (latent_dim,).
        axes: latent dimensions to walk along, one for each row.
        values: (len(axes), steps), where the walks step.
    """
    codes = np.tile(origin, (len(axes), values.shape[1], 1))
    for row, axis in enumerate(axes):
        codes[row, :, axis] = values[row]
    return codes


def plane_codes(origin, axes, x, y):
    """Codes over the plane of two axes, (len(y), len(x), latent_dim), the other dimensions at the origin.

    Args:
        origin: (latent_dim,).
        axes: the two latent dimensions.
        x, y: coordinates along the first and the second.
    """
    codes = np.tile(origin, (len(y), len(x), 1))
    codes[:, :, axes[0]], codes[:, :, axes[1]] = np.meshgrid(x, y)
    return codes


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
