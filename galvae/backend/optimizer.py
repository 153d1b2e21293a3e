"""Adam, as fast and as exact as each backend and number of devices allows."""

import keras

from galvae.backend import fused_ops
from galvae.backend.replicas import replicas


def adam(learning_rate, clip_norm):
    """The optimizer, made within `Device.scope`.

    Args:
        learning_rate: number or schedule.
        clip_norm: largest global norm of the gradient of the whole batch; None: no limit.
    """
    count = replicas()
    if clip_norm is None or count == 1:
        kind = Adam if fused_ops.fuses() else keras.optimizers.Adam
        return kind(learning_rate, global_clipnorm=clip_norm, name="adam")
    import tensorflow as tf

    class AdamOfReplicas(keras.optimizers.Adam):
        """Adam that clips the whole batch's gradient: Keras' own clips each device's before it sums them."""

        def apply_gradients(self, grads_and_vars):
            gradients, variables = zip(*grads_and_vars, strict=True)
            context = tf.distribute.get_replica_context()
            return super().apply_gradients(zip(context.all_reduce("MEAN", gradients), variables, strict=True))

    return AdamOfReplicas(learning_rate, global_clipnorm=clip_norm / count, name="adam")


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
