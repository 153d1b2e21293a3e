"""Output directories: a free name for each call, and nothing left of a call that failed."""

import contextlib
import os
import re
from pathlib import Path

from galvae.errors import GalvaeError

RESERVED = []  # directories that this call made for itself; removed again if they stay empty
SWEEP_NOTES = {"multirun.yaml", "jobs.json"}
LOGS = {".log", ".out", ".err"}  # what a batch system may write into an output directory before we do


def unique_paths(path):
    """path, path-2, path-3, ..."""
    yield path
    number = 2
    while True:
        yield path.with_name(f"{path.name}-{number}")
        number += 1


def reserve_directory(path):
    """The first of path, path-2, ... that is free, made at once, so that no call started beside this one takes it."""
    for parent in reversed(path.absolute().parents):
        if not parent.exists():
            with contextlib.suppress(OSError):
                parent.mkdir()
                RESERVED.append(parent)
    for target in unique_paths(path):
        try:
            target.mkdir()
        except FileExistsError:
            continue
        except OSError:  # Hydra stumbles over it too, which is then reported
            break
        RESERVED.append(target.absolute())
        break
    return target


def check_unused(output_dir):
    """Refuses a directory that holds anything but logs and hidden files, before anything in it is written."""
    names = sorted(path.name for path in output_dir.iterdir() if path.suffix not in LOGS)
    held = [name for name in names if not name.startswith(".")]
    if held:
        what = "already holds a run" if "config.yaml" in held else f"already holds {held[0]}"
        raise GalvaeError(f"{output_dir} {what}; expected a new or empty directory, as hydra.run.dir=...")


def existing_directories(overrides):
    """The directories, on the way to any output, that are there before the call."""
    targets = [Path("outputs", place) for place in ("train", "compare", "prepare", "multirun")]
    targets += [*_given(overrides, "hydra.run.dir"), *_given(overrides, "hydra.sweep.dir")]
    paths = {path for target in targets for path in (target.absolute(), *target.absolute().parents)}
    return {path for path in paths if path.exists()}


def remove_empty(folder, existing):
    """Removes a folder, and those above it, as far as they are empty and were not there before."""
    folder = folder.absolute()
    for path in (folder, *folder.parents):
        if path in existing:
            return
        try:
            path.rmdir()
        except OSError:
            return


def remove_empty_sweep(overrides, existing):
    """Removes a sweep's folder that holds nothing but notes of Hydra and of ours."""
    for folder in _given(overrides, "hydra.sweep.dir"):
        if folder.is_dir() and set(os.listdir(folder)) <= SWEEP_NOTES:
            for note in folder.iterdir():
                note.unlink()
            remove_empty(folder, existing)


def _given(overrides, key):
    """The directories that overrides name with a key, without the quotes and backslashes of Hydra's grammar."""
    pairs = (text.partition("=") for text in overrides)
    return [Path(os.path.expanduser(unquoted(value))) for name, _, value in pairs if name == key]


def quoted(path):
    """A path in Hydra's single quotes, where a backslash counts as one unless quotes follow it."""
    escaped = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), str(path))
    return f"'{escaped}'"


def unquoted(value):
    """What `quoted` was given, or what a user put in quotes."""
    if value[:1] != "'":
        return value.strip('"')
    return re.sub(r"(\\+)(?='|$)", lambda found: found[0][: len(found[0]) // 2], value[1:-1])
