"""Functions of tensors, compiled for the device."""

import keras

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax


def compiled(function):
    """A function of tensors, traced once and run as a graph; on a GPU compiled by XLA.

    Args:
        function: of arrays, None, and dicts of arrays; the variables that it reads must not change afterwards.
    """
    if keras.config.backend() == "jax":
        return jax.jit(function)
    jit = bool(tf.config.list_physical_devices("GPU"))
    return tf.function(function, reduce_retracing=True, jit_compile=jit)
