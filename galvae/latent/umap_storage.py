"""UMAP embeddings that are stored in files: found again, and checked."""

import json
import logging

import numpy as np

from galvae.errors import GalvaeError, line_of
from galvae.latent.umap_embedding import ARRAYS, Embedding
from galvae.system.safe_read import read_npz

log = logging.getLogger(__name__)


def stored_paths(folder):
    """Paths of the embeddings in a run's directory.

    Args:
        folder: path of the directory.
    """
    # No folder behind a link: in a run that somebody else made, it might be the whole disk.
    found = [path for name in ("umap*", "explore*") for path in folder.glob(name)]
    folders = [path for path in found if not path.is_symlink()]
    return sorted(path for one in folders for path in one.glob("**/embedding.npz"))


def find_stored(paths, expected, indices):
    """The first stored embedding of given weights, settings and galaxies.

    Args:
        paths: paths of files, see `Embedding.save`.
        expected: identity of the embedding, see `identity`.
        indices: (n,) row indices of the galaxies.

    Returns:
        (Embedding, path), or (None, None) if there is none. Damaged files are skipped with a warning.
    """
    for path in paths:
        embedding = _read(path, lambda found, rows: str(found) == expected and np.array_equal(rows, indices))
        if embedding is not None:
            return embedding, path
    return None, None


def newest_stored(paths, weights, indices=None):
    """The newest stored embedding of given weights, whatever its settings.

    Args:
        paths: paths of files, see `Embedding.save`.
        weights: SHA-256 of the model's weights.
        indices: (n,) row indices of the galaxies that it must have; None: any.

    Returns:
        (Embedding, path), or (None, None) if there is none. Damaged files are skipped with a warning.
    """
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        embedding = _read(
            path,
            lambda found, rows: (
                json.loads(str(found))["weights"] == weights
                and (indices is None or np.array_equal(rows, indices))
            ),
        )
        if embedding is not None:
            return embedding, path
    return None, None


def _read(path, is_wanted):
    """The embedding in a file; None if it is damaged, which is logged, or not wanted.

    Args:
        path: the file.
        is_wanted: function of the arrays identity and indices.
    """
    try:
        arrays = read_npz(path, ARRAYS)
        if not is_wanted(arrays["identity"], arrays["indices"]):
            return None
        _check(arrays)
        return Embedding(**{**arrays, "identity": str(arrays["identity"])})
    except (GalvaeError, ValueError, LookupError, TypeError) as error:
        log.warning("%s is damaged and is skipped (%s)", path, line_of(error))
        return None


def _check(arrays):
    """Checks that the arrays of a file have the types and shapes of an `Embedding`.

    Raises:
        ValueError: if they do not.
    """
    for name, (kind, dimensions) in ARRAYS.items():
        array = arrays[name]
        if array.dtype.kind != kind or array.ndim != dimensions:
            raise ValueError(f"{name}: received {array.dtype} of {array.ndim} dimensions")
        if kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name}: received NaN or infinity")
    count, fitted = len(arrays["indices"]), len(arrays["fitted"])
    for name in ("codes", "plane", "nearest", "nearest_distances"):
        if len(arrays[name]) != count or not arrays[name].shape[1]:
            raise ValueError(f"{name}: received shape {arrays[name].shape} for {count} galaxies")
    for name in ("neighbours", "distances"):
        if len(arrays[name]) != fitted or arrays[name].shape != arrays["neighbours"].shape:
            raise ValueError(f"{name}: received shape {arrays[name].shape} for {fitted} fitted galaxies")
    if arrays["plane"].shape[1] != 2 or arrays["nearest"].shape != arrays["nearest_distances"].shape:
        raise ValueError("the shapes of the arrays do not agree")
    for name, size in (("fitted", count), ("neighbours", fitted), ("nearest", count)):
        if arrays[name].min(initial=0) < 0 or arrays[name].max(initial=0) >= size:
            raise ValueError(f"{name}: expected positions below {size}, received others")
