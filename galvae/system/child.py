"""A child process in which functions are called that would keep this one from answering signals.

Python answers a signal only between two of its own steps: not during a loop that numba has compiled, and badly while
numba compiles, where an exception is lost or ends in a traceback. The parent that waits for its child answers at
once, and the child dies with it.

The child is a fresh interpreter: a fork would inherit locks of TensorFlow's and JAX's threads but not the threads,
and multiprocessing would run the user's script again.
"""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback

from galvae.errors import CannotBeDone, GalvaeError

# The last one would stop it at its first progress bar in a terminal that is set so.
IGNORED = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGTTOU")
START = "import sys; sys.path[:] = {path!r}; from galvae.system.child import serve; serve({without!r})"


class Child:
    """A child process that is started by the first call and ends with the `with` block.

    Args:
        purpose: what it does, for the message if something else ends it.
        without: names of packages that it treats as not installed.
    """

    def __init__(self, purpose, without=()):
        self.purpose, self.without = purpose, without
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None

    def call(self, function, *arguments):
        """Calls a function in the child.

        Args:
            function: function of a module, which the child imports.
            arguments: whatever can be pickled.

        Returns:
            What the function returns.

        Raises:
            GalvaeError, OSError, MemoryError: if the function does.
            CannotBeDone: if the child was ended from outside.
            RuntimeError: with the child's traceback, if the function raises anything else.
        """
        if self.process is None:
            self.process = _start(self.without)
        try:
            with contextlib.suppress(BrokenPipeError):
                pickle.dump((function, arguments), self.process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
                self.process.stdin.flush()
            result, error = pickle.load(self.process.stdout)
        except (EOFError, pickle.UnpicklingError):
            status = self.process.wait()
            name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
            raise CannotBeDone(
                f"the process that {self.purpose} was ended from outside ({name}), as systems do when memory runs out"
            ) from None
        except BaseException:  # stopped by a signal in the middle of an answer
            self.__exit__()
            raise
        if error is not None:
            raise error
        return result


def _start(without):
    """Starts the child; its standard input and output are pipes."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", START.format(path=sys.path, without=tuple(without))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,  # else a Ctrl-C before it ignores the signal would print a traceback
    )


def leave_signals_to_parent():
    """Has this process ignore the signals that its parent answers; it dies with its parent."""
    for name in IGNORED:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def serve(without):
    """Main function of the child: answers calls until its parent closes its standard input, or dies.

    Args:
        without: names of packages that are treated as not installed.
    """
    leave_signals_to_parent()
    sys.modules.update(dict.fromkeys(without))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    calls = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(calls,), daemon=True).start()
    while True:
        pickle.dump(_answer(*calls.get()), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _receive(calls):
    """Puts calls into a queue as they arrive, and ends the process when there can be no more."""
    with contextlib.suppress(BaseException):
        while True:
            calls.put(pickle.load(sys.stdin.buffer))
    os._exit(1)


def _answer(function, arguments):
    """(result, None) of a call, or (None, the exception for the parent)."""
    try:
        return function(*arguments), None
    except MemoryError as error:  # NumPy's own cannot be pickled
        return None, MemoryError(str(error))
    except (GalvaeError, OSError) as error:
        return None, error
    except Exception:
        return None, RuntimeError("error in a child process:\n" + traceback.format_exc())
