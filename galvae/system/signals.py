"""Signals by which a batch system or a user stops a command, answered as soon as no work would be lost."""

import contextlib
import os
import signal
import threading

CAUGHT = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT")
    if hasattr(signal, name)
)

_previous = {}  # signal -> the handler before `caught`; empty outside of it
_state = {"received": None, "deferred": False}


class Stopped(KeyboardInterrupt):
    """Stop of a command by a signal; exit status 75 (try again, as in sysexits.h), or 130 for Ctrl-C.

    Args:
        signum: the signal.

    Attributes:
        exit_status: exit status of the command.
        resume_command: the command that resumes, or None.
    """

    def __init__(self, signum):
        super().__init__(f"stopped by {name_of(signum)}")
        self.exit_status = 130 if signum == signal.SIGINT else 75
        self.resume_command = None


def name_of(signum):
    """Name of a signal, such as SIGTERM; Ctrl-C for the keyboard's."""
    return "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name


@contextlib.contextmanager
def caught():
    """Context in which signals raise Stopped: at once or, inside `deferred`, when `answer` is called.

    A signal that is ignored, as SIGHUP is under nohup, stays ignored. Outside the main thread, where Python sets no
    handlers, and inside another `caught`, nothing changes.
    """
    if _previous or threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def receive(signum, frame):
        if os.getpid() != owner:  # a forked process ends as if nothing had been caught
            signal.signal(signum, signal.SIG_DFL)
            os.kill(os.getpid(), signum)
            return
        _state["received"] = signum
        if signum == signal.SIGINT:
            signal.signal(signum, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
        if not _state["deferred"]:
            answer()

    _state["received"] = None
    for signum in CAUGHT:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            _previous[signum] = signal.signal(signum, receive)
    try:
        yield
    finally:
        for signum, handler in _previous.items():
            signal.signal(signum, handler)
        _previous.clear()


@contextlib.contextmanager
def deferred():
    """Context in which signals are only recorded; its code checks `received`, and calls `answer` where it can stop."""
    _state["deferred"] = True
    try:
        yield
    finally:
        _state["deferred"] = False
    if received() is not None:
        answer()


def received():
    """The recorded signal that has not been answered; None if there is none."""
    return _state["received"]


def record(signum):
    """Records a signal, such as one that another process has received for all; None: forgets the recorded one."""
    _state["received"] = signum


def answer():
    """Stops the command because of the recorded signal; to be called when everything is written.

    If there was a handler before `caught`, such as submitit's, which requeues the job, it is called instead; if it
    returns, the command continues.

    Raises:
        Stopped: if there was no such handler.
    """
    signum = _state["received"]
    _state["received"] = None
    handler = _previous.get(signum)
    if callable(handler) and handler is not signal.default_int_handler:
        handler(signum, None)
    else:
        raise Stopped(signum)
