"""Files that are whole or absent: written beside their name and renamed."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np


@contextlib.contextmanager
def replacing(path):
    """A path beside `path` to write to, which takes its name when the block ends without an error.

    The ending is kept, since NumPy and matplotlib look at it. The content reaches the disk before the name does,
    so that a power failure cannot leave an empty file.

    Args:
        path: the file to write or to replace.

    Yields:
        The path to write to.
    """
    path = Path(path)
    beside = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield beside
        if not beside.is_symlink():
            with open(beside, "rb") as file:
                os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def sync_folder(folder):
    """Brings a folder's list of names to the disk, as far as its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_json(path, values):
    """Writes a dict as JSON."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


class Blocks(NamedTuple):
    """An array that comes in blocks, too large to be held.

    Attributes:
        shape: of the whole.
        dtype: of it.
        blocks: iterable of arrays that follow each other along the first axis.
    """

    shape: tuple
    dtype: type
    blocks: Iterable


def save_arrays(path, **arrays):
    """Writes arrays as .npz, those given as `Blocks` without holding them whole."""
    with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                if not isinstance(array, Blocks):
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)
                    continue
                descr = np.lib.format.dtype_to_descr(np.dtype(array.dtype))
                header = {"descr": descr, "fortran_order": False, "shape": tuple(array.shape)}
                np.lib.format.write_array_header_1_0(file, header)
                for block in array.blocks:
                    file.write(np.ascontiguousarray(block, array.dtype).data)
