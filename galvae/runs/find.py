"""Run directories that `runs=` refers to: those of a sweep, or several."""

import os
import re
from pathlib import Path

from galvae.config.fields import LATEST, absolute
from galvae.errors import GalvaeError


def find_runs(locations):
    """Finds run directories in one or several locations.

    Args:
        locations: path, or list of paths, of runs or of directories that contain runs, as a sweep's does. "latest" is
            the newest finished run.

    Returns:
        list of paths; the runs of a sweep in the order of its jobs.

    Raises:
        GalvaeError: if the list is empty, a location contains no run, or a run is listed twice.
    """
    if not locations:
        raise GalvaeError("runs: expected a sweep's directory or a list of runs, received an empty list")
    paths = []
    for location in [locations] if isinstance(locations, str) else locations:
        path = Path(absolute(LATEST.resolve() if location == "latest" else location))
        runs = [path] if _is_run(path) else _runs_in(path)
        if not runs:
            received = "a directory without runs" if path.is_dir() else "no directory"
            raise GalvaeError(f"runs: {path}: expected a run's or a sweep's directory; received {received}")
        paths += runs
    resolved = [path.resolve() for path in paths]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise GalvaeError(f"runs: expected each run once, received {paths[index]} twice")
    return paths


def _is_run(path):
    return os.path.isfile(path / "config.yaml")


def _runs_in(folder):
    """Runs in a folder; a link to another of them, such as `latest`, is left out."""
    runs = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else [], key=lambda path: path.is_symlink()):
        if _is_run(path):
            runs.setdefault(path.resolve(), path)
    return sorted(runs.values(), key=_job_order)


def _job_order(path):
    """Sorts numbers in names as numbers, so that job 10 comes after job 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
