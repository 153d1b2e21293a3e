"""Tests galvae with random wrong command lines, configurations and run files, and counts the outcomes.

    python scripts/fuzz.py                          7,500 cases in all, about half an hour on two processors
    python scripts/fuzz.py --cases 200 --family damage overrides
    python scripts/fuzz.py --family damage --seed 3 --case 17     repeats one case and prints its outcome

Acceptable outcomes: clean (a correct result), refused (one line, exit status 2) and failed (one line, exit status 1).
Unacceptable outcomes: traceback, signal, hang (more than LIMIT seconds) and wrong (a result that differs from what was
requested or from the undamaged files). The exit status is 1 if any case has one of these.
"""

import argparse
import importlib
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OUTCOMES = ("clean", "refused", "failed", "traceback", "signal", "hang", "wrong")
BAD = OUTCOMES[3:]
PRINTED = 5  # cases with an unacceptable outcome that are printed, per kind
LIMIT = 20  # seconds per case
START = 900  # seconds for a worker to prepare, which may train runs
MEMORY = 3_000_000_000  # bytes of address space for a case, in addition to what the worker uses
# Family -> its share of all cases; None: the family has a fixed list of cases.
FAMILIES = {
    "overrides": 0.42,
    "configs": 0.18,
    "damage": 0.26,
    "headers": 0.14,
    "swaps": None,
    "environment": None,
    "links": None,
}


def main():
    """Runs the families and prints a table of outcomes and the unacceptable cases."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--cases", type=int, default=7500, help="number of cases over all families with random cases (7500)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random cases (0)")
    parser.add_argument(
        "--jobs", type=int, default=len(os.sched_getaffinity(0)), help="number of worker processes"
    )
    parser.add_argument(
        "--family", nargs="+", choices=FAMILIES, default=list(FAMILIES), help="families to run; default: all"
    )
    parser.add_argument(
        "--case", type=int, help="number of the only case to run, as printed for an unacceptable case"
    )
    options = parser.parse_args()
    bad = {}
    with tempfile.TemporaryDirectory(prefix="galvae-fuzz-") as folder:
        print(f"{'family':12}" + "".join(f"{name:>10}" for name in (*OUTCOMES, "sum", "seconds")), flush=True)
        for family in options.family:
            started = time.perf_counter()
            count = round((FAMILIES[family] or 0) * options.cases)
            results = run(family, count, options, Path(folder))
            counts = Counter(outcome for outcome, _ in results.values())
            bad |= {(family, index): result for index, result in results.items() if result[0] in BAD}
            columns = [counts[name] for name in OUTCOMES]
            columns += [len(results), round(time.perf_counter() - started)]
            print(f"{family:12}" + "".join(f"{column:>10}" for column in columns), flush=True)
            if options.case is not None:
                print(*results.values())
    kinds = Counter()
    for (family, index), (outcome, text) in bad.items():
        last = re.sub(r"\W.*", "", text.strip().splitlines()[-1])
        kinds[family, outcome, last] += 1
        if kinds[family, outcome, last] <= PRINTED:
            command = f"--family {family} --cases {options.cases} --seed {options.seed} --case {index}"
            print(f"\n{outcome}: python scripts/fuzz.py {command}\n{text}")
    for (family, outcome, last), count in kinds.items():
        print(f"{count:6} {outcome} in {family}: {last}")
    sys.exit(bool(bad))


def run(family, count, options, folder):
    """Runs the cases of a family in worker processes.

    Args:
        family: name of the family.
        count: number of cases.
        options: arguments of the command line.
        folder: working folder, which receives one subfolder per worker.

    Returns:
        index of the case -> (outcome, text with the case and what happened).
    """
    module = importlib.import_module(f"fuzzing.{family}")
    cases, limit = module.cases(count, options.seed), getattr(module, "LIMIT", LIMIT)
    remaining = list(range(len(cases)) if options.case is None else [options.case])[::-1]
    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        futures = [
            pool.submit(serve, family, folder / f"{family}-{number}", cases, remaining, results, limit)
            for number in range(options.jobs)
        ]
    for future in futures:
        future.result()  # raises errors of the fuzzer itself
    return results


def serve(family, folder, cases, remaining, results, limit):
    """Sends cases to a worker process one by one, and starts a new worker whenever one dies or hangs.

    Args:
        family: name of the family.
        folder: working folder of the worker.
        cases: list of all cases.
        remaining: indices of cases that no worker has taken yet; shared between threads.
        results: dict that receives the results, see `run`.
        limit: seconds per case.
    """
    pipe = None
    while remaining:
        index = remaining.pop()
        if pipe is None:
            process, pipe = start(family, folder)
        pipe.send(cases[index])
        if not pipe.poll(limit):
            results[index] = "hang", f"{cases[index]!r:.600}\nmore than {limit} s"
        else:
            try:
                results[index] = pipe.recv()
                continue
            except EOFError:
                process.join()
                results[index] = "signal", f"{cases[index]!r:.600}\nexit status {process.exitcode}"
        process.kill()
        pipe = None
    if pipe is not None:
        process.kill()


def start(family, folder):
    """Starts a worker; returns the process, which is ready for cases, and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    pipe, worker_pipe = context.Pipe()
    process = context.Process(target=work, args=(family, folder, worker_pipe), daemon=True)
    process.start()
    worker_pipe.close()
    if not pipe.poll(START):
        process.kill()
        raise TimeoutError(f"{family}: the worker was not ready after {START} s")
    pipe.recv()
    return process, pipe


def work(family, folder, pipe):
    """Main function of a worker: prepares the family, then answers each case with its outcome."""
    module = importlib.import_module(f"fuzzing.{family}")
    folder.mkdir(exist_ok=True)
    module.prepare(folder)
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    pipe.send(None)
    while True:
        case = pipe.recv()
        try:
            outcome, text = module.check(case)
        except BaseException:
            outcome, text = "traceback", traceback.format_exc()[-1000:]
        pipe.send((outcome, f"{case!r:.600}\n{text}"))


if __name__ == "__main__":
    main()
