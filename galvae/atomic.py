"""Files that are whole or absent: written beside their name and renamed."""

import contextlib
import os
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def replacing(path):
    """A path beside `path` to write to, which takes its name when the block ends without an error.

    The ending is kept, since NumPy and matplotlib look at it.

    Args:
        path: the file to write or to replace.

    Yields:
        The path to write to.
    """
    path = Path(path)
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save_arrays(path, **arrays):
    """Writes arrays as .npz."""
    with replacing(path) as beside:
        np.savez(beside, **arrays)
