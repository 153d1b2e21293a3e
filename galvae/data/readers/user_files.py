"""The user's own images: an HDF5, .npz or .npy file, or a folder of image files; a table may go with them."""

import contextlib
import functools
import math
import os
import zipfile

import h5py
import numpy as np

from galvae.data.area_average import area_average
from galvae.data.readers.hdf5 import array, blocks, open_hdf5
from galvae.data.readers.image_folder import LARGEST_IMAGE, MOST_CHANNELS, ImageFolder, folder_identity
from galvae.data.readers.user_columns import all_columns, classes, find_column, integers_or_text, numbers
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.errors import GalvaeError, line_of

SETTINGS = ("images", "labels", "class_names", "condition", "ids", "image_size", "pixel_range")
HDF5 = (".h5", ".hdf5", ".hdf")
BLOCK = 32_000_000  # bytes read at a time
NATURAL_RANGES = {"u1": (0, 255), "u2": (0, 65535), "f2": (0, 1), "f4": (0, 1), "f8": (0, 1)}


def fingerprint(config):
    """What determines the prepared arrays: the file or the folder's images, the table, and the settings.

    Raises:
        GalvaeError: if the path or the table does not exist.
    """
    if config.table is not None and not os.path.isfile(config.table):
        raise GalvaeError(f"dataset.table: {config.table}: no such file; expected a CSV, ECSV or FITS table")
    identity = folder_identity if os.path.isdir(config.path) else file_identity
    return {
        "source": identity(config.path),
        "table": None if config.table is None else file_identity(config.table),
        **{name: getattr(config, name) for name in SETTINGS},
    }


def read(config):
    """Opens the images and finds their labels, conditions and catalogue.

    Images become (N, H, W, C), uint8 if they are stored so, else float32. Columns come from the table, or
    else from the file's own one-dimensional arrays; the catalogue holds all of them.

    Args:
        config: FilesConfig.

    Returns:
        Source whose blocks hold at most 32 MB as stored.

    Raises:
        GalvaeError: if anything is missing or damaged, or has another length or layout than expected.
    """
    with _open(config) as (images, arrays):
        dtype, pixel_range = _dtype_and_range(config, images)
        count, first = len(images), _standardised(images[:1], config.image_size)
        columns, units = all_columns(config, images, arrays)
        find = functools.partial(find_column, config, columns, arrays, count)
        is_folder = isinstance(images, ImageFolder)
        labels = class_names = condition = None
        if config.labels is not None:
            by_folder = is_folder and config.labels == "folder"
            values = images.sub_folders() if by_folder else find("labels", config.labels)
            labels, class_names = classes(config, values)
        if config.condition:
            condition = np.stack(
                [numbers(name, find("condition", name)) for name in config.condition], axis=1
            )
        catalogue = {"id": np.array(images.names) if is_folder else np.arange(count), **columns}
        if config.ids is not None:
            catalogue["id"] = integers_or_text("ids", config.ids, find("ids", config.ids))
    return Source(
        shape=(count, *first.shape[1:]),
        dtype=dtype,
        blocks=_blocks(config),
        pixel_range=pixel_range,
        labels=labels,
        class_names=class_names,
        condition=condition,
        condition_names=config.condition,
        condition_units=[units.get(name, "") for name in config.condition],
        catalogue=catalogue,
        catalogue_units=units,
    )


@contextlib.contextmanager
def _open(config):
    """The images, read where they are sliced, and a dict of the other arrays in their file, likewise."""
    path = config.path
    try:
        if os.path.isdir(path):
            yield ImageFolder(path, config.image_size), {}
        elif path.lower().endswith(HDF5):
            with open_hdf5(path) as file:
                yield _select_images(config, _data_sets(file))
        elif path.lower().endswith(".npz"):
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(zipfile.ZipFile(path))
                names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
                members = [NpzArray(stack.enter_context(file.open(f"{name}.npy"))) for name in names]
                yield _select_images(config, dict(zip(names, members, strict=True)))
        elif path.lower().endswith(".npy"):
            yield np.lib.format.open_memmap(path, mode="r"), {}
        else:
            raise GalvaeError(
                f"dataset.path: expected {' '.join(HDF5)} .npz .npy or a folder of images, received {path}"
            )
    except (GalvaeError, MemoryError):
        raise
    except Exception as error:  # the libraries raise exceptions of many types on damaged files
        raise GalvaeError(
            f"dataset.path: {path}: expected whole arrays of numbers, received a damaged file ({line_of(error)})"
        ) from error


def _data_sets(file):
    """All data sets of an open HDF5 file that have axes, by their names with groups."""
    items = {}
    file.visititems(items.__setitem__)
    return {name: item for name, item in items.items() if isinstance(item, h5py.Dataset) and item.shape}


class NpzArray:
    """An array inside an .npz file of which only slices are read; np.load would read it whole.

    Args:
        stream: the opened member of the zip file.
    """

    def __init__(self, stream):
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        self.shape, self._fortran, self.dtype = header[np.lib.format.read_magic(stream)](stream)
        self._stream, self._start = stream, stream.tell()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        if self.dtype.hasobject or (self._fortran and len(self.shape) > 1):
            raise ValueError(f"{self._stream.name} holds Python objects or is in Fortran order")
        start, stop, _ = rows.indices(len(self))
        size = self.dtype.itemsize * math.prod(self.shape[1:])
        self._stream.seek(self._start + start * size)
        values = np.frombuffer(self._stream.read((stop - start) * size), self.dtype)
        return values.reshape(stop - start, *self.shape[1:])


def _select_images(config, arrays):
    """(images, other arrays): the array that `dataset.images` names, or the only one that can hold images."""
    candidates = {name: item.shape for name, item in arrays.items() if len(item.shape) in (3, 4)}
    name = config.images
    if name is None and len(candidates) == 1:
        (name,) = candidates
    if name not in arrays:
        listed = ", ".join(f"{candidate} {shape}" for candidate, shape in candidates.items()) or "none"
        raise GalvaeError(
            f"dataset.images: expected an array of 3 or 4 axes in {config.path} ({listed}), received {name}"
        )
    images = arrays[name]
    if isinstance(images, h5py.Dataset):
        array(images.file, name)  # refuses a data set that declares more than it stores
    return images, {other: item for other, item in arrays.items() if other != name}


def _dtype_and_range(config, images):
    """The type in which images are cached and the stored values that become 0 and 1.

    Raises:
        GalvaeError: if the shape or type of the images is not supported, or their pixel range is unknown.
    """
    shape, dtype = tuple(images.shape), images.dtype
    layout = len(shape) == 3 or (len(shape) == 4 and (shape[3] <= MOST_CHANNELS or shape[1] in (1, 3, 4)))
    if not layout or 0 in shape:
        raise GalvaeError(
            f"dataset.path: {config.path}: expected images of shape (N, H, W), (N, H, W, C) with at most "
            f"{MOST_CHANNELS} channels, or (N, C, H, W) with 1, 3 or 4, received {shape}"
        )
    if math.prod(shape[1:]) > LARGEST_IMAGE:
        raise GalvaeError(
            f"dataset.path: {config.path}: expected images of at most {LARGEST_IMAGE} values, received {shape}"
        )
    if dtype.kind not in "uif":
        raise GalvaeError(f"dataset.path: {config.path}: expected integer or float pixels, received {dtype}")
    pixel_range = config.pixel_range or NATURAL_RANGES.get(dtype.str[1:])
    if pixel_range is None:
        raise GalvaeError(
            f"dataset.pixel_range: expected the values that become 0 and 1 for {dtype} pixels, received null"
        )
    return "uint8" if dtype == np.uint8 else "float32", tuple(pixel_range)


def _blocks(config):
    """Yields the images block by block in their cached layout."""
    with _open(config) as (images, _):
        size = BLOCK // (math.prod(images.shape[1:]) * images.dtype.itemsize)
        # Image files come one at a time, since their sizes may differ.
        for block in blocks(images, 1 if isinstance(images, ImageFolder) else max(1, size)):
            yield _standardised(block, config.image_size)


def _standardised(block, side):
    """A block of images as (n, H, W, C), uint8 or native float32, averaged to `side` unless that is None."""
    if block.ndim == 3:
        block = block[..., None]
    elif block.shape[3] > MOST_CHANNELS:
        block = np.moveaxis(block, 1, 3)
    if block.dtype != np.uint8:
        with np.errstate(over="ignore", invalid="ignore"):  # the cache refuses what becomes infinite
            block = block.astype(np.float32)
    return block if side is None else area_average(block, side)
