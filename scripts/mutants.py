"""Puts known mistakes into copies of galvae, one at a time, and counts those that the tests catch.

    python scripts/mutants.py                         all lists, two mutants at a time
    python scripts/mutants.py figures latent          the lists of mutating/figures.py and mutating/latent.py
    python scripts/mutants.py --match "upside down"   the mutants whose names contain these words

Prints a line per mutant and keeps it in outputs/mutants.jsonl, so that the same command continues where it was stopped,
as long as no file of the repository has changed. The tests must pass without a mutant first. The exit
status is 1 if fewer than SCORE of the mutants are caught, if a mutant survives without a reason given in its list, or
if one cannot be run.
"""

import argparse
import hashlib
import importlib
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutating.mutant import PASSED, outcome, run_tests

ROOT = Path(__file__).resolve().parents[1]
NOT_LISTS = ("__init__", "mutant", "preloaded")
LISTS = sorted(
    path.stem for path in (ROOT / "scripts" / "mutating").glob("*.py") if path.stem not in NOT_LISTS
)
COPIED = ("galvae", "conf", "tests", "scripts", "docs", ".ci")  # folders that tests read
SCORE = 0.97


def main():
    """Runs the mutants that are not done yet and prints the score."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "lists", nargs="*", metavar="LIST", help=f"one or more of {', '.join(LISTS)}; default: all"
    )
    parser.add_argument(
        "--match", default="", metavar="WORDS", help="only mutants whose names contain these words"
    )
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
    parser.add_argument(
        "--results", type=Path, default=ROOT / "outputs" / "mutants.jsonl", help="kept outcomes"
    )
    options = parser.parse_args()
    if wrong := set(options.lists) - set(LISTS):
        parser.error(f"expected lists among {', '.join(LISTS)}, received {', '.join(sorted(wrong))}")
    mutants = [
        mutant
        for name in options.lists or LISTS
        for mutant in mutants_of(name)
        if options.match in mutant.name
    ]
    if not mutants:
        parser.error(f"no mutant has {options.match!r} in its name")
    outcomes = run(mutants, ROOT, options.results, options.jobs)
    sys.exit(verdict(mutants, outcomes))


def mutants_of(name):
    """The mutants of a list.

    Args:
        name: of the module in mutating/.

    Returns:
        List of Mutant.
    """
    return importlib.import_module(f"mutating.{name}").MUTANTS


def run(mutants, root, results, jobs):
    """Finds the outcome of each mutant, unless it is kept from an earlier call on the same files.

    Args:
        mutants: list of Mutant.
        root: Path of the repository.
        results: Path of the file in which outcomes are kept.
        jobs: number of mutants at a time.

    Returns:
        dict from a mutant's key to its outcome, see `mutating.mutant.outcome`.
    """
    state = digest(root)
    outcomes = read_outcomes(results, state)
    remaining = [mutant for mutant in mutants if mutant.key not in outcomes]
    results.parent.mkdir(parents=True, exist_ok=True)
    local, lock, start = threading.local(), threading.Lock(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:

        def copy():
            if not hasattr(local, "root"):
                local.root = Path(tempfile.mkdtemp(dir=folder))
                copy_repository(root, local.root)
            return local.root

        def mutated(mutant):
            began = time.monotonic()
            result = outcome(mutant, copy())
            with lock, open(results, "a", encoding="utf-8") as file:
                outcomes[mutant.key] = result
                file.write(json.dumps({"state": state, "mutant": mutant.key, "outcome": result}) + "\n")
                done = sum(mutant.key in outcomes for mutant in mutants)
                seconds = time.monotonic() - began
                line = f"{done:4}/{len(mutants)}  {result:8}  {seconds:5.1f} s  {mutant.file}: {mutant.name}"
                print(line, flush=True)

        needed = sorted({test for mutant in remaining for test in mutant.tests.split()})
        if needed and run_tests(needed, copy(), jobs) != PASSED:
            sys.exit(
                "expected tests that pass without a mutant: one that fails anyway would catch everything"
            )
        list(pool.map(mutated, remaining))
    print(f"{len(remaining)} mutants in {time.monotonic() - start:.0f} s")
    return outcomes


def verdict(mutants, outcomes):
    """Prints the score, and the mutants that were not caught.

    Args:
        mutants: list of Mutant.
        outcomes: dict from a mutant's key to its outcome.

    Returns:
        Exit status.
    """
    counts = Counter(outcomes[mutant.key] for mutant in mutants)
    unexplained = [
        m
        for m in mutants
        if outcomes[m.key] != "caught" and not (m.survives and outcomes[m.key] == "survived")
    ]
    for mutant in mutants:
        if outcomes[mutant.key] != "caught":
            reason = mutant.survives or "without a reason"
            print(f"{outcomes[mutant.key]}: {mutant.file}: {mutant.name} ({reason})")
    score = counts["caught"] / len(mutants)
    print(f"{counts['caught']} of {len(mutants)} mutants caught, {score:.3f}; expected {SCORE} or more")
    return 1 if unexplained or score < SCORE else 0


def read_outcomes(path, state):
    """Outcomes that an earlier call kept.

    Args:
        path: Path of the file.
        state: digest of the files of which the outcomes must be.

    Returns:
        dict from a mutant's key to its outcome.
    """
    if not path.exists():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["mutant"]: row["outcome"] for row in rows if row["state"] == state}


def digest(root):
    """SHA-256 of all files that the tests of a mutant can read.

    Args:
        root: Path of the repository.
    """
    result = hashlib.sha256()
    for path in files(root):
        result.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return result.hexdigest()


def copy_repository(root, copy):
    """Copies the files that the tests of a mutant can read.

    Args:
        root: Path of the repository.
        copy: Path of an empty folder.
    """
    for path in files(root):
        target = copy / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def files(root):
    """Files at the top of the repository and in its folders, without what Python and Git keep there.

    Args:
        root: Path of the repository.

    Returns:
        Sorted list of paths.
    """
    below = [
        path for folder in COPIED for path in (root / folder).rglob("*") if "__pycache__" not in path.parts
    ]
    return sorted(path for path in [*root.iterdir(), *below] if path.is_file())


if __name__ == "__main__":
    main()
