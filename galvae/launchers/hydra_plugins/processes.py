"""hydra/launcher=processes: each job of a sweep in a fresh process, several at a time, each with a GPU of its own."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time

from hydra_plugins._commands import CommandLauncher, check

from galvae.runs.sweep import ended
from galvae.system import signals

POLL = 0.1  # seconds between looks at the processes
PR_SET_PDEATHSIG = 1  # of Linux' prctl

# What a job logs goes to its log once, with all else that it prints.
LOGGING = ("hydra.job_logging.root.handlers=[console]", "hydra.job_logging.handlers.console.formatter=timed")

log = logging.getLogger(__name__)


class ProcessesLauncher(CommandLauncher):
    """Runs each job in a process of its own.

    Args:
        jobs: how many at a time; None: one per GPU, or one.
    """

    def __init__(self, jobs):
        check("jobs", jobs)
        self.gpus = visible_gpus()
        self.places = jobs or len(self.gpus) or 1

    def run(self, jobs):
        waiting, running, free = list(jobs), {}, list(range(self.places))
        # A signal is passed on to the processes, which save; it is answered when the last of them has ended.
        with signals.caught(), signals.deferred():
            stopping = False
            while waiting or running:
                if signals.received() and not stopping:
                    stopping = True
                    for process in running:
                        process.terminate()
                    for job in waiting:
                        self.note(job, "stopped", "not begun", 75)
                    waiting.clear()
                while waiting and free:
                    place, job = free.pop(0), waiting.pop(0)
                    try:
                        running[self._start(job, place)] = (job, place, time.monotonic())
                    except OSError as error:  # as where something else lies in the way
                        free.append(place)
                        self.note(job, "failed", f"cannot start: {error.strerror}: {error.filename}", 1)
                time.sleep(POLL)
                for process in [process for process in running if process.poll() is not None]:
                    job, place, started = running.pop(process)
                    free.append(place)
                    self._end(job, process, time.monotonic() - started)

    def _start(self, job, place):
        job.directory.mkdir(parents=True, exist_ok=True)
        path = job.directory / f"{job.config.hydra.job.name}.log"
        output = open(path, "a+b", buffering=0)  # noqa: SIM115  (closed when the job ends)
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[place % len(self.gpus)]
        process = subprocess.Popen(
            [sys.executable, "-m", "galvae", *job.arguments, *LOGGING],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # so that Ctrl-C reaches it through us, once
            preexec_fn=_end_with_parent,
        )
        process.log = output
        if not self.gpus and hasattr(os, "sched_setaffinity"):  # which Linux has
            os.sched_setaffinity(process.pid, self._cores(place))
        log.info("job %d started: %s", job.number, job.title)
        return process

    def _cores(self, place):
        """The processors of a place: an equal part of ours, or all if there are too few."""
        cores = sorted(os.sched_getaffinity(0))
        share = len(cores) // self.places
        return cores[place * share : (place + 1) * share] or cores

    def _end(self, job, process, seconds):
        with process.log as output:
            status, error, exit_status = ended(process.returncode, output)
        with contextlib.suppress(OSError):
            job.directory.rmdir()  # of a job that was refused
        self.note(job, status, error, exit_status)
        told = f"{status} after {seconds:.0f} s{f': {error}' if error else ''}"
        log.info("job %d %s", job.number, told)


def visible_gpus():
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return found.stdout.split()


def _end_with_parent():
    """Has Linux send SIGTERM to this process when its parent dies, whatever the parent died of."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
