"""The terms of the objective, per image: pure functions of arrays on any Keras backend."""

import math

from keras import ops


def binary_cross_entropy(logits, targets):
    """Cross-entropy between target intensities and a decoder's logits, per image.

    Args:
        logits: (B, H, W, C), the decoder's output before its sigmoid.
        targets: (B, H, W, C), intensities in [0, 1].

    Returns:
        (B,) nats, summed over pixels and averaged over channels.

    Reference:
        max(x, 0) - x t + log(1 + exp(-|x|)), the form without overflow of -t log s(x) - (1-t) log(1-s(x)).
    """
    per_value = ops.maximum(logits, 0.0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    return ops.sum(ops.mean(per_value, axis=-1), axis=(1, 2))


def squared_error(images, targets):
    """Squared difference between decoded and target intensities, per image.

    Args:
        images, targets: (B, H, W, C).

    Returns:
        (B,), summed over pixels and averaged over channels.
    """
    return ops.sum(ops.mean(ops.square(images - targets), axis=-1), axis=(1, 2))


def kl_divergence(mean, log_variance):
    """Kullback-Leibler divergence of diagonal Gaussians from the standard normal, per latent dimension.

    Args:
        mean, log_variance: (B, latent_dim).

    Returns:
        (B, latent_dim) nats.

    Reference:
        Kingma & Welling 2014 (arXiv:1312.6114), appendix B.
    """
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - log_variance - 1.0)


def soft_bound(values, bound):
    """Values squeezed smoothly into (-bound, bound), so that their exponential stays finite.

    Close to zero the values hardly change; far from it the gradient fades but never vanishes abruptly.

    Args:
        values: any shape.
        bound: positive float.
    """
    if not (math.isfinite(bound) and bound > 0):
        raise ValueError(f"Invalid bound. Expected a positive number. Received: {bound}")
    return bound * ops.tanh(values / bound)
