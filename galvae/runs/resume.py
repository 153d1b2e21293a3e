"""Going on with a run: by the same configuration only, and by one process at a time."""

import contextlib
import fcntl
import os

from galvae.config.check import flatten
from galvae.errors import RunLocked, CannotBeDone, GalvaeError

SHOWN = 5  # differing keys in an error message


def check_same(run, config):
    """Refuses a configuration other than the one that a run was begun with; only epochs may grow.

    Args:
        run: the RunDirectory that the output directory holds.
        config: TrainConfig that was asked for.

    Raises:
        GalvaeError: if they differ, naming the keys.
    """
    held, given = flatten(run.config), flatten(config)
    names = [name for name in {**held, **given} if held.get(name) != given.get(name)]
    if config.epochs > run.config.epochs or run.finished:
        names = [name for name in names if name != "epochs"]
    if names:
        told = [
            f"{name}={given.get(name, 'none')} (there {held.get(name, 'none')})" for name in names[:SHOWN]
        ]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise GalvaeError(
            f"{run.path} already holds a run of another configuration; expected the same, in which only epochs may "
            f"grow, or a new directory, as hydra.run.dir=...; received {', '.join(told)}{more}"
        )


@contextlib.contextmanager
def locked(run, force):
    """Keeps other processes from training in a run's directory while the block lasts.

    The lock is the kernel's, on the directory itself: it leaves no file and ends with the process, however that
    dies. Other machines may not see it; they go by what metrics.json says of who is running.

    Args:
        run: RunDirectory.
        force: whether a run may be taken over that another machine had begun and not ended.

    Raises:
        RunLocked: if another process is at it.
        CannotBeDone: if another machine may be.
    """
    descriptor = os.open(run.path, os.O_RDONLY)
    try:
        metrics = run.metrics
        who = f"process {metrics.get('pid', 'unknown')} on {metrics.get('host', 'an unknown machine')}"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLocked(f"{run.path}: expected a run that nobody trains, but {who} does") from error
        except OSError:  # a file system without locks, as some network ones
            pass
        if metrics.get("status") == "running" and not (force or is_stale(metrics)):
            raise CannotBeDone(
                f"{run.path}: expected a run that nobody trains, but {who} may; if it is dead, go on with force=true"
            )
        yield
    finally:
        os.close(descriptor)


def lock_owner():
    """Who is running, for metrics.json: machine, process, and the batch system's job."""
    return {"host": os.uname().nodename, "pid": os.getpid(), "job": os.environ.get("SLURM_JOB_ID")}


def is_stale(metrics):
    """Whether a run that is said to be running can only have been left behind.

    A job of SLURM that is requeued keeps its number, and never runs twice at a time. On this machine the lock
    has told.
    """
    here = lock_owner()
    return metrics.get("host") == here["host"] or (
        here["job"] is not None and metrics.get("job") == here["job"]
    )
