"""Keras prepared for one job: its backend, device and precision.

This module can be imported before Keras; every other one that computes is imported after `load`.
"""

import contextlib
import os
import sys
from dataclasses import dataclass

from galvae.backend import processes
from galvae.backend.hardware import check_address_space, processor_flags, processor_name
from galvae.errors import GalvaeError
from galvae.system.cache_folder import cache_folder
from galvae.system.cores import cores

# Packages that Keras and TensorFlow import if installed, for features not used here: a third of the start-up time.
UNUSED = ("jax", "matplotlib", "pandas", "sklearn")
MOST_STEPS = 16  # in a row, before losses are read or processes ask each other
# Variables by which Keras cuts every epoch or fit short, whatever a run's configuration says.
LIMITS = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH")

# The operations that make up losses and their means, which TensorFlow must not compute in bfloat16 on a CPU.
FLOAT32_OPERATIONS = "Sum,Mean,Sub,Square,SquaredDifference,Mul,Sigmoid,Exp,Log1p,Softplus"


@dataclass(frozen=True)
class Device:
    """The device on which a process computes, and its precision.

    Attributes:
        backend: "tensorflow" or "jax".
        kind: "cpu" or "gpu".
        name: of the processor or of the first GPU.
        count: number of devices that share every batch, of all processes.
        precision: "float32" or "bfloat16" (matrix products only; weights and losses stay float32).
        threads: processors that this process may use.
        processes: number of processes that train together.
        nodes: number of machines on which they run.
    """

    backend: str
    kind: str
    name: str
    count: int
    precision: str
    threads: int
    processes: int = 1
    nodes: int = 1

    @property
    def jit(self):
        """Whether XLA compiles the training steps.

        On a CPU, TensorFlow is three times faster without it; and XLA cannot compile TensorFlow's communication
        between devices.
        """
        return self.backend == "jax" or (self.kind == "gpu" and self.count == 1)

    def steps_at_once(self, steps):
        """Number of training steps that TensorFlow takes in a loop on a GPU.

        It divides the epoch, since Keras would take more than the epoch from an endless feed. Several devices take one
        step at a time, since TensorFlow cannot combine such a loop with sums over devices. So does JAX, which needs no
        loop: Python starts a step while the GPU computes earlier ones.

        Args:
            steps: per epoch.
        """
        most = MOST_STEPS if self.kind == "gpu" and self.backend == "tensorflow" and self.count == 1 else 1
        return max(number for number in range(1, most + 1) if steps % number == 0)

    @property
    def steps_unread(self):
        """Number of training steps after which the loss is read, for which Python waits until a GPU has computed it."""
        return MOST_STEPS if self.kind == "gpu" else 1

    def scope(self):
        """Context in which model, optimizer and feeds are created, so that they use all devices."""
        from galvae.backend.replicas import scope  # late: it imports Keras

        return scope(self.backend, self.kind, self.count)


def load(backend):
    """Imports Keras on a backend, quietly, and without reading the user's keras.json.

    Call it before anything else imports Keras, which fixes its backend at that moment.

    Args:
        backend: "tensorflow" or "jax".

    Raises:
        GalvaeError: if the backend is not installed, or Keras already runs on the other one.
        CannotBeDone: if the process may use too little address space for the backend's native code.
    """
    if "keras" not in sys.modules:
        check_address_space()
        os.environ["KERAS_BACKEND"] = backend
        os.environ["KERAS_HOME"] = os.devnull  # so that no keras.json is read or, by parallel jobs, written
        for name in LIMITS:
            os.environ.pop(name, None)
        os.environ["TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_INFERLIST_REMOVE"] = FLOAT32_OPERATIONS
        with _quiet(), _without(UNUSED, backend):
            _import(backend)
        if backend == "jax" and processes.group() is not None:
            from galvae.backend.distributed import join  # late: it imports JAX

            join(processes.group())
    running = sys.modules["keras"].config.backend()
    if running != backend:
        raise GalvaeError(
            f"backend: this process already runs Keras on {running}; expected the same, received {backend}"
        )


def setup(backend, precision="float32", seed=0, count=1, batch=1):
    """Prepares Keras for one job: resets the settings that an earlier job of this process may have left.

    Args:
        backend: "tensorflow" or "jax".
        precision: "auto", "float32" or "bfloat16".
        seed: of weights and of whatever else draws without a seed of its own.
        count: number of devices to train on, or "auto": all GPUs that can share a batch equally.
        batch: images that they share.

    Returns:
        Device.

    Raises:
        GalvaeError: see `load`.
        CannotBeDone: see `load`.
    """
    load(backend)
    import keras  # late, like the modules that import it: `load` decides on its backend

    from galvae.backend import devices, graph, replicas
    from galvae.backend import precision as arithmetic

    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    with _quiet():
        gpus = devices.gpu_names()
        together = processes.count()
        available = len(gpus) if gpus or (count in (1, "auto") and together == 1) else devices.cpu_count()
    kind = "gpu" if gpus else "cpu"
    if gpus:
        graph.keep_compiled(cache_folder() / "compiled")
    chosen = arithmetic.choose_precision(precision, kind, backend, processor_flags())
    arithmetic.set_precision(chosen, kind)
    return Device(
        backend=backend,
        kind=kind,
        name=gpus[0] if gpus else processor_name(),
        count=replicas.choose_count(count, available, kind, batch, together),
        precision=chosen,
        threads=cores(),
        processes=together,
        nodes=processes.nodes(),
    )


def _import(backend):
    try:
        __import__(backend)
        __import__("keras")
        with contextlib.suppress(ImportError):  # Keras would load it later, and louder, on JAX too
            __import__("tensorflow")
    except ImportError as error:
        missing = (error.name or backend).partition(".")[0]  # the backend, Keras or a package that these need
        raise GalvaeError(
            f"backend: expected {missing} to be installed (pip install {missing}), received {error}"
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


@contextlib.contextmanager
def _quiet():
    """Hides what TensorFlow's libraries print while they load; TF_CPP_MIN_LOG_LEVEL=0 shows it all."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stderr.flush()
    stderr, devnull = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        # The first lines come before TensorFlow reads its log level, from C++: only the descriptor stops them.
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)
