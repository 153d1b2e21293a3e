"""The user's own images, in whatever format: opened, joined with a table, and brought to one layout."""

import contextlib
import math
import os

import numpy as np

from galvae.data.conditions import numbers_of
from galvae.data.formats.array_files import ENDINGS, open_arrays
from galvae.data.formats.band_files import open_band_files
from galvae.data.formats.fits_cube import ENDINGS as FITS_CUBE
from galvae.data.formats.fits_cube import open_cube
from galvae.data.formats.folder_listing import folder_identity
from galvae.data.formats.image_folder import open_folder
from galvae.data.formats.parquet import open_parquet
from galvae.data.formats.shards import concatenated, expand, identity
from galvae.data.masking import averaged, filled
from galvae.data.readers import user_columns, user_labels
from galvae.data.source import Source, SourceFile
from galvae.data.store.cache import file_identity
from galvae.data.tables.table_formats import PARQUET
from galvae.errors import GalvaeError

# Keys that determine the prepared arrays: those of galvae 0.1, and later ones with the values by which it behaved.
SETTINGS = ("images", "labels", "class_names", "ids", "image_size", "pixel_range")
OPTIONS = {
    **dict.fromkeys(
        ("axes", "row_0", "channels", "hdu", "band_files", "mask", "table_name", "redshift", "split_from")
    ),
    "mask_where": "nonzero",
    "join": "auto",
}
# Keys that determine the prepared images of one of several files.
PIXEL_SETTINGS = (
    "reading",
    "images",
    "image_size",
    "channels",
    "axes",
    "row_0",
    "mask",
    "mask_where",
    "nan",
    "drop",
)
BLOCK = 32_000_000  # bytes read at a time
NATURAL_RANGES = {"u1": (0, 255), "u2": (0, 65535), "f2": (0, 1), "f4": (0, 1), "f8": (0, 1)}


def fingerprint(config):
    """What determines the prepared arrays: the files of the images, the table, and the settings.

    Raises:
        GalvaeError: if the path or the table does not exist.
    """
    if config.table is not None and not os.path.isfile(config.table):
        raise GalvaeError(
            f"dataset.table: {config.table}: no such file; expected a table with a row per image"
        )
    files = expand(config.path, without=[config.table, config.ids])
    source = folder_identity(files[0]) if os.path.isdir(files[0]) else identity(files)
    options = {
        name: getattr(config, name) for name, value in OPTIONS.items() if getattr(config, name) != value
    }
    if config.ids is not None and config.ids.endswith(".npy"):
        options["ids"] = file_identity(config.ids)
    return {
        "source": source,
        "table": None if config.table is None else file_identity(config.table),
        **{name: getattr(config, name) for name in SETTINGS},
        "condition": numbers_of(config),
        **({"options": options} if options else {}),
    }


def read(config):
    """Opens the images and finds their labels, conditions, split and catalogue.

    Images become (N, H, W, C), uint8 if they are stored so, else float32. Columns come from the table, or else from
    the file's own one-dimensional arrays; the catalogue holds all of them.

    Args:
        config: FilesConfig.

    Returns:
        Source whose blocks hold at most 32 MB as stored.

    Raises:
        GalvaeError: if anything is missing or damaged, or has another length or layout than expected.
    """
    table = user_columns.read_users_table(config)
    with _open(config, table) as opened:
        columns = user_columns.joined(config, opened, table)
        bands, band_names = _bands(config, opened)
        dtype, pixel_range = _dtype_and_range(config, opened.images)
        first = next(_prepared_blocks(config, opened, columns.images[:1], bands))
        labels, class_names = user_labels.labels(config, opened, columns)
        condition, condition_names, condition_units = user_labels.conditions(config, columns)
        split = user_labels.split(config, opened, columns)
        catalogue, notes = columns.catalogue, [*opened.notes, *columns.notes]
        if config.row_0 == "bottom" and not opened.bottom_up:
            notes.append("row 0 of each image is drawn at the bottom, as dataset.row_0 asks for")
        if opened.bottom_up or config.row_0 == "bottom":
            catalogue["stored_rows"] = np.full(len(columns.images), "bottom-up")
        if config.channels is not None:
            notes.append(f"bands used, in this order: {', '.join(map(str, config.channels))}")
        origin, images = opened.origin, columns.images
        # Of files with one image each, the sides may differ.
        stored_side = None if hasattr(opened.images, "with_masks") else opened.images.shape[1]
    return Source(
        shape=(len(images), *first.shape[1:]),
        dtype=dtype,
        blocks=_blocks(config, table, images, bands),
        masked=isinstance(first, np.ma.MaskedArray),
        pixel_range=pixel_range,
        labels=labels,
        class_names=class_names,
        condition=condition,
        condition_names=condition_names,
        condition_units=condition_units,
        catalogue=catalogue,
        catalogue_units={name: unit for name, unit in columns.units.items() if name in catalogue},
        split=split,
        ids_are_rows=columns.ids_are_rows,
        band_names=band_names,
        stored_side=stored_side,
        origin=lambda number: origin(int(images[number])),
        files=_files_of(opened, images),
        notes=notes,
        warnings=[*opened.warnings, *columns.warnings],
    )


def _files_of(opened, images):
    """The SourceFile of each file of several, of whose images those with these increasing indices are used."""
    files, start = [], 0
    for path, name, count in opened.files:
        first, last = np.searchsorted(images, [start, start + count])
        files.append(SourceFile(path, name, count, images[first:last] - start))
        start += count
    return files


def files_of(config):
    """The files of a dataset of several that are prepared one by one; None where it is read as a whole."""
    files = expand(config.path, without=[config.table, config.ids])
    return None if len(files) == 1 or config.band_files is not None else files


def part_fingerprint(config, path):
    """What determines the prepared images of one of several files: its state, and the settings that change pixels."""
    return {"source": file_identity(path), **{name: getattr(config, name) for name in PIXEL_SETTINGS}}


def read_part(config, path, rows):
    """Opens the images of one of several files, without their columns.

    Args:
        config: FilesConfig of all files.
        path: of the file.
        rows: increasing numbers of the images that are used; None: all.

    Returns:
        Source.

    Raises:
        GalvaeError: if the file is damaged, or holds other images than expected.
    """
    with _open_file(path, config) as opened:
        rows = np.arange(len(opened.images)) if rows is None else np.array(rows)
        bands, band_names = _bands(config, opened)
        dtype, pixel_range = _dtype_and_range(config, opened.images)
        first = next(_prepared_blocks(config, opened, rows[:1], bands))
        origin = opened.origin

    def blocks():
        with _open_file(path, config) as opened:
            yield from _prepared_blocks(config, opened, rows, bands)

    return Source(
        shape=(len(rows), *first.shape[1:]),
        dtype=dtype,
        blocks=blocks(),
        masked=isinstance(first, np.ma.MaskedArray),
        pixel_range=pixel_range,
        band_names=band_names,
        origin=lambda number: origin(int(rows[number])),
    )


@contextlib.contextmanager
def _open(config, table):
    """The images that `dataset.path` names, open.

    Args:
        config: FilesConfig.
        table: galvae.data.tables.table.Table, or None.

    Returns:
        Context manager of Opened.
    """
    files = expand(config.path, without=[config.table, config.ids])
    if config.band_files is not None:
        yield open_band_files(config, None if table is None else table.columns)
    elif len(files) == 1 and os.path.isdir(files[0]):
        yield open_folder(config)
    elif len(files) == 1:
        with _open_file(files[0], config) as opened:
            yield opened
    else:
        with concatenated(files, lambda path: _open_file(path, config)) as opened:
            yield opened


def _open_file(path, config):
    """Context manager of the Opened of one file."""
    name = str(path).lower()
    if name.endswith(ENDINGS):
        return open_arrays(path, config)
    if name.endswith(PARQUET):
        return open_parquet(path, config)
    if name.endswith(FITS_CUBE):
        return open_cube(path, config)
    raise GalvaeError(
        f"dataset.path: expected a file ending in {' '.join((*ENDINGS, *PARQUET, *FITS_CUBE))}, or a folder of "
        f"images, received {path}"
    )


def _bands(config, opened):
    """Indices of the bands that are used, or None for all, and their names, empty if they have none."""
    names, count = list(opened.band_names), opened.images.shape[3]
    if config.channels is None:
        return None, names
    indices = []
    for channel in config.channels:
        if channel in names:
            indices.append(names.index(channel))
        elif isinstance(channel, int) and 0 <= channel < count:
            indices.append(channel)
        else:
            listed = " ".join(names) if names else f"0 to {count - 1}, since the bands have no names"
            raise GalvaeError(
                f"dataset.channels: {config.path}: expected bands of {listed}, received {channel!r}"
            )
    if not indices or len(set(indices)) < len(indices):
        raise GalvaeError(f"dataset.channels: expected different bands, received {config.channels}")
    return indices, [names[index] for index in indices] if names else []


def _dtype_and_range(config, images):
    """The type in which images are cached and the stored values that become 0 and 1, None if only a stretch tells.

    Raises:
        GalvaeError: if the type of the images is not supported, or their pixel range is unknown.
    """
    dtype = images.dtype
    if dtype.kind not in "uif":
        raise GalvaeError(f"dataset.path: {config.path}: expected integer or float pixels, received {dtype}")
    pixel_range = config.pixel_range or NATURAL_RANGES.get(dtype.str[1:])
    if pixel_range is None and config.stretch == "none":
        raise GalvaeError(
            f"dataset.pixel_range: expected the values that become 0 and 1 for {dtype} pixels, received null; "
            "dataset.stretch=linear or asinh finds them"
        )
    return "uint8" if dtype == np.uint8 else "float32", pixel_range and tuple(pixel_range)


def _blocks(config, table, images, bands):
    """Yields the images with these indices block by block in their cached layout."""
    with _open(config, table) as opened:
        yield from _prepared_blocks(config, opened, images, bands)


def _prepared_blocks(config, opened, used, bands):
    """Yields images as (n, H, W, C), uint8 or native float32, masked where pixels are set aside.

    Args:
        config: FilesConfig.
        opened: Opened.
        used: (n,) increasing indices of the images that are used.
        bands: indices of the bands that are used, or None for all.
    """
    images = opened.images
    size = BLOCK // (math.prod(images.shape[1:]) * images.dtype.itemsize)
    # Files with one image each are read one at a time, since their sizes may differ.
    size = 1 if hasattr(images, "with_masks") else max(1, size)
    is_used = np.zeros(len(images), bool)
    is_used[used] = True
    for start in range(0, int(used[-1]) + 1, size):
        chosen = is_used[start : start + size]
        if not chosen.any():
            continue
        rows = slice(start, start + len(chosen))
        if hasattr(images, "with_masks"):
            block, aside = images.with_masks(rows)
        else:
            block, aside = images[rows], None if opened.masks is None else opened.masks[rows]
        yield _prepared(config, opened, block[chosen], None if aside is None else aside[chosen], bands)


def _prepared(config, opened, block, aside, bands):
    """A block of images in its cached layout, see `_prepared_blocks`."""
    if aside is not None:
        aside = np.broadcast_to(aside, block.shape)
    if bands is not None:
        block, aside = block[..., bands], None if aside is None else aside[..., bands]
    if config.row_0 == "bottom" and not opened.bottom_up:
        block, aside = block[:, ::-1], None if aside is None else aside[:, ::-1]
    if block.dtype != np.uint8:
        with np.errstate(over="ignore", invalid="ignore"):  # the cache refuses what becomes infinite
            block = block.astype(np.float32)
    if config.nan == "fill" and block.dtype != np.uint8:
        aside = ~np.isfinite(block) | (False if aside is None else aside)
    if aside is not None:
        block = filled(block, aside)
    return averaged(block, config.image_size)
