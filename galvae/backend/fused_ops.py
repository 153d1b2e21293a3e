"""Operations that TensorFlow computes in one pass over memory on a CPU, where Keras composes them of many.

A GPU needs none of this: XLA fuses what Keras composes.
"""

import keras

from galvae.backend.replicas import replicas

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


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation, over the whole batch even if devices share it, in one operation where possible.

    Args:
        **options: see Keras.
    """

    def __init__(self, **options):
        super().__init__(synchronized=replicas() > 1, **options)

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and fuses()):
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = batch_normalisation(inputs, self.gamma, self.beta, self.epsilon)
        for moving, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * value)
        return outputs
