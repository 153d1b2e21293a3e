"""Tables with one row per galaxy, written in formats that TOPCAT and astropy read."""

import numpy as np
from astropy.table import Table
from astropy.units import Unit

from galvae.system.atomic import replacing

LARGEST_ECSV = 100_000  # rows; longer tables are written as FITS


def galaxy_table(dataset, indices, columns):
    """Joins the catalogue of some galaxies with columns of results.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        columns: name -> (n,) values to add, or name -> (values, unit).

    Returns:
        astropy Table: the image's index, its split, id, the catalogue's other columns with their units (RA and
        Dec among them), class ("" where unlabelled), condition, then `columns`. Where the catalogue has a column of
        the same name, an underscore is appended to the name of the added one.
    """
    table = Table()
    table["index"] = indices
    split = np.full(len(dataset), "", "U5")
    for name, members in dataset.splits.items():
        split[members] = name
    table["split"] = split[indices]
    table["id"] = dataset.ids[indices]
    with_units = {
        name: (values[indices], dataset.catalogue_units.get(name))
        for name, values in dataset.catalogue.items()
    }
    if dataset.labels is not None:
        names = np.array([*dataset.class_names, ""])  # the last one is that of -1
        with_units["class"] = names[dataset.labels[indices]], None
    for name, column in dataset.condition_numbers.items():
        with_units[name] = dataset.condition[indices, column], dataset.condition_units[column]
    for name, values in columns.items():
        while name in with_units:
            name += "_"
        with_units[name] = values if isinstance(values, tuple) else (values, None)
    for name, (values, unit) in with_units.items():
        table[name] = values
        if unit:
            table[name].unit = Unit(unit, parse_strict="silent")
    return table


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


def write_table(table, path):
    """Writes a table as ECSV, or as FITS if it has more than LARGEST_ECSV rows.

    Args:
        table: astropy Table.
        path: the file without its extension.

    Returns:
        The path with its extension.
    """
    if len(table) <= LARGEST_ECSV:
        path = path.with_name(f"{path.name}.ecsv")
        with replacing(path) as temporary:
            table.write(temporary, format="ascii.ecsv")
        return path
    path = path.with_name(f"{path.name}.fits")
    table = as_fits(table)
    with replacing(path) as temporary:
        table.write(temporary, format="fits")
    return path


def as_fits(table):
    """A copy of an astropy Table whose units and texts the FITS standard has: other units left out, ASCII texts."""
    table = table.copy()
    for name in table.colnames:
        if table[name].unit is not None:
            try:
                Unit(table[name].unit.to_string("fits"), format="fits")
            except ValueError:
                table[name].unit = None
        if table[name].dtype.kind == "U":
            table[name] = np.char.encode(table[name], "ascii", "replace")
    return table
