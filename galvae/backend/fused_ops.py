"""Batch normalisation where Keras' own is slow, on a CPU, or knows one device only, on several of JAX.

TensorFlow computes it in one pass over memory on a CPU, where Keras composes it of many; on a GPU XLA fuses those.
"""

import keras
from keras import ops

from galvae.backend.replicas import mean_over_devices, replicas

if keras.config.backend() == "tensorflow":
    import tensorflow as tf


def fuses():
    """Whether TensorFlow's fused operations can be used: on a single CPU."""
    if keras.config.backend() != "tensorflow" or replicas() > 1:
        return False
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
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, scale, offset, epsilon=epsilon)
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], "float32")
    return outputs, mean, variance * (count - 1) / count  # TensorFlow returns the unbiased one


def normalisation_over_devices(inputs, scale, offset, epsilon):
    """What `batch_normalisation` returns of a batch that JAX devices share, of which each receives its own images."""
    features, axes = ops.cast(inputs, "float32"), (0, 1, 2)
    mean = mean_over_devices(ops.mean(features, axes))
    variance = mean_over_devices(ops.mean(ops.square(features - mean), axes))
    outputs = (features - mean) * (scale * ops.rsqrt(variance + epsilon)) + offset
    return ops.cast(outputs, inputs.dtype), mean, variance


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, over the whole batch even if devices share it, in one operation where possible.

    Args:
        **options: see Keras.
    """

    def __init__(self, **options):
        super().__init__(synchronized=replicas() > 1, **options)

    def call(self, inputs, training=None, mask=None):
        shared = keras.config.backend() == "jax" and replicas() > 1  # which Keras' own does not know
        if not (training and self.trainable and (shared or fuses())):
            return super().call(inputs, training=training, mask=mask)
        normalisation = normalisation_over_devices if shared else batch_normalisation
        outputs, mean, variance = normalisation(inputs, self.gamma, self.beta, self.epsilon)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * value)
        return outputs
