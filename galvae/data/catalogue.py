"""Tables with one row per galaxy, written in formats that TOPCAT and astropy read."""

import importlib.util
import io

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.units import Unit

from galvae.errors import GalvaeError
from galvae.system.atomic import replacing

CHUNK = 20_000  # rows of a FITS table that are converted at a time
FITS_BLOCK = 2880  # bytes, of which headers and data have a whole number
LARGEST_ECSV = 100_000  # rows; longer tables are written as FITS
# Ending of a file -> its format in astropy.
FORMATS = {"ecsv": "ascii.ecsv", "fits": "fits", "parquet": "parquet"}


def galaxy_table(dataset, indices, columns):
    """Joins the catalogue of some galaxies with columns of results.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        columns: name -> (n,) values to add, or name -> (values, unit).

    Returns:
        astropy Table: the image's index, its split, id, the catalogue's other columns with their units (RA and
        Dec among them), class ("" where unlabelled), condition, then `columns`. Where the catalogue has a column of
        the same name, an underscore is appended to the name of the added one; the catalogue's own columns `index` and
        `split` become `index_` and `split_`.
    """
    table = Table()
    table["index"] = indices
    split = np.full(len(dataset), "", "U5")
    for name, members in dataset.splits.items():
        split[members] = name
    table["split"] = split[indices]
    table["id"] = dataset.ids[indices]
    with_units = {}
    for name, values in dataset.catalogue.items():
        with_units[free_name(name, with_units)] = values[indices], dataset.catalogue_units.get(name)
    if dataset.labels is not None:
        names = np.array([*dataset.class_names, ""])  # the last one is that of -1
        with_units["class"] = names[dataset.labels[indices]], None
    for name, column in dataset.condition_numbers.items():
        with_units[name] = dataset.condition[indices, column], dataset.condition_units[column]
    for name, values in columns.items():
        with_units[free_name(name, with_units)] = values if isinstance(values, tuple) else (values, None)
    for name, (values, unit) in with_units.items():
        if name in table.colnames:
            table[name] = values
        else:
            table.add_column(values, name=name, copy=False)  # a million rows need not be in memory twice
        if unit:
            table[name].unit = Unit(unit, parse_strict="silent")
    return table


def free_name(name, taken):
    """A column's name, with underscores appended until it is none of those taken, nor index or split."""
    while name in ("index", "split") or name in taken:
        name += "_"
    return name


def plain_table(columns, units=None):
    """An astropy Table.

    Args:
        columns: name -> (n,) or (n, k) values.
        units: name -> unit as text, "" for none; names that are no column do not count.
    """
    table = Table(columns)
    for name, unit in (units or {}).items():
        if unit and name in table.colnames:
            table[name].unit = Unit(unit, parse_strict="silent")
    return table


def code_columns(codes, name="code"):
    """Columns name_0, name_1, ... of latent codes (n, latent_dim), one for each dimension."""
    return {f"{name}_{axis}": codes[:, axis] for axis in range(codes.shape[1])}


def write_table(table, path, form=None):
    """Writes a table.

    Args:
        table: astropy Table.
        path: the file without its extension.
        form: "ecsv", "fits" or "parquet"; None: ECSV, or FITS if it has more than LARGEST_ECSV rows.

    Returns:
        The path with its extension.
    """
    form = form or ("ecsv" if len(table) <= LARGEST_ECSV else "fits")
    path = path.with_name(f"{path.name}.{form}")
    if form == "fits":
        table = as_fits(table)
    with replacing(path) as temporary:
        if form == "fits":
            _write_fits(table, temporary)
        else:
            table.write(temporary, format=FORMATS[form])
    return path


def _write_fits(table, path):
    """Writes a table of `as_fits` as astropy does, but CHUNK rows at a time, so that memory does not hold it thrice."""
    with open(path, "wb") as file:
        for start in range(0, max(len(table), 1), CHUNK):
            part = fits.table_to_hdu(table[start : start + CHUNK])
            content = io.BytesIO()
            fits.HDUList([fits.PrimaryHDU(), part]).writeto(content)
            size = part.header["NAXIS1"] * part.header["NAXIS2"]
            rows = content.getbuffer()[len(content.getbuffer()) - size - -size % FITS_BLOCK :][:size]
            if start == 0:
                part.header["NAXIS2"] = len(table)
                file.write(fits.PrimaryHDU().header.tostring().encode())
                file.write(part.header.tostring().encode())
            file.write(rows)
        file.write(bytes(-file.tell() % FITS_BLOCK))


def check_format(form):
    """Refuses Parquet where the package that writes it is missing; `form` as in `write_table`.

    Raises:
        GalvaeError: if it is.
    """
    if form == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise GalvaeError(
            "table: expected pyarrow to be installed, as by pip install -e '.[parquet]', for table=parquet"
        )


def read_written(path):
    """Reads a table that `write_table` has written, as an astropy Table."""
    return Table.read(path, format=FORMATS[path.suffix[1:]])


def as_fits(table):
    """A copy of an astropy Table whose units and texts the FITS standard has: other units left out, ASCII texts."""
    table = table.copy(copy_data=False)  # columns are replaced, not changed
    for name in table.colnames:
        if table[name].unit is not None:
            try:
                Unit(table[name].unit.to_string("fits"), format="fits")
            except ValueError:
                table[name].unit = None
        if table[name].dtype.kind == "U":
            table[name] = np.char.encode(table[name], "ascii", "replace")
    return table
