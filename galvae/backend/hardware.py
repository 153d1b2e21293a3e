"""The computer's processor and memory, read from the operating system without Keras."""

import contextlib
import resource
import sys
from pathlib import Path

from galvae.errors import CannotBeDone

CGROUP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
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
    """Bytes of main memory that this process may still allocate without swapping; 0 if the system does not say.

    It is less in a job or a container that has a limit of its own (control groups, version 2).
    """
    available = 0
    with contextlib.suppress(OSError), open("/proc/meminfo") as lines:
        for line in lines:
            if line.startswith("MemAvailable:"):
                available = 1024 * int(line.split()[1])
    return min([available, *_left_in_groups()]) if available else 0


def _left_in_groups():
    """Bytes that each limited control group of this process may still take, itself and those that it is in."""
    left = []
    with contextlib.suppress(OSError, ValueError, KeyError, StopIteration):
        own = next(line for line in CGROUP.read_text().splitlines() if line.startswith("0::"))
        group = GROUPS / own.removeprefix("0::").strip("/")
        for folder in (group, *group.parents)[: len(group.parts) - len(GROUPS.parts) + 1]:
            limit = folder / "memory.max"
            if limit.is_file() and limit.read_text().strip() != "max":
                statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                used = int((folder / "memory.current").read_text()) - int(statistics["inactive_file"])
                left.append(max(0, int(limit.read_text()) - used))
    return left


def _cpuinfo(key):
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
