"""The memory that a step of training needs, measured before the training begins."""

import contextlib
import math
import resource
import sys
from pathlib import Path

import keras

from galvae.backend.devices import out_of_memory

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax

TRIED = 256  # images of the largest step that is taken for its memory on a processor, where it takes its time


class StepMemory:
    """The memory that steps of a model need on one device, besides what this process has when this is made.

    JAX compiles a step and says what it will need; TensorFlow takes one.

    Args:
        kind: "cpu" or "gpu".

    Attributes:
        largest: number of images of the largest step that can be measured.
    """

    def __init__(self, kind):
        self.kind = kind
        self.compiles = keras.config.backend() == "jax"
        self.largest = math.inf if self.compiles or kind == "gpu" else TRIED
        self.before = 0 if self.compiles else self._used()

    def measure(self, model, inputs):
        """Bytes that a step needs; infinite if the device has not so many.

        Args:
            model: compiled BatchModel, whose variables the step changes.
            inputs: dict of arrays, see `BatchModel.call`.
        """
        try:
            if self.compiles:
                return _compiled_bytes(model, inputs)
            self._forget_peak()
            model.train_on_batch(inputs)
            return max(0, self._peak() - self.before)
        except out_of_memory():
            return math.inf

    def _used(self):
        if self.kind == "gpu":
            return tf.config.experimental.get_memory_info("GPU:0")["current"]
        return _of_process("VmRSS")

    def _peak(self):
        if self.kind == "gpu":
            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
        return _of_process("VmHWM")

    def _forget_peak(self):
        if self.kind == "gpu":
            tf.config.experimental.reset_memory_stats("GPU:0")
        else:
            with contextlib.suppress(OSError):  # then the peak is that of the whole process, no less
                Path("/proc/self/clear_refs").write_text("5")


def _compiled_bytes(model, inputs):
    """Bytes that the compiled step of a model needs on JAX: for variables, inputs and everything in between."""

    def shapes(variables):
        return [jax.ShapeDtypeStruct(variable.shape, variable.dtype) for variable in variables]

    groups = (model.trainable_variables, model.non_trainable_variables)
    state = tuple(map(shapes, (*groups, model.optimizer.variables, model.metrics_variables)))
    batch = {name: jax.ShapeDtypeStruct(array.shape, array.dtype) for name, array in inputs.items()}
    needed = jax.jit(model.train_step, donate_argnums=0).lower(state, (batch,)).compile().memory_analysis()
    return (
        needed.temp_size_in_bytes
        + needed.argument_size_in_bytes
        + needed.output_size_in_bytes
        - needed.alias_size_in_bytes
    )


def _of_process(name):
    """Bytes of main memory that this process has, by the name of the line in Linux' status file."""
    with contextlib.suppress(OSError), open("/proc/self/status") as lines:
        for line in lines:
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
