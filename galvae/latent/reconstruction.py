"""How far images are from their reconstructions, the images decoded from their posterior means."""

import numpy as np
from keras import ops

from galvae.data.batches import batches
from galvae.latent.inference import batch_size, compiled_for
from galvae.models.losses import mean_squared_error


def reconstruct(model, inputs, mean, log_variance=None):
    """Images beside their reconstructions, in network units.

    Args:
        model: a model of galvae.models.
        inputs: dict of images (B, H, W, C), stored pixel values, and, if there are any, condition (B, K) and mask
            (B, H, W, C).
        mean, log_variance: (B, latent_dim), as `model.encode` returned them; no log-variance of a plain autoencoder.

    Returns:
        Tensors (decoded, images, mask), each (B, H, W, C); mask is None if `inputs` has none.
    """
    outputs = model.reconstruct(model.with_posterior(inputs, mean, log_variance), mean)
    return ops.sigmoid(outputs["logits"]), outputs["target"], outputs.get("mask")


def reconstruction_errors(model, dataset, codes):
    """Mean squared error of the reconstruction of each of a dataset's galaxies, (n,), in network units.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        codes: Codes of the galaxies.

    Returns:
        (n,) float64; pixels that a mask sets aside do not count, and an image without any other pixel has NaN.
    """

    def error(inputs, mean, log_variance):
        return mean_squared_error(*reconstruct(model, inputs, mean, log_variance))

    error, errors, done = compiled_for(error, model, len(codes.indices)), [], 0
    for inputs in batches(dataset, codes.indices, "reconstructing", batch_size(model)):
        part = slice(done, done + len(inputs["images"]))
        log_variance = None if codes.log_variance is None else codes.log_variance[part]
        errors.append(np.asarray(error(inputs, codes.mean[part], log_variance), float))
        done = part.stop
    return np.concatenate(errors)
