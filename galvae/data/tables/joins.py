"""Which row of a table belongs to which image: by ids or file names, or by position where not both sides have them."""

import itertools
from dataclasses import dataclass, field

import numpy as np

from galvae.data.column_names import FILE_NAMES, IDS, is_named
from galvae.data.tables.id_matching import spellings
from galvae.data.tables.identities import (
    EXACT,
    are_names,
    called,
    candidates,
    described,
    exact,
    first_described,
    first_values,
    first_wrong,
    holds,
    last_part,
    match,
    pair_called,
)
from galvae.data.tables.table import find
from galvae.errors import GalvaeError

ADVICE = "set dataset.ids= to the column that both share, or dataset.join=order if rows and images are in one order"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What identifies the entries of one side of a join.

    Attributes:
        where: the file or folder, for messages.
        count: number of entries, N.
        columns: name -> (N,) values, see `galvae.data.tables.table.plain`.
        names: (N,) file names of images, with `/` after each folder, or None.
        ids: (N,) ids from a file of their own (`dataset.ids=FILE.npy`), or None.
    """

    where: str
    count: int
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    names: np.ndarray | None = None
    ids: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Join:
    """The pairs of images and rows.

    Attributes:
        images: (n,) increasing indices of the images that have a row.
        rows: (n,) their rows.
        by: names of the columns (of the images, of the table) that were compared, where None stands for the images'
            file names or their file of ids; None as a whole for a join by position.
        notes: sentences about what was joined how.
        warnings: sentences about images and rows without a partner, and about repeated ids.
    """

    images: np.ndarray
    rows: np.ndarray
    by: tuple[str | None, str] | None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def join(images, table, ids=None, how="auto"):
    """Finds the row of a table that belongs to each image.

    Columns are compared as integers or as text, digit by digit: 12 is "12", but not "0012". File names are compared
    with and without their folders and ending. Images without a row and rows without an image are left out, with a
    warning.

    Args:
        images: `Identity` of the images.
        table: `Identity` of the table's rows.
        ids: `dataset.ids`, the name of a column of either side or of both, or None: columns recognised by their names.
        how: `dataset.join`, "auto" or "order".

    Returns:
        `Join`.

    Raises:
        GalvaeError: if the ids do not match or are ambiguous, or if a join by position has unequal lengths.
    """
    if how == "order":
        pairs = _pairs(images, table, ids)
        return _by_position(images, table, "as dataset.join=order asks", _disagreement(images, table, pairs))
    pairs = _pairs(images, table, ids)
    if not pairs:
        _refuse_inexact_ids(images, table)
        _refuse_other_order(images, table)
        lacking = " and ".join(side.where for side in (images, table) if not _is_identified(side, ids))
        return _by_position(images, table, f"without ids or file names in {lacking}", [])
    return _by_identity(images, table, pairs[0] if len(pairs) == 1 else _only(images, table, pairs))


def _refuse_inexact_ids(images, table):
    """Refuses to join by position because ids of one side are floats that have lost digits.

    Raises:
        GalvaeError: if they are, and the other side has ids, too.
    """
    sides = [(side, [name for name in side.columns if is_named(name, IDS)]) for side in (images, table)]
    for (side, names), (other, others) in (sides, sides[::-1]):
        if not others and other.names is None and other.ids is None:
            continue
        for name in names:
            values = side.columns[name]
            if values.dtype.kind == "f" and (np.abs(values) >= EXACT).any():
                raise GalvaeError(
                    f"dataset.ids: {side.where}: expected integers or text in {name}, received floats beyond {EXACT}, "
                    "which have lost digits; store integers or text, or set dataset.join=order if rows and images are "
                    "in one order"
                )


def _refuse_other_order(images, table):
    """Refuses to join by position if a column that no name tells says that the rows have another order.

    It does if it holds the ids or file names of at least half of the images, or as many values of a column of the same
    name, each in one row, but in others than by position.

    Raises:
        GalvaeError: if there is such a column.
    """
    identified = candidates(images) + [None] * (images.names is not None or images.ids is not None)
    rows = [name for name, values in table.columns.items() if first_wrong(values) is None]
    own = [name for name, values in images.columns.items() if first_wrong(values) is None]
    pairs = [*itertools.product(identified, rows)]
    pairs += [(one, row) for one, row in itertools.product(own, candidates(table)) if one not in identified]
    pairs += [(one, row) for one, row in itertools.product(own, rows) if last_part(one) == last_part(row)]
    for by in dict.fromkeys(pairs):
        if 2 * len(np.unique(table.columns[by[1]])) < images.count:  # few values, as of classes
            continue
        first, last = match(images, table, by)
        found = np.flatnonzero(first >= 0)
        is_unique = (first == last).all() and len(np.unique(first[found])) == len(found)
        if 2 * len(found) >= images.count and is_unique and (first[found] != found).any():
            raise GalvaeError(
                f"dataset.ids: {table.where}: {by[1]} holds the {called(images, by[0])} of {len(found):,} of "
                f"{images.count:,} images of {images.where} in another order; set dataset.ids={by[1]} to join rows by "
                "it, or dataset.join=order to join them in their order"
            )


def _pairs(images, table, ids):
    """The pairs of columns, (of the images, of the table), that may say which row belongs to which image.

    Raises:
        GalvaeError: if `ids` is a column of neither side.
    """
    own = [None] if images.ids is not None else candidates(images)
    rows = candidates(table)
    by_name = images.names is not None and images.ids is None
    if ids is not None:
        in_images, in_table = holds(images, ids), holds(table, ids)
        if not in_images and not in_table:
            where = table.where if by_name else f"{table.where} or {images.where}"
            find([*table.columns, *images.columns], ids, where, "ids")
        if in_images:
            own, by_name = [find(images.columns, ids, images.where, "ids")], False
        if in_table:
            rows = [find(table.columns, ids, table.where, "ids")]
            own = [None] if by_name else own
        return list(itertools.product(own, rows))
    same = [
        (one, other)
        for one in own
        for other in rows
        if one is not None and last_part(one) == last_part(other)
    ]
    if same:
        return same
    pairs = list(itertools.product(own, rows))
    alike = [pair for pair in pairs if _is_file_name(pair[0]) == _is_file_name(pair[1])]
    pairs = alike or pairs
    if by_name:
        files = [name for name in rows if _is_file_name(name)]
        pairs += [(None, name) for name in files or rows]
    return pairs


def _is_file_name(column):
    return column is not None and is_named(column, FILE_NAMES)


def _is_identified(side, ids):
    return (
        side.names is not None
        or side.ids is not None
        or candidates(side)
        or (ids is not None and holds(side, ids))
    )


def _only(images, table, pairs):
    """The pair of several that all say the same or, for file names, the only one that finds any image.

    Raises:
        GalvaeError: if they differ.
    """
    found = {pair: match(images, table, pair) for pair in pairs}
    if images.ids is None and all(own is None for own, _ in pairs):
        finding = [pair for pair in pairs if (found[pair][0] >= 0).any()]
        if len(finding) == 1:
            return finding[0]
    firsts = [first for first, _ in found.values()]
    are_unique = all((first == last).all() for first, last in found.values())
    if are_unique and (firsts[0] >= 0).any() and all((first == firsts[0]).all() for first in firsts):
        return pairs[0]
    ways = "; ".join(
        f"{pair_called(images, pair)} ({(found[pair][0] >= 0).sum():,} of {images.count:,} found)"
        for pair in pairs
    )
    raise GalvaeError(
        f"dataset.ids: expected one way to join the images of {images.where} and the rows of {table.where}, received "
        f"{ways}; {ADVICE}"
    )


def _by_identity(images, table, by):
    """The join by a pair of columns.

    Raises:
        GalvaeError: if no image has a row, an image has several, or two files have one.
    """
    first, last = match(images, table, by)
    found = np.flatnonzero(first >= 0)
    if not len(found):
        raise GalvaeError(_nothing_matches(images, table, by))
    repeated = found[first[found] != last[found]]
    if len(repeated):
        image = repeated[0]
        more = f" (and {len(repeated) - 1:,} more images like it)" if len(repeated) > 1 else ""
        raise GalvaeError(
            f"dataset.ids: {table.where}: expected one row for image {described(images, image, by[0])}, received rows "
            f"{first[image]} and {last[image]}{more}"
        )
    rows = first[found]
    warnings = _shared(images, found, rows, by, table)
    lonely = np.flatnonzero(first < 0)
    if len(lonely):
        warnings.append(
            f"{len(lonely):,} of {images.count:,} images have no row in {table.where} and are left out: "
            f"{first_described(images, lonely, by[0])}"
        )
    unused = np.ones(table.count, bool)
    unused[rows] = False
    unused = np.flatnonzero(unused)
    if len(unused):
        warnings.append(
            f"{len(unused):,} of {table.count:,} rows of {table.where} belong to no image: "
            f"{first_described(table, unused, by[1])}"
        )
    ends = ", ".join(
        f"{word} image {described(images, found[k], by[0])} with {described(table, rows[k], by[1])}"
        for word, k in (("first", 0), ("last", -1))
    )
    note = f"{len(found):,} images joined with rows of {table.where} by {pair_called(images, by)}: {ends}"
    return Join(images=found, rows=rows, by=by, notes=[note], warnings=warnings)


def _shared(images, found, rows, by, table):
    """Warnings about images that share a row, which is an error if they do not share their id as well."""
    order = np.argsort(rows, kind="stable")
    same = np.flatnonzero(np.diff(rows[order]) == 0)
    if not len(same):
        return []
    own, _ = exact(images, by[0])
    one, other = found[order[same]], found[order[same + 1]]
    different = np.flatnonzero(own[one] != own[other])
    if len(different):
        k = different[0]
        raise GalvaeError(
            f"dataset.ids: expected one image for {described(table, rows[order[same[k]]], by[1])} of {table.where}, "
            f"received {described(images, one[k], by[0])} and {described(images, other[k], by[0])}"
        )
    count = len(np.unique(rows[order[same]]))
    return [
        f"ids that several images of {images.where} share, {count:,}: each image takes the row of its id, as "
        f"{described(images, one[0], by[0])} and {described(images, other[0], by[0])}"
    ]


def _nothing_matches(images, table, by):
    """The message for a join that finds nothing, with examples of both sides."""
    (own, has_own), (rows, has_row) = exact(images, by[0]), exact(table, by[1])
    ids, entries = own[has_own].astype(str).tolist(), rows[has_row].astype(str).tolist()
    hint = ""
    if are_names(images, by[0]):
        ids = [spellings(one)[-1] for one in ids]
        entries = [spellings(entry.replace("\\", "/"))[-1] for entry in entries]
    if ids and set(ids) <= set(entries):
        hint = "; without folders and endings, all would match: write them alike"
    elif ids and {one.lstrip("0") for one in ids} <= {entry.lstrip("0") for entry in entries}:
        hint = "; without leading zeros, all would match: write the ids of both sides alike"
    return (
        f"dataset.ids: expected {called(images, by[0])} of {images.where} ({first_values(own[has_own])}) in "
        f"{called(table, by[1])} of {table.where}, received {first_values(rows[has_row])}; nothing matches{hint}; "
        f"{ADVICE}"
    )


def _by_position(images, table, why, warnings):
    """The join of the first image with the first row, the second with the second, and so on.

    Raises:
        GalvaeError: if there are more of one than of the other.
    """
    if images.count != table.count:
        raise GalvaeError(
            f"dataset.table: {table.where}: expected {images.count:,} rows, one per image of {images.where}, received "
            f"{table.count:,}; they are joined by position {why}; with dataset.ids=, a column of ids joins them"
        )
    labels = [next(iter(candidates(side)), None) for side in (images, table)]
    ends = ", ".join(
        f"{word} image {described(images, k, labels[0])} with {described(table, k, labels[1])}"
        for word, k in (("first", 0), ("last", table.count - 1))
    )
    note = f"images of {images.where} joined with rows of {table.where} by position, {why}: {ends}"
    every = np.arange(images.count)
    return Join(images=every, rows=every, by=None, notes=[note], warnings=warnings)


def _disagreement(images, table, pairs):
    """A warning if a join by position gives images the row of another id."""
    if images.count != table.count:
        return []
    for by in pairs:
        first, last = match(images, table, by)
        wrong = np.flatnonzero((first >= 0) & (first == last) & (first != np.arange(images.count)))
        if len(wrong):
            return [
                f"dataset.join=order gives {len(wrong):,} of {images.count:,} images another row than "
                f"{pair_called(images, by)} does: {first_described(images, wrong, by[0])}"
            ]
    return []
