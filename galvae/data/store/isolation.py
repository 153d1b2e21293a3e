"""Files from elsewhere, read in a process of their own.

A damaged or hostile file can make the libraries that decode it crash, hang or take all memory. Here that ends a
process whose only task is to fill a cache entry, and becomes one line. The process dies with its parent.
"""

import contextlib
import dataclasses
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path

from galvae.data.store import cache_entry
from galvae.errors import CannotBeDone, GalvaeError

SECONDS = 15  # of processor time without a block; waiting for a disk takes none
MEMORY = 2**33  # bytes
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
STOPS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")
ERRORS = {"GalvaeError": GalvaeError, "CannotBeDone": CannotBeDone, "OSError": OSError}
START = (
    "import json, sys; task = json.loads(sys.stdin.readline()); sys.path[:] = task['path']; "
    "from galvae.data.store.isolation import work; work(task)"
)

_limit = 0  # seconds of processor time that `alive` grants; 0 in processes that read nothing from elsewhere


def fill(folder, module, config):
    """Has a reader's source written as a cache entry by another process.

    Its log lines come when it has ended; its progress bar is shown as it goes.

    Args:
        folder: an empty one, which becomes the entry.
        module: name of the reader's module.
        config: the `dataset` section.

    Raises:
        GalvaeError: if the reader raises it, or a library crashed, hung or asked for too much memory.
        CannotBeDone: if the process was killed from outside.
        OSError: if the entry cannot be written.
    """
    task = {"folder": str(folder), "module": module, "config": dataclasses.asdict(config)}
    task |= {"path": sys.path, "seconds": SECONDS, "memory": MEMORY}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        process_group=0,  # a Ctrl-C while it starts would have it print a traceback
    )
    try:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()  # and left open: when it closes, the process knows that this one has died
        answer = process.stdout.read()
        status = process.wait()
    finally:
        process.kill()
        process.communicate()
    if status:
        raise _ended(status, getattr(config, "path", None) or module)
    answer = json.loads(answer)
    for name, level, message in answer["log"]:
        logging.getLogger(name).log(level, "%s", message)
    if "error" in answer:
        raise ERRORS.get(answer["error"], RuntimeError)(*answer["arguments"])


def alive(seconds=0):
    """Grants the process that reads another SECONDS of processor time, and some more; elsewhere does nothing."""
    if _limit:
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        wanted = int(used + _limit + seconds) + 1
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _ended(status, path):
    """What a process that gave no answer is taken for."""
    name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    if name == "SIGXCPU":
        return GalvaeError(
            f"{path}: expected a whole file, received one on which the library that reads it hung ({SECONDS} s)"
        )
    if name in CRASHES:
        return GalvaeError(
            f"{path}: expected a whole file, received one on which the library that reads it crashed ({name})"
        )
    return CannotBeDone(
        f"{path}: the process that reads it was ended from outside ({name}), as systems do when memory runs out"
    )


def work(task):
    """What the other process does: reads a source, fills the entry, and answers with a line of JSON.

    Args:
        task: what `fill` wrote.
    """
    for name in STOPS:  # they are for the parent, with which this process dies
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    answers, sys.stderr = (os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2))
    for number in (1, 2):  # what libraries print there is no answer, and no line of ours
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    told = _Told()
    logging.basicConfig(level=logging.INFO, handlers=[told], force=True)
    answer = {"log": told.lines, **_outcome(task)}
    answers.write(json.dumps(answer))
    answers.close()
    os._exit(0)  # libraries' own endings may crash on what a hostile file left behind


def _outcome(task):
    """Fills the entry; what went wrong, as {"error": kind, "arguments": of the exception}."""
    try:
        reader = importlib.import_module(task["module"])
        _limit_resources(task["seconds"], task["memory"])
        source = reader.read(types.SimpleNamespace(**task["config"]))
        source.blocks = _watched(source.blocks)
        cache_entry.fill(Path(task["folder"]), task["config"]["name"], source)
    except GalvaeError as error:
        return {"error": type(error).__name__, "arguments": [str(error)]}
    except OSError as error:
        return {"error": "OSError", "arguments": [error.errno, error.strerror or str(error)]}
    except MemoryError:
        path, size = task["config"].get("path"), task["memory"] / 1e9
        text = f"{path}: expected images that can be read in {size:.0f} GB of memory, received larger ones"
        return {"error": "GalvaeError", "arguments": [text]}
    except Exception:
        return {"error": "Exception", "arguments": ["in the process that reads:\n" + traceback.format_exc()]}
    return {}


def _watched(blocks):
    for block in blocks:
        alive()
        yield block
    alive()


def _limit_resources(seconds, memory):
    """Sets what ends a hang, a memory that grows without end, and files of crashed processes."""
    global _limit
    try:
        import resource
    except ImportError:  # Windows
        return
    _limit = seconds
    alive()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):  # of another system, or a lower limit already
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + memory, hard))


def _die_with_parent():
    sys.stdin.read()
    os._exit(1)


class _Told(logging.Handler):
    """Keeps log lines for the parent.

    Attributes:
        lines: [logger, level, message] of each.
    """

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append([record.name, record.levelno, record.getMessage()])
