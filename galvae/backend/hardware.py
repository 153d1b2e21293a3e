"""The machine: its processor, its memory."""

import contextlib
import sys
from pathlib import Path

from galvae.errors import CannotBeDone

LEAST_ADDRESS_SPACE = 6_000_000_000  # bytes; TensorFlow maps three to four gigabytes for the smallest run


def check_address_space():
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

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    values = {name: text for name, _, text in (line.partition(":") for line in lines)}
    return sum(int(values[name].split()[0]) for name in ("RssAnon", "RssShmem")) * 1024 / 1e6


def free_memory(backend, kind):
    """Bytes that this process may still take of its device, of those free at its begin; 0 where it does not tell."""
    if kind == "cpu":
        return _available()
    if backend == "jax":
        import jax

        found = jax.local_devices()[0].memory_stats() or {}
        return max(0, found.get("bytes_limit", 0) - found.get("bytes_in_use", 0))
    import tensorflow as tf

    # The limit is that of the allocator, which belongs to the process and not to the session that is asked.
    with tf.compat.v1.Session() as session:
        limits = [found.memory_limit_bytes for found in session.list_devices() if found.device_type == "GPU"]
    return max(0, limits[0] - tf.config.experimental.get_memory_info("GPU:0")["current"])


def out_of_memory(backend):
    """The class of errors with which a backend says that a device's memory is full."""
    if backend == "jax":
        import jax

        return jax.errors.JaxRuntimeError
    import tensorflow as tf

    return tf.errors.ResourceExhaustedError


def _available():
    with contextlib.suppress(OSError), open("/proc/meminfo") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return 0


def _cpuinfo(key):
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
