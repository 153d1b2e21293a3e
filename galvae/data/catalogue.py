"""Tables with a row per galaxy, which TOPCAT opens."""

import numpy as np

from galvae.system.atomic import replacing

LARGEST_ECSV = 100_000  # rows; longer tables are written as FITS


def galaxy_table(dataset, indices, columns):
    """What is known of galaxies, and what was found of them.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        columns: name -> (n,) values to add; a dict's value may also be (values, unit).

    Returns:
        astropy Table: the image's index, its split, id, the catalogue's other columns with their units (RA and
        Dec among them), class, condition, then `columns`. A name that the catalogue has keeps its values, and
        the added column of that name gets an underscore.
    """
    from astropy.table import Table
    from astropy.units import Unit

    table = Table()
    table["index"] = indices
    split = np.full(len(dataset), "", "U5")
    for name, members in dataset.splits.items():
        split[members] = name
    table["split"] = split[indices]
    table["id"] = dataset.ids[indices]
    found = {
        name: (values[indices], dataset.catalogue_units.get(name))
        for name, values in dataset.catalogue.items()
    }
    if dataset.labels is not None:
        found["class"] = np.asarray(dataset.class_names)[dataset.labels[indices]], None
    for column, (name, unit) in enumerate(zip(dataset.condition_names, dataset.condition_units, strict=True)):
        found[name] = dataset.condition[indices, column], unit
    for name, values in columns.items():
        while name in found:
            name += "_"
        found[name] = values if isinstance(values, tuple) else (values, None)
    for name, (values, unit) in found.items():
        table[name] = values
        if unit:
            table[name].unit = Unit(unit, parse_strict="silent")
    return table


def code_columns(codes, name="code"):
    """Columns name_0, name_1, ... of an array (n, latent_dim)."""
    return {f"{name}_{axis}": codes[:, axis] for axis in range(codes.shape[1])}


def write_table(table, path):
    """Writes a table as ECSV, or as FITS if it has more than LARGEST_ECSV rows.

    Args:
        table: astropy Table.
        path: the file without an ending.

    Returns:
        The path with its ending.
    """
    if len(table) <= LARGEST_ECSV:
        path = path.with_name(f"{path.name}.ecsv")
        with replacing(path) as beside:
            table.write(beside, format="ascii.ecsv")
        return path
    from astropy.units import Unit

    path = path.with_name(f"{path.name}.fits")
    table = table.copy()
    for name in table.colnames:
        if table[name].unit is not None:
            try:
                Unit(table[name].unit.to_string("fits"), format="fits")
            except ValueError:  # nor any units but its own
                table[name].unit = None
        if table[name].dtype.kind == "U":  # FITS has ASCII only
            table[name] = np.char.encode(table[name], "ascii", "replace")
    with replacing(path) as beside:
        table.write(beside, format="fits")
    return path
