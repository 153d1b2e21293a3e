"""What identifies images and rows of tables: ids and file names, as exact integers or text."""

import numpy as np

from galvae.data.column_names import FILE_NAMES, IDS, is_named
from galvae.data.plain_columns import EXACT
from galvae.data.tables.id_matching import rows_of_integers, rows_of_names, rows_of_texts
from galvae.errors import GalvaeError

EXAMPLES = 3  # ids that a message names
FILE_NAME = "file name"  # how messages call the images' names


def candidates(side):
    """Names of the columns that hold ids or file names, by their own names and their values.

    Args:
        side: `galvae.data.tables.joins.Identity`, as in all functions here.
    """
    return [
        name
        for name, values in side.columns.items()
        if is_named(name, (*IDS, *FILE_NAMES)) and first_wrong(values) is None
    ]


def holds(side, name):
    """Whether a side has a column of this name, in any case and group."""
    return any(name.lower() in (one.lower(), last_part(one)) for one in side.columns)


def last_part(name):
    """The name of a column in lower case, without its HDF5 group."""
    return name.rpartition("/")[2].lower()


def first_wrong(values):
    """The row of the first value that identifies nothing, as a fraction does, or None."""
    if values.dtype.kind in "iuU":
        return None
    if values.dtype.kind != "f":
        return 0
    wrong = ~np.isnan(values) & ~((np.abs(values) < EXACT) & (np.round(values) == values))
    if np.isnan(values).all():
        return 0
    return int(np.argmax(wrong)) if wrong.any() else None


def exact(side, name):
    """The ids of a side as integers or text, and where they are present; None stands for its names or file of ids.

    Raises:
        GalvaeError: if they are neither.
    """
    if name is None:
        values = side.ids if side.ids is not None else np.asarray(side.names, dtype=str)
    else:
        values = side.columns[name]
    wrong = first_wrong(values)
    if wrong is not None:
        received = values[wrong] if len(values) else "no values"
        raise GalvaeError(
            f"dataset.ids: expected integers or text in {called(side, name)} of {side.where}, received {received} in "
            f"row {wrong}"
        )
    if values.dtype.kind == "U":
        values = np.strings.strip(values)
        return values, values != ""
    if values.dtype.kind == "f":
        present = ~np.isnan(values)
        return np.where(present, values, 0).astype(np.int64), present
    return values, np.ones(len(values), bool)


def match(images, table, by):
    """The first and the last row of the table for each image, (N,) each; -1 where there is none.

    Args:
        images, table: `galvae.data.tables.joins.Identity`.
        by: names of the columns to compare, see `galvae.data.tables.joins.Join`.
    """
    (own, has_own), (rows, has_row) = exact(images, by[0]), exact(table, by[1])
    places, kept = np.flatnonzero(has_own), np.flatnonzero(has_row)
    first, last = np.full(images.count, -1), np.full(images.count, -1)
    own, rows = own if has_own.all() else own[places], rows if has_row.all() else rows[kept]
    if are_names(images, by[0]):
        found = rows_of_names(own.astype(str).tolist(), rows.astype(str).tolist())
    elif own.dtype.kind == rows.dtype.kind != "U":
        found = rows_of_integers(own, rows)
    else:  # signed and unsigned integers, too, since they would meet as floats, which are not exact
        found = rows_of_texts(own.astype(str, copy=False), rows.astype(str, copy=False))
    for target, values in zip((first, last), found, strict=True):
        target[places] = np.where(values < 0, -1, kept[values]) if len(kept) else -1
    return first, last


def are_names(images, name):
    """Whether the ids of images are names of files."""
    return images.ids is None if name is None else is_named(name, FILE_NAMES)


def called(side, name):
    """What the ids of a column are called in messages; None stands for a side's names or file of ids."""
    if name is not None:
        return name
    return FILE_NAME if side.ids is None else "dataset.ids"


def pair_called(images, by):
    """What a pair of columns is called in messages."""
    own = called(images, by[0])
    return own if own == by[1] else f"{own} and {by[1]}"


def described(side, index, name):
    """What an entry is called in messages: its file's name, or "row 7", counted from 0, with its id."""
    if name is None and side.ids is None and side.names is not None:
        return str(side.names[index])
    values = side.ids if name is None else side.columns[name]
    if values is None:
        return f"row {index}"
    value = values[index]
    if values.dtype.kind == "f" and value == np.round(value):
        value = int(value)
    return f"row {index} ({called(side, name)} {value})"


def first_described(side, indices, name):
    """The first few entries of several in messages."""
    return _with_dots([described(side, index, name) for index in indices[:EXAMPLES]], len(indices))


def first_values(values):
    """The first few of several ids in messages."""
    return _with_dots([str(value) for value in values[:EXAMPLES]], len(values)) or "none"


def _with_dots(words, count):
    return ", ".join(words) + (", ..." if count > len(words) else "")
