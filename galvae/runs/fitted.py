"""What is fitted to a trained run, such as priors and noise: arrays in safetensors files, bound to its checkpoint."""

import contextlib
import json
import logging
import math
import struct

import numpy as np

from galvae.errors import GalvaeError, damage_as_one_line
from galvae.runs.bundles import refuse_change
from galvae.runs.links import refuse_link_below
from galvae.system.atomic import Blocks, replacing
from galvae.system.safe_read import TYPES, read_weights, weights_metadata

log = logging.getLogger(__name__)


def identity(run):
    """What a fit depends on, as a JSON-able dict: the run's weights and its dataset, which need not be at hand.

    Args:
        run: TrainedRun.
    """
    return {"weights": run.weights_digest, "dataset": run.state.dataset_sha256}


def folder(run, *names):
    """Makes a folder in a run's directory, to which no link leads.

    Args:
        run: TrainedRun.
        names: names of the folders, one in the other.

    Returns:
        Its path.

    Raises:
        GalvaeError: if it cannot be made, there is a link, or the run is a bundle.
    """
    path = run.path.joinpath(*names)
    refuse_change(run.path, names[0])
    refuse_link_below(run.path, path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GalvaeError(
            f"run: {path}: expected a run in which results can be written, received {error.strerror}; copy the run to "
            "a folder of your own"
        ) from error
    return path


@contextlib.contextmanager
def where_possible(run, failure):
    """Goes on where something cannot be written into a run, with a line in the log.

    Args:
        run: StoredRun.
        failure: what that means, such as "the codes cannot be cached".
    """
    try:
        yield
    except (OSError, GalvaeError) as error:  # such as a bundle, or a run that belongs to somebody else
        reason = getattr(error, "strerror", None) or error
        log.info("%s in %s: %s", failure, run.path, reason)


def save(path, arrays, identity, facts):
    """Writes the arrays of a fit as a safetensors file, atomically.

    Args:
        path: path of the file.
        arrays: dict of arrays by name, or of `galvae.system.atomic.Blocks`, which are never held in memory as a whole.
        identity: of which run they are, see `identity`.
        facts: JSON-able dict of what else is to be kept.
    """
    types = {np.dtype(text): name for name, text in TYPES.items()}
    arrays = {
        name: array if isinstance(array, Blocks) else np.ascontiguousarray(array)
        for name, array in arrays.items()
    }
    stored = {name: np.dtype(array.dtype).newbyteorder("<") for name, array in arrays.items()}
    ordered = sorted(arrays, key=lambda name: (-stored[name].itemsize, name))  # so that all are aligned
    metadata = {"identity": json.dumps(identity, sort_keys=True), "facts": json.dumps(facts)}
    header, end = {"__metadata__": metadata}, 0
    for name in ordered:
        shape = tuple(map(int, arrays[name].shape))
        start, end = end, end + math.prod(shape) * stored[name].itemsize
        header[name] = {"dtype": types[stored[name]], "shape": shape, "data_offsets": [start, end]}
    content = json.dumps(header, separators=(",", ":")).encode()
    content += b" " * (-len(content) % 8)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(content)) + content)
        for name in ordered:
            for block in arrays[name].blocks if isinstance(arrays[name], Blocks) else [arrays[name]]:
                file.write(block.astype(stored[name], order="C", copy=False).data)


def read(path, identity, what, remedy, finite=True):
    """Reads the arrays of a fit, if they belong to a run's present weights and dataset.

    Args:
        path: path of the file, see `save`.
        identity: of which run they should be, see `identity`.
        what: what is read, in messages, such as "a prior".
        remedy: command that fits it again.
        finite: whether NaN and infinity are refused.

    Returns:
        (arrays, facts), see `save`.

    Raises:
        GalvaeError: if the file is missing or damaged, holds NaN or infinity where these are refused, or was fitted to
            another checkpoint.
    """
    again = f"fit again: {remedy}"
    try:
        metadata = weights_metadata(path)
        with damage_as_one_line(f"{path}: expected {what} with its identity and facts"):
            received, facts = json.loads(metadata["identity"]), dict(json.loads(metadata["facts"]))
        arrays = read_weights(path)
    except GalvaeError as error:
        raise GalvaeError(f"{error}; {again}") from error
    if received != identity:
        raise GalvaeError(
            f"{path}: expected {what} fitted to the run's present weights and dataset, received one of others; {again}"
        )
    for name, array in arrays.items():
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise GalvaeError(f"{path}: {name}: expected finite numbers, received NaN or infinity; {again}")
    return arrays, facts
