"""Atomic writing: a file is written under another name in the same folder, then renamed, so it is whole or absent."""

import contextlib
import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


@contextlib.contextmanager
def replacing(path):
    """Writes a file atomically: yields a path to write to, which is renamed when the block ends without an error.

    The suffix stays, since NumPy and matplotlib look at it. The content is flushed to the disk before the file is
    renamed, so that a power failure cannot leave an empty file. A link in place of the file is replaced, not followed,
    and so is whatever lies at the other name.

    Args:
        path: path of the file to write or to replace.

    Yields:
        The path to write to.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    temporary.unlink(missing_ok=True)
    try:
        yield temporary
        if not temporary.is_symlink():
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        # A full disk names no file, and would pass for that of standard output.
        if error.filename is None and not isinstance(error, BrokenPipeError):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sync_folder(folder):
    """Flushes a folder's list of file names to the disk, as far as its file system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_json(path, values):
    """Writes a dict as JSON, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


class Blocks(NamedTuple):
    """An array given block by block, because it is too large for memory.

    Attributes:
        shape: shape of the whole array.
        dtype: its NumPy type.
        blocks: iterable of arrays that follow each other along the first axis.
    """

    shape: tuple
    dtype: type
    blocks: Iterable


def save_arrays(path, **arrays):
    """Writes arrays as .npz, atomically; those given as `Blocks` are never held in memory as a whole."""
    import numpy as np  # late: completion imports this module, but writes no arrays

    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
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
