"""Run directories that `run=` and `runs=` refer to: a run, those of a sweep, several; the links `latest`."""

import logging
import os
import re
from pathlib import Path

from galvae.config.fields import LATEST, LATEST_SWEEP, absolute
from galvae.errors import GalvaeError
from galvae.system.atomic import replacing

SWEEP_FILE = "multirun.yaml"  # in the directory of every sweep, by Hydra
MANIFEST = "bundle.json"  # in the directory of every bundle, see `galvae.runs.bundles`

log = logging.getLogger(__name__)


def latest(key):
    """The directory that `latest` means: for `runs` the newest sweep, else the newest finished run.

    Args:
        key: `run`, `runs` or `resume`, as named in messages.

    Raises:
        GalvaeError: if there is none, or `resume` would take a job of a sweep, which is only resumed by its path.
    """
    if key == "runs":
        if not LATEST_SWEEP.is_dir():
            hint = f"; runs={LATEST} is the newest run" if LATEST.exists() else ""
            raise GalvaeError(
                f"runs=latest: expected a sweep, as galvae train -m makes it, received none in "
                f"{LATEST_SWEEP.parent.resolve()}{hint}"
            )
        return LATEST_SWEEP.resolve()
    sweep = f"; the jobs of the newest sweep are in {LATEST_SWEEP.resolve()}" if LATEST_SWEEP.is_dir() else ""
    if not LATEST.exists():
        raise GalvaeError(
            f"{key}=latest: expected a finished run, received none in {LATEST.parent.resolve()}{sweep}"
        )
    path = LATEST.resolve()
    if key == "resume" and (path.parent / SWEEP_FILE).is_file():
        raise GalvaeError(
            f"resume=latest: expected a run of its own, received a job of a sweep; expected its path, as resume={path}"
        )
    return path


def mark_latest(link, folder):
    """Points one of the links LATEST and LATEST_SWEEP to a directory; a failure is logged as a warning."""
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        with replacing(link) as temporary:
            temporary.symlink_to(os.path.relpath(Path(folder).resolve(), link.parent.resolve()))
    except OSError as error:
        log.warning("%s does not point to %s: %s", link, folder, error.strerror)


def is_bundle(path):
    """Whether the directory of a run is a bundle's."""
    return (Path(path) / MANIFEST).is_file()


def is_zip(path):
    """Whether a path is that of a .zip file, which may hold a bundle."""
    return Path(path).suffix.lower() == ".zip" and Path(path).is_file()


def refuse_training(path):
    """Refuses to resume a bundle.

    Args:
        path: directory of a run, or path of a .zip file.

    Raises:
        GalvaeError: if it is a bundle.
    """
    if is_bundle(path) or is_zip(path):
        raise GalvaeError(
            f"resume: {path}: expected a run, received a bundle, which lacks the state of the optimizer that training "
            f"goes on from; init={path} begins a new run with its weights"
        )


def open_error(key, path):
    """The error for a directory that is expected to be a run's and is none; where it is a sweep's, it names its jobs.

    Args:
        key: `run` or `resume`.
        path: the directory.

    Returns:
        GalvaeError.
    """
    runs = _runs_in(path)
    received = "a directory without one" if path.is_dir() else "no directory"
    hint = f"; its {len(runs)} runs are in it, as {key}={runs[0]}" if runs else ""
    return GalvaeError(
        f"{key}: {path}: expected a run's directory, with a config.yaml; received {received}{hint}"
    )


def find_runs(locations):
    """Finds run directories in one or several locations.

    Args:
        locations: path, or list of paths, of runs or of directories that contain runs, as a sweep's does. "latest" is
            the newest sweep.

    Returns:
        list of paths; the runs of a sweep in the order of its jobs.

    Raises:
        GalvaeError: if the list is empty, a location contains no run, a run is listed twice, or "latest" stands in a
            list, where it might mean a run as well.
    """
    if not locations:
        raise GalvaeError("runs: expected a sweep's directory or a list of runs, received an empty list")
    if isinstance(locations, list) and "latest" in locations:
        raise GalvaeError(
            f"runs: expected paths in a list, received latest; the newest run is {LATEST}, the newest sweep "
            f"{LATEST_SWEEP}"
        )
    paths = []
    for location in [locations] if isinstance(locations, str) else locations:
        path = Path(absolute(latest("runs") if location == "latest" else location))
        runs = [path] if _is_run(path) or is_zip(path) else _runs_in(path)
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
