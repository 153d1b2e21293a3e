"""HDF5 files from elsewhere, opened read-only and checked before anything large is read."""

import contextlib
import os

import h5py

from galvae.errors import GalvaeError

# A few kilobytes can declare terabytes of galaxies and read back zeros; gzip cannot shrink by more than this.
LARGEST_COMPRESSION = 1032


@contextlib.contextmanager
def open_hdf5(path):
    """An HDF5 file, open for reading; trouble with it becomes one line.

    Raises:
        GalvaeError: if the file is missing, truncated or no HDF5, or turns out damaged while it is read.
    """
    # Filters would otherwise be loaded as shared libraries from wherever the environment points.
    os.environ["HDF5_PLUGIN_PATH"] = os.devnull
    if not os.path.isfile(path):
        raise GalvaeError(f"{path}: no such file; expected an HDF5 file of galaxies")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        reason = str(error).splitlines()[0]
        raise GalvaeError(
            f"{path}: truncated, damaged or no HDF5 file; expected a readable one ({reason})"
        ) from error


def array(file, name):
    """A data set of an open file, without reading its values.

    Raises:
        GalvaeError: if there is none of that name, or it declares more data than the file can hold.
    """
    item = file.get(name, getlink=False) if name in file else None
    if not isinstance(item, h5py.Dataset):
        names = sorted(key for key in file if isinstance(file.get(key), h5py.Dataset))
        raise GalvaeError(
            f"{file.filename}: no data set {name!r}; expected one of that name, received {', '.join(names) or 'none'}"
        )
    stored = item.id.get_storage_size()
    if item.nbytes > LARGEST_COMPRESSION * max(stored, 1) or (item.nbytes and not stored):
        raise GalvaeError(
            f"{file.filename}: the data set {name!r} declares {item.nbytes} bytes and stores {stored}; expected "
            "stored values"
        )
    return item


def column(file, name, count):
    """Values of a one-dimensional data set of `count` entries.

    Raises:
        GalvaeError: if it is missing or of another length.
    """
    values = array(file, name)
    if values.shape != (count,):
        raise GalvaeError(
            f"{file.filename}: data set {name!r} has shape {values.shape}; expected ({count},), one entry per image"
        )
    return values[()]


def blocks(images, size):
    """Consecutive slices of at most `size` images, read one at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
