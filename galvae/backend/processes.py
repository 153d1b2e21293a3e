"""Several processes that train one run together: what they tell each other, and how they end.

Gradients are exchanged by JAX (`galvae.backend.distributed`). All else is small, and goes over a connection of each
process with the first one: decisions that all must share, waiting for any length of time, and the news that a process
has ended. With a single process, every function here returns at once. Nothing slow is imported.
"""

import atexit
import contextlib
import logging
import os
import shlex
import sys
import threading
import time
import traceback

from galvae.backend.connections import First, Other
from galvae.backend.place import place
from galvae.errors import CannotBeDone, GalvaeError, line_of, print_error

GRACE = 45  # seconds in which the first process saves what it has, once another one has ended
SOON = 5  # seconds after an error of the collectives in which the news comes that a process has ended
AGAIN = 75  # exit status of a command that may succeed when it is repeated

_state = {"group": None}


class ProcessEnded(CannotBeDone):
    """The end of another process, without which training cannot continue.

    Args:
        message: which, and why.
        exit_status: exit status of the command.
    """

    def __init__(self, message, exit_status):
        super().__init__(message)
        self.exit_status = exit_status


def is_first():
    """Whether this process writes files and reports: the only one, or the first of several."""
    return place().rank == 0


def count():
    """Number of processes that work together: of all until the first one continues alone, see `part`."""
    group = _state["group"]
    return place().count if group is None or not group.alone else 1


def together(run):
    """Runs a command on this and all other processes, which end together, with one message for a user.

    Args:
        run: function without arguments that returns an exit status.

    Returns:
        What it returns.

    Raises:
        Whatever it raises; on all processes but the first this function does not return then.
    """
    if count() == 1:
        return run()
    _silence()
    try:
        group = _state["group"] = Group()
        group.meet()
        status = run()
    except BaseException as error:
        end(*_reason(error))
        raise
    if status:
        end(status)
    else:
        part()
        group.finish()
    return status


def group():
    """The Group of a command that runs on several processes; None for one process."""
    return _state["group"]


def gather(what, value):
    """The values of all processes, by rank.

    Args:
        what: name of the value, the same on all processes, which must call this at the same place.
        value: JSON-able.

    Raises:
        ProcessEnded: if another process has ended.
    """
    group = _state["group"]
    return [value] if group is None else group.connections.gather(what, value)


def from_first(what, value):
    """The value of the first process; arguments as in `gather`, and the others' values do not count."""
    return gather(what, value if is_first() else None)[0]


def first_before_others(what, function):
    """What a function returns, which the first process calls before all others do, however long it takes."""
    if not is_first():
        gather(what, None)
        return function()
    result = function()
    gather(what, None)
    return result


def check_equal(values):
    """Refuses processes that see different files, versions or settings.

    Args:
        values: dict of name -> JSON-able value.

    Raises:
        GalvaeError: on all processes, if a value differs; it names both values.
    """
    first, *others = gather("values", values)
    for rank, other in enumerate(others, 1):
        for name in {**first, **other}:
            if first.get(name) != other.get(name):
                raise GalvaeError(
                    f"{name}: expected the same on all {count()} processes, received {first.get(name)} on "
                    f"{described(0)} and {other.get(name)} on {described(rank)}"
                )


def described(rank):
    """A process in words, such as "process 1 (node002)"."""
    hosts = _state["group"].hosts
    return f"process {rank} ({hosts[rank]})" if hosts else f"process {rank}"


def nodes():
    """Number of machines on which the processes run."""
    group = _state["group"]
    return 1 if group is None else len(set(group.hosts))


def resume_command(path, words=()):
    """The command that resumes a run; from now on, also the one that messages about an ended process name.

    Args:
        path: the run's directory.
        words: further words of the command.
    """
    command = " ".join(["galvae train", f"resume={shlex.quote(str(path))}", *words])
    if place().slurm:
        command = f"srun {command}"
    if _state["group"] is not None:
        _state["group"].resume = f"; resume with: {command}"
    return command


def wait_for_end():
    """Waits until the first process ends this one."""
    gather("end", None)


def part():
    """Divides the processes, once all are here: the first continues alone, and the others wait for its end."""
    group = _state["group"]
    if group is not None and not group.alone:
        group.part()


def cause(error):
    """What an exception is due to: the end of another process, after which collectives fail, or nothing but itself."""
    group = _state["group"]
    expected = GalvaeError | KeyboardInterrupt | SystemExit | OSError
    if group is None or isinstance(error, expected) or not group.ended.wait(SOON):
        return error
    return group.error


def end(status, message=None):
    """Ends the command on all processes; this one too, unless it is the first.

    Args:
        status: exit status of the command.
        message: why, for a user; the first process prints those of the others.
    """
    group = _state["group"]
    if group is not None:
        group.closing = True
        group.connections.tell_end(status, message)
    if not is_first():
        if group is None and message is not None:
            print_error(f"process {place().rank}: {message}")
        os._exit(status)
    # JAX would wait for the others at the interpreter's end, for minutes.
    atexit.register(_leave, status)


class Group:
    """This process and the others.

    Attributes:
        connections: First or Other.
        hosts: names of the machines, by rank; empty before `meet`.
        local_rank, local_count: number of this process among those of its machine, and how many they are.
        ended: Event that is set when another process has ended.
        error: ProcessEnded, then.
        alone: whether the first process continues alone.
        closing: whether the end of others is expected.
        resume: hint for messages.
        leave: function that disconnects the devices, which all processes call.
    """

    def __init__(self):
        self.place = place()
        self.hosts = []
        self.ended, self.error, self.resume = threading.Event(), None, ""
        self.alone = self.closing = False
        self.leave = lambda: None
        self._lock = threading.Lock()
        self.connections = (First if is_first() else Other)(self.place)

    def meet(self):
        """Begins to notice the end of others, and learns on which machines they are."""
        self.connections.start(self._note_end)
        processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        known = self.connections.gather("machines", [os.uname().nodename, processors])
        self.hosts = [host for host, _ in known]
        here = [rank for rank, host in enumerate(self.hosts) if host == self.hosts[self.place.rank]]
        self.local_rank, self.local_count = here.index(self.place.rank), len(here)
        share = len(processors) // len(here)
        if len(here) > 1 and share and all(known[rank][1] == processors for rank in here):
            # Nobody has divided the processors among these processes, each of which would start a thread for each.
            os.sched_setaffinity(0, processors[self.local_rank * share : (self.local_rank + 1) * share])

    def part(self):
        """See the function of this name."""
        self.connections.gather("trained", None)
        self.alone, self.closing = True, is_first()
        self.leave()

    def finish(self):
        """Ends the command on all processes, once the first one is done."""
        if is_first():
            self.connections.tell_end(0)
        else:
            self.connections.gather("end", None)
        self.connections.close()

    def _note_end(self, rank, status, message):
        """Ends this process when another one has, unless its main thread does so first; called by a thread."""
        with self._lock:
            if self.closing or self.ended.is_set():
                return
            if status == 0:
                self.closing = True
                self.connections.interrupt(None)
                return
            killed, status = status is None, AGAIN if status is None else status
            what = (
                f": {message}"
                if message
                else " ended without a message, as when it is killed or its machine fails"
            )
            hint = self.resume if status == AGAIN else ""
            self.error = ProcessEnded(f"{described(rank)}{what}{hint}", status)
            self.ended.set()
        if is_first():
            self.connections.interrupt(self.error)
            self.connections.tell_end(status)
            time.sleep(GRACE)
            print_error(str(self.error))
        elif killed:
            _speak()
            print_error(str(self.error))
        _leave(status)


def _reason(error):
    """(status, message) of an exception; prints the traceback of a bug if this process is not the first."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1, None
    if isinstance(error, GalvaeError | KeyboardInterrupt):
        return getattr(error, "exit_status", 130), str(error) or None
    if not is_first():
        _speak()
        traceback.print_exception(error)
    return 1, f"{type(error).__name__}: {line_of(error)}"


def _silence():
    """Has native code print nothing, and processes that are not the first nothing at all.

    Each process prints which others it has met, and a screenful when another one ends; TF_CPP_MIN_LOG_LEVEL=0 shows it.
    """
    outputs = [open(os.dup(number), "w", buffering=1, errors="backslashreplace") for number in (1, 2)]  # noqa: SIM115
    _state["stderr"] = outputs[1]
    nothing = open(os.devnull, "w")  # noqa: SIM115  (used until the end)
    sys.stdout, sys.stderr = outputs if is_first() else (nothing, nothing)
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "0":
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    if not is_first():
        logging.disable()


def _speak():
    sys.stderr = _state["stderr"]


def _leave(status):
    """Ends this process without waiting for others."""
    for output in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            output.flush()
    os._exit(status & 0xFF)
