"""Files of a run replaced by those of another run of the same architecture."""

import itertools
import shutil

from fuzzing.runs import READ, Runs

State = {}
PARTS = (*READ[:-2], "checkpoints", "checkpoints/epoch-0002")


def cases(count, seed):
    """Lists each file or folder and each pair of them; `count` and `seed` have no effect."""
    return [*((name,) for name in PARTS), *itertools.combinations(PARTS, 2)]


def prepare(folder):
    """Creates the runs."""
    State["runs"] = Runs(folder)


def check(case):
    """Reads a run with files of another one; returns the outcome and a text."""
    runs = State["runs"]
    for name in case:
        if (runs.b / name).is_dir():
            shutil.rmtree(runs.copy / name)
            shutil.copytree(runs.b / name, runs.copy / name)
        else:
            shutil.copy(runs.b / name, runs.copy / name)
    try:
        return runs.read_copy()
    finally:
        runs.restore()
