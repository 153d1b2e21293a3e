"""Training runs in processes of their own: started, looked at, judged by how they ended."""

import contextlib
import csv
import os
import subprocess
import tempfile


class Process(subprocess.Popen):
    """A process with pipes for its input and output, which is killed when the block that it is used in ends.

    What it writes on standard error goes to a file, so that it never waits for a reader.

    Args:
        command: list of arguments.
        environment: environment variables, in addition to those of this process.
        folder: its working directory.
    """

    def __init__(self, command, environment, folder):
        self.stderr_file = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the block)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.stderr_file}
        super().__init__(command, env={**os.environ, **environment}, cwd=folder, text=True, **pipes)

    def __exit__(self, *error):
        self.kill()
        super().__exit__(*error)
        self.stderr_file.close()

    def end(self, seconds=None):
        """Waits until it ends, for at most so many seconds, and returns (its standard error, its exit status)."""
        self.communicate(timeout=seconds)
        self.stderr_file.seek(0)
        return self.stderr_file.read(), self.returncode


def history(run_dir):
    """Rows of a run's history as dicts of numbers; none as long as there is no file."""
    with contextlib.suppress(FileNotFoundError), open(run_dir / "history.csv", newline="") as lines:
        return [{name: float(value) for name, value in line.items()} for line in csv.DictReader(lines)]
    return []


def own_lines(errors):
    """The lines on standard error that galvae itself wrote as errors."""
    return [line for line in errors.splitlines() if line.startswith("galvae: ")]


def how_it_ended(errors, status):
    """How a run ended, in words, which begin with "crashed" unless it finished or said why not in one line.

    Args:
        errors: what it wrote on standard error.
        status: its exit status.
    """
    lines = own_lines(errors)
    if status == 0:
        return "finished"
    if status > 0 and len(lines) == 1 and "Traceback" not in errors:
        return f"exit status {status}, {lines[0][:200]}"
    return f"crashed with status {status}: {(errors.strip().splitlines() or ['nothing said'])[-1][:200]}"
