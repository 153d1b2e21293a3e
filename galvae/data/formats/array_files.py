"""Files of arrays, HDF5, .npz and .npy: their images and the columns that stand beside them."""

import contextlib
import itertools
import math
import os
import zipfile

import h5py
import numpy as np

from galvae.data.formats import multimodal_universe
from galvae.data.formats.axes import MOST_BANDS, ImageStack, choose_axes, described
from galvae.data.formats.hdf5 import ENDINGS as HDF5
from galvae.data.formats.hdf5 import array, open_hdf5
from galvae.data.formats.opened import Aside, Opened, id_columns
from galvae.data.plain_columns import LONGEST_TEXT, plain
from galvae.errors import GalvaeError, damage_as_one_line

ENDINGS = (*HDF5, ".npz", ".npy")


@contextlib.contextmanager
def open_arrays(path, config):
    """The images and columns of a file of arrays.

    Args:
        path: the file.
        config: FilesConfig, of which `images`, `axes`, `mask` and `mask_where` are used.

    Returns:
        Context manager of Opened.

    Raises:
        GalvaeError: if the file is damaged, or what the configuration names is not in it.
    """
    with damage_as_one_line(
        f"dataset.path: {path}: expected whole arrays of numbers, received a damaged file"
    ):
        if path.lower().endswith(HDF5):
            with open_hdf5(path) as file:
                arrays = _data_sets(file)
                if config.images is None and multimodal_universe.is_layout(arrays):
                    opened = multimodal_universe.open_layout(path, arrays, config)
                    opened.columns.update(_columns(arrays, len(opened.images)))
                    yield opened
                else:
                    yield _opened(path, config, arrays)
        elif path.lower().endswith(".npz"):
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(zipfile.ZipFile(path))
                names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy")]
                members = [NpzArray(stack.enter_context(file.open(f"{name}.npy"))) for name in names]
                if len(set(names)) < len(names):
                    raise GalvaeError(
                        f"dataset.path: {path}: expected arrays of different names, received two of one"
                    )
                yield _opened(path, config, dict(zip(names, members, strict=True)))
        else:
            with open(path, "rb") as file:  # whose name need not end in .npy for NumPy to map it
                images = np.lib.format.open_memmap(file.name, mode="r")
            yield _opened(path, config, {"": images})


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
        self._stream, self._start, self._whole = stream, stream.tell(), None

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, index):
        if self.dtype.hasobject:
            raise ValueError(f"{self._stream.name} holds Python objects")
        is_reversed = self._fortran and len(self.shape) > 1
        if isinstance(index, slice) and not is_reversed:
            return self._rows(*index.indices(len(self))[:2])
        if self._whole is None:  # galaxies that are not on the first axis are spread over all of the stream
            self._whole = self._rows(0, len(self))
            if is_reversed:  # Fortran's order, which transposed arrays keep
                self._whole = self._whole.reshape(self.shape[::-1]).T
        return self._whole[index]

    def _rows(self, start, stop):
        size = self.dtype.itemsize * math.prod(self.shape[1:])
        self._stream.seek(self._start + start * size)
        values = np.frombuffer(self._stream.read((stop - start) * size), self.dtype)
        return values.reshape(stop - start, *self.shape[1:])


def _opened(path, config, arrays):
    """The Opened of a file's arrays, of which one holds the images."""
    name = _images_name(path, config, arrays)
    images = _safe(arrays[name], name)
    where = f"{path}, {name}" if name else path
    order = choose_axes(images.shape, where, config.axes or _order_of_0_1(config, images.shape))
    if images.dtype.kind not in "uif":
        raise GalvaeError(f"dataset.path: {where}: expected integer or float pixels, received {images.dtype}")
    stack, base = ImageStack(images, order, where), os.path.basename(path)
    masks = None
    if config.mask is not None:
        masks = Aside(_masks(path, config, arrays, stack.shape, order), config.mask_where)
    others = {other: item for other, item in arrays.items() if other not in (name, config.mask)}
    columns, order_notes = _in_order_of_images(path, name, _columns(others, len(stack)))
    return Opened(
        images=stack,
        columns=columns,
        unused={
            other: f"shape {tuple(item.shape)} of {item.dtype}"
            for other, item in others.items()
            if other not in columns
        },
        masks=masks,
        origin=lambda number: f"row {number} of {base}",
        notes=[
            f"images from {name or base!r} of shape {images.shape} read as {order}: {described(order, images.shape)}",
            *order_notes,
        ],
    )


def _order_of_0_1(config, shape):
    """The order that galvae 0.1 took for a shape, for its own runs, whose images are compared; None for others."""
    if config.reading > 1 or len(shape) not in (3, 4):
        return None
    return "NHW" if len(shape) == 3 else "NHWC" if shape[3] <= MOST_BANDS else "NCHW"


def _images_name(path, config, arrays):
    """The name of the array that `dataset.images` names, or of the only one that can hold images."""
    candidates = {
        name: item.shape for name, item in arrays.items() if len(item.shape) in (3, 4) and name != config.mask
    }
    name = config.images
    if "" in arrays:
        return ""
    if name is None and len(candidates) == 1:
        (name,) = candidates
    if name not in arrays:
        listed = ", ".join(f"{candidate} {shape}" for candidate, shape in candidates.items()) or "none"
        raise GalvaeError(
            f"dataset.images: expected the name of an array of 3 or 4 axes in {path} ({listed}), received "
            f"{'null' if name is None else name}"
        )
    return name


def _masks(path, config, arrays, shape, order):
    """The stack of masks that `dataset.mask` names, whose axes are those of the images, with or without bands."""
    if config.mask not in arrays:
        listed = ", ".join(f"{name} {item.shape}" for name, item in arrays.items() if len(item.shape) > 1)
        raise GalvaeError(
            f"dataset.mask: expected an array of {path} ({listed or 'none'}), received {config.mask!r}"
        )
    item = _safe(arrays[config.mask], config.mask)
    if len(item.shape) < len(order):
        order = order.replace("C", "")
    if len(item.shape) == len(order):
        masks = ImageStack(item, order, path)
        if masks.shape in (shape, (*shape[:3], 1)):
            return masks
    raise GalvaeError(
        f"dataset.mask: {path}: expected {config.mask!r} of the images' shape, with or without bands, received "
        f"{tuple(item.shape)}"
    )


def _in_order_of_images(path, images, columns):
    """Columns of which those in other groups, or in tables, are in the order of the ids beside the images.

    Args:
        path: the file, for messages.
        images: name of the array of images.
        columns: see `_columns`.

    Returns:
        (columns, notes): notes say which were brought to another order.

    Raises:
        GalvaeError: if two groups have the same ids in different orders, and neither is that of the images; or if only
            some of the ids are the same.
    """
    own, groups, notes = images.rpartition("/")[0], {}, []
    for name, values in id_columns(columns, keep_same=True).items():
        groups.setdefault(name.rpartition("/")[0], {})[name] = values
    if not groups:
        return columns, notes
    reference = own if own in groups else next(iter(groups))
    for group, ids in groups.items():
        pairs = itertools.product(groups[reference].items(), ids.items()) if group != reference else ()
        for (name, values), (other, entries) in pairs:
            if np.array_equal(values, entries) or not _may_be_same(name, values, other):
                continue
            values, entries = values.astype(str), entries.astype(str)
            shared = np.isin(values, entries).sum()
            if (values == entries).all() or 2 * shared < len(values):
                continue
            if shared < len(values) or own not in groups:
                raise GalvaeError(
                    f"dataset.path: {path}: expected the same ids in one order in {name!r} and {other!r}, received "
                    f"{shared:,} of {len(values):,} in common, in other orders"
                )
            order = np.empty(len(values), int)
            order[np.argsort(values)] = np.argsort(entries)
            of_group = [column for column in columns if column.rpartition("/")[0] == group]
            columns = {
                column: part[order] if column in of_group else part for column, part in columns.items()
            }
            notes.append(
                f"{len(of_group)} columns of {group!r} brought to the order of {name!r} by {other!r}"
            )
            break
    return columns, notes


def _may_be_same(name, values, other):
    """Whether two columns may hold the same ids: those of one name, or of others unless they count the images."""
    of_one_name = name.rpartition("/")[2].lower() == other.rpartition("/")[2].lower()
    return of_one_name or values.dtype.kind == "U" or values.max() > 10 * len(values)


def _safe(item, name):
    """An array that does not declare more than its file stores."""
    return array(item.file, name) if isinstance(item, h5py.Dataset) else item


def _columns(arrays, count):
    """The arrays that hold one number or short text per image, and the fields of tables of as many rows."""
    columns = {}
    for name, item in arrays.items():
        if tuple(item.shape) not in ((count,), (count, 1)) or (
            item.dtype.names is None and item.dtype.itemsize > 4 * LONGEST_TEXT
        ):
            continue
        if isinstance(item, h5py.Dataset):
            is_text = h5py.check_string_dtype(item.dtype)
            if not is_text and item.dtype.names is None and item.dtype.kind not in "biuf":
                continue
            item = _safe(item, name)
            item = item.asstr("utf-8", "replace") if is_text else item
        elif item.dtype.hasobject:  # would be unpickled
            continue
        values = item[:]
        fields = {name: values}
        if values.dtype.names is not None:
            group = f"{name}/" if name else ""
            fields = {f"{group}{field}": values[field] for field in values.dtype.names}
        for field, entries in fields.items():
            entries = plain(entries)
            if entries is not None and entries.dtype.itemsize <= 4 * LONGEST_TEXT:
                columns[field] = entries
    return columns
