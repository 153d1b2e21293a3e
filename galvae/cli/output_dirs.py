"""Output directories: a new one for each call, and nothing left behind by a call that failed."""

import contextlib
import os
from pathlib import Path

from galvae.cli.quoting import unquoted
from galvae.errors import GalvaeError
from galvae.runs.links import check_sweep
from galvae.runs.search import RECORD

RESERVED = []  # directories that this call has made; removed again if they stay empty
# Names in the output directory of commands that resume in it: a run, and parts or results of `galvae encode`.
RESUMED = {"train": ("config.yaml",), "encode": ("parts", "encode.json", "jobs")}
SWEEP_FILES = {"multirun.yaml", "jobs.json"}  # what Hydra and galvae write in a sweep's directory
LOG_SUFFIXES = {
    ".log",
    ".out",
    ".err",
}  # what a batch system may write in an output directory before galvae does


def unique_paths(path):
    """Yields path, path-2, path-3, ..."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def reserve_directory(path):
    """Creates the first of path, path-2, ... that does not exist, so that no other call can take it.

    Returns:
        Its path, also where it cannot be made: Hydra then fails to make it too, and reports that.
    """
    make_directory(path.absolute().parent)
    for target in unique_paths(path):
        try:
            target.mkdir()
        except FileExistsError:
            continue
        except OSError:
            break
        RESERVED.append(target.absolute())
        break
    return target


def make_directory(path):
    """Creates a directory and its parents, as far as they do not exist; Hydra reports those that cannot be made."""
    path = path.absolute()
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            with contextlib.suppress(OSError):
                folder.mkdir()
                RESERVED.append(folder)


def holds_own_parts(output_dir, command):
    """Whether a directory holds what the same command has left unfinished, or finished, and can resume or report."""
    return any((output_dir / name).exists() for name in RESUMED.get(command, ()))


def check_unused(output_dir):
    """Refuses an output directory that is not empty; logs and hidden files do not count.

    Raises:
        GalvaeError: if it holds anything else.
    """
    names = sorted(path.name for path in output_dir.iterdir() if path.suffix not in LOG_SUFFIXES)
    names = [name for name in names if not name.startswith(".")]
    if names:
        content = "a run" if "config.yaml" in names else names[0]
        raise GalvaeError(
            f"{output_dir} already holds {content}; expected a new or empty directory, as hydra.run.dir=..."
        )


def existing_directories(overrides):
    """The possible output directories and their parents, as far as they exist before the call."""
    targets = [Path("outputs", name) for name in ("train", "compare", "prepare", "multirun")]
    targets += [*_directories(overrides, "hydra.run.dir"), *_directories(overrides, "hydra.sweep.dir")]
    paths = {path for target in targets for path in (target.absolute(), *target.absolute().parents)}
    return {path for path in paths if path.exists()}


def remove_empty(folder, existing):
    """Removes a folder and its parents, as far as they are empty and did not exist before the call.

    Args:
        folder: path.
        existing: set of paths that are left alone (see `existing_directories`).
    """
    folder = folder.absolute()
    for path in (folder, *folder.parents):
        if path in existing:
            return
        try:
            path.rmdir()
        except OSError:
            return


def remove_empty_sweep(overrides, existing):
    """Removes the directory of a sweep in which no job left anything; arguments as in `remove_empty`."""
    for folder in _directories(overrides, "hydra.sweep.dir"):
        if folder.is_dir() and set(os.listdir(folder)) <= SWEEP_FILES:
            for file in folder.iterdir():
                file.unlink()
            remove_empty(folder, existing)


def check_sweep_directories(overrides):
    """Refuses the directory of a sweep in which a link leads elsewhere, and that of a search for another sweep.

    Args:
        overrides: Hydra's arguments.

    Raises:
        GalvaeError: if there is one, see `galvae.runs.links.check_sweep`.
    """
    is_search = any(text.startswith("hydra/sweeper=") for text in overrides)
    for folder in _directories(overrides, "hydra.sweep.dir"):
        check_sweep(folder)
        if not is_search and (folder / RECORD).exists():
            raise GalvaeError(
                f"hydra.sweep.dir: {folder}: expected a new directory or that of a grid, received that of a search, "
                "which hydra/sweeper=optuna continues"
            )


def _directories(overrides, key):
    """The directories that a key is set to."""
    pairs = (text.partition("=") for text in overrides)
    return [Path(os.path.expanduser(unquoted(value))) for name, _, value in pairs if name == key]
