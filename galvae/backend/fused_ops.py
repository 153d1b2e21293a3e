"""Passes over memory saved: what TensorFlow has as one operation on a processor, and Keras writes as many.

A GPU needs none of this: XLA fuses what Keras writes.
"""

import keras

from galvae.backend.replicas import replicas


def fuses():
    """Whether the operations below are there: with TensorFlow on one processor."""
    if keras.config.backend() != "tensorflow" or replicas() > 1:
        return False
    import tensorflow as tf

    return not tf.config.list_physical_devices("GPU")


def batch_normalisation(inputs, scale, offset, epsilon):
    """Features of zero mean and unit variance per channel, scaled and shifted.

    Args:
        inputs: (B, H, W, C).
        scale, offset: (C,) float32.
        epsilon: added to the variance.

    Returns:
        (B, H, W, C), and mean (C,) and biased variance (C,) of the inputs.

    Reference:
        Ioffe & Szegedy 2015 (arXiv:1502.03167), algorithm 1.
    """
    import tensorflow as tf

    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, scale, offset, epsilon=epsilon)
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
    return outputs, mean, variance * (count - 1) / count  # TensorFlow's is the unbiased one
