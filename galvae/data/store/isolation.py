"""Isolation of readers: files of unknown origin are read in a separate process.

A damaged or hostile file can make the libraries that decode it crash, hang or use up all memory. Here that ends a
process whose only task is to write a cache entry, and the user sees one line. The process dies with its parent.

It is started as a fresh interpreter rather than through multiprocessing or concurrent.futures, which would run the
user's script again in it and, for a pool, hide the signal that ended it.
"""

import contextlib
import dataclasses
import importlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
import types
from pathlib import Path

from galvae.data.store import cache_entry, parts
from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.child import leave_signals_to_parent

try:
    import resource
except ImportError:  # Windows, where a reader has no limits
    resource = None

SECONDS = 15  # processor time that a reader may take for one block; waiting for a disk takes none
MEMORY = 2**33  # bytes
CRASHES = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
ERRORS = {"GalvaeError": GalvaeError, "CannotBeDone": CannotBeDone, "OSError": OSError}
START = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.readline()); "
    "from galvae.data.store.isolation import serve; serve()"
)

_time_limit = 0  # seconds that `extend_time_limit` grants; 0 in processes that are not limited


def write_entry(folder, module, config, work=None, process=None, report=None):
    """Runs a reader in a separate process, which writes the cache entry.

    Log messages of the reader are logged here when it has ended; its progress bar is drawn meanwhile.

    Args:
        folder: an empty folder, which becomes the entry.
        module: name of the reader's module.
        config: the `dataset` section.
        work: what is written, see `write`.
        process: ReaderProcess that goes on after it; None: one of its own.
        report: function of a number of images, called while they are written.

    Raises:
        GalvaeError: if the reader raises it, or if a library crashed, hung or asked for too much memory.
        CannotBeDone: if the reader raises it, or if its process was killed.
        OSError: if the entry cannot be written.
    """
    task = {"folder": str(folder), "module": module, "config": dataclasses.asdict(config), "work": work}
    task |= {"seconds": SECONDS, "memory": MEMORY}
    with contextlib.nullcontext(process) if process is not None else ReaderProcess() as process:
        answer = process.answer(task, report)
    for name, level, message in answer["log"]:
        logging.getLogger(name).log(level, "%s", message)
    if "error" in answer:
        raise ERRORS.get(answer["error"], RuntimeError)(*answer["arguments"])


class ReaderProcess:
    """A process that reads files for this one; it is started by its first task and ends with the `with` block."""

    def __init__(self):
        self._process, self._stopped = None, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def stop(self):
        """Ends the process, from another thread than the one that waits for its answer."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()

    def answer(self, task, report=None):
        """What the process answers to a task, a dict; `report` is called with the number of images of each block.

        Raises:
            GalvaeError, CannotBeDone: if it ends without an answer.
        """
        process = self._process or self._start()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()  # but not closed: a closed pipe tells the process that its parent has died
        for line in process.stdout:
            if not line.startswith("{"):
                if report is not None:
                    report(int(line))
            elif line.endswith("\n"):
                return json.loads(line)
        raise _error_for(process.wait(), _path(task) or task["module"])

    def _start(self):
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            process_group=0,  # else a Ctrl-C before it ignores the signal would print a traceback
        )
        if self._stopped:
            self._process.kill()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(sys.path) + "\n")
        return self._process


def _path(task):
    """The path of what a task reads, for messages; None if its dataset has none."""
    return (task["work"] or {}).get("path") or task["config"].get("path")


def extend_time_limit(seconds=0):
    """Grants a time-limited reader process another 15 s of processor time, and some more; does nothing in others."""
    if _time_limit:
        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        wanted = int(used + _time_limit + seconds) + 1
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _error_for(status, path):
    """The exception for a process that ended without an answer, by its exit status."""
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


def serve():
    """Main function of the separate process: answers each task, a line of JSON, with one.

    Lines with a number before it say that so many images more have been written.
    """
    leave_signals_to_parent()
    tasks = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(tasks,), daemon=True).start()
    answers, sys.stderr = (os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2))
    for number in (1, 2):  # messages of libraries are not for the user
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    collector = _LogCollector()
    logging.basicConfig(level=logging.INFO, handlers=[collector], force=True)
    while True:
        task = tasks.get()
        error = read_limited(task, lambda count: print(count, file=answers, flush=True))
        print(json.dumps({"log": collector.records, **error}), file=answers, flush=True)
        collector.records.clear()


def read_limited(task, report=None):
    """Writes a cache entry under limits of time and memory.

    Args:
        task: dict from `write_entry`.
        report: see there.

    Returns:
        dict: empty, or the error as {"error": name of its class, "arguments": of the exception}.
    """
    try:
        importlib.import_module(task["module"])
        _limit_resources(task["seconds"], task["memory"])
        config = types.SimpleNamespace(**task["config"])
        write(Path(task["folder"]), task["module"], config, task["work"], report)
    except GalvaeError as error:
        return {"error": type(error).__name__, "arguments": [str(error)]}
    except OSError as error:
        return {"error": "OSError", "arguments": [error.errno, error.strerror or str(error)]}
    except MemoryError:
        size = task["memory"] / 1e9
        text = f"{_path(task)}: expected images that can be read in {size:.0f} GB of memory, received larger ones"
        return {"error": "GalvaeError", "arguments": [text]}
    except Exception:
        text = "error in the process that reads:\n" + traceback.format_exc()
        return {"error": "Exception", "arguments": [text]}
    return {}


def write(folder, module, config, work=None, report=None):
    """Writes a cache entry in this process.

    Args:
        work: None to write all of a dataset; {"plan": true} to write all but the images of one of several files, and
            {"path": of a file, "rows": numbers of its images, or null for all} to write those of one of these files.
        folder, module, config, report: see `write_entry`.
    """
    reader = importlib.import_module(module)
    if work is None:
        source = reader.read(config)
        source.blocks = _extending_time_limit(source.blocks)
        cache_entry.write(folder, config.name, source, config.nan, config.drop)
    elif "plan" in work:
        parts.write_plan(folder, config.name, reader.read(config))
    else:
        source = reader.read_part(config, work["path"], work["rows"])
        source.blocks = _extending_time_limit(source.blocks)
        parts.write_part(folder, config.name, source, config.nan, config.drop, report)


def _extending_time_limit(blocks):
    """Yields blocks, and extends the time limit before and after each."""
    for block in blocks:
        extend_time_limit()
        yield block
    extend_time_limit()


def _limit_resources(seconds, memory):
    """Sets the limits that end a process which hangs or uses up memory, and forbids core dumps."""
    global _time_limit
    if resource is None:
        return
    _time_limit = seconds
    extend_time_limit()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError, ValueError):  # systems without /proc, and lower limits set before
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (pages * resource.getpagesize() + memory, hard))


def _receive(tasks):
    """Puts the tasks of the parent into a queue; ends this process when its standard input closes with the parent."""
    for line in sys.stdin:
        tasks.put(json.loads(line))
    os._exit(1)


class _LogCollector(logging.Handler):
    """Collects log messages for the parent process.

    Attributes:
        records: list of [logger, level, message].
    """

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append([record.name, record.levelno, record.getMessage()])
