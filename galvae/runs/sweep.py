"""A sweep's jobs: how each ended, told at the end and kept in jobs.json of the sweep's directory."""

import contextlib
import json
import os
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path

from galvae.errors import line_of

RECORD = "jobs.json"
STOPPED = (75, 130)  # exit statuses of a command that a signal ended: the same command goes on
ASKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)  # to stop
LAST_WORDS = 20_000  # bytes at the end of a log that are looked at


class Sweep:
    """The jobs of this call; empty if it is no sweep.

    Attributes:
        folder: the sweep's directory.
        jobs: a dict for each job by its name, the path of its directory within the sweep's: `status`, and where
            it is not finished `error`, one line, and `exit_status`.
    """

    def __init__(self):
        self.folder = None
        self.jobs = {}

    def note(self, folder, directory, status, error=None, exit_status=0, **more):
        """Notes how a job stands.

        Args:
            folder: the sweep's directory.
            directory: the job's.
            status: finished, failed, stopped, or what its launcher knows of it.
            error: why it is not finished.
            exit_status: what the job makes of the sweep's.
            **more: what the launcher wants to find again.
        """
        from galvae.system.atomic import (
            save_json,  # late, for NumPy's sake: the command line knows this module
        )

        self.folder = Path(folder).absolute()
        name = os.path.relpath(directory, folder)
        self.jobs[name] = {"status": status, **more}
        if status != "finished":
            self.jobs[name].update(error=line_of(error or status), exit_status=exit_status)
        with contextlib.suppress(OSError):  # what is known is still told at the end
            save_json(self.folder / RECORD, {**recorded(self.folder), **self.jobs})

    def report(self):
        """Prints what became of the jobs, a line for each that is not finished.

        Returns:
            The exit status: that of the worst mistake, else 75 if a job was stopped, else 0.
        """
        if not self.jobs:
            return 0
        counts = Counter(job["status"] for job in self.jobs.values())
        order = sorted(counts, key=lambda status: status != "finished")
        told = ", ".join(f"{counts[status]} {status}" for status in order)
        print(f"sweep of {len(self.jobs)}: {told}", file=sys.stderr)
        for name, job in self.jobs.items():
            if job["status"] != "finished":
                print(f"  {self.folder / name}: {job['status']}: {job['error']}", file=sys.stderr)
        found = {job.get("exit_status", 0) for job in self.jobs.values()}
        if self.folder.is_dir():
            print(self.folder)
        return max(found - set(STOPPED), default=0) or max(found)


def recorded(folder):
    """What an earlier call, or this one, noted of a sweep's jobs; empty if there is nothing to be read."""
    try:
        jobs = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return jobs if isinstance(jobs, dict) and all(isinstance(job, dict) for job in jobs.values()) else {}


def ended(returncode, log):
    """How a job's process ended, in words.

    Args:
        returncode: its exit status; negative if a signal killed it.
        log: binary file that holds what it printed.

    Returns:
        (status, error, exit_status) as `Sweep.note` takes them.
    """
    if returncode == 0:
        return "finished", None, 0
    if -returncode in ASKED:
        return "stopped", f"by {signal.Signals(-returncode).name}", 75
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = ", as by the system when memory runs out" if name == "SIGKILL" else ""
        return "failed", f"killed by {name}{hint}", 1
    if returncode in STOPPED:
        return "stopped", last_words(log), 75
    return "failed", last_words(log), min(returncode, 2)


def last_words(log, of=""):
    """The last line of a log, without those that srun and submitit add.

    Args:
        log: binary file.
        of: how the line is to begin, if there is one that does.
    """
    log.seek(0, 2)
    log.seek(max(0, log.tell() - LAST_WORDS))
    lines = (line.strip() for line in log.read().decode(errors="replace").splitlines())
    told = [line for line in lines if line and not line.startswith(("srun: ", "submitit "))]
    told = [line for line in told if line.startswith(of)] or told
    return told[-1].removeprefix("galvae: ") if told else "ended without a word"


class Task:
    """A job as submitit runs it on a node: an ordinary command, which goes on if it is run again.

    Args:
        arguments: of `galvae`.
        exit_file: path that receives its exit status.
    """

    def __init__(self, arguments, exit_file):
        self.arguments = arguments
        self.exit_file = exit_file

    def __call__(self):
        from galvae.system.atomic import replacing

        self.exit_file.unlink(missing_ok=True)
        sys.argv = ["galvae", *self.arguments]
        code = 1
        try:
            runpy.run_module("galvae", run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
            if code:
                raise
        finally:
            with replacing(self.exit_file) as beside:
                beside.write_text(str(code))

    def checkpoint(self):
        """What submitit is to run when the job comes out of the queue again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)
