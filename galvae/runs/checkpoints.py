"""Checkpoints: every variable of a run, written atomically and verified before it is read.

`checkpoints/epoch-0123/` holds best.safetensors (the model's variables at its best epoch), last.safetensors
(the model's and the optimizer's at this epoch), state.json (the `CheckpointState`) and manifest.json (size and
SHA-256 of the others, written last). A finished directory never changes. That of a bundle, from which no training goes
on, has no last.safetensors.
"""

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save as save_tensors

from galvae.errors import GalvaeError
from galvae.runs.state import CheckpointState
from galvae.system.atomic import save_json, sync_folder
from galvae.system.safe_read import largest_header, open_file, read_json, read_weights, weights_header

KEPT = 2  # checkpoints of a run that are not removed
LARGEST_MANIFEST = 10_000  # bytes
FILES = ("best.safetensors", "last.safetensors", "state.json")
OF_BUNDLE = ("best.safetensors", "state.json")

log = logging.getLogger(__name__)


def snapshot(variables, prefix=""):
    """Copies variables to host memory.

    Args:
        variables: Keras variables.
        prefix: text that is put before each path.

    Returns:
        dict of path -> array.

    Raises:
        ValueError: if two variables share a path.
    """
    arrays = {prefix + variable.path: np.array(variable.numpy()) for variable in variables}
    if len(arrays) != len(variables):
        raise ValueError(f"Invalid variables. Expected unique paths. Received: {[v.path for v in variables]}")
    return arrays


def restore(variables, arrays, prefix=""):
    """Assigns arrays to variables by path, after comparing every path, shape and type.

    Integers of any width count as one type, because backends differ in the width of seeds and counters.

    Args:
        variables: Keras variables.
        arrays: dict of path -> array.
        prefix: text before each path in `arrays`.

    Raises:
        GalvaeError: if paths, shapes or types differ; nothing is assigned in this case.
    """
    _compare(
        {prefix + v.path: (v.shape, v.dtype) for v in variables},
        {name: (array.shape, array.dtype) for name, array in arrays.items()},
    )
    for variable in variables:
        variable.assign(arrays[prefix + variable.path])


def check_shapes(checkpoint, name, expected):
    """Compares the variables in a file of weights with those of a model, before any array is read.

    Args:
        checkpoint: path of a verified checkpoint.
        name: "best" or "last".
        expected: dict of path -> (shape, type).

    Raises:
        GalvaeError: if they differ, or the file is not a safetensors file.
    """
    header = weights_header(checkpoint / f"{name}.safetensors", largest_header(expected))
    _compare(expected, {path: (shape, dtype) for path, (shape, dtype, _) in header.items()})


def _compare(expected, received):
    """Checks the paths, shapes and types of variables, given as dicts of path -> (shape, type)."""

    def normalised(variables):
        return {
            path: (tuple(shape), "integer" if np.dtype(dtype).kind in "iu" else str(np.dtype(dtype)))
            for path, (shape, dtype) in variables.items()
        }

    expected, received = normalised(expected), normalised(received)
    if expected != received:
        name = sorted(set(expected.items()) ^ set(received.items()))[0][0]
        raise GalvaeError(
            f"checkpoint: variable {name}: expected {expected.get(name, 'none')}, received "
            f"{received.get(name, 'none')}; the weights are not of this configuration"
        )


def save(folder, epoch, best, last, state):
    """Writes the checkpoint of an epoch, and removes older ones except the previous one.

    Args:
        folder: the run's folder `checkpoints`.
        epoch: number of finished epochs.
        best, last: dicts of path -> array.
        state: CheckpointState.

    Returns:
        Path of the new checkpoint.

    Raises:
        OSError: if the checkpoint cannot be written; earlier ones are left unchanged.
    """
    folder = Path(folder)
    final = folder / f"epoch-{epoch:04d}"
    building = folder / f".tmp-{os.uname().nodename}-{os.getpid()}-{epoch:04d}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        text = json.dumps(state.to_json(), indent=1).encode()
        manifest = {}
        for name, content in zip(FILES, (save_tensors(best), save_tensors(last), text), strict=True):
            _write_synced(building / name, content)
            manifest[name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        _write_synced(building / "manifest.json", json.dumps(manifest, indent=1).encode())
        sync_folder(building)
        if final.exists():
            shutil.rmtree(final)
        os.rename(building, final)
        sync_folder(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    if verifies(final):  # older checkpoints are removed only if the new one can be read
        for old in _newest_first(folder)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return final


def clean(folder, newest=None):
    """Removes unfinished and damaged checkpoints that a killed process left behind.

    Args:
        folder: the run's folder `checkpoints`; no process may be writing to it.
        newest: path of the newest undamaged checkpoint, from which the run resumes; None if there is none.
    """
    folder = Path(folder)
    retained = []
    if newest is not None:
        retained = [path for path in _newest_first(folder) if _epoch_of(path) <= _epoch_of(newest)][:KEPT]
    for path in {*folder.glob(".tmp-*"), *folder.glob("epoch-*")} - set(retained):
        shutil.rmtree(path, ignore_errors=True)


def copy_for_bundle(checkpoint, folder):
    """Copies a verified checkpoint without what only training needs.

    Args:
        checkpoint: path of the checkpoint.
        folder: path of the folder `checkpoints` of a bundle.
    """
    target = folder / checkpoint.name
    target.mkdir(parents=True)
    listed = read_json(checkpoint / "manifest.json", LARGEST_MANIFEST)
    for name in OF_BUNDLE:
        shutil.copyfile(checkpoint / name, target / name)
    save_json(target / "manifest.json", {name: listed[name] for name in OF_BUNDLE})


def newest(folder):
    """Path of the newest undamaged checkpoint, or None; damaged ones are skipped with a warning.

    Args:
        folder: the run's folder `checkpoints`.
    """
    for checkpoint in _newest_first(Path(folder)):
        if verifies(checkpoint):
            return checkpoint
        log.warning("%s is damaged and is skipped", checkpoint)
    return None


def any_in(folder):
    """Whether a folder contains any checkpoint, damaged ones included."""
    return bool(_newest_first(Path(folder)))


def verifies(checkpoint):
    """Whether every file of a checkpoint has the size and the SHA-256 recorded in its manifest."""
    try:
        manifest = read_json(checkpoint / "manifest.json", LARGEST_MANIFEST)
        if sorted(manifest) not in (sorted(FILES), sorted(OF_BUNDLE)):
            return False
        for name, entry in manifest.items():
            with open_file(checkpoint / name) as file:
                if os.fstat(file.fileno()).st_size != entry["size"]:
                    return False
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    return False
    except (GalvaeError, OSError, ValueError, KeyError, TypeError):
        return False
    return True


def read_state(checkpoint):
    """Reads the state of a verified checkpoint.

    Args:
        checkpoint: path of the checkpoint.

    Returns:
        CheckpointState.

    Raises:
        GalvaeError: if it has another format, or a value is missing or impossible.
    """
    return CheckpointState.from_json(read_json(checkpoint / "state.json"), checkpoint / "state.json")


def weights_digest(checkpoint):
    """SHA-256 of the weights of the best epoch, hexadecimal, from the manifest of a verified checkpoint."""
    return read_json(checkpoint / "manifest.json", LARGEST_MANIFEST)["best.safetensors"]["sha256"]


def read_arrays(checkpoint, name):
    """Reads the weights of a verified checkpoint.

    Args:
        checkpoint: path of the checkpoint.
        name: "best" or "last".

    Returns:
        dict of path of the variable -> array.

    Raises:
        GalvaeError: if the file is not a safetensors file, or contains NaN or infinity.
    """
    path = checkpoint / f"{name}.safetensors"
    arrays = read_weights(path)
    for variable, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise GalvaeError(
                f"{path}: variable {variable}: expected finite weights, received NaN or infinity"
            )
    return arrays


def _newest_first(folder):
    return sorted(folder.glob("epoch-*"), reverse=True, key=_epoch_of)


def _epoch_of(checkpoint):
    digits = checkpoint.name.removeprefix("epoch-")
    return int(digits) if digits.isdecimal() else -1


def _write_synced(path, content):
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
