"""Labels, conditions and catalogue columns of the user's own images, from a table or the images' file."""

import os

import h5py
import numpy as np

from galvae.data.readers.hdf5 import array
from galvae.data.readers.image_folder import Pictures, opened_fits, quiet_astropy
from galvae.data.store.isolation import alive
from galvae.errors import GalvaeError, line_of

TABLES = {".csv": "ascii.csv", ".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".fits.gz": "fits"}
MOST_CLASSES = 1000
SLOWEST = 1e6  # bytes of a table that are read in a second, at least
LONGEST_TEXT = 1000  # letters; one long entry widens a whole column


def all_columns(config, images, arrays):
    """(columns, units): all that have an entry for each image, those of the table before the file's own."""
    columns = _values({name: item for name, item in arrays.items() if tuple(item.shape) == (len(images),)})
    if config.table is None:
        return columns, {}
    names = config.ids if isinstance(images, Pictures) else None
    table, units, rows = _table(config.table, names)
    if names is not None:
        order = images.match(find_column(config, table, arrays, rows, "ids", names))
        table = {name: values[order] for name, values in table.items()}
    elif rows != len(images):
        raise GalvaeError(
            f"dataset.table: {config.table}: expected {len(images)} rows, one per image, received {rows}"
        )
    return columns | table, units


def _table(path, text):
    """(columns, units, number of rows) of a table; the column `text` is not taken for numbers."""
    from astropy.table import Column, Table

    ending = next((ending for ending in TABLES if path.lower().endswith(ending)), None)
    if ending is None:
        raise GalvaeError(f"dataset.table: expected a file ending in {' '.join(TABLES)}, received {path}")
    alive(os.path.getsize(path) / SLOWEST)
    try:
        with quiet_astropy(), opened_fits(path) if TABLES[ending] == "fits" else open(path, "rb") as file:
            if TABLES[ending] == "fits":
                table = Table.read(file, format="fits", memmap=False)
            else:
                # Spreadsheets write a byte order mark first, and a file's name may be 0012.
                lines = file.read().decode("utf-8-sig").splitlines()
                options = {"converters": {text: str}} if text and ending == ".csv" else {}
                table = Table.read(lines, format=TABLES[ending], guess=False, **options)
            plain = [column for column in table.itercols() if isinstance(column, Column) and column.ndim == 1]
            columns = _values({column.name: column for column in plain})
    except Exception as error:  # astropy's readers raise whatever they stumble on
        raise GalvaeError(
            f"dataset.table: {path}: expected a CSV, ECSV or FITS table ({line_of(error)})"
        ) from error
    units = {column.name: str(column.unit) for column in plain if column.unit and column.name in columns}
    return columns, units, len(table)


def _values(items):
    """A file's arrays or a table's columns as plain ones, without those that are neither numbers nor text."""
    columns = {}
    for name, item in items.items():
        if item.dtype.itemsize > 4 * LONGEST_TEXT:
            continue
        if isinstance(item, h5py.Dataset):
            is_text = h5py.check_string_dtype(item.dtype)
            if not is_text and item.dtype.kind not in "biuf":
                continue
            array(item.file, name)
            item = item.asstr("utf-8", "replace") if is_text else item
        column = item[:]
        values, missing = np.asarray(np.ma.getdata(column)), np.ma.getmaskarray(column)
        if values.dtype.kind == "O" and all(isinstance(v, str) and len(v) <= LONGEST_TEXT for v in values):
            values = values.astype(str)
        if values.dtype.kind == "S":
            values = np.char.decode(values, "utf-8", "replace")
        if values.dtype.kind in "biufU":
            values = values.astype(values.dtype.newbyteorder("="))
            missed = "" if values.dtype.kind == "U" else np.nan
            columns[name] = np.where(missing, missed, values) if missing.any() else values
    return columns


def find_column(config, columns, arrays, count, key, name):
    """The column that a setting names."""
    if name in columns:
        return columns[name]
    if name in arrays:
        raise GalvaeError(
            f"dataset.{key}: expected {count} numbers or short texts in {name!r}, one per image, received "
            f"shape {tuple(arrays[name].shape)} of {arrays[name].dtype}"
        )
    places = " or ".join(str(path) for path in (config.table, config.path) if path is not None)
    raise GalvaeError(
        f"dataset.{key}: no column {name!r} in {places}; expected one of {', '.join(columns) or 'a table'}"
    )


def numbers(name, values):
    """A condition's values as float32."""
    if values.dtype.kind == "U":
        raise GalvaeError(f"dataset.condition: expected numbers in {name!r}, received text as {values[0]}")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def whole(key, name, values):
    """Integers or text; floats that hold whole numbers become integers."""
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
    """(labels, class names) from a column of integers or names."""
    labels, names = whole("labels", config.labels, values), config.class_names
    is_text = labels.dtype.kind == "U"
    if names is None and is_text:
        names = np.unique(labels).tolist()
    elif names is None:
        names = [str(label) for label in range(min(int(labels.max()), MOST_CLASSES) + 1)]
    if len(names) > MOST_CLASSES or len(set(names)) < len(names):
        raise GalvaeError(f"dataset.labels: expected at most {MOST_CLASSES} classes, all of different names")
    wanted = f"0 to {len(names) - 1}"
    if is_text:
        wanted = " ".join(filter(None, names))
        places = {name: place for place, name in enumerate(names) if name}  # "" is a missing label
        labels = np.array([places.get(str(label), -1) for label in labels])
    wrong = (labels < 0) | (labels >= len(names))
    if wrong.any():
        raise GalvaeError(
            f"dataset.labels: expected {wanted} in {config.labels!r}, received {values[wrong][0]!s} "
            f"for image {np.argmax(wrong)}"
        )
    return labels.astype(np.int64), list(names)
