"""Images of a dataset that a table of ids selects: those that a run is trained on, or that are read."""

import numpy as np

from galvae.data.tables.id_matching import rows_of_integers, rows_of_texts
from galvae.data.tables.table import find, read_table
from galvae.errors import GalvaeError
from galvae.system.child import Child

ID = "id"  # the column of ids in the tables that galvae writes
EXAMPLES = 3  # ids that a message names


def selected_rows(path, ids):
    """Which images have an id that a table lists.

    Ids are compared as integers where both sides have these, else as texts without blanks around them. Nothing but
    the ids of the table counts.

    Args:
        path: the table, in any format of `galvae.data.tables`, with a column `id`.
        ids: (N,) integers or texts, the ids of the images.

    Returns:
        (rows, note, warning): (N,) bool, a sentence that says how many are selected, and one about ids that no image
        has, or None.

    Raises:
        GalvaeError: if there is no such table, column or id, or an id that two images have.
        CannotBeDone: if the table crashes the library that reads it.
    """
    with Child(f"reads the table {path}") as child:
        wanted = child.call(read_ids, path)
    first, last = _places(wanted, ids)
    found = first >= 0
    if not found.any():
        raise GalvaeError(
            f"dataset.select: {path}: expected ids of the dataset, which are like {_listed(ids)}, received none of "
            f"them, but {_listed(wanted)}"
        )
    if (first != last).any():
        repeated = wanted[first != last]
        raise GalvaeError(
            f"dataset.select: {path}: expected ids that one image has each, received {_listed(repeated)}, which two or "
            "more images of the dataset have"
        )
    rows = np.zeros(len(ids), bool)
    rows[first[found]] = True
    missing, warning = wanted[~found], None
    if len(missing):
        warning = (
            f"dataset.select: {len(missing):,} of {len(wanted):,} ids of {path} are those of no image: "
            f"{_listed(missing)}"
        )
    return rows, f"{rows.sum():,} of {len(rows):,} images selected by the ids of {path}", warning


def read_ids(path):
    """The different ids of a table, (n,) integers or texts.

    Args:
        path: the table, with a column `id`.

    Raises:
        GalvaeError: if it cannot be read, or has no such column or no ids in it.
    """
    try:
        table = read_table(path, wanted=(ID,), text_columns=(ID,))
    except GalvaeError as error:
        problem = str(error).removeprefix("dataset.table: ").removeprefix("dataset.table_name: ")
        raise GalvaeError(f"dataset.select: {problem}") from error
    values = table.columns[find(table.columns, ID, path, "select")]
    if values.dtype.kind == "f":
        values = values[~np.isnan(values)]
        if (values == np.round(values)).all():  # integers, of which some are unknown
            values = values.astype(np.int64)
    if values.dtype.kind == "U":
        values = np.strings.strip(values)
        values = values[values != ""]
    if values.dtype.kind not in "iuU" or not len(values):
        raise GalvaeError(
            f"dataset.select: {path}: expected integers or texts in the column {ID}, received none"
        )
    return np.unique(values)


def _places(wanted, ids):
    """The first and the last image of each id, (n,) each; -1 where there is none."""
    if wanted.dtype.kind == ids.dtype.kind != "U":
        return rows_of_integers(wanted, ids)
    return rows_of_texts(wanted.astype(str), np.strings.strip(ids.astype(str)))


def _listed(values):
    """A few values in a message."""
    more = ", ..." if len(values) > EXAMPLES else ""
    return ", ".join(map(str, values[:EXAMPLES].tolist())) + more
