"""Keras made ready for one job: its backend, device and precision."""

import contextlib
import os
import sys
from dataclasses import dataclass

from galvae.backend import replicas
from galvae.backend.hardware import check_address_space, processor_flags, processor_name
from galvae.backend.precision import FLOAT32_OPERATIONS, choose_precision, set_precision
from galvae.errors import GalvaeError

# What Keras and TensorFlow load if it is there, for features that nothing here uses: a third of the start.
UNUSED = ("jax", "matplotlib", "pandas", "sklearn")
MOST_STEPS = 16  # in a row, after which signals are answered and losses looked at


@dataclass(frozen=True)
class Device:
    """Where and how a process computes.

    Attributes:
        backend: "tensorflow" or "jax".
        kind: "cpu" or "gpu".
        name: of the processor or of the first GPU.
        count: number of devices that share every batch.
        precision: "float32" or "bfloat16" (matrix products only; weights and losses stay float32).
        threads: processors that this process may use.
    """

    backend: str
    kind: str
    name: str
    count: int
    precision: str
    threads: int

    @property
    def jit(self):
        """Whether steps are compiled by XLA.

        On a CPU TensorFlow without it is three times faster; and XLA cannot compile what TensorFlow's devices
        tell each other.
        """
        return self.backend == "jax" or (self.kind == "gpu" and self.count == 1)

    def steps_at_once(self, steps):
        """How many of an epoch's steps a GPU is given before Python looks at their results, for which it would wait.

        A divisor of them, since Keras would take more than the epoch from an endless feed. Several devices of
        TensorFlow cannot: its loop and its sums over them do not go together.
        """
        most = MOST_STEPS if self.kind == "gpu" and (self.backend == "jax" or self.count == 1) else 1
        return max(number for number in range(1, most + 1) if steps % number == 0)

    def scope(self):
        """Context in which model, optimizer and feeds are made, so that all devices have a part in them."""
        return replicas.scope(self.backend, self.kind, self.count)


def setup(backend, precision="float32", seed=0, count=1, batch=1):
    """Makes Keras ready for one job; call it before anything imports Keras.

    Settings left by an earlier job of this process are reset, and nothing is taken from the user's
    keras.json.

    Args:
        backend: "tensorflow" or "jax".
        precision: "auto", "float32" or "bfloat16".
        seed: of weights and of whatever else draws without a seed of its own.
        count: number of devices to train on, or "auto": all GPUs, as far as they can share a batch equally.
        batch: images that they share.

    Returns:
        Device.

    Raises:
        GalvaeError: if the backend is not installed, or Keras already runs on the other one.
    """
    if "keras" not in sys.modules:
        check_address_space()
        os.environ["KERAS_BACKEND"] = backend
        os.environ["KERAS_HOME"] = os.devnull  # so that no keras.json is read or, by parallel jobs, written
        os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_INFERLIST_REMOVE"] = FLOAT32_OPERATIONS
        with _quiet(), _without(UNUSED, backend):
            _import(backend)
    import keras

    if keras.config.backend() != backend:
        raise GalvaeError(
            f"backend: this process already runs Keras on {keras.config.backend()}; expected the same, "
            f"received {backend}"
        )
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    with _quiet():
        gpus = _gpus(backend)
        available = len(gpus) if gpus or count in (1, "auto") else _processors(backend)
    kind = "gpu" if gpus else "cpu"
    chosen = choose_precision(precision, kind, backend, processor_flags())
    set_precision(backend, kind, chosen)
    return Device(
        backend=backend,
        kind=kind,
        name=gpus[0] if gpus else processor_name(),
        count=replicas.choose_count(count, available, kind, batch),
        precision=chosen,
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )


def compiled(function):
    """A function of tensors, traced once and run as a graph; on a GPU compiled by XLA.

    Args:
        function: of arrays, None, and dicts of arrays, whose variables do not change any more.
    """
    import keras

    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    import tensorflow as tf

    jit = bool(tf.config.list_physical_devices("GPU"))
    return tf.function(function, reduce_retracing=True, jit_compile=jit)


def _processors(backend):
    """Number of CPU devices; one, unless the process has been told to make more."""
    if backend == "jax":
        import jax

        return jax.device_count()
    import tensorflow as tf

    return len(tf.config.list_logical_devices("CPU"))


def _import(backend):
    try:
        __import__(backend)
        __import__("keras")
        with contextlib.suppress(ImportError):  # Keras would load it later, and louder, on JAX too
            __import__("tensorflow")
    except ImportError as error:
        raise GalvaeError(
            f"backend: expected {backend} to be installed (pip install {backend}), received {error}"
        ) from error


@contextlib.contextmanager
def _without(packages, backend):
    """While it lasts, an import of these packages fails, unless they are loaded already or are the backend."""
    hidden = [name for name in packages if name not in sys.modules and name != backend]
    sys.modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _gpus(backend):
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        # Without growth, one job takes the whole memory of a GPU that others share.
        with contextlib.suppress(RuntimeError):  # already in use by an earlier job of this process
            tf.config.experimental.set_memory_growth(gpu, True)
    return [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]


@contextlib.contextmanager
def _quiet():
    """Hides what TensorFlow's libraries print while they load; TF_CPP_MIN_LOG_LEVEL=0 shows it all."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        # The first lines come before TensorFlow reads its log level, from C++: only the descriptor stops them.
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
