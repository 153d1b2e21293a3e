"""Passes over memory saved: what TensorFlow has as one operation on a processor, and Keras writes as many.

A GPU needs none of this: XLA fuses what Keras writes.
"""

import keras

from galvae.devices.sharing import replicas


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


class Adam(keras.optimizers.Adam):
    """Adam whose update of a variable is one operation.

    Reference:
        Kingma & Ba 2015 (arXiv:1412.6980), the form of the end of section 2, as Keras has it.
    """

    def update_step(self, gradient, variable, learning_rate):
        import tensorflow as tf

        index, step = self._get_variable_index(variable), tf.cast(self.iterations.value + 1, "float32")
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
