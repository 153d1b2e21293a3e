"""HDF5 files of unknown origin, opened read-only and checked before anything large is read."""

import contextlib
import math
import os

import h5py

from galvae.errors import GalvaeError, damage_as_one_line

ENDINGS = (".h5", ".hdf5", ".hdf")
# A file of a few kilobytes can declare terabytes of zeros; gzip cannot compress by more than this factor.
LARGEST_COMPRESSION = 1032
LARGEST_CHUNK = 2**30  # bytes; a chunk is unpacked as a whole
# Names of common compression filters that h5py does not include, by their registered numbers.
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
    """An HDF5 file open for reading, whose damage is reported in one line.

    Raises:
        GalvaeError: if the file is missing, truncated or not HDF5, or turns out to be damaged while it is read.
    """
    # Otherwise, filters would be loaded as shared libraries from wherever the environment points.
    os.environ["HDF5_PLUGIN_PATH"] = os.devnull
    if not os.path.isfile(path):
        raise GalvaeError(f"{path}: no such file; expected an HDF5 file of galaxies")
    with (
        damage_as_one_line(f"{path}: truncated, damaged or not an HDF5 file; expected a readable one"),
        h5py.File(path, "r") as file,
    ):
        yield file


def data_sets(file):
    """The top-level data sets of an open file by name, without scalars and links to other files."""
    items = {name: _local_item(file, name) for name in file}
    return {name: item for name, item in items.items() if isinstance(item, h5py.Dataset) and item.shape}


def _local_item(file, name):
    """The group or data set of a name, or None: links to other files are not followed."""
    item = file
    for part in name.strip("/").split("/"):
        if not isinstance(item, h5py.Group) or part in ("", "."):
            return None
        if not isinstance(item.get(part, getlink=True), h5py.HardLink):
            return None
        item = item.get(part)
    return item


def array(file, name):
    """A data set of an open file whose declared size and packing are safe to read.

    Raises:
        GalvaeError: if the file itself has none of that name, if it declares more data than the file can hold, or
            if it is packed with a filter that h5py does not include.
    """
    item = _local_item(file, name)
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
            filter_name = FILTERS.get(code) or label.decode("utf-8", "replace").split(";")[0]
            raise GalvaeError(
                f"{file.filename}: the data set {name!r} is packed with {filter_name} (filter {code}), which h5py "
                "does not include; expected gzip, lzf, szip or none (h5repack -f GZIP=4 repacks it)"
            )
    return item


def column(file, name, count):
    """The values of a one-dimensional data set of `count` numbers.

    Raises:
        GalvaeError: if it is missing, has another length, or does not hold numbers.
    """
    values = array(file, name)
    if values.shape != (count,):
        raise GalvaeError(
            f"{file.filename}: data set {name!r} has shape {values.shape}; expected ({count},), one entry per image"
        )
    if values.dtype.kind not in "biuf":
        raise GalvaeError(f"{file.filename}: data set {name!r} is of type {values.dtype}; expected numbers")
    return values[()]


def blocks(images, size):
    """Yields consecutive slices of at most `size` images, each read when it is asked for."""
    for start in range(0, len(images), size):
        yield images[start : start + size]
