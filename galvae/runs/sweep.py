"""Jobs of a sweep: how each ended, reported at the end and recorded in jobs.json of the sweep's directory."""

import contextlib
import os
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path

from galvae.config.fields import LATEST_SWEEP
from galvae.errors import GalvaeError, line_of
from galvae.runs.find import mark_latest
from galvae.system.atomic import replacing, save_json
from galvae.system.safe_read import read_json

RECORD = "jobs.json"
STOPPED = (75, 130)  # exit statuses of a command that a signal stopped: the same command resumes it
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
LOG_TAIL = 20_000  # bytes at the end of a log in which its last line is looked for


class Sweep:
    """The jobs of a sweep that this call has run; empty if it is no sweep.

    Attributes:
        folder: the sweep's directory.
        jobs: dict for each job, by the path of its directory within the sweep's: `status`, and unless it is
            finished `error`, one line, and `exit_status`.
    """

    def __init__(self):
        self.folder = None
        self.jobs = {}
        self._before = None  # where outputs/multirun/latest pointed before this sweep, "" for nowhere

    def begin(self, folder):
        """Points outputs/multirun/latest to this sweep, before its first job; does nothing when called again.

        At its start, not at its end: the jobs of SLURM outlive this process, and a sweep that is still running is
        the one that is asked about.

        Args:
            folder: the sweep's directory.
        """
        if self._before is None:
            self._before = os.readlink(LATEST_SWEEP) if LATEST_SWEEP.is_symlink() else ""
            mark_latest(LATEST_SWEEP, folder)

    def withdraw(self):
        """Points outputs/multirun/latest back to where it did, if this sweep has left no directory.

        Returns:
            Whether that was done.
        """
        if self._before is None or LATEST_SWEEP.is_dir() or not LATEST_SWEEP.is_symlink():
            return False
        LATEST_SWEEP.unlink()
        if self._before:
            mark_latest(LATEST_SWEEP, LATEST_SWEEP.parent / self._before)
        return True

    def note(self, folder, directory, status, error=None, exit_status=0, **more):
        """Records the status of a job, here and in jobs.json.

        Args:
            folder: the sweep's directory.
            directory: the job's directory.
            status: finished, failed, stopped, or the state of its launcher's queue.
            error: why it is not finished.
            exit_status: exit status of the job.
            **more: values that the launcher needs when the same command is run again.
        """
        self.folder = Path(folder).absolute()
        name = os.path.relpath(directory, folder)
        self.jobs[name] = {"status": status, **more}
        if status != "finished":
            self.jobs[name].update(error=line_of(error or status), exit_status=exit_status)
        with contextlib.suppress(OSError):  # the jobs are still reported at the end
            save_json(self.folder / RECORD, {**recorded(self.folder), **self.jobs})

    def report(self):
        """Prints how many jobs have each status, and a line for each job that is not finished.

        Returns:
            The exit status: that of the worst failure, else 75 if a job was stopped, else 0.
        """
        if not self.jobs:
            return 0
        counts = Counter(job["status"] for job in self.jobs.values())
        order = sorted(counts, key=lambda status: status != "finished")
        summary = ", ".join(f"{counts[status]} {status}" for status in order)
        print(f"sweep of {len(self.jobs)}: {summary}", file=sys.stderr)
        for name, job in self.jobs.items():
            if job["status"] not in ("finished", "pruned"):
                print(f"  {self.folder / name}: {job['status']}: {job['error']}", file=sys.stderr)
        if self.folder.is_dir():
            print(self.folder)
        statuses = {job.get("exit_status", 0) for job in self.jobs.values()}
        return max(statuses - set(STOPPED), default=0) or max(statuses)


def recorded(folder):
    """The jobs in jobs.json of a sweep's directory, as in `Sweep.jobs`; empty if it cannot be read or is damaged."""
    try:
        jobs = read_json(Path(folder) / RECORD)
    except GalvaeError:
        return {}
    return jobs if all(map(_is_job, jobs.values())) else {}


def _is_job(job):
    return isinstance(job, dict) and all(
        value is None or isinstance(value, str | int) for value in job.values()
    )


def describe_exit(returncode, log):
    """How a job's process ended, in words.

    Args:
        returncode: its exit status; negative if a signal killed it.
        log: open binary file with its output.

    Returns:
        (status, error, exit_status), see `Sweep.note`.
    """
    if returncode == 0:
        return "finished", None, 0
    if -returncode in STOP_SIGNALS:
        return "stopped", f"by {signal.Signals(-returncode).name}", 75
    if returncode < 0:
        name = signal.Signals(-returncode).name
        hint = ", as by the system when memory runs out" if name == "SIGKILL" else ""
        return "failed", f"killed by {name}{hint}", 1
    if returncode in STOPPED:
        return "stopped", last_line(log), 75
    return "failed", last_line(log), min(returncode, 2)


def last_line(log, prefix=""):
    """The last line of a log, without those that srun and submitit add.

    Args:
        log: open binary file.
        prefix: beginning of the line to prefer, if there is one.
    """
    log.seek(0, 2)
    log.seek(max(0, log.tell() - LOG_TAIL))
    lines = (line.strip() for line in log.read().decode(errors="replace").splitlines())
    lines = [line for line in lines if line and not line.startswith(("srun: ", "submitit "))]
    lines = [line for line in lines if line.startswith(prefix)] or lines
    return lines[-1].removeprefix("galvae: ") if lines else "ended without any output"


class Task:
    """A job as submitit runs it on a node: an ordinary command, which resumes when it is run again.

    Args:
        arguments: words of the command line after `galvae`.
        exit_file: path of the file for its exit status.
    """

    def __init__(self, arguments, exit_file):
        self.arguments = arguments
        self.exit_file = exit_file

    def __call__(self):
        first = os.environ.get("SLURM_PROCID", "0") == "0"  # of several processes that train one run
        if first:
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
            if first:
                with replacing(self.exit_file) as beside:
                    beside.write_text(str(code))

    def checkpoint(self):
        """What submitit runs when the requeued job starts again."""
        from submitit.helpers import DelayedSubmission  # late: an optional package

        return DelayedSubmission(self)
