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


def traced(function, shapes):
    """A function of tensors as TensorFlow's graph, for batches of any size.

    Args:
        function: of float32 arrays, by name; the variables that it reads must not change afterwards.
        shapes: name of each argument -> shape of one entry of its batch.

    Returns:
        TensorFlow's function, whose `input_signature` lists the arguments in the order of `shapes`.
    """
    signature = [tf.TensorSpec((None, *shape), "float32", name=name) for name, shape in shapes.items()]
    return tf.function(function, input_signature=signature)
