"""Links in the directory of a run or a sweep: nothing is written through them.

A run that somebody else made may hold a link to any file or folder of its reader's. The directory itself may lie
behind a link, as where `outputs` points to a larger disk: only what lies below it counts.
"""

import os
import stat
from pathlib import Path

from galvae.errors import GalvaeError

RUN_FILES = (
    "config.yaml",
    "environment.json",
    "data_report.json",
    "split.npz",
    "history.csv",
    "metrics.json",
)
RUN_FOLDERS = ("checkpoints", "figures")
SLURM_FOLDER = ".submitit"  # in the directory of a sweep, for the files of SLURM and submitit


def link_below(root, path):
    """The first symbolic link on the way from a directory to a path below it; None if there is none.

    Args:
        root: the directory, which may be a link itself.
        path: the path; one that does not lie below `root` counts as free of links.
    """
    parts = [path, *path.parents]
    below = [part for part in parts if part != root and root in part.parents]
    return next((part for part in reversed(below) if part.is_symlink()), None)


def refuse_link_below(root, path):
    """Refuses a path to which a symbolic link leads from a directory above it.

    Args:
        root: the directory of a run or a sweep; parents of `path` that resolve to it count as it.
        path: the path to write to.

    Raises:
        GalvaeError: if there is such a link, with its name.
    """
    real = Path(root).resolve()
    for parent in path.parents:
        if parent.resolve() == real:
            link = link_below(parent, path)
            if link is not None:
                raise _link_error(link)
            return


def check_output(folder, command):
    """Refuses an output directory in which what a command writes to is a link, a pipe or a device.

    Called before anything is written, the log included. The log is appended to, so that it may be no hard link either.

    Args:
        folder: the output directory.
        command: name of the command.

    Raises:
        GalvaeError: if there is one, with its name.
    """
    folder = Path(folder)
    _check_file(folder / f"{command}.log", in_place=True)
    if command == "train":
        for name in RUN_FILES:
            _check_file(folder / name)
        for name in RUN_FOLDERS:
            _check_folder(folder / name)


def check_sweep(folder):
    """Refuses a sweep's directory in which what Hydra and galvae write to is a link, a pipe or a device.

    Args:
        folder: the sweep's directory.

    Raises:
        GalvaeError: if there is one, with its name.
    """
    folder = Path(folder)
    _check_file(folder / "multirun.yaml", in_place=True)
    _check_file(folder / "jobs.json")
    _check_folder(folder / SLURM_FOLDER, links_inside=True)  # submitit links its own files


def check_folder_of_tracker(folder):
    """Refuses the folder of a tracker's files if it is a link, or a link in it or in a folder in it leads out of it.

    Args:
        folder: the folder, which need not exist.

    Raises:
        GalvaeError: if there is one, with its name.
    """
    _check_folder(folder)
    for entry in sorted(folder.glob("*/")):
        _check_folder(entry, links_inside=True)  # W&B links its newest run


def _check_file(path, in_place=False):
    """Refuses anything but a regular file or nothing; `in_place`: also one that has other names, as hard links."""
    status = _status(path)
    if status is None:
        return
    if not stat.S_ISREG(status.st_mode):
        raise GalvaeError(f"{path}: expected a file, received {_kind(status.st_mode)}")
    if in_place and status.st_nlink > 1:
        raise GalvaeError(
            f"{path}: expected a file of its own, received one that has {status.st_nlink} names (hard links), all of "
            "which would be written to; replace it by a copy"
        )


def _check_folder(path, links_inside=False):
    """Refuses anything but a folder without links, or nothing; `links_inside`: those that stay in it may be."""
    status = _status(path)
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise GalvaeError(f"{path}: expected a folder, received {_kind(status.st_mode)}")
    for entry in sorted(path.glob("*")):
        stays = links_inside and Path(os.path.realpath(entry)).is_relative_to(os.path.realpath(path))
        if entry.is_symlink() and not stays:
            raise _link_error(entry)


def _status(path):
    """What lies at a path, which is no link; None for nothing."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISLNK(status.st_mode):
        raise _link_error(path)
    return status


def _kind(mode):
    if stat.S_ISREG(mode):
        return "a file"
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"


def _link_error(path):
    return GalvaeError(
        f"{path}: expected no link in this directory, since nothing is written through links that may have come with "
        f"it; received one to {os.readlink(path)}; replace it by what it points to"
    )
