"""Which rows of a table have the ids of images, or name their files."""

import re

import numpy as np

ENDING = re.compile(r"\.(png|jpe?g|webp|tiff?|fits?|fts|npy)(\.gz|\.fz)?$", re.IGNORECASE)
PACKING = re.compile(r"(?<=\.fits|.\.fit)(\.gz|\.fz)$", re.IGNORECASE)


def rows_of_integers(own, rows):
    """The first and the last row of each integer; -1 where there is none.

    Args:
        own: (N,) integers of the images.
        rows: (R,) integers of the table, of the same type.
    """
    if not len(rows):
        return np.full(len(own), -1), np.full(len(own), -1)
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    starts = np.flatnonzero(np.append(True, rows[1:] != rows[:-1]))  # of the runs of equal integers
    ends = np.append(starts[1:], len(rows)) - 1
    runs = np.minimum(np.searchsorted(rows[starts], own), len(starts) - 1)
    found = rows[starts[runs]] == own
    return np.where(found, order[starts[runs]], -1), np.where(found, order[ends[runs]], -1)


def rows_of_texts(own, rows):
    """The first and the last row of each text; -1 where there is none.

    Texts are compared by hashes of 64 bits, which sort much faster, and pairs are then compared in full.

    Args:
        own: (N,) text of the images.
        rows: (R,) text of the table.
    """
    width = max(own.dtype.itemsize, rows.dtype.itemsize) // 4
    own, rows = own.astype(f"U{width}", copy=False), rows.astype(f"U{width}", copy=False)
    first, last = rows_of_integers(_hashes(own), _hashes(rows))
    found = first >= 0
    if all((rows[places[found]] == own[found]).all() for places in (first, last)):
        return first, last
    firsts, lasts = {}, {}  # two texts share a hash
    for number, row in enumerate(rows.tolist()):
        firsts.setdefault(row, number)
        lasts[row] = number
    return tuple(np.array([places.get(one, -1) for one in own.tolist()]) for places in (firsts, lasts))


def _hashes(values):
    """A number of 64 bits for each text of an array."""
    characters = np.ascontiguousarray(values).view(np.uint32).reshape(len(values), values.dtype.itemsize // 4)
    hashes = np.zeros(len(values), np.uint64)
    for column in characters.T:
        hashes = (hashes ^ column) * np.uint64(0x9E3779B97F4A7C15)  # an odd number; products wrap around
        hashes ^= hashes >> np.uint64(29)
    return hashes


def rows_of_names(names, entries):
    """The first and last row that names each file: with or without its folders and its ending.

    Where an entry is itself a path, the end of it may name the file; its base name alone only if base names are
    unique on both sides, and no file was found by a path.
    """
    paths = [entry.replace("\\", "/") for entry in entries]
    first, last = _rows_of_spellings([spellings(name) for name in names], [[path] for path in paths])
    is_path = np.array(["/" in path for path in paths], bool)
    if not is_path.any():
        return first, last
    open_ = first < 0
    with_folders = [
        spellings(name)[::2] if "/" in name and free else () for name, free in zip(names, open_, strict=True)
    ]
    ends = [
        path.lstrip("/").split("/") if inside else () for path, inside in zip(paths, is_path, strict=True)
    ]
    ends = [["/".join(parts[k:]) for k in range(1, len(parts) - 1)] for parts in ends]
    more_first, more_last = _rows_of_spellings(with_folders, ends)
    first, last = np.where(open_, more_first, first), np.where(open_, more_last, last)
    bases, own_bases = ({one: spellings(one)[-1] for one in several} for several in (paths, names))
    if (first >= 0).any() and is_path[first[first >= 0]].any():
        return first, last
    if any(len(set(several.values())) < len(several) for several in (bases, own_bases)):
        return first, last
    open_ = first < 0
    by_base = [spellings(name)[1::2] if free else () for name, free in zip(names, open_, strict=True)]
    more_first, more_last = _rows_of_spellings(by_base, [[path.rpartition("/")[2]] for path in paths])
    return np.where(open_, more_first, first), np.where(open_, more_last, last)


def spellings(name):
    """A file's name as it is and without its folders, both as if it were not packed, and both without its ending."""
    base = name.rpartition("/")[2]
    return (
        name,
        base,
        PACKING.sub("", name),
        PACKING.sub("", base),
        ENDING.sub("", name),
        ENDING.sub("", base),
    )


def _rows_of_spellings(names, entries):
    """The first and last row of which a spelling is one of each name's; -1 where there is none."""
    firsts, lasts = {}, {}
    for row, candidates in enumerate(entries):
        for spelling in candidates:
            firsts.setdefault(spelling, row)
            lasts[spelling] = row
    first, last = np.full(len(names), -1), np.full(len(names), -1)
    for number, candidates in enumerate(names):
        found = [spelling for spelling in candidates if spelling in lasts]
        if found:
            first[number] = min(firsts[spelling] for spelling in found)
            last[number] = max(lasts[spelling] for spelling in found)
    return first, last
