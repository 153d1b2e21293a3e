"""JAX on all devices of several processes."""

import glob
import logging
import socket

import jax

from galvae.backend import processes
from galvae.errors import GalvaeError
from galvae.system.gpus import listed_gpus

PATIENCE = 300  # seconds in which all processes must have come to this place


def join(group):
    """Makes JAX see the devices of all processes; to be called before it has looked for any.

    A process that has its machine for itself uses all GPUs of it, each of several one.

    Args:
        group: processes.Group.

    Raises:
        GalvaeError: if some processes see GPUs and others none, or a machine has fewer GPUs than processes.
    """
    gpus = _visible_gpus()
    processes.check_equal({"whether there is a GPU": gpus > 0})
    own = None
    if gpus > 1 and group.local_count > 1:
        if group.local_count > gpus:
            raise GalvaeError(
                f"{processes.described(group.place.rank)}: expected a GPU for each of {group.local_count} processes, "
                f"received {gpus}"
            )
        own = [group.local_rank]
    logging.getLogger("jax").setLevel(logging.WARNING)  # else it says what it connects to
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    port = processes.from_first("port of JAX", _free_port())
    jax.distributed.initialize(
        f"{group.place.host}:{port}",
        group.place.count,
        group.place.rank,
        local_device_ids=own,
        cluster_detection_method="deactivate",
        initialization_timeout=PATIENCE,
    )
    group.leave = jax.distributed.shutdown


def _visible_gpus():
    """Number of GPUs that this process may use, without a look at them, which would start JAX."""
    listed = listed_gpus()
    return len(glob.glob("/dev/nvidia[0-9]*") if listed is None else listed)


def _free_port():
    with socket.socket() as free:
        free.bind(("", 0))
        return free.getsockname()[1]
