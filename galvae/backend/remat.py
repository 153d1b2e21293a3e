"""Stacks of layers whose activations training need not keep: it computes them again for their gradients."""

import keras

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax


class Stack(keras.Sequential):
    """keras.Sequential whose layers are, in training with `remat`, computed again when their gradients are.

    Only its input and its output are then kept in between. Values, gradients and running statistics are the same: the
    second computation gets the variables of the first, and what it would change of them is not used.

    Attributes:
        remat: whether training does so.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.remat = False

    def call(self, inputs, training=None, mask=None):
        if not (self.remat and training):
            return super().call(inputs, training=training, mask=mask)
        return _recomputed(self.layers, inputs)


def _recomputed(layers, inputs):
    """What layers in a row return for a batch in training."""
    trained = [variable for layer in layers for variable in layer.trainable_variables]
    others = [variable for layer in layers for variable in layer.non_trainable_variables]

    def compute(features, *values):
        with keras.StatelessScope(state_mapping=list(zip([*trained, *others], values, strict=True))) as scope:
            for layer in layers:
                features = layer(features, training=True)
        return features, *(scope.get_current_value(variable) for variable in others)

    again = _jax_again if keras.config.backend() == "jax" else tf.recompute_grad
    values = [keras.ops.convert_to_tensor(variable.value) for variable in [*trained, *others]]
    outputs, *statistics = again(compute)(inputs, *values)
    for variable, value in zip(others, statistics, strict=True):
        variable.assign(value)
    return outputs


def _jax_again(function):
    """Like jax.checkpoint, whose second computation XLA would merge with the first on a CPU."""

    def backward(arguments, gradients):
        # Nothing known before the gradients, so that it waits for them; NaN where they are NaN in any case.
        first = jax.numpy.ravel(gradients[0])[0]
        features = jax.numpy.where(first == first, arguments[0], jax.numpy.nan)
        return jax.vjp(function, features, *arguments[1:])[1](gradients)

    again = jax.custom_vjp(function)
    again.defvjp(lambda *arguments: (function(*arguments), arguments), backward)
    return again
