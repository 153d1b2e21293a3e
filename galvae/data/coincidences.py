"""Galaxies of a dataset that may be one: entries of a column that are equal, and the same position on the sky.

Both are found among ten million galaxies in seconds: a sort tells most of them apart, and only the rest are compared.
"""

import itertools

import numpy as np
import scipy

from galvae.data.value_hash import hashes

SAME_POSITION = 1.0  # arcsec; galaxies at smaller separations count as the same one
CHORD = 2 * np.sin(np.radians(SAME_POSITION / 3600) / 2)  # their distance on the unit sphere
CELL = (
    2.01 * CHORD
)  # side of cubes of space: what is within CHORD of a point is in its own or in the nearer neighbours
AXIS_BITS = 18  # of the number of a cube along an axis, from -1 to 1
SPLIT_BITS = 2  # of the number of a split
ROWS = 2**18  # entries worked on at a time


def repeated(values, splits, listed):
    """Finds the entries of an array that equal an earlier one, and those that equal one of another split.

    Args:
        values: (N,) array.
        splits: (N,) number of the split that each entry belongs to; negative for none.
        listed: number of sets of equal entries to return.

    Returns:
        (repeats, across, groups): sorted indices of the entries that equal an earlier one, sorted indices of
        those that equal one of a lower-numbered split, and one index array for each of the first sets of equal entries.
    """
    candidates = _perhaps_repeated(values)
    _, inverse, counts = np.unique(values[candidates], return_inverse=True, return_counts=True)
    order = np.flatnonzero(counts[inverse] > 1)
    order = order[np.argsort(inverse[order], kind="stable")]
    indices, is_first = candidates[order], np.diff(inverse[order], prepend=-1) > 0
    if not len(indices):
        return indices, indices, []
    starts, numbers = np.flatnonzero(is_first), splits[indices]
    lowest = np.minimum.reduceat(np.where(numbers < 0, np.iinfo(numbers.dtype).max, numbers), starts)
    across = indices[numbers > lowest[np.cumsum(is_first) - 1]]
    groups = np.split(indices, starts[1 : listed + 1])[:listed]
    return np.sort(indices[~is_first]), np.sort(across), groups


def _perhaps_repeated(values):
    """Sorted indices of all entries that equal another one; of texts perhaps of others too, by the same hash."""
    keys = hashes(values) if values.dtype.kind == "U" else values
    ordered = np.sort(keys)
    return np.flatnonzero(_among(keys, np.unique(ordered[1:][ordered[1:] == ordered[:-1]])))


def _among(values, ordered):
    """Whether each value is among some that are in ascending order, (n,) bool; faster than `numpy.isin` for few."""
    found = np.zeros(len(values), bool)
    for start in range(0, len(values) if len(ordered) else 0, ROWS):
        part = values[start : start + ROWS]
        place = np.minimum(np.searchsorted(ordered, part), len(ordered) - 1)
        found[start : start + ROWS] = ordered[place] == part
    return found


def same_position(ra, dec, splits):
    """Galaxies within 1 arcsec of one in a lower-numbered split.

    Args:
        ra, dec: (N,) degrees.
        splits: (N,) number of each galaxy's split, from 0 to 3, negative for galaxies to leave out.

    Returns:
        Sorted indices.
    """
    rows = _perhaps_near(ra, dec, splits)
    splits, vectors, matches = splits[rows], _vectors(ra[rows], dec[rows]), []
    for split in np.unique(splits)[1:]:
        indices, lower = np.flatnonzero(splits == split), vectors[splits < split]
        # Without duplicates: a tree cannot divide equal points, as of galaxies without a position, and would
        # compare each with each. astropy's match_to_catalog_sky does that (5 s for 100,000 such galaxies).
        lower = lower[np.lexsort(lower.T)]
        tree = scipy.spatial.KDTree(lower[np.any(np.diff(lower, axis=0, prepend=np.inf) != 0, axis=1)])
        distance, _ = tree.query(vectors[indices], distance_upper_bound=CHORD)
        matches.append(rows[indices[np.isfinite(distance)]])
    return np.sort(np.concatenate([[], *matches]).astype(int))


def _perhaps_near(ra, dec, splits):
    """Sorted indices of all galaxies within CHORD of one in another split, and of some more, in neighbouring cubes."""
    rows = np.flatnonzero(splits >= 0)
    keys = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS]
        keys[start : start + ROWS] = _keys(_cells(ra[part], dec[part]).astype(np.int64), splits[part])
    ordered, lowest = np.sort(keys), 2**SPLIT_BITS - 1
    later = np.flatnonzero(keys & lowest)  # those of train, split 0, are in the lowest one
    later = later[
        np.argsort(keys[later])
    ]  # neighbours one after the other, which are looked up several times faster
    near, cubes = np.zeros(len(rows), bool), [np.empty(0, np.int64)]
    for start in range(0, len(later), ROWS):
        chosen = later[start : start + ROWS]
        part = rows[chosen]
        cells = _cells(ra[part], dec[part])
        cube = cells.astype(np.int64)
        side = np.where(cells - cube < 0.5, -1, 1)
        for shift in itertools.product((0, 1), repeat=3):
            first = _keys(cube + side * shift, 0)
            place = np.minimum(np.searchsorted(ordered, first), len(ordered) - 1)
            found = (ordered[place] >= first) & (
                ordered[place] < first + splits[part]
            )  # one of a lower split
            near[chosen[found]] = True
            cubes.append(first[found] >> SPLIT_BITS)
    near |= _among(keys >> SPLIT_BITS, np.unique(np.concatenate(cubes)))
    return rows[near]


def _vectors(ra, dec):
    """Positions on the unit sphere, (n, 3)."""
    longitude, latitude = np.radians(ra), np.radians(dec)
    return np.stack(
        [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)], axis=1
    )


def _cells(ra, dec):
    """Positions in units of CELL from the corner of all cubes, (n, 3)."""
    return (_vectors(ra, dec) + 1) / CELL


def _keys(cubes, splits):
    """Cubes (n, 3) and splits as one integer each; cubes beyond the last one share those of others."""
    x, y, z = cubes.T
    return ((((z << AXIS_BITS) + y << AXIS_BITS) + x) << SPLIT_BITS) + splits
