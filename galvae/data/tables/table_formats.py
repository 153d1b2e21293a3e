"""Tables in binary files and in XML: FITS, VOTable, Parquet and HDF5, listed first and read once one is chosen."""

import contextlib
import io
import re
import xml.parsers.expat
from collections.abc import Callable
from dataclasses import dataclass

import h5py
import numpy as np

from galvae.data.formats.fits import quiet_astropy
from galvae.data.formats.hdf5 import array, open_hdf5
from galvae.data.plain_columns import LONGEST_TEXT
from galvae.errors import GalvaeError

PARQUET = (".parquet", ".pq")
NO_PYARROW = "expected pyarrow to read Parquet files, received none; pip install -e '.[parquet]'"
TABLE_META = "__table_column_meta__"  # with which astropy describes a table in HDF5
# Columns that pandas packs into one array per type, whose names it stores as pickled objects.
PANDAS_BLOCK = re.compile(r"values_block_[0-9]+")


@dataclass(frozen=True, kw_only=True)
class StoredTable:
    """A table of a file, which is read when it is chosen.

    Attributes:
        name: in the file; may be empty.
        number: by which a user can choose it.
        names: of its columns, in order, repeated ones included.
        rows: number of rows.
        read: function without arguments that returns (columns, units): an iterable of arrays in the order of `names`,
            None for what is neither number nor text, and unit by name.
        notes: sentences about what cannot be read.
    """

    name: str
    number: int
    names: list[str]
    rows: int
    read: Callable
    notes: tuple[str, ...] = ()


@contextlib.contextmanager
def fits_tables(file):
    """The tables of an open FITS file, which must stay open."""
    from astropy.io import fits  # takes 0.2 s
    from astropy.table import Table

    def read(hdu):
        table = Table.read(hdu, format="fits", mask_invalid=False)
        columns = list(table.itercols())
        return columns, {column.name: str(column.unit) for column in columns if getattr(column, "unit", None)}

    with quiet_astropy(), fits.open(file, memmap=False) as hdus:
        tables = []
        for number, hdu in enumerate(hdus):
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
                names = [str(name) for name in hdu.columns.names]
                tables.append(
                    StoredTable(
                        name=hdu.name,
                        number=number,
                        names=names,
                        rows=hdu.header["NAXIS2"],
                        read=lambda hdu=hdu: read(hdu),
                    )
                )
        yield tables


@contextlib.contextmanager
def votable_tables(content):
    """The tables of a VOTable, from the bytes of the file.

    Raises:
        GalvaeError: if it has entities, which may grow without bound, or refers to data elsewhere.
    """
    from astropy.io.votable import parse  # takes 0.3 s

    _refuse_references(content)
    with quiet_astropy():
        parsed = parse(io.BytesIO(content), verify="ignore")
        yield [_votable_table(number, table) for number, table in enumerate(parsed.iter_tables())]


def _votable_table(number, table):
    def read():
        # Fields may share a name, but astropy gives each one an identifier of its own.
        columns = [table.array[name] for name in table.array.dtype.names or ()]
        return columns, {field.name: str(field.unit) for field in table.fields if field.unit}

    names = [field.name or field.ID for field in table.fields]
    return StoredTable(
        name=table.name or table.ID or "", number=number, names=names, rows=len(table.array), read=read
    )


def _refuse_references(content):
    """Refuses XML with entities or with data that lie elsewhere, which the library would fetch."""

    def start(name, attributes):
        if name.rsplit(":", 1)[-1].upper() == "STREAM" and any(
            key.lower().endswith("href") for key in attributes
        ):
            raise GalvaeError("expected the rows in the file itself, received a reference to another one")

    def refuse_entity(*_):
        raise GalvaeError("expected XML without entities, received a declaration of one")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = start, refuse_entity
    parser.Parse(content, True)


@contextlib.contextmanager
def parquet_tables(file):
    """The table of an open Parquet file."""
    try:
        import pyarrow.parquet  # an optional package
    except ImportError as error:
        raise GalvaeError(NO_PYARROW) from error
    with pyarrow.parquet.ParquetFile(file) as stored:
        schema, rows = stored.schema_arrow, stored.metadata.num_rows

        def read():
            return (_parquet_column(stored, field) for field in schema), {}

        yield [StoredTable(name="", number=0, names=list(schema.names), rows=rows, read=read)]


def _parquet_column(stored, field):
    """A column as a masked array; None if it holds neither numbers nor short texts."""
    import pyarrow as pa

    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    is_text = (
        is_text
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
    if not (is_text or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        return None
    metadata = stored.metadata
    place = [metadata.schema.column(number).path for number in range(metadata.num_columns)].index(field.name)
    size = sum(
        metadata.row_group(k).column(place).total_uncompressed_size for k in range(metadata.num_row_groups)
    )
    if is_text and size > LONGEST_TEXT * max(metadata.num_rows, 1):  # images, for example
        return None
    column = stored.read(columns=[field.name], use_threads=False).column(0)
    if pa.types.is_dictionary(field.type):
        column = column.cast(kind)
    if is_text:
        return column.to_numpy(zero_copy_only=False)
    mask = column.is_null().to_numpy(zero_copy_only=False)
    if kind == pa.float16():  # which pyarrow cannot fill
        return column.to_numpy(zero_copy_only=False).astype(np.float32)
    # Without a value in every row, pyarrow would turn integers into floats, which have fewer digits.
    filled = column.fill_null(False if pa.types.is_boolean(kind) else 0)
    return np.ma.array(filled.to_numpy(zero_copy_only=False), mask=mask)


@contextlib.contextmanager
def hdf5_tables(path):
    """The tables of an HDF5 file: arrays of records, and in each group the one-dimensional arrays of equal length."""
    with open_hdf5(path) as file:
        items = {}
        file.visititems(items.__setitem__)
        arrays = {name: item for name, item in items.items() if isinstance(item, h5py.Dataset) and item.shape}
        tables, columns = [], {}
        frames = {name.rpartition("/")[0] for name in arrays if name.endswith("/block0_values")}
        tables += [_pandas_table(file, group, arrays) for group in sorted(frames)]
        for name, item in arrays.items():
            if name.rpartition("/")[0] in frames:
                continue
            if item.dtype.names and item.ndim == 1:
                tables.append(_record_table(file, name, item))
            elif item.ndim == 1 and not name.endswith(TABLE_META):
                group = name.rpartition("/")[0]
                columns.setdefault((group, len(item)), []).append(name)
        for (group, rows), names in columns.items():
            several = sum(other == group for other, _ in columns) > 1
            label = f"{group or '/'}{f' ({rows} rows)' if several else ''}"
            tables.append(_array_table(file, label, rows, group, names))
        yield [
            StoredTable(**{**vars(table), "number": number})
            for number, table in enumerate(sorted(tables, key=lambda table: table.name))
        ]


def _record_table(file, name, item):
    """A table that is stored as an array of records, by h5py, PyTables or astropy, which adds columns of masks."""
    fields = list(item.dtype.names)
    masks = {field: f"{field}.mask" for field in fields if f"{field}.mask" in fields}
    blocks = [field for field in fields if PANDAS_BLOCK.fullmatch(field)]
    names = [field for field in fields if field not in (*masks.values(), *blocks)]
    is_readable = [not item.dtype[field].subdtype and item.dtype[field].names is None for field in names]

    def read():
        records = array(file, name)
        return (
            _masked(records, field, masks.get(field)) if readable else None
            for field, readable in zip(names, is_readable, strict=True)
        ), {}

    notes = ()
    if blocks:
        notes = (
            f"columns that pandas packed into {', '.join(blocks)} left out, since their names are Python objects; "
            "DataFrame.to_hdf(format='table', data_columns=True) or Parquet stores them as they are",
        )
    return StoredTable(name=name, number=0, names=names, rows=len(item), read=read, notes=notes)


def _masked(records, field, mask):
    values = records.fields(field)[:]
    return values if mask is None else np.ma.array(values, mask=records.fields(mask)[:])


def _pandas_table(file, group, arrays):
    """A table that pandas stored with format='fixed': the columns of each type in one array, and the index."""
    found, packed = [], 0
    if f"{group}/axis1" in arrays:
        found.append(("index", f"{group}/axis1", None))
    for number in range(len(arrays)):
        items, values = (f"{group}/block{number}_{part}" for part in ("items", "values"))
        if items not in arrays or values not in arrays:
            break
        labels = array(file, items)[()]
        if arrays[values].ndim != 2 or arrays[values].shape[1] != len(labels):  # text, as pickled objects
            packed += len(labels)
            continue
        found += [(label.decode("utf-8", "replace"), values, place) for place, label in enumerate(labels)]

    def read():
        whole = {values: array(file, values)[()] for _, values, _ in found}
        return (whole[values] if place is None else whole[values][:, place] for _, values, place in found), {}

    note = f"{packed} columns of text, which pandas stored as Python objects, left out; Parquet stores them as they are"
    rows = len(arrays[found[0][1]]) if found else 0
    names = [name for name, _, _ in found]
    return StoredTable(
        name=group, number=0, names=names, rows=rows, read=read, notes=(note,) if packed else ()
    )


def _array_table(file, label, rows, group, names):
    """A table that is stored as one array for each column."""

    def read():
        return (_text_or_numbers(file, name) for name in names), {}

    short = [name[len(group) :].lstrip("/") for name in names]
    return StoredTable(name=label, number=0, names=short, rows=rows, read=read)


def _text_or_numbers(file, name):
    item = array(file, name)
    if h5py.check_string_dtype(item.dtype):
        return item.asstr("utf-8", "replace")[()]
    return item[()] if item.dtype.kind in "biufS" else None
