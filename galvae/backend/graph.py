"""Functions of tensors, compiled for the device."""

import keras

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax

KEPT_BYTES = 500_000_000  # of compiled programs; those that were not used for longest are deleted


def compiled(function, model=None):
    """A function of tensors, traced once per shape of its arguments and run as a graph; on a GPU compiled by XLA.

    A method of the model is kept with it, so that it is traced once, however often it is asked for.

    Args:
        function: of arrays, None, and dicts of arrays. On JAX it changes no variable.
        model: Keras model whose variables the function reads; None: it reads none.
    """
    if model is None or getattr(function, "__self__", None) is not model:
        return _compiled(function, model)
    kept = vars(model).setdefault("_compiled", {})  # not among the attributes that Keras tracks
    if function.__name__ not in kept:
        kept[function.__name__] = _compiled(function, model)
    return kept[function.__name__]


def _compiled(function, model):
    if keras.config.backend() == "jax":
        variables = [] if model is None else model.variables

        # The values are arguments: as constants, each set of weights would be compiled for itself.
        def call(values, *arguments):
            with keras.StatelessScope(list(zip(variables, values, strict=True))):
                return function(*arguments)

        call = jax.jit(call)
        return lambda *arguments: call([variable.value for variable in variables], *arguments)
    jit = bool(tf.config.list_physical_devices("GPU"))
    return tf.function(function, reduce_retracing=True, jit_compile=jit)


def keep_compiled(folder):
    """Keeps what JAX compiles for GPUs in a folder, for all later processes; a folder of the user's own comes first.

    Args:
        folder: Path.
    """
    if keras.config.backend() == "jax" and jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", KEPT_BYTES)


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
