"""Speed and memory, measured side by side: `python scripts/benchmark.py [--quick] [--json FILE] [CASE ...]`.

Each case prints its rows: what was measured, its median, the ratio to a reference that was measured in the same run,
in turns with it, the share of the machine's matrix-product rate that the arithmetic comes to, and the peak of
anonymous and shared memory of the process. References that are not installed are left out: the extra `bench` has them.
"""

import argparse
import datetime
import json
import os
from pathlib import Path

from benchmarking import commands, training

from galvae.backend.hardware import processor_name

CASES = {
    case.__name__: case
    for case in (
        commands.startup,
        training.train,
        training.dcgan,
        training.quality,
        training.precision,
        training.feed,
        training.larger_than_memory,
        training.memory,
        training.growth,
        training.gpu,
        commands.prepare,
        commands.encode,
        training.default_train,
        training.checkpoint,
        training.sweep_memory,
        commands.stamps,
        commands.simulated,
        commands.figures,
        commands.umap,
        commands.umap_memory,
    )
}
QUICK = ("startup", "train", "feed")  # those that a minute has room for


def line(found):
    """A row as a line of the Markdown table."""
    ratio = "" if found["ratio"] is None else f"{found['ratio']:.2f}"
    share = "" if found["share"] is None else f"{100 * found['share']:.0f} %"
    peak = "" if found["peak_mb"] is None else f"{found['peak_mb']:,.0f} MB"
    cells = [found["case"], found["measured"], ratio, found["reference"] or "", share, peak]
    return f"| {' | '.join(cells)} |"


def main():
    """Runs the cases and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; default: all")
    parser.add_argument("--quick", action="store_true", help=f"a minute's worth; default: {', '.join(QUICK)}")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; expected {', '.join(CASES)}")
    rows = []
    print(f"{datetime.date.today()}, {processor_name()}, {len(os.sched_getaffinity(0))} cores\n")
    print("| case | measured | ratio | to | of matrix products | peak memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in arguments.cases or (QUICK if arguments.quick else CASES):
        for found in CASES[name](arguments.quick):
            rows.append({"of": name, **found})
            print(line(found), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
