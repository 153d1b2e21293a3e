"""Runs a check in a process of its own, so that one that crashes, hangs or fills the memory is a failed row.

`python running.py MODULE FUNCTION ROWS` calls the function with Settings read as JSON from standard input, and adds a
line of JSON to the file ROWS for each row.
"""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from gpu_checking.check import Settings, row

LONGEST = 300  # characters of an error in the table


def run_check(check, settings, folder, seconds):
    """Runs a check to its end or its time limit.

    Args:
        check: Check.
        settings: Settings.
        folder: Path, where NAME.log is left: what the check and its processes printed.
        seconds: time limit.

    Returns:
        List of rows; the last one says why the check failed, if it did.
    """
    kept, log = folder / f"{check.name}.jsonl", folder / f"{check.name}.log"
    kept.unlink(missing_ok=True)
    module, name = check.function.__module__, check.function.__name__
    command = [sys.executable, str(Path(__file__)), module, name, str(kept)]
    environment = {**os.environ, **check.environment}
    if "XLA_FLAGS" in check.environment and "XLA_FLAGS" in os.environ:
        environment["XLA_FLAGS"] = f"{os.environ['XLA_FLAGS']} {check.environment['XLA_FLAGS']}"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that the processes that it starts can be ended with it
        )
        try:
            process.communicate(json.dumps(asdict(settings)).encode(), timeout=seconds)
            failure = f"exit status {process.returncode}" if process.returncode > 0 else None
            if process.returncode < 0:
                failure = f"ended by {signal.Signals(-process.returncode).name}"
        except subprocess.TimeoutExpired:
            failure = f"stopped after {seconds:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    rows = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    kept.unlink(missing_ok=True)
    if failure is None and not rows:
        failure = "no result"
    if failure:
        rows.append(row(check.name, f"{failure}: {last_line(log)}"[:LONGEST], False, "runs to its end"))
    return rows


def last_line(log):
    """The last line with any text of a log; a note if there is none."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"


def main(module, name, rows):
    """Runs one check in this process.

    Args:
        module, name: of its function.
        rows: path of the file to which its rows are added.
    """
    settings = Settings(**json.load(sys.stdin))
    for result in getattr(importlib.import_module(module), name)(settings):
        with open(rows, "a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
