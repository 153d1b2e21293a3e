"""Several devices that share every batch."""

import contextlib
import contextvars
import functools
import logging

import keras

from galvae.errors import GalvaeError

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax

AXIS = "batch"  # over which Keras' DataParallel divides arrays among JAX devices
_computing = contextvars.ContextVar("devices that compute their shares", default=1)

log = logging.getLogger(__name__)


def choose_count(count, available, kind, batch, processes=1):
    """The number of devices that share a batch, given the number that was requested.

    If more are requested than there are, all of them are used, with a warning: the run is the same, but slower.

    Args:
        count: number, or "auto": as many GPUs as divide the batch equally, or one CPU, which is all its cores.
        available: number of devices there are.
        kind: "cpu" or "gpu".
        batch: images to share.
        processes: number of processes that have these devices; all devices of several are used.

    Returns:
        Number from 1 to `available`.

    Raises:
        GalvaeError: if several processes are to leave devices unused.
    """
    available = max(1, available)
    if processes > 1:
        if count not in ("auto", available):
            raise GalvaeError(
                f"devices: expected auto or {available}, the number that {processes} processes have together, received "
                f"{count}"
            )
        return available
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
            "devices=%d: expected at most %d, the number of %ss there are; using %d",
            *(count, available, kind.upper(), available),
        )
    return min(count, available)


def scope(backend, kind, count):
    """Context in which model, optimizer and feeds are created, so that they use all devices.

    Args:
        backend: "tensorflow" or "jax".
        kind: "cpu" or "gpu".
        count: number of devices.

    Raises:
        GalvaeError: if this process has already trained on another number of TensorFlow devices above one.
    """
    if count == 1:
        return contextlib.nullcontext()
    if backend == "tensorflow":
        return _strategy(kind, count).scope()
    return keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:count]).scope()


def replicas():
    """Number of devices on each of which a model computes its own share of a batch."""
    if keras.config.backend() != "tensorflow":
        return _computing.get()
    return tf.distribute.get_strategy().num_replicas_in_sync


def mesh():
    """The JAX devices that share a batch, as a Mesh, in the `scope` around this call; None: one, or TensorFlow."""
    distribution = keras.distribution.distribution() if keras.config.backend() == "jax" else None
    return None if distribution is None else distribution.device_mesh.backend_mesh


@contextlib.contextmanager
def each_of(count):
    """Context in which what is computed is the share of each of several JAX devices, see `replicas`."""
    token = _computing.set(count)
    try:
        yield
    finally:
        _computing.reset(token)


def mean_over_devices(value):
    """The mean over the JAX devices of a value that each computes of its share."""
    return jax.lax.pmean(value, AXIS)


@functools.cache
def _strategy(kind, count):
    """The strategy of this process, which can have only one: TensorFlow cannot sum over two groups of devices.

    Raises:
        GalvaeError: if the process has one of another number of devices.
    """
    if _strategy.cache_info().currsize:
        raise GalvaeError(
            "devices: this process has already trained on another number of them; expected the same or 1, "
            f"received {count}"
        )
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # else every reduction is a line in the log
    return tf.distribute.MirroredStrategy([f"{kind}:{i}" for i in range(count)])
