"""Checks all that can only be seen on a GPU, and writes what it finds: speeds, memory, results, behaviour.

    python scripts/gpu_check.py                        every check, in less than 25 minutes on an H100
    python scripts/gpu_check.py --quick                fewer epochs
    python scripts/gpu_check.py --only throughput --only resident
    python scripts/gpu_check.py --list                 the checks, and what each is to show
    python scripts/gpu_check.py --cpu --quick          everything in small on the processor, to test this script

It needs galvae with JAX or TensorFlow and a GPU, and no data: images are drawn here. Each check runs in a process of
its own with a time limit, so that one that crashes, hangs or runs out of memory is a failed row, and the others follow.
The table is printed and written into outputs/gpu_check/DATE/, as report.md and report.json, again after every check;
beside them, NAME.log is what each check printed. The exit status is 0 if no check failed.
"""

import argparse
import datetime
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarking.training import device_limits
from gpu_checking.check import Settings, row
from gpu_checking.checks import CHECKS
from gpu_checking.machine import backends, description, missing
from gpu_checking.running import run_check

from galvae.cli.output_dirs import reserve_directory
from galvae.system.atomic import replacing, save_json

OUTPUTS = Path(__file__).resolve().parents[1] / "outputs" / "gpu_check"
COLUMNS = ("result", "check", "measured", "wanted", "of matrix products", "peak memory")


def main():
    """Runs the requested checks and prints and writes the table."""
    options = _options()
    if options.list:
        for check in CHECKS.values():
            print(f"{check.name:17} {check.question}")
        return 0
    limits, backend, kind = _device(options.cpu)
    if limits is None:
        print(
            f"no GPU is seen by {' or '.join(backends()) or 'JAX or TensorFlow, of which none is installed'}; "
            "--cpu runs everything in small on the processor",
            file=sys.stderr,
        )
        return 1
    folder = reserve_directory(options.folder / f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}")
    with tempfile.TemporaryDirectory(prefix="gpu_check-") as shared:
        settings = Settings(backend, kind, options.quick, shared, limits)
        if kind == "gpu":  # the same programs are compiled by many of the checks' processes
            os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{shared}/compiled")
        report = {
            "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
            "quick": options.quick,
            "backend": backend,
        }
        report |= {**description(limits, kind), "rows": []}
        print(_heading(report))
        for line in _run(options, settings, folder):
            report["rows"].append(line)
            print(_line(line), flush=True)
            save_json(folder / "report.json", report)
            with replacing(folder / "report.md") as temporary:
                temporary.write_text(_heading(report) + "\n" + "\n".join(map(_line, report["rows"])) + "\n")
    results = [line["status"] for line in report["rows"]]
    counts = ", ".join(f"{results.count(name)} {name}" for name in ("pass", "fail", "figure", "skipped"))
    print(f"\n{counts}\n{folder}")
    return int("fail" in results)


def _options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", action="append", metavar="NAME", help="a check, see --list; may be repeated; default: all"
    )
    parser.add_argument("--list", action="store_true", help="print the checks and run none")
    parser.add_argument("--quick", action="store_true", help="train for fewer epochs")
    parser.add_argument(
        "--minutes", type=float, default=25, help="after which no check begins or continues (25)"
    )
    parser.add_argument("--cpu", action="store_true", help="run everything in small on the processor")
    parser.add_argument("--folder", type=Path, default=OUTPUTS, help="where the report is written")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(CHECKS):
        parser.error(f"--only: expected {', '.join(CHECKS)}, received {', '.join(sorted(unknown))}")
    if options.minutes <= 0:
        parser.error(f"--minutes: expected a number above 0, received {options.minutes:g}")
    return options


def _device(cpu):
    """Limits, backend and kind of the device to check; the limits are None if there is no GPU and none is given up.

    Args:
        cpu: whether the processor is to stand in for a GPU.
    """
    if cpu:
        os.environ |= {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
    for backend in backends():
        limits = device_limits(backend)
        if cpu or limits["kind"] == "gpu":
            return limits, backend, limits["kind"]
    return None, None, None


def _run(options, settings, folder):
    """Yields the rows of the requested checks, each with the name of its check and the seconds that it took."""
    end = time.monotonic() + 60 * options.minutes
    for check in CHECKS.values():
        if options.only and check.name not in options.only:
            continue
        started, left = time.monotonic(), end - time.monotonic()
        reason = missing(check, settings)
        if reason is None and left <= 0:
            reason = f"the {options.minutes:g} minutes are used up"
        if reason:
            rows = [{**row(check.name, reason), "status": "skipped"}]
        else:
            rows = run_check(check, settings, folder, min(settings.seconds(check), left))
        seconds = round(time.monotonic() - started, 1)
        yield from ({"check": check.name, "seconds": seconds, **line} for line in rows)


def _heading(report):
    """The lines of Markdown above the rows of the table."""
    facts = {name: value for name, value in report.items() if name != "rows"}
    lines = [f"- {name}: {_text(value)}" for name, value in facts.items()]
    table = [f"| {' | '.join(COLUMNS)} |", f"| {' | '.join(['---'] * len(COLUMNS))} |"]
    return "\n".join(["# What a GPU shows", "", *lines, "", *table])


def _text(value):
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return "; ".join(value) if isinstance(value, list) else str(value)


def _line(line):
    """A row as a line of the Markdown table."""
    share = "" if line["share"] is None else f"{100 * line['share']:.1f} %"
    peak = "" if line["peak_mb"] is None else f"{line['peak_mb']:,.0f} MB"
    cells = [line["status"], line["what"], line["measured"], line["wanted"], share, peak]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    # So that the processes of a check end with this one, as they do after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
