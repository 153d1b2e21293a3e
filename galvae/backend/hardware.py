"""The computer's processor and memory, read from the operating system without Keras."""

import contextlib
import resource
import sys
from pathlib import Path

from galvae.errors import CannotBeDone

LEAST_ADDRESS_SPACE = 6_000_000_000  # bytes; TensorFlow maps three to four gigabytes for the smallest run


def check_address_space():
    """Refuses a limit (`ulimit -v`) under which the backends' native code would crash instead of raising.

    Raises:
        CannotBeDone: if the limit is below 6 GB.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < LEAST_ADDRESS_SPACE:
        raise CannotBeDone(
            f"memory: expected {LEAST_ADDRESS_SPACE / 1e9:g} GB of address space or more, received "
            f"{limit / 1e9:.1f}, the limit of ulimit -v"
        )


def processor_flags():
    """The processor's feature flags as a set; empty if the system does not list them."""
    return set(_cpuinfo("flags").split())


def processor_name():
    """Model of the processor, or "unknown"."""
    return _cpuinfo("model name") or "unknown"


def memory_mb():
    """Anonymous and shared memory of this process in MB; pages of memory-mapped files do not count."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux: the peak of everything is the nearest figure
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    values = {name: text for name, _, text in (line.partition(":") for line in lines)}
    return sum(int(values[name].split()[0]) for name in ("RssAnon", "RssShmem")) * 1024 / 1e6


def available_memory():
    """Bytes of main memory that programs may still allocate without swapping; 0 if the system does not say."""
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
