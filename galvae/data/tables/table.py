"""Tables of galaxies in the formats of astronomers and data scientists, as plain columns of numbers and text."""

import contextlib
import csv
import difflib
import io
import os
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from galvae.data.formats.fits import open_packed, quiet_astropy
from galvae.data.formats.hdf5 import ENDINGS as HDF5
from galvae.data.plain_columns import plain
from galvae.data.store.isolation import extend_time_limit
from galvae.data.tables.table_formats import PARQUET, fits_tables, hdf5_tables, parquet_tables, votable_tables
from galvae.data.tables.text_tables import decoded, read_text
from galvae.errors import GalvaeError, line_of

TEXT = (".csv", ".tsv", ".txt", ".dat", ".cat", ".ecsv")
FITS = (".fits", ".fit")
VOTABLE = (".vot", ".votable", ".xml")
ENDINGS = (*TEXT, *FITS, *VOTABLE, *PARQUET, *HDF5)
PACKED = (*TEXT, *FITS, *VOTABLE)  # formats that may be packed by gzip
SLOWEST = 1e6  # bytes of a table that are read in a second, at least
MOST_ROWS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a table.

    Attributes:
        columns: name as in the file -> (N,) numbers or text.
        units: name -> unit, for the columns that have one.
        rows: N.
        notes: sentences about what was read from where, and what was left out.
        source: the file, and the table's name where the file has several, for messages.
    """

    columns: dict[str, np.ndarray]
    units: dict[str, str] = field(default_factory=dict)
    rows: int
    notes: list[str] = field(default_factory=list)
    source: str


def read_table(path, wanted=(), name=None, text_columns=()):
    """Reads a table.

    Args:
        path: the file, whose ending says its format: one of ENDINGS, or one of PACKED with .gz.
        wanted: names of columns by which one of several tables in a file is chosen.
        name: `dataset.table_name`, name or number of the table, or None.
        text_columns: names of columns of ids, which are text unless all are whole numbers; columns that are called like
            ids or file names are treated so in any case.

    Returns:
        `Table`. Columns that are neither numbers nor short text, one for each row, are left out.

    Raises:
        GalvaeError: if the file is damaged, has no rows, several tables to choose from, or two columns of one name.
    """
    path = str(path)
    ending = _ending(path)
    if not os.path.isfile(path):
        raise GalvaeError(f"dataset.table: {path}: no such file; expected a table")
    extend_time_limit(os.path.getsize(path) / SLOWEST)
    try:
        with contextlib.ExitStack() as stack:
            if ending in HDF5:
                return _chosen(stack.enter_context(hdf5_tables(path)), path, wanted, name)
            file = stack.enter_context(open_packed(path))
            if ending in PARQUET:
                return _chosen(stack.enter_context(parquet_tables(file)), path, wanted, name)
            is_fits = file.read(9) == b"SIMPLE  ="  # also where SExtractor calls it .cat
            file.seek(0)
            if ending in FITS or (is_fits and ending in TEXT):
                return _chosen(stack.enter_context(fits_tables(file)), path, wanted, name)
            content = file.read()
            extend_time_limit(len(content) / SLOWEST)
            if ending in VOTABLE:
                return _chosen(stack.enter_context(votable_tables(content)), path, wanted, name)
            names, columns, units, notes = _text_columns(decoded(content), ending, text_columns)
            return _table(names, columns, units, notes, path)
    except MemoryError:
        raise
    except GalvaeError as error:
        message = str(error).removeprefix(f"{path}: ")
        is_key = message.startswith("dataset.")
        raise GalvaeError(message if is_key else f"dataset.table: {path}: {message}") from error
    except Exception as error:  # the libraries raise exceptions of many types on damaged tables
        raise GalvaeError(
            f"dataset.table: {path}: expected a whole table, received a damaged file ({line_of(error)})"
        ) from error


def _ending(path):
    """The ending of a table's name without .gz.

    Raises:
        GalvaeError: if it is of no known format.
    """
    name = path.lower()
    is_packed = name.endswith(".gz")
    ending = os.path.splitext(name.removesuffix(".gz"))[1]
    if ending not in (PACKED if is_packed else ENDINGS):
        raise GalvaeError(
            f"dataset.table: expected a file ending in {' '.join(ENDINGS)}, or in .gz after {' '.join(PACKED)}, "
            f"received {path}"
        )
    return ending


def _text_columns(text, ending, text_columns):
    """(names, columns, units, notes) of a table written as text."""
    if not text.startswith("# %ECSV") and ending != ".ecsv":
        return read_text(text, ending, text_columns)
    from astropy.table import Table as AstropyTable  # takes 0.3 s

    lines = io.StringIO(text, newline=None).readlines()
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = "," if "delimiter: ','" in text[: text.find(header)] else " "
    # astropy would give the second of two columns of one name another name.
    _check_names([name for name in next(csv.reader([header.strip()], delimiter=delimiter), []) if name])
    with quiet_astropy():
        table = AstropyTable.read(lines, format="ascii.ecsv", guess=False)
    units = {column.name: str(column.unit) for column in table.itercols() if getattr(column, "unit", None)}
    return table.colnames, list(table.itercols()), units, []


def _chosen(tables, path, wanted, name):
    """The table of a file that is named, or the only one, or the only one that has all wanted columns."""
    listed = "; ".join(_described(table) for table in tables) or "none"
    if name is not None:
        chosen = [table for table in tables if str(name).lower() in (table.name.lower(), str(table.number))]
    elif len(tables) == 1:
        chosen = tables
    else:
        chosen = [
            table for table in tables if wanted and all(_matches(table.names, column) for column in wanted)
        ]
    if len(chosen) != 1:
        having = f" with the columns {', '.join(wanted)}" if wanted and name is None else ""
        raise GalvaeError(
            f"dataset.table_name: {path}: expected the name or number of one table{having}, received "
            f"{'null' if name is None else name}; the file has {listed}"
        )
    (table,) = chosen
    if table.rows > MOST_ROWS:
        raise GalvaeError(f"expected at most {MOST_ROWS} rows, received {table.rows}")
    source, notes = path, list(table.notes)
    if len(tables) > 1:
        source = f"{path} ({table.name or table.number})"
        why = (
            f"the only one of {len(tables)} with {', '.join(wanted)}"
            if name is None
            else f"one of {len(tables)}"
        )
        notes.insert(0, f"table {table.number} {table.name} of {path} taken, {why}")
    _check_names(table.names)
    columns, units = table.read()
    return _table(table.names, columns, units, notes, source)


def _described(table):
    names = ", ".join(table.names[:10]) + (", ..." if len(table.names) > 10 else "")
    return f"{table.number} {table.name} ({names})" if table.name else f"{table.number} ({names})"


def _check_names(names):
    """Refuses two columns of one name."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise GalvaeError(
            f"expected columns of different names, received {repeated[0]!r} {names.count(repeated[0])} times"
        )


def _table(names, columns, units, notes, source):
    """A `Table` of the columns that are numbers or text."""
    _check_names(names)
    values = {}
    for name, column in zip(names, columns, strict=True):
        values[name] = None if column is None else plain(column)
    left_out = [name for name, column in values.items() if column is None]
    values = {name: column for name, column in values.items() if column is not None}
    if not values or not len(next(iter(values.values()))):
        raise GalvaeError(
            f"expected rows of numbers or text, received {'no rows' if values else 'no such columns'}"
        )
    rows = {len(column) for column in values.values()}
    if len(rows) > 1:
        raise GalvaeError(
            f"expected columns of one length, received lengths {', '.join(map(str, sorted(rows)))}"
        )
    if left_out:
        listed = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
        notes = [
            *notes,
            f"{len(left_out)} columns of {source} that are neither numbers nor short text left out: {listed}",
        ]
    units = {name: unit for name, unit in units.items() if name in values}
    return Table(columns=values, units=units, rows=rows.pop(), notes=notes, source=source)


def _matches(columns, name):
    """The names of columns that a name means: itself, or else those that differ in case or by an HDF5 group."""
    if name in columns:
        return [name]
    lowered = name.lower()
    return [one for one in columns if lowered in (one.lower(), one.rpartition("/")[2].lower())]


def find(columns, name, where, key):
    """The name under which a column is stored, found in any case and in any HDF5 group if that is unique.

    Args:
        columns: names, or a dict by name.
        name: as the user wrote it.
        where: the file, for messages.
        key: key of the `dataset` section that holds `name`, for messages.

    Returns:
        The name as it stands in `columns`.

    Raises:
        GalvaeError: if there is no such column, or several.
    """
    found = _matches(columns, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise GalvaeError(
            f"dataset.{key}: expected one column {name!r} in {where}, received {', '.join(found)}"
        )
    similar = difflib.get_close_matches(name, list(columns), n=1)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    raise GalvaeError(
        f"dataset.{key}: no column {name!r} in {where}; expected one of {', '.join(columns) or 'none'}{hint}"
    )
