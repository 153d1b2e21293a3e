"""Backend, precision and the feeding of data: the only file that knows TensorFlow from JAX."""

import contextlib
import functools
import itertools
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from galvae.errors import CannotBeDone, GalvaeError

# Of what TensorFlow would compute in bfloat16 on a CPU, the operations that make up losses and their means.
FLOAT32_OPERATIONS = "Sum,Mean,Sub,Square,SquaredDifference,Mul,Sigmoid,Exp,Log1p,Softplus"
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of /proc/cpuinfo: the processor multiplies bfloat16 natively
LEAST_ADDRESS_SPACE = 6_000_000_000  # bytes; TensorFlow maps three to four gigabytes for the smallest run

log = logging.getLogger(__name__)


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

    def scope(self):
        """Context in which model, optimizer and feeds are made, so that all devices have a part in them."""
        if self.count == 1:
            return contextlib.nullcontext()
        if self.backend == "tensorflow":
            return _strategy(self.kind, self.count).scope()
        import keras

        return keras.distribution.DataParallel(
            devices=keras.distribution.list_devices()[: self.count]
        ).scope()


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
        _check_address_space()
        os.environ["KERAS_BACKEND"] = backend
        os.environ["KERAS_HOME"] = os.devnull  # so that no keras.json is read or, by parallel jobs, written
        os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_INFERLIST_REMOVE"] = FLOAT32_OPERATIONS
        with _quiet():
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
    _set_precision(backend, kind, chosen)
    return Device(
        backend=backend,
        kind=kind,
        name=gpus[0] if gpus else processor_name(),
        count=choose_count(count, available, kind, batch),
        precision=chosen,
        threads=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    )


def _check_address_space():
    """Refuses a limit (`ulimit -v`) under which the backends' native code would crash instead of raising.

    Raises:
        CannotBeDone: then.
    """
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise CannotBeDone(
            f"memory: expected {LEAST_ADDRESS_SPACE / 1e9:g} GB of address space or more, received "
            f"{limit / 1e9:.1f}, the limit of ulimit -v"
        )


def choose_precision(precision, kind, backend, flags):
    """The precision that a request comes to on a device.

    Args:
        precision: "auto", "float32" or "bfloat16".
        kind: "cpu" or "gpu".
        backend: "tensorflow" or "jax".
        flags: set of the processor's flags.

    Returns:
        "float32" or "bfloat16". A processor without bfloat16 arithmetic computes in float32, with a warning
        if bfloat16 was asked for.
    """
    able = kind == "gpu" or (backend == "tensorflow" and bool(BFLOAT16_FLAGS & flags))
    if precision == "bfloat16" and not able:
        log.warning(
            "precision=bfloat16: expected a GPU, or tensorflow on a processor with %s; computing in float32",
            " or ".join(sorted(BFLOAT16_FLAGS)),
        )
    return "bfloat16" if able and precision != "float32" else "float32"


def choose_count(count, available, kind, batch):
    """The number of devices that a request comes to.

    Args:
        count: number, or "auto": as many GPUs as part the batch equally; one processor, which already is all cores.
        available: number of devices there are.
        kind: "cpu" or "gpu".
        batch: images to share.

    Returns:
        At most `available`, with a warning if more were asked for: the run is the same on fewer, but slower.
    """
    available = max(1, available)
    if count == "auto":
        chosen = max(n for n in range(1, available + 1) if batch % n == 0) if kind == "gpu" else 1
        if kind == "gpu" and chosen < available:
            log.warning(
                "devices=auto: %d of the %d GPUs share a batch of %d equally; a multiple of %d uses all",
                *(chosen, available, batch, available),
            )
        return chosen
    if count > available:
        log.warning(
            "devices=%d: expected at most %d, the number of %ss there are; going on with %d",
            *(count, available, kind.upper(), available),
        )
    return min(count, available)


def processor_flags():
    """Flags of the processor as a set; empty where the system does not tell."""
    return set(_cpuinfo("flags").split())


def processor_name():
    """Model of the processor, or "unknown"."""
    return _cpuinfo("model name") or "unknown"


def memory_mb():
    """Anonymous and shared memory of this process in MB; pages of memory-mapped files do not count."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux: the peak of everything is the nearest figure
        import resource

        unit = 1e6 if sys.platform == "darwin" else 1e3
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    values = {name: text for name, _, text in (line.partition(":") for line in lines)}
    return sum(int(values[name].split()[0]) for name in ("RssAnon", "RssShmem")) / 1e3


def feed(batches, start=0):
    """The batches without end, in the form that Keras' fit takes fastest, prepared beside the step.

    Several devices, those of the `Device.scope` around this call, get equal parts of each batch. A batch that
    cannot be parted equally is given to each of them whole, so that the mean over devices always is the mean
    over the batch.

    Args:
        batches: a galvae Batches.
        start: the first step.

    Returns:
        An endless iterable of (inputs,) for `fit` with `steps_per_epoch=len(batches)`.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return _endless(batches, start, keras.distribution.distribution())
    import tensorflow as tf

    count = replicas()

    def take(number):
        if count == 1:
            return batches.gather(batches.step(number))
        return _part(batches, *divmod(number, count), count)

    sample = take(0)
    names, kinds = list(sample), [array.dtype for array in sample.values()]

    def gather(number):
        return list(take(int(number)).values())

    def inputs(number):
        arrays = tf.numpy_function(gather, [number], kinds)
        for array, name in zip(arrays, names, strict=True):
            array.set_shape((None, *sample[name].shape[1:]))
        return (dict(zip(names, arrays, strict=True)),)

    # There is nothing to tune here, and the tuner's thread, which sleeps for up to a minute between two looks,
    # is waited for when training ends.
    options = tf.data.Options()
    options.autotune.enabled = False
    dataset = tf.data.Dataset.counter(start * count).map(inputs).prefetch(2 * count).with_options(options)
    if count == 1:
        return dataset
    return tf.distribute.get_strategy().distribute_datasets_from_function(lambda _: dataset)


def replicas():
    """Number of devices among which the model divides its work by itself; 1 where the backend does it."""
    import keras

    if keras.config.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def adam(learning_rate, clip_norm):
    """The optimizer, made within `Device.scope`.

    Args:
        learning_rate: number or schedule.
        clip_norm: largest global norm of the gradient of the whole batch; None: no limit.
    """
    import keras

    count = replicas()
    if clip_norm is None or count == 1:
        return keras.optimizers.Adam(learning_rate, global_clipnorm=clip_norm, name="adam")
    import tensorflow as tf

    class Adam(keras.optimizers.Adam):
        """Adam that clips the whole batch's gradient: Keras' own clips each device's before it sums them."""

        def apply_gradients(self, grads_and_vars):
            gradients, variables = zip(*grads_and_vars, strict=True)
            context = tf.distribute.get_replica_context()
            return super().apply_gradients(zip(context.all_reduce("MEAN", gradients), variables, strict=True))

    return Adam(learning_rate, global_clipnorm=clip_norm / count, name="adam")


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


@functools.cache
def _strategy(kind, count):
    """The only one of a process: TensorFlow takes equal ones for different, and cannot sum in two groups of devices.

    Raises:
        GalvaeError: if the process has one of another number of devices.
    """
    if _strategy.cache_info().currsize:
        raise GalvaeError(
            "devices: this process has already trained on another number of them; expected the same or 1, "
            f"received {count}"
        )
    import tensorflow as tf

    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # else every reduction is a line in the log
    return tf.distribute.MirroredStrategy([f"{kind}:{i}" for i in range(count)])


def _part(batches, step, device, count):
    """What one of several devices takes of a step.

    Returns:
        dict of what `Batches.gather` gives and, for each image, its row in the whole batch and its weight in
        means over images, so that the weights of an image sum to one over all devices.
    """
    indices = batches.step(step)
    rows, weight = np.arange(len(indices), dtype=np.int32), 1 / count
    if len(indices) % count == 0:
        rows, weight = np.split(rows, count)[device], 1
    return {
        **batches.gather(indices[rows]),
        "rows": rows,
        "weight": np.full(len(rows), weight, np.float32),
    }


def _endless(batches, start=0, distribution=None):
    """Batches for JAX, which lets every device see the whole batch, wherever its parts lie."""
    for step in itertools.count(start):
        inputs = batches.gather(batches.step(step))
        if distribution is not None:
            inputs = {name: _laid_out(array, distribution) for name, array in inputs.items()}
        yield (inputs,)


def _laid_out(array, distribution):
    """An array whose first axis is parted among JAX devices, or which each of them has whole."""
    import jax
    import keras

    layout = distribution.get_data_layout(array.shape)
    if len(array) % distribution.num_model_replicas:
        layout = keras.distribution.TensorLayout([None] * array.ndim, distribution.device_mesh)
    return jax.make_array_from_callback(array.shape, layout.backend_layout, array.__getitem__)


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


def _set_precision(backend, kind, precision):
    import keras

    mixed = precision == "bfloat16"
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed and kind == "gpu" else "float32")
    if backend == "tensorflow":
        import tensorflow as tf

        # On a CPU, oneDNN's rewrite of the float32 graph is faster than Keras' mixed policy.
        rewrite = mixed and kind == "cpu"
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": rewrite})


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


def _cpuinfo(key):
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
