"""Signals: the wish of a batch system or a user that training stops, granted as soon as nothing is lost."""

import contextlib
import os
import signal
import threading

CAUGHT = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT")
    if hasattr(signal, name)
)

_previous = {}  # signal -> the handler before ours; empty while none are caught
_state = {"received": None, "deferred": False}


class Stopped(KeyboardInterrupt):
    """A signal that ends the command; exit status 75 (to be tried again, as in sysexits.h), for Ctrl-C 130.

    Args:
        signum: the signal.

    Attributes:
        exit_status: of the command.
        resume_command: the command that goes on from here, or None.
    """

    def __init__(self, signum):
        super().__init__(f"stopped by {name_of(signum)}")
        self.exit_status = 130 if signum == signal.SIGINT else 75
        self.resume_command = None


def name_of(signum):
    """Name of a signal, as SIGTERM; Ctrl-C for the one that the keyboard sends."""
    return "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name


@contextlib.contextmanager
def caught():
    """While it lasts, a signal raises Stopped, or waits for `answer` inside of `deferred`.

    A signal that is ignored, as SIGHUP is under nohup, stays so. Outside of the main thread, where Python sets
    no handlers, and inside of another `caught`, nothing changes.
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
            signal.signal(signum, signal.SIG_DFL)  # a second Ctrl-C stops at once, whatever is under way
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
    """While it lasts, a signal is only noted: who works inside asks `received` and calls `answer`."""
    _state["deferred"] = True
    try:
        yield
    finally:
        _state["deferred"] = False
    if received():
        answer()


def received():
    """Whether a signal waits for its answer."""
    return _state["received"] is not None


def answer():
    """Does what the received signal asks for; call it when all that must not be lost is written.

    A handler that others had set before ours, as submitit's, which puts the job back into the queue, is asked
    first: if it returns, the command goes on.

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
