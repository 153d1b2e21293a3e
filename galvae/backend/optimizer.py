"""Adam, as fast and as exact as each backend and number of devices allows."""

import keras

from galvae.backend import fused_ops
from galvae.backend.replicas import replicas

if keras.config.backend() == "tensorflow":
    import tensorflow as tf


def adam(learning_rate, clip_norm):
    """The optimizer of a training run; call it within `Device.scope`.

    Args:
        learning_rate: number or schedule.
        clip_norm: largest global norm of the gradient of the whole batch; None: no limit.

    Returns:
        A keras.optimizers.Adam, or a subclass, whose variables have the same paths.
    """
    count = replicas()
    if clip_norm is not None and count > 1:
        # What is clipped is the mean over devices, 1 / count of the gradient; Keras sums it over devices afterwards.
        return WholeBatchAdam(learning_rate, global_clipnorm=clip_norm / count, name="adam")
    kind = FusedAdam if fused_ops.fuses() else keras.optimizers.Adam
    return kind(learning_rate, global_clipnorm=clip_norm, name="adam")


class FusedAdam(keras.optimizers.Adam):
    """Adam whose update of a variable is one TensorFlow operation.

    Reference:
        Kingma & Ba 2015 (arXiv:1412.6980), the form at the end of section 2, which Keras uses too.
    """

    def update_step(self, gradient, variable, learning_rate):
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


class WholeBatchAdam(keras.optimizers.Adam):
    """Adam that clips the gradient of the whole batch; Keras' own clips each device's gradient before it sums them."""

    def apply_gradients(self, grads_and_vars):
        gradients, variables = zip(*grads_and_vars, strict=True)
        context = tf.distribute.get_replica_context()
        return super().apply_gradients(zip(context.all_reduce("MEAN", gradients), variables, strict=True))
