"""Measures the speed and memory of galvae and of reference programs on this machine.

    python scripts/benchmark.py                        all cases
    python scripts/benchmark.py --quick                about a minute
    python scripts/benchmark.py train --json rows.json

Each case prints rows of a Markdown table: what was measured, its median, the ratio to a reference that was measured
alternately with it, the arithmetic rate as a share of the machine's matrix-product rate, and the peak of the process'
anonymous and shared memory. References that are not installed are left out; the extra `bench` installs them.
"""

import argparse
import datetime
import json
import os
from pathlib import Path

from benchmarking import (
    commands,
    explorer,
    large_index,
    morphology,
    processes,
    searching,
    step_memory,
    training,
    user_data,
)

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
        step_memory.saving_memory,
        training.growth,
        commands.prepare,
        commands.encode,
        commands.encode_command,
        training.default_train,
        training.checkpoint,
        training.sweep_memory,
        processes.processes,
        searching.search,
        commands.stamps,
        user_data.joins,
        user_data.fits_folder,
        user_data.parquet,
        user_data.several_files,
        large_index.large_index,
        commands.simulated,
        commands.figures,
        commands.umap,
        commands.umap_memory,
        morphology.morphology,
        morphology.card,
        explorer.explore,
        explorer.page_decoder,
    )
}
QUICK = ("startup", "train", "feed")  # these take about a minute


def table_line(row):
    """Formats a row, see `benchmarking.measuring.row`, as a line of the Markdown table."""
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    share = "" if row["share"] is None else f"{100 * row['share']:.0f} %"
    peak = "" if row["peak_mb"] is None else f"{row['peak_mb']:,.0f} MB"
    columns = [row["case"], row["measured"], ratio, row["reference"] or "", share, peak]
    return f"| {' | '.join(columns)} |"


def main():
    """Runs the requested cases and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"what to measure: {', '.join(CASES)}; default: all"
    )
    parser.add_argument("--quick", action="store_true", help=f"small cases; default: {', '.join(QUICK)}")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; expected {', '.join(CASES)}")
    rows = []
    print(f"{datetime.date.today()}, {processor_name()}, {len(os.sched_getaffinity(0))} cores\n")
    print("| case | measured | ratio | to | of matrix products | peak memory |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in arguments.cases or (QUICK if arguments.quick else CASES):
        for row in CASES[name](arguments.quick):
            rows.append({"of": name, **row})
            print(table_line(row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
