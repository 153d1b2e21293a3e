"""Files of one run in the place of another's, of the same architecture."""

import itertools
import shutil

from fuzzing.runs import READ, Runs

State = {}
PARTS = (*READ[:-2], "checkpoints", "checkpoints/epoch-0002")


def cases(count, seed):
    """Each file or folder, and each pair of files; count and seed have no meaning."""
    return [*((name,) for name in PARTS), *itertools.combinations(PARTS, 2)]


def prepare(folder):
    """Makes the runs."""
    State["runs"] = Runs(folder)


def check(case):
    """The outcome of reading a run with files of another one."""
    runs = State["runs"]
    for name in case:
        if (runs.b / name).is_dir():
            shutil.rmtree(runs.copy / name)
            shutil.copytree(runs.b / name, runs.copy / name)
        else:
            shutil.copy(runs.b / name, runs.copy / name)
    try:
        return runs.judged()
    finally:
        runs.restore()
