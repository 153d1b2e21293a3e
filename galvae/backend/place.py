"""The place of this process among those that train one run together, from the environment.

srun describes the tasks of its job step. Where there is no SLURM, the variables of JAX do, which count before srun's:
JAX_COORDINATOR_ADDRESS=HOST:PORT of the first process, JAX_NUM_PROCESSES, and JAX_PROCESS_ID from 0.
"""

import os
import zlib
from dataclasses import dataclass

from galvae.errors import GalvaeError

BY_HAND = ("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
# Not SLURM_NTASKS: a batch script and the shell of salloc have it too, and are one process.
OF_STEP = ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_JOB_ID", "SLURM_STEP_ID")
FIRST_PORT, PORTS = 20_000, 12_000  # below those that systems give away by themselves


@dataclass(frozen=True)
class Place:
    """The place of this process among others.

    Attributes:
        rank: its number, from 0.
        count: number of processes.
        host: machine of the first one.
        port: where that listens for the others, there or on one of the next ports.
        job: text that only these processes have in common.
        slurm: whether srun started them.
    """

    rank: int = 0
    count: int = 1
    host: str = "localhost"
    port: int = 0
    job: str = ""
    slurm: bool = False


def place():
    """The Place of this process.

    Raises:
        GalvaeError: if the variables of JAX are not all set, or contradict each other.
    """
    if os.environ.get("JAX_NUM_PROCESSES", "1") != "1":
        return _by_hand()
    if os.environ.get("SLURM_STEP_NUM_TASKS", "1") != "1" and all(name in os.environ for name in OF_STEP):
        return _of_step()
    return Place()


def _by_hand():
    address, count, rank = (os.environ.get(name, "") for name in BY_HAND)
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and count.isdecimal() and rank.isdecimal() and int(rank) < int(count)):
        raise GalvaeError(
            f"JAX_NUM_PROCESSES={count}: expected JAX_COORDINATOR_ADDRESS=HOST:PORT of the first process and "
            "JAX_PROCESS_ID from 0 to below that number, received "
            f"{address or 'no address'} and {rank or 'no process id'}"
        )
    return Place(int(rank), int(count), host.strip("[]"), int(port), address)


def _of_step():
    count, rank, nodes, *step = (os.environ[name] for name in OF_STEP)
    # A job that is requeued has the same numbers again; it must not meet processes that are left of its first time.
    job = ".".join([*step, os.environ.get("SLURM_RESTART_COUNT", "0")])
    port = FIRST_PORT + zlib.crc32(job.encode()) % PORTS  # that all tasks know without asking
    return Place(int(rank), int(count), first_node(nodes), port, job, slurm=True)


def first_node(nodes):
    """The first of the nodes in a list as SLURM writes it, such as "node[003-004,007]-ib,other"."""
    name, bracket, rest = nodes.partition("[")
    if not bracket or "," in name:
        return name.partition(",")[0]
    numbers, _, end = rest.partition("]")
    return name + numbers.partition(",")[0].partition("-")[0] + end.partition(",")[0]
