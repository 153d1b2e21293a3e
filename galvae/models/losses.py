"""The terms of the objective, per image, as pure functions of arrays on any Keras backend."""

import math

from keras import ops


def binary_cross_entropy(logits, targets, mask=None):
    """Binary cross-entropy between target intensities and a decoder's logits, per image.

    It is computed as log(1 + exp(x)) - x t, which equals -t log s(x) - (1-t) log(1-s(x)) for logits x, targets t and
    the sigmoid s, and does not overflow.

    Args:
        logits: (B, H, W, C), the decoder's output before its sigmoid.
        targets: (B, H, W, C), intensities in [0, 1].
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.

    Returns:
        (B,) nats, summed over pixels and averaged over channels, see `_per_image`.
    """
    return _per_image(ops.softplus(logits) - logits * targets, mask)


def squared_error(images, targets, mask=None):
    """Squared difference between decoded and target intensities, per image.

    Args:
        images, targets: (B, H, W, C).
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.

    Returns:
        (B,), summed over pixels and averaged over channels, see `_per_image`.
    """
    return _per_image(ops.square(images - targets), mask)


def mean_squared_error(images, targets, mask=None):
    """Mean squared difference between decoded and target intensities, per image, over the pixels that count.

    Args:
        images, targets: (B, H, W, C) intensities.
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.

    Returns:
        (B,); NaN for an image all of whose pixels are set aside.
    """
    return mean_of_used(ops.square(images - targets), mask)


def mean_of_used(values, mask, axes=(1, 2, 3), keepdims=False):
    """Mean over the pixels that a mask does not set aside, NaN if it sets all of them aside.

    Args:
        values: (B, H, W, C).
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.
        axes: over which the mean is taken.
        keepdims: whether they are kept, with length 1.
    """
    if mask is None:
        return ops.mean(values, axis=axes, keepdims=keepdims)
    used = 1.0 - ops.cast(mask, values.dtype)
    total, count = (ops.sum(part, axis=axes, keepdims=keepdims) for part in (used * values, used))
    return ops.where(count > 0, total / ops.where(count > 0, count, 1.0), float("nan"))


def gaussian(images, targets, variance, mask=None):
    """Negative logarithm of a Gaussian density of the target intensities around decoded ones, per image.

    Args:
        images, targets: (B, H, W, C).
        variance: of each value, in a shape that broadcasts to (B, H, W, C).
        mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.

    Returns:
        (B,) nats, summed over pixels and channels; negative where the noise is small.
    """
    return _summed(0.5 * (ops.square(images - targets) / variance + ops.log(2 * math.pi * variance)), mask)


def _per_image(values, mask):
    """Sum over pixels of the mean over channels, (B,), in which a pixel set aside has weight zero."""
    return _summed(values, mask) / values.shape[-1]


def _summed(values, mask):
    """Sum over pixels and channels, (B,), in which a pixel set aside has weight zero.

    The sum is not enlarged to that of a whole image: pixels that nobody has measured say nothing about the code, whose
    KL term then weighs more, as in a likelihood of the measured pixels alone.
    """
    if mask is not None:
        values = values * (1.0 - ops.cast(mask, values.dtype))
    return ops.sum(values, axis=(1, 2, 3))


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


def soft_clip(values, bound):
    """Values compressed smoothly into (-bound, bound), so that their exponential stays finite.

    Values close to zero hardly change; large ones keep a small gradient, which clipping would set to zero.

    Args:
        values: any shape.
        bound: positive float.

    Raises:
        ValueError: if the bound is not positive or not finite.
    """
    if not (math.isfinite(bound) and bound > 0):
        raise ValueError(f"bound: expected a positive, finite number, received {bound}")
    return bound * ops.tanh(values / bound)
