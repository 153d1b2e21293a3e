"""HDF5 files from elsewhere, opened read-only and checked before anything large is read."""

import contextlib
import math
import os

import h5py

from galvae.errors import GalvaeError, line_of

# A few kilobytes can declare terabytes of galaxies and read back zeros; gzip cannot shrink by more than this.
LARGEST_COMPRESSION = 1032
LARGEST_CHUNK = 2**30  # bytes, which are unpacked at once
FILTERS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}


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
    except (GalvaeError, MemoryError):
        raise
    except Exception as error:  # h5py raises whatever it stumbles on in a damaged file
        raise GalvaeError(
            f"{path}: truncated, damaged or no HDF5 file; expected a readable one ({line_of(error)})"
        ) from error


def data_sets(file):
    """The data sets at the top of an open file that have axes and lie in the file itself, by name."""
    found = {name: _own(file, name) for name in file}
    return {name: item for name, item in found.items() if isinstance(item, h5py.Dataset) and item.shape}


def _own(file, name):
    """What a file holds under a name, or None: no link to elsewhere is followed."""
    item = file
    for part in name.strip("/").split("/"):
        if not isinstance(item, h5py.Group) or part in ("", "."):
            return None
        if not isinstance(item.get(part, getlink=True), h5py.HardLink):
            return None
        item = item.get(part)
    return item


def array(file, name):
    """A data set of an open file, without reading its values.

    Raises:
        GalvaeError: if there is none of that name in the file itself, it declares more data than the file can
            hold, or it is packed in a way that h5py cannot unpack.
    """
    item = _own(file, name)
    if not isinstance(item, h5py.Dataset) or item.shape is None:
        names = ", ".join(sorted(data_sets(file))) or "none"
        raise GalvaeError(
            f"{file.filename}: no data set {name!r}; expected one of that name, received {names} (links are not "
            "followed)"
        )
    if item.external or item.is_virtual:
        raise GalvaeError(
            f"{file.filename}: the values of the data set {name!r} lie in other files; expected them in this one "
            "(h5repack copies them)"
        )
    stored = item.id.get_storage_size()
    if item.nbytes > LARGEST_COMPRESSION * max(stored, 1) or (item.nbytes and not stored):
        raise GalvaeError(
            f"{file.filename}: the data set {name!r} declares {item.nbytes} bytes and stores {stored}; expected "
            "stored values"
        )
    chunk = math.prod(item.chunks or ()) * item.dtype.itemsize
    if chunk > LARGEST_CHUNK:
        raise GalvaeError(
            f"{file.filename}: the data set {name!r} has chunks of {chunk} bytes; expected at most {LARGEST_CHUNK} "
            "(h5repack makes smaller ones)"
        )
    packing = item.id.get_create_plist()
    for code, _, _, label in (packing.get_filter(number) for number in range(packing.get_nfilters())):
        if not h5py.h5z.filter_avail(code):
            called = FILTERS.get(code) or label.decode("utf-8", "replace").split(";")[0]
            raise GalvaeError(
                f"{file.filename}: the data set {name!r} is packed with {called} (filter {code}), which h5py lacks; "
                "expected gzip, lzf, szip or none (h5repack -f GZIP=4 repacks it)"
            )
    return item


def column(file, name, count):
    """Values of a one-dimensional data set of `count` numbers.

    Raises:
        GalvaeError: if it is missing, of another length, or not of numbers.
    """
    values = array(file, name)
    if values.shape != (count,):
        raise GalvaeError(
            f"{file.filename}: data set {name!r} has shape {values.shape}; expected ({count},), one entry per image"
        )
    if values.dtype.kind not in "biuf":
        raise GalvaeError(f"{file.filename}: data set {name!r} is of {values.dtype}; expected numbers")
    return values[()]


def blocks(images, size):
    """Consecutive slices of at most `size` images, read one at a time."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
