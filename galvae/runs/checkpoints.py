"""Checkpoints: every variable of a run, written atomically and verified before it is read.

`checkpoints/epoch-0123/` holds best.safetensors (the model's variables at its best epoch), last.safetensors
(the model's and the optimizer's at this epoch), state.json (all else that a run needs to go on) and
manifest.json (size and SHA-256 of the others, written last). A finished directory never changes.
"""

import hashlib
import json
import logging
import math
import os
import shutil
from pathlib import Path

import numpy as np

from galvae.errors import GalvaeError
from galvae.system.atomic import sync_folder
from galvae.system.safe_read import open_file, read_json, read_weights, weights_header

FORMAT = 2
KEPT = 2
LARGEST_MANIFEST = 10_000  # bytes
COLUMNS = {"epoch", "loss", "val_loss", "seconds", "images_per_second"}  # of the history, that are read back
LARGEST_SIDE = 65536  # of an image, in pixels
FILES = ("best.safetensors", "last.safetensors", "state.json")

log = logging.getLogger(__name__)


def snapshot(variables, prefix=""):
    """Copies of variables in host memory, by path.

    Args:
        variables: Keras variables.
        prefix: put before each path.

    Raises:
        ValueError: if two variables share a path.
    """
    from keras import ops  # late, because Keras takes its backend when it is imported

    arrays = {
        prefix + variable.path: np.asarray(ops.convert_to_tensor(variable)).copy() for variable in variables
    }
    if len(arrays) != len(variables):
        raise ValueError(f"Invalid variables. Expected unique paths. Received: {[v.path for v in variables]}")
    return arrays


def restore(variables, arrays, prefix=""):
    """Assigns arrays to variables by path, after comparing every name, shape and type.

    Integers of any width are one type, because backends differ in that of seeds and counters.

    Raises:
        GalvaeError: if the two sets differ; nothing is assigned then.
    """
    _compare(
        {prefix + v.path: (v.shape, v.dtype) for v in variables},
        {name: (array.shape, array.dtype) for name, array in arrays.items()},
    )
    for variable in variables:
        variable.assign(arrays[prefix + variable.path])


def check_shapes(checkpoint, name, expected):
    """Compares the header of "best" or "last" with what a model needs, before any array is read.

    Args:
        checkpoint: a verified checkpoint.
        name: "best" or "last".
        expected: path -> (shape, type).

    Raises:
        GalvaeError: if they differ, or the file is no safetensors file.
    """
    header = weights_header(checkpoint / f"{name}.safetensors")
    _compare(expected, {path: found[:2] for path, found in header.items()})


def _compare(expected, received):
    """Refuses variables of other names, shapes or types than expected; path -> (shape, type)."""

    def kinds(variables):
        return {
            path: (tuple(shape), "integer" if np.dtype(dtype).kind in "iu" else str(np.dtype(dtype)))
            for path, (shape, dtype) in variables.items()
        }

    expected, received = kinds(expected), kinds(received)
    if expected != received:
        name = sorted(set(expected.items()) ^ set(received.items()))[0][0]
        raise GalvaeError(
            f"checkpoint: variable {name}: expected {expected.get(name, 'none')}, received "
            f"{received.get(name, 'none')}; the weights are not of this configuration"
        )


def save(folder, epoch, best, last, state):
    """Writes the checkpoint of an epoch; older ones but the one before are removed once it is whole.

    Args:
        folder: the run's `checkpoints`.
        epoch: number of finished epochs.
        best, last: dicts of arrays.
        state: JSON-able dict.

    Returns:
        Path of the new checkpoint.

    Raises:
        OSError: if it cannot be written; earlier checkpoints are untouched.
    """
    from safetensors.numpy import save as pack

    folder = Path(folder)
    final = folder / f"epoch-{epoch:04d}"
    building = folder / f".tmp-{os.uname().nodename}-{os.getpid()}-{epoch:04d}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        text = json.dumps({"format": FORMAT, **state}, indent=1).encode()
        manifest = {}
        for name, content in zip(FILES, (pack(best), pack(last), text), strict=True):
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
    if verifies(final):  # nothing older goes before the newer is known to be readable
        for old in _newest_first(folder)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return final


def clean(folder, newest=None):
    """Removes what a process that was killed had begun to write or to remove, and damaged checkpoints.

    Args:
        folder: the run's `checkpoints`; no process may be writing there.
        newest: the checkpoint to go on from, newer than which are damaged ones only; None: there is none.
    """
    folder = Path(folder)
    kept = []
    if newest is not None:
        kept = [path for path in _newest_first(folder) if _epoch_of(path) <= _epoch_of(newest)][:KEPT]
    for path in {*folder.glob(".tmp-*"), *folder.glob("epoch-*")} - set(kept):
        shutil.rmtree(path, ignore_errors=True)


def newest(folder):
    """The newest checkpoint whose manifest verifies, or None."""
    for checkpoint in _newest_first(Path(folder)):
        if verifies(checkpoint):
            return checkpoint
        log.warning("%s is damaged and is passed over", checkpoint)
    return None


def any_in(folder):
    """Whether there are checkpoints at all, damaged ones included."""
    return bool(_newest_first(Path(folder)))


def verifies(checkpoint):
    """Whether every file of a checkpoint has the size and the SHA-256 that its manifest names."""
    try:
        manifest = read_json(checkpoint / "manifest.json", LARGEST_MANIFEST)
        if sorted(manifest) != sorted(FILES):
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
    """The state of a verified checkpoint.

    Raises:
        GalvaeError: if it is not what this version writes.
    """
    state = read_json(checkpoint / "state.json")
    if state.get("format") != FORMAT:
        raise GalvaeError(f"{checkpoint}: expected a checkpoint of format {FORMAT}, received another")
    wrong = [name for name, holds in STATE.items() if not holds(state.get(name))]
    if wrong or not 1 <= state["best_epoch"] <= state["epoch"] == len(state["history"]):
        raise GalvaeError(
            f"{checkpoint / 'state.json'}: expected the state of a run, received one whose "
            f"{', '.join(wrong) or 'epochs'} cannot be"
        )
    return state


def read_arrays(checkpoint, name):
    """Arrays of "best" or "last" of a verified checkpoint, by the paths of their variables.

    Raises:
        GalvaeError: if the file is no safetensors file, or holds NaN or infinity.
    """
    path = checkpoint / f"{name}.safetensors"
    arrays = read_weights(path)
    for variable, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise GalvaeError(
                f"{path}: variable {variable}: expected finite weights, received NaN or infinity"
            )
    return arrays


def _is_number(value):
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < 2**53)


def _is_count(value):
    return type(value) is int and 0 <= value <= 10**9


def _is_text(value):
    return isinstance(value, str)


def _list_of(holds, length=None):
    """A test of lists whose entries all pass a test."""
    return lambda value: (
        isinstance(value, list) and all(map(holds, value)) and (length is None or len(value) == length)
    )


# What a state must hold for commands to read it: name -> test of its value.
STATE = {
    **dict.fromkeys(("run_id", "config_sha256", "dataset_sha256", "stretch"), _is_text),
    **dict.fromkeys(("epoch", "epochs", "best_epoch", "rollbacks"), _is_count),
    **dict.fromkeys(("best_loss", "learning_rate_scale"), _is_number),
    "image_shape": _list_of(lambda side: _is_count(side) and 1 <= side <= LARGEST_SIDE, 3),
    "pixel_range": lambda value: _list_of(_is_number, 2)(value) and value[0] < value[1],
    "condition_names": _list_of(_is_text),
    "condition_ranges": _list_of(_list_of(lambda value: value is None or _is_number(value), 2)),
    "peak_memory_mb": _is_number,
    "history": _list_of(
        lambda row: isinstance(row, dict) and row.keys() >= COLUMNS and all(map(_is_number, row.values()))
    ),
}


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
