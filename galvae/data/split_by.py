"""Splits by a column, `dataset.split_by`: all galaxies with the same id, tract or exposure are in the same split.

A hash of the column's value and of `dataset.split_seed` says which one it is, so that a galaxy keeps its split when
others are added, left out or stored in another order. `galvae.data.splits.make_splits` compares it with the shares.
"""

from typing import NamedTuple

import numpy as np

from galvae.data.plain_columns import EXACT
from galvae.data.splits import SPLITS
from galvae.data.tables.table import find
from galvae.data.value_hash import hashes
from galvae.errors import GalvaeError

ID = "id"
MOST_LEFT_OUT = (
    100  # of so many rows, one or more are taken to be used where it is unknown whether ids are their numbers
)


class SplitColumn(NamedTuple):
    """The column that decides the split of each galaxy.

    Attributes:
        name: its name in the catalogue.
        hashed: (N,) uint64, a hash of each value.
        seed: `dataset.split_seed`, from which the hash was made.
    """

    name: str
    hashed: np.ndarray
    seed: int


def split_column(config, catalogue, given, ids_are_rows=None):
    """The column that `dataset.split_by` names, hashed; None if splits are at random.

    Args:
        config: the `dataset` section.
        catalogue: name -> (N,) array.
        given: (N,) index into SPLITS of each image, -1 for those that are not used, or None; images that are given
            another split than train need no value.
        ids_are_rows: whether the ids are numbers of rows, see `galvae.data.source.Source`; None: they may be where they
            look like them, as in the cache entries of earlier versions.

    Raises:
        GalvaeError: if there is no such column, it holds neither texts nor whole numbers, a value is missing, or its
            values are but the numbers of rows, which change when data are added.
    """
    if config.split_by is None:
        return None
    name = find(catalogue, config.split_by, f"the catalogue of {config.name}", "split_by")
    values = catalogue[name]
    expected = f"dataset.split_by: expected texts or whole numbers in {name!r}"
    if values.ndim != 1 or values.dtype.kind not in "iufU":
        raise GalvaeError(f"{expected}, received {values.dtype} of shape {values.shape}")
    needed = np.ones(len(values), bool) if given is None else given == 0
    if values.dtype.kind == "f":
        unknown, is_whole = np.isnan(values), (np.abs(values) <= EXACT) & (np.round(values) == values)
        wrong = needed & ~unknown & ~is_whole
        if wrong.any():
            raise GalvaeError(
                f"{expected}, received {values[np.argmax(wrong)]} for {_name(catalogue, wrong)}"
            )
        values = np.where(is_whole, values, 0).astype(np.int64)
    else:
        unknown = values == "" if values.dtype.kind == "U" else np.zeros(len(values), bool)
    unknown &= needed
    if unknown.any():
        raise GalvaeError(
            f"dataset.split_by: expected a value in {name!r} for every galaxy, received none for {unknown.sum():,} of "
            f"{len(unknown):,}, the first of them {_name(catalogue, unknown)}; dataset.select=TABLE leaves galaxies out"
        )
    are_rows = _may_be_rows(values) if ids_are_rows is None else ids_are_rows
    if name == ID and getattr(config, "ids", None) is None and are_rows:
        key = "; dataset.ids=COLUMN says which column has ids" if hasattr(config, "ids") else ""
        what = "numbers of rows" if ids_are_rows else "what look like numbers of rows"
        raise GalvaeError(
            f"dataset.split_by: expected ids that galaxies keep when data are added, received {what}, {values[0]} to "
            f"{values[-1]}{key}; split_by=null splits at random"
        )
    return SplitColumn(name, hashes(values, config.split_seed), config.split_seed)


def _name(catalogue, marked):
    """The first of the marked galaxies, (N,) bool, by its id."""
    row = int(np.argmax(marked))
    return f"galaxy {catalogue[ID][row]}" if ID in catalogue else f"row {row}"


def _may_be_rows(ids):
    """Whether ids may be numbers of rows, of which many may have been left out when the data were read."""
    if ids.dtype.kind not in "iu" or not len(ids) or ids[0] < 0 or ids[-1] >= MOST_LEFT_OUT * len(ids):
        return False
    return bool((ids[1:] > ids[:-1]).all())


def column_notes(column, given, splits):
    """What is to be said about splits by a column: how many groups and galaxies are in each, what is in two of them.

    Args:
        column: SplitColumn, or None.
        given: splits that come with the data, see `make_splits`, or None.
        splits: what `make_splits` returned.

    Returns:
        (notes, warnings): lists of sentences.
    """
    if column is None:
        return [], []
    if given is not None and all((given == number).any() for number in range(len(SPLITS))):
        return [f"dataset.split_by={column.name} has no effect, since all splits are given"], []
    total = sum(map(len, splits.values()))
    shares = ", ".join(f"{name} {100 * len(rows) / total:.1f} %" for name, rows in splits.items())
    what = "split" if given is None else "what is not given is split"
    how = f"{what} by the hash of {column.name} and split_seed {column.seed}: {shares} of {total:,} galaxies"
    if column.name == ID and given is None:
        return [f"{how}; each keeps its split as the data grow"], []
    groups = {name: np.unique(column.hashed[rows]) for name, rows in splits.items()}
    every, counts = np.unique(np.concatenate(list(groups.values())), return_counts=True)
    sizes = ", ".join(f"{name} {len(values):,}" for name, values in groups.items())
    notes = [
        f"{how}, {len(every):,} values of {column.name} ({sizes}); each keeps its split as the data grow"
    ]
    divided = int((counts > 1).sum())
    warning = f"galaxies of {divided:,} values of {column.name} are in two splits, as these are given"
    return notes, [warning] if divided else []
