"""Measurement of the time and memory of functions and processes, alternating between the things compared."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).with_name("programs.py")
GALVAE = [sys.executable, "-m", "galvae"]
INTERVAL = 0.02  # seconds between two samples of a process' memory


@dataclass(frozen=True)
class ProcessResult:
    """Output and cost of a process that has ended.

    Attributes:
        seconds: wall time.
        output: standard output.
        peak_mb: sampled peak of its anonymous and shared memory in MB; pages of memory-mapped files do not count.
    """

    seconds: float
    output: str
    peak_mb: float


def row(case, measured, ratio=None, reference=None, share=None, peak_mb=None):
    """Builds a row of the table as a dict.

    Args:
        case: what was measured.
        measured: its median, as text.
        ratio: ratio to the reference.
        reference: name of the reference, which was measured alternately with it.
        share: arithmetic rate relative to the machine's matrix-product rate.
        peak_mb: peak memory of the process in MB.
    """
    return {
        "case": case,
        "measured": measured,
        "ratio": ratio,
        "reference": reference,
        "share": share,
        "peak_mb": peak_mb,
    }


def alternating(measures, rounds):
    """Calls every function once per round, so that other load on the machine slows all of them alike.

    Args:
        measures: name -> function without arguments.
        rounds: number of rounds.

    Returns:
        name -> list of the function's results.
    """
    results = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            results[name].append(measure())
    return results


def medians(measures, rounds):
    """Calls functions alternately and returns the median of each one's results."""
    return {name: statistics.median(values) for name, values in alternating(measures, rounds).items()}


def seconds_of(function):
    """Measures the wall time of a call in seconds."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def run(command, environment=None, folder=None, stdin=""):
    """Runs a process to its end and measures it.

    Args:
        command: list of arguments.
        environment: environment variables, in addition to those of this process.
        folder: its working directory.
        stdin: text for its standard input.

    Returns:
        ProcessResult.

    Raises:
        SystemExit: if it fails, with its standard error.
    """
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        peaks = [0.0]
        watcher = threading.Thread(target=_watch, args=(process, peaks))
        watcher.start()
        output, errors = process.communicate(stdin)
        seconds = time.perf_counter() - started
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {process.returncode}\n{errors}")
    return ProcessResult(seconds, output, max(peaks))


def program(name, environment=None, /, **arguments):
    """Calls a function of programs.py in a separate process; returns its dict, with "peak_mb" added.

    Args:
        name: of the function.
        environment: environment variables, in addition to those of this process.
        **arguments: of the function.
    """
    done = run([sys.executable, str(PROGRAMS), name], environment, stdin=json.dumps(arguments))
    return {**json.loads(done.output.splitlines()[-1]), "peak_mb": done.peak_mb}


def _watch(process, peaks):
    """Appends the process' memory in MB to `peaks` until it ends."""
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            sizes = [int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))]
            peaks.append(1024 * sum(sizes) / 1e6)
        time.sleep(INTERVAL)
