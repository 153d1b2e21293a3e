"""hydra/launcher=processes: each job of a sweep in a new process, several at a time, each with its own GPU."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time

from hydra_plugins._commands import CommandLauncher, check

from galvae.errors import GalvaeError
from galvae.runs.links import check_output, refuse_link_below
from galvae.runs.sweep import describe_exit
from galvae.system import signals
from galvae.system.gpus import listed_gpus

POLL = 0.1  # seconds between checks of the processes
PR_SET_PDEATHSIG = 1  # of Linux' prctl

# A job's log file already receives all that the job prints: a second handler would write each message twice.
LOGGING = ("hydra.job_logging.root.handlers=[console]", "hydra.job_logging.handlers.console.formatter=timed")

log = logging.getLogger(__name__)


class ProcessesLauncher(CommandLauncher):
    """Runs each job in a new process.

    Args:
        jobs: number of jobs at a time; None: one per GPU, or one without a GPU.
    """

    def __init__(self, jobs):
        check("jobs", jobs)
        self.gpus = visible_gpus()
        self.slots = jobs or len(self.gpus) or 1

    def run(self, jobs):
        waiting, running, free = list(jobs), {}, list(range(self.slots))
        # A signal is passed on to the processes, which save their state, and is answered when the last one has ended.
        with signals.caught(), signals.deferred():
            stopping = False
            while waiting or running:
                if signals.received() and not stopping:
                    stopping = True
                    for process in running:
                        process.terminate()
                    for job in waiting:
                        self.note(job, "stopped", "not started", 75)
                    waiting.clear()
                while waiting and free:
                    slot, job = free.pop(0), waiting.pop(0)
                    try:
                        running[self._start(job, slot)] = (job, slot, time.monotonic())
                    except OSError as error:  # for example, if its directory's name is that of a file
                        free.append(slot)
                        self.note(job, "failed", f"cannot start: {error.strerror}: {error.filename}", 1)
                    except GalvaeError as error:
                        free.append(slot)
                        self.note(job, "failed", error, error.exit_status)
                time.sleep(POLL)
                for process in [process for process in running if process.poll() is not None]:
                    job, slot, started = running.pop(process)
                    free.append(slot)
                    self._end(job, process, time.monotonic() - started)

    def _start(self, job, slot):
        refuse_link_below(self.folder, job.directory)
        check_output(job.directory, self.task.name)
        job.directory.mkdir(parents=True, exist_ok=True)
        path = job.directory / f"{job.config.hydra.job.name}.log"
        output = open(path, "a+b", buffering=0)  # noqa: SIM115  (closed when the job ends)
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        process = subprocess.Popen(
            [sys.executable, "-m", "galvae", *job.arguments, *LOGGING],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # so that Ctrl-C reaches it once, through this process
            preexec_fn=_end_with_parent,
        )
        process.log = output
        if not self.gpus and hasattr(os, "sched_setaffinity"):  # on Linux
            os.sched_setaffinity(process.pid, self._cores(slot))
        log.info("job %d started: %s", job.number, job.title)
        return process

    def _cores(self, slot):
        """Processor cores for a job: an equal part of this process' own, or all if there are too few."""
        cores = sorted(os.sched_getaffinity(0))
        share = len(cores) // self.slots
        return cores[slot * share : (slot + 1) * share] or cores

    def _end(self, job, process, seconds):
        with process.log as output:
            status, error, exit_status = describe_exit(process.returncode, output)
        with contextlib.suppress(OSError):
            job.directory.rmdir()  # a refused job leaves it empty
        self.note(job, status, error, exit_status)
        log.info("job %d %s after %.0f s%s", job.number, status, seconds, f": {error}" if error else "")


def visible_gpus():
    """Names of the NVIDIA GPUs that this process may use, in the form of CUDA_VISIBLE_DEVICES."""
    listed = listed_gpus()
    if listed is not None:
        return listed
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.split()


def _end_with_parent():
    """Has Linux send SIGTERM to this process when its parent ends in any way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
