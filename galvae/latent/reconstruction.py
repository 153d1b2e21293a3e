"""How far images are from their reconstructions, the images decoded from their posterior means."""

import numpy as np
from keras import ops

from galvae.latent.codes import batch_size, batches, compiled_for
from galvae.models.losses import mean_squared_error


def squared_errors(model, inputs, mean, log_variance=None):
    """Mean squared error of each image's reconstruction, a tensor (B,), in network units.

    Pixels that a mask sets aside do not count; an image without any other pixel has NaN.

    Args:
        model: a model of galvae.models.
        inputs: dict of images (B, H, W, C), stored pixel values, and, if there are any, condition (B, K) and mask
            (B, H, W, C).
        mean, log_variance: (B, latent_dim), as `model.encode` returned them; no log-variance of a plain autoencoder.
    """
    outputs = model.reconstruct(model.with_posterior(inputs, mean, log_variance), mean)
    return mean_squared_error(ops.sigmoid(outputs["logits"]), outputs["target"], outputs.get("mask"))


def reconstruction_errors(model, dataset, codes):
    """Mean squared error of the reconstruction of each of a dataset's galaxies, (n,), in network units.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        codes: Codes of the galaxies.

    Returns:
        (n,) float64, see `squared_errors`.
    """

    def error(inputs, mean, log_variance):
        return squared_errors(model, inputs, mean, log_variance)

    error, errors, done = compiled_for(error, len(codes.indices)), [], 0
    for inputs in batches(dataset, codes.indices, "reconstructing", batch_size(model)):
        part = slice(done, done + len(inputs["images"]))
        log_variance = None if codes.log_variance is None else codes.log_variance[part]
        errors.append(np.asarray(error(inputs, codes.mean[part], log_variance), float))
        done = part.stop
    return np.concatenate(errors)
