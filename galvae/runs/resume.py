"""Whether a run may be resumed: with the same configuration only, and by one process at a time."""

import contextlib
import fcntl
import os

from galvae.config.check import flatten
from galvae.errors import CannotBeDone, GalvaeError, RunLocked

MOST_KEYS = 5  # differing keys in an error message


def check_same(run, config):
    """Refuses to resume a run with another configuration than its own, of which only epochs may grow.

    Args:
        run: RunDirectory that exists in the output directory.
        config: TrainConfig of this call.

    Raises:
        GalvaeError: if the two differ, naming the keys.
    """
    # When checksums are compared changes no result.
    own, given = (flatten(values) | {"dataset.verify": None} for values in (run.config, config))
    if given["batch"] == "auto":
        given["batch"] = own["batch"]  # which a run keeps once it is found
    names = [name for name in {**own, **given} if own.get(name) != given.get(name)]
    if config.epochs > run.config.epochs or run.finished:
        names = [name for name in names if name != "epochs"]
    if names:
        differing = ", ".join(
            f"{name}={given.get(name, 'none')} (there {own.get(name, 'none')})" for name in names[:MOST_KEYS]
        )
        more = f" and {len(names) - MOST_KEYS} more" if len(names) > MOST_KEYS else ""
        more += f"; a run of galvae 0.1: resume={run.path} resumes it" * (names == ["dataset.reading"])
        raise GalvaeError(
            f"{run.path} already holds a run of another configuration; expected the same, in which only epochs may "
            f"grow, or a new directory, as hydra.run.dir=...; received {differing}{more}"
        )


@contextlib.contextmanager
def locked(run, force):
    """Keeps other processes from training in a run's directory while the block lasts.

    The lock is the kernel's, on the directory itself: it leaves no file, and ends with the process, however that
    ends. Other machines may not see it; for them metrics.json names the process that trains.

    Args:
        run: RunDirectory.
        force: whether to resume a run even if another machine may still be training it.

    Raises:
        RunLocked: if another process trains it.
        CannotBeDone: if a process of another machine may train it.
    """
    descriptor = os.open(run.path, os.O_RDONLY)
    try:
        metrics = run.metrics
        owner = f"process {metrics.get('pid', 'unknown')} on {metrics.get('host', 'an unknown machine')}"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLocked(f"{run.path}: expected a run that no process trains, but {owner} does") from error
        except OSError:  # a file system without locks, as some network ones
            pass
        if metrics.get("status") == "running" and not (force or is_stale(metrics)):
            raise CannotBeDone(
                f"{run.path}: expected a run that no process trains, but {owner} may; if it has ended, resume with "
                "force=true"
            )
        yield
    finally:
        os.close(descriptor)


def lock_owner():
    """The process that trains, for metrics.json: machine, process number, and job of the batch system."""
    return {"host": os.uname().nodename, "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}


def is_stale(metrics):
    """Whether a run whose status is "running" has certainly been abandoned.

    A SLURM job that is requeued keeps its number, and never runs twice at a time. On this machine the lock has
    already answered.

    Args:
        metrics: content of the run's metrics.json.
    """
    here = lock_owner()
    return metrics.get("host") == here["host"] or (
        here["job"] is not None and metrics.get("job") == here["job"]
    )
