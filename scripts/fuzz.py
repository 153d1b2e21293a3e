"""Feeds galvae what strangers may hand it, and counts what comes of every case.

    python scripts/fuzz.py                          7,500 cases in all, about half an hour on two processors
    python scripts/fuzz.py --cases 200 --family damage overrides
    python scripts/fuzz.py --family damage --seed 3 --case 17     one case again, its outcome in full

Outcomes: clean (done, and right), refused (one line, exit status 2), failed (one line, exit status 1), and four that
must not be: traceback, signal, hang (more than LIMIT seconds), wrong (done, but not what was asked for, or not what
the undamaged files say). Exit status 1 if there is any of those.
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
ALIKE = 5  # bad cases of one kind that are shown
LIMIT = 20  # seconds for a case
START = 900  # seconds for what a family needs first
MEMORY = 3_000_000_000  # bytes of address space that a case may take on top
# Family -> its share of all cases; families with a share of None have cases of their own number.
FAMILIES = {
    "overrides": 0.42,
    "configs": 0.18,
    "damage": 0.26,
    "headers": 0.14,
    "swaps": None,
    "environment": None,
}


def main():
    """Runs the families, prints a table and every bad case; exits with 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=7500, help="of all families with random cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--case", type=int, help="only this one, as a bad case's line names it")
    options = parser.parse_args()
    bad = {}
    with tempfile.TemporaryDirectory(prefix="galvae-fuzz-") as folder:
        print(f"{'family':12}" + "".join(f"{name:>10}" for name in (*OUTCOMES, "sum", "seconds")), flush=True)
        for family in options.family:
            started = time.perf_counter()
            count = round((FAMILIES[family] or 0) * options.cases)
            results = run(family, count, options, Path(folder))
            counts = Counter(outcome for outcome, _ in results.values())
            bad |= {(family, index): found for index, found in results.items() if found[0] in BAD}
            figures = [counts[name] for name in OUTCOMES]
            figures += [len(results), round(time.perf_counter() - started)]
            print(f"{family:12}" + "".join(f"{figure:>10}" for figure in figures), flush=True)
            if options.case is not None:
                print(*results.values())
    alike = Counter()
    for (family, index), (outcome, text) in bad.items():
        last = re.sub(r"\W.*", "", text.strip().splitlines()[-1])
        alike[family, outcome, last] += 1
        if alike[family, outcome, last] <= ALIKE:
            command = f"--family {family} --cases {options.cases} --seed {options.seed} --case {index}"
            print(f"\n{outcome}: python scripts/fuzz.py {command}\n{text}")
    for (family, outcome, last), count in alike.items():
        print(f"{count:6} {outcome} in {family}: {last}")
    sys.exit(bool(bad))


def run(family, count, options, folder):
    """Outcomes of a family's cases.

    Returns:
        number of the case -> (outcome, text that shows the case and what came of it).
    """
    module = importlib.import_module(f"fuzzing.{family}")
    cases, limit = module.cases(count, options.seed), getattr(module, "LIMIT", LIMIT)
    left = list(range(len(cases)) if options.case is None else [options.case])[::-1]
    results = {}
    with ThreadPoolExecutor(options.jobs) as pool:
        served = [
            pool.submit(serve, family, folder / f"{family}-{number}", cases, left, results, limit)
            for number in range(options.jobs)
        ]
    for each in served:
        each.result()  # raises what went wrong with the fuzzer itself
    return results


def serve(family, folder, cases, left, results, limit):
    """Hands cases to a process one by one; when it dies or hangs, another one takes its place."""
    pipe = None
    while left:
        index = left.pop()
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
    """A process that is ready for cases, and the pipe to it."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=work, args=(family, folder, theirs), daemon=True)
    process.start()
    theirs.close()
    if not pipe.poll(START):
        process.kill()
        raise TimeoutError(f"{family} was not ready after {START} s")
    pipe.recv()
    return process, pipe


def work(family, folder, pipe):
    """What a worker does: make ready, then try each case that comes and tell its outcome."""
    module = importlib.import_module(f"fuzzing.{family}")
    folder.mkdir(exist_ok=True)
    module.prepare(folder)
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.RLIM_INFINITY))
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
