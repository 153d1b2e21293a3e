"""How things are measured: in turns, as whole processes, against the machine's own limits."""

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
INTERVAL = 0.02  # seconds between two looks at a process' memory


@dataclass(frozen=True)
class Done:
    """A process that has ended.

    Attributes:
        seconds: wall time.
        output: standard output.
        peak_mb: most anonymous and shared memory that it held, sampled; pages of memory-mapped files do not count.
    """

    seconds: float
    output: str
    peak_mb: float


def row(case, measured, ratio=None, reference=None, share=None, peak_mb=None):
    """A line of the table.

    Args:
        case: what was measured.
        measured: its median, as text.
        ratio: to the reference.
        reference: what was measured in turns with it.
        share: of the machine's matrix-product rate.
        peak_mb: peak memory of the process.
    """
    return {
        "case": case,
        "measured": measured,
        "ratio": ratio,
        "reference": reference,
        "share": share,
        "peak_mb": peak_mb,
    }


def in_turns(measures, rounds):
    """Every measure once in each round, so that a machine that is busy slows all of them.

    Args:
        measures: name -> function without arguments.
        rounds: how often.

    Returns:
        name -> what the function returned, a list.
    """
    found = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return found


def medians(measures, rounds):
    """Median of each measure, measured in turns."""
    return {name: statistics.median(values) for name, values in in_turns(measures, rounds).items()}


def seconds_of(function):
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def run(command, environment=None, folder=None, given=""):
    """Runs a process to its end.

    Args:
        command: list of words.
        environment: variables besides this process' own.
        folder: where it runs.
        given: its standard input.

    Returns:
        Done.

    Raises:
        SystemExit: if it fails, with what it wrote to standard error.
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
        output, errors = process.communicate(given)
        seconds = time.perf_counter() - started
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: status {process.returncode}\n{errors}")
    return Done(seconds, output, max(peaks))


def program(name, **arguments):
    """What a function of programs.py returns, run in a process of its own, with "peak_mb" beside it."""
    done = run([sys.executable, str(PROGRAMS), name], given=json.dumps(arguments))
    return {**json.loads(done.output.splitlines()[-1]), "peak_mb": done.peak_mb}


def _watch(process, peaks):
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            held = [int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))]
            peaks.append(1024 * sum(held) / 1e6)
        time.sleep(INTERVAL)
