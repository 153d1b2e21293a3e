"""Labels, conditions and catalogue columns of the user's own images, from a table or from the images' file."""

import os

import h5py
import numpy as np

from galvae.data.readers.fits import open_packed, quiet_astropy
from galvae.data.readers.hdf5 import array
from galvae.data.readers.image_folder import ImageFolder
from galvae.data.store.isolation import extend_time_limit
from galvae.errors import GalvaeError, line_of

FORMATS = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".fits.gz": "fits"}
MOST_CLASSES = 1000
SLOWEST = 1e6  # bytes of a table that are read in a second, at least
LONGEST_TEXT = 1000  # characters; one long entry widens a whole column


def all_columns(config, images, arrays):
    """All columns with one entry per image, from the table and from the images' file.

    Args:
        config: FilesConfig.
        images: the images, whose length is compared.
        arrays: name -> other array of their file.

    Returns:
        (columns, units): name -> (N,) array, where columns of the table take precedence, and name -> unit.

    Raises:
        GalvaeError: if the table cannot be read, or its rows do not match the images.
    """
    columns = _values({name: item for name, item in arrays.items() if tuple(item.shape) == (len(images),)})
    if config.table is None:
        return columns, {}
    file_names = config.ids if isinstance(images, ImageFolder) else None
    table, units, rows = _read_table(config.table, file_names)
    if file_names is not None:
        order = images.match(find_column(config, table, arrays, rows, "ids", file_names))
        table = {name: values[order] for name, values in table.items()}
    elif rows != len(images):
        raise GalvaeError(
            f"dataset.table: {config.table}: expected {len(images)} rows, one per image, received {rows}"
        )
    return columns | table, units


def _read_table(path, text_column):
    """Reads a table.

    Args:
        path: CSV, ECSV or FITS file.
        text_column: name of a column that is read as text even if it looks like numbers, or None.

    Returns:
        (columns, units, number of rows).
    """
    from astropy.table import Column, Table  # takes 0.3 s, and most datasets have no table

    ending = next((ending for ending in FORMATS if path.lower().endswith(ending)), None)
    if ending is None:
        raise GalvaeError(f"dataset.table: expected a file ending in {' '.join(FORMATS)}, received {path}")
    extend_time_limit(os.path.getsize(path) / SLOWEST)
    try:
        with quiet_astropy(), open_packed(path) if FORMATS[ending] == "fits" else open(path, "rb") as file:
            if FORMATS[ending] == "fits":
                table = Table.read(file, format="fits", memmap=False)
            else:
                # Spreadsheets write a byte order mark first, and a file may be named 0012.
                lines = file.read().decode("utf-8-sig").splitlines()
                options = {"converters": {text_column: str}} if text_column and ending == ".csv" else {}
                table = Table.read(lines, format=FORMATS[ending], guess=False, **options)
            plain = [column for column in table.itercols() if isinstance(column, Column) and column.ndim == 1]
            columns = _values({column.name: column for column in plain})
    except Exception as error:  # astropy's readers raise exceptions of many types on damaged tables
        raise GalvaeError(
            f"dataset.table: {path}: expected a CSV, ECSV or FITS table ({line_of(error)})"
        ) from error
    units = {column.name: str(column.unit) for column in plain if column.unit and column.name in columns}
    return columns, units, len(table)


def _values(items):
    """The values of a file's arrays or a table's columns, without those that are neither numbers nor text."""
    columns = {}
    for name, item in items.items():
        if item.dtype.itemsize > 4 * LONGEST_TEXT:
            continue
        if isinstance(item, h5py.Dataset):
            is_text = h5py.check_string_dtype(item.dtype)
            if not is_text and item.dtype.kind not in "biuf":
                continue
            array(item.file, name)  # refuses a data set that declares more than it stores
            item = item.asstr("utf-8", "replace") if is_text else item
        column = item[:]
        values, masked = np.asarray(np.ma.getdata(column)), np.ma.getmaskarray(column)
        if values.dtype.kind == "O" and all(isinstance(v, str) and len(v) <= LONGEST_TEXT for v in values):
            values = values.astype(str)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind in "biufU":
            values = values.astype(values.dtype.newbyteorder("="))
            missing = "" if values.dtype.kind == "U" else np.nan
            columns[name] = np.where(masked, missing, values) if masked.any() else values
    return columns


def find_column(config, columns, arrays, count, key, name):
    """The column that a key of the configuration names.

    Args:
        config: FilesConfig.
        columns: name -> (count,) array, see `all_columns`.
        arrays: name -> any array of the images' file.
        count: number of images.
        key: key of the `dataset` section, for messages.
        name: name of the column.

    Raises:
        GalvaeError: if there is no such column.
    """
    if name in columns:
        return columns[name]
    if name in arrays:
        raise GalvaeError(
            f"dataset.{key}: expected {count} numbers or short texts in {name!r}, one per image, received "
            f"shape {tuple(arrays[name].shape)} of {arrays[name].dtype}"
        )
    files = " or ".join(str(path) for path in (config.table, config.path) if path is not None)
    raise GalvaeError(
        f"dataset.{key}: no column {name!r} in {files}; expected one of {', '.join(columns) or 'a table'}"
    )


def numbers(name, values):
    """Converts the values of a condition to float32.

    Raises:
        GalvaeError: if they are text.
    """
    if values.dtype.kind == "U":
        raise GalvaeError(
            f"dataset.condition: expected numbers in {name!r}, received text such as {values[0]}"
        )
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def integers_or_text(key, name, values):
    """The values of a column as integers or text; floats must be whole numbers.

    Raises:
        GalvaeError: if a float is not a whole number.
    """
    if values.dtype.kind != "f":
        return values
    wrong = ~(np.abs(values) < 2**53) | (np.round(values) != values)  # NaN included
    if wrong.any():
        raise GalvaeError(
            f"dataset.{key}: expected integers or text in {name!r}, received {values[wrong][0]} for image "
            f"{np.argmax(wrong)}"
        )
    return values.astype(np.int64)


def classes(config, values):
    """Class labels and class names from a column of integers or names.

    Args:
        config: FilesConfig, whose `class_names` may be null.
        values: (N,) integers, whole numbers or text.

    Returns:
        (labels, class names): (N,) int64 and a list.

    Raises:
        GalvaeError: if there are more than MOST_CLASSES classes, or an image belongs to none.
    """
    labels, names = integers_or_text("labels", config.labels, values), config.class_names
    is_text = labels.dtype.kind == "U"
    if names is None and is_text:
        names = np.unique(labels).tolist()
    elif names is None:
        names = [str(label) for label in range(min(int(labels.max()), MOST_CLASSES) + 1)]
    if len(names) > MOST_CLASSES or len(set(names)) < len(names):
        raise GalvaeError(f"dataset.labels: expected at most {MOST_CLASSES} classes, all of different names")
    expected = f"0 to {len(names) - 1}"
    if is_text:
        expected = " ".join(filter(None, names))
        numbers_of_names = {
            name: number for number, name in enumerate(names) if name
        }  # "" is a missing label
        labels = np.array([numbers_of_names.get(str(label), -1) for label in labels])
    wrong = (labels < 0) | (labels >= len(names))
    if wrong.any():
        raise GalvaeError(
            f"dataset.labels: expected {expected} in {config.labels!r}, received {values[wrong][0]!s} "
            f"for image {np.argmax(wrong)}"
        )
    return labels.astype(np.int64), list(names)
