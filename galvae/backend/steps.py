"""Steps of training and validation, whose batch is computed at once or in parts.

Parts are computed one after the other, so that a device holds what one of them needs. The result is that of the whole
batch: each image has the random numbers of its row in it (`galvae.backend.shares`), and gradients and running
statistics are means over the parts, which all begin with the same variables.
"""

import keras
from keras import ops

from galvae.backend.replicas import AXIS, each_of, replicas
from galvae.backend.shares import Share, computing

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax
    import jax.flatten_util


def train_step(model, *arguments):
    """A step of training, with the arguments and results of the `train_step` of Keras on this backend.

    Args:
        model: BatchModel.
        *arguments: the batch, as (inputs,); on JAX, before it the values of all variables.
    """
    *state, (inputs, *_) = arguments
    if not state:
        gradients, *updates = _computed(model, *_values(model), inputs, training=True)
        _assign(model, *updates)
        model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return model.get_metrics_result()
    ((trained, others, optimizer, metrics),) = state
    gradients, others, metrics = _computed(model, trained, others, metrics, inputs, training=True)
    trained, optimizer = model.optimizer.stateless_apply(optimizer, gradients, trained)
    return _logs(model, metrics), (trained, others, optimizer, metrics)


def test_step(model, *arguments):
    """A step of validation, with the arguments and results of the `test_step` of Keras on this backend.

    Args:
        model, *arguments: see `train_step`.
    """
    *state, (inputs, *_) = arguments
    if not state:
        _, *updates = _computed(model, *_values(model), inputs, training=False)
        _assign(model, *updates)
        return model.get_metrics_result()
    ((trained, others, metrics),) = state
    _, others, metrics = _computed(model, trained, others, metrics, inputs, training=False)
    return _logs(model, metrics), (trained, others, metrics)


def _computed(model, trained, others, metrics, inputs, training):
    """What a step makes of a batch, of which each of several JAX devices computes its share.

    A batch that they cannot divide equally is computed by each.

    Args:
        model: BatchModel.
        trained, others, metrics: values of its variables, see `_variables`.
        inputs: see `BatchModel.call`.
        training: whether gradients are computed.

    Returns:
        (gradients, others, metrics): lists, of which the first is empty without `training`.
    """
    size = next(iter(inputs.values())).shape[0]
    if model.mesh is None or size % model.mesh.size:
        return _of_share(model, trained, others, metrics, inputs, training)
    count, length = model.mesh.size, size // model.mesh.size

    def share(trained, others, metrics, inputs):
        rows = jax.lax.axis_index(AXIS) * length + jax.numpy.arange(length, dtype="int32")
        with each_of(count):
            gradients, moved, counted = _of_share(
                model, trained, others, metrics, {**inputs, "rows": rows}, training
            )
        changes = [after - before for after, before in zip(counted, metrics, strict=True)]
        floats = [value / count for value in moved if _is_float(value)]
        # One sum of all: each message costs a device milliseconds.
        gradients, floats, changes = _sum_over_devices((gradients, floats, changes))
        rest = iter(floats)
        moved = [next(rest) if _is_float(value) else value for value in moved]
        return gradients, moved, [before + change for before, change in zip(metrics, changes, strict=True)]

    whole, divided = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(AXIS)
    # Random numbers and gradients are the same on all devices by construction, which JAX cannot infer.
    mapped = jax.shard_map(
        share, mesh=model.mesh, in_specs=(whole, whole, whole, divided), out_specs=whole, check_vma=False
    )
    return mapped(list(trained), list(others), list(metrics), inputs)


def _sum_over_devices(values):
    """The sums over JAX devices of nested lists of float32 arrays, in one message."""
    vector, restore = jax.flatten_util.ravel_pytree(values)
    return restore(jax.lax.psum(vector, AXIS))


def _of_share(model, trained, others, metrics, inputs, training):
    """What `_computed` returns of the images that one device computes, at once or in parts."""
    variables, count = _variables(model), model.accumulate

    def compute(trained, part, share, metrics):
        mapping = list(zip(sum(variables, []), [*trained, *others, *metrics], strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope, computing(share):
            outputs = model(part, training=training)
            loss = model.compute_loss(x=part, y_pred=outputs, training=training)
        return loss, [[scope.get_current_value(variable) for variable in group] for group in variables[1:]]

    if count == 1:
        (_, updates), gradients = _gradients(compute, trained, inputs, None, metrics, training=training)
        return gradients, *updates
    part_of = _divided(inputs, count)

    def add(number, sums):
        gradients, moved, metrics = sums
        (_, (after, metrics)), new = _gradients(
            compute, trained, *part_of(number), metrics, training=training
        )
        gradients = [total + gradient / count for total, gradient in zip(gradients, new, strict=True)]
        # Of running statistics the mean change over the parts; of the states of random numbers any part's.
        moved = [
            total + (value - before) / count if _is_float(value) else value
            for total, value, before in zip(moved, after, others, strict=True)
        ]
        return gradients, moved, metrics

    gradients = [ops.zeros_like(value) for value in trained] if training else []
    moved = [ops.zeros_like(value) if _is_float(value) else value for value in others]
    gradients, moved, metrics = _loop(count, add, (gradients, moved, list(metrics)))
    others = [
        before + change if _is_float(before) else change for before, change in zip(others, moved, strict=True)
    ]
    return gradients, others, metrics


def _divided(inputs, count):
    """Function of a number that returns this part of a batch, as (inputs, Share).

    Part p has the images p, p + count, p + 2 count ..., so that of images that devices hold in a row each computes its
    own. A batch that is no multiple of `count` is filled up with images of weight zero.

    Args:
        inputs: see `BatchModel.call`.
        count: of parts.
    """
    whole = {name: array for name, array in inputs.items() if name == "resident"}
    arrays = {name: array for name, array in inputs.items() if name not in whole}
    size = ops.shape(next(iter(arrays.values())))[0]
    length = (size + count - 1) // count
    arrays.setdefault("rows", ops.arange(size, dtype="int32"))
    arrays.setdefault("weight", ops.ones((size,)))
    if not (isinstance(size, int) and size % count == 0):
        order = ops.arange(count * length, dtype="int32")
        arrays = {name: ops.take(array, order % size, axis=0) for name, array in arrays.items()}
        filled = ops.cast(order < size, "float32")
        arrays["weight"] = filled * arrays["weight"]
        arrays["share"] = filled * ops.cast(count * length, "float32") / ops.cast(size, "float32")
    arrays = {name: ops.reshape(array, (length, count, *array.shape[1:])) for name, array in arrays.items()}

    def part(number):
        taken = {name: ops.take(array, number, axis=1) for name, array in arrays.items()}
        share = Share(taken.pop("rows"), replicas() * size, taken.pop("share", None))
        return {**whole, **taken}, share

    return part


def _gradients(function, values, *arguments, training):
    """(what a function returns, gradients of its first output by the values that are its first argument)."""
    if not training:
        return function(values, *arguments), []
    if keras.config.backend() == "jax":
        return jax.value_and_grad(function, has_aux=True)(values, *arguments)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        outputs = function(values, *arguments)
    return outputs, tape.gradient(outputs[0], values, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _loop(count, body, values):
    """Calls a function with the numbers below `count` and what it returned before, strictly one after the other."""
    if keras.config.backend() == "jax":
        if jax.default_backend() == "cpu":
            return _chain(count, body, values)
        return jax.lax.fori_loop(0, count, body, values)
    _, values = tf.while_loop(
        lambda number, _: number < count,
        lambda number, values: (number + 1, body(number, values)),
        (tf.constant(0), values),
        parallel_iterations=1,  # else parts would be computed, and held, at the same time
    )
    return values


def _chain(count, body, values):
    """What `_loop` does, without a loop, in which XLA's convolutions are 20 times slower on a CPU.

    Reference:
        https://github.com/jax-ml/jax/issues/12868
    """
    values = body(0, values)
    for number in range(1, count):
        # XLA drops its optimisation barriers on a CPU: only a number that is not known before makes a part wait.
        known = sum(jax.numpy.ravel(value)[0] for value in jax.tree.leaves(values) if _is_float(value))
        values = body(jax.numpy.where(known == known, number, 0), values)  # NaN stays NaN in the sums
    return values


def _variables(model):
    """A model's variables: those that are trained, its others, and those of the logs."""
    return [
        list(group)
        for group in (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
    ]


def _values(model):
    return [[tf.convert_to_tensor(variable.value) for variable in group] for group in _variables(model)]


def _assign(model, others, metrics):
    for variable, value in zip(sum(_variables(model)[1:], []), [*others, *metrics], strict=True):
        variable.assign(value)


def _is_float(value):
    return "float" in keras.backend.standardize_dtype(value.dtype)


def _logs(model, metrics):
    with keras.StatelessScope(state_mapping=list(zip(model.metrics_variables, metrics, strict=True))):
        return model.get_metrics_result()
