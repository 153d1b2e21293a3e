"""Several devices that share every batch."""

import contextlib
import functools
import logging

from galvae.errors import GalvaeError

log = logging.getLogger(__name__)


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


def scope(backend, kind, count):
    """Context in which model, optimizer and feeds are made, so that all devices have a part in them."""
    if count == 1:
        return contextlib.nullcontext()
    if backend == "tensorflow":
        return _strategy(kind, count).scope()
    import keras

    return keras.distribution.DataParallel(devices=keras.distribution.list_devices()[:count]).scope()


def replicas():
    """Number of devices among which the model divides its work by itself; 1 where the backend does it."""
    import keras

    if keras.config.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


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
