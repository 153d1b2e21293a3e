"""Splits into training, validation and test images, and the file that stores them."""

from pathlib import Path

import numpy as np

from galvae.data.value_hash import fractions
from galvae.errors import GalvaeError
from galvae.system.safe_read import read_npz

SPLITS = ("train", "val", "test")
# Words, in lower case, by which users call their splits -> index into SPLITS.
SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("val", "valid", "validation", "dev"), 1),
    **dict.fromkeys(("test", "testing"), 2),
}


def make_splits(count, shares, seed, given=None, hashed=None):
    """Splits `count` images into training, validation and test images: at random, by a hash, or as the dataset says.

    A split that the dataset does not give is cut from its training images in the same way, in the proportion of the
    shares.

    Args:
        count: number of images.
        shares: fractions of train, val and test, which sum to 1.
        seed: of the permutation (`numpy.random.RandomState`, whose stream NumPy guarantees not to change).
        given: (count,) index into SPLITS of each image, -1 for images in none; None: none is given.
        hashed: (count,) uint64, a hash that decides an image's split, see `galvae.data.split_by`; None: at random.

    Returns:
        dict of index arrays by the names in SPLITS.

    Raises:
        GalvaeError: if a split would be empty, or the given one is not of these images.
    """
    given = np.zeros(count, np.int8) if given is None else given
    if len(given) != count or not np.isin(given, (-1, *range(len(SPLITS)))).all():
        raise GalvaeError(
            f"dataset.split: expected for each of {count} images 0, 1 or 2 for {', '.join(SPLITS)}, or -1 for none, "
            f"received {len(given)} values, among them {np.unique(given).tolist()[:5]}"
        )
    members = [np.flatnonzero(given == number) for number in range(len(SPLITS))]
    missing = [number for number in (1, 2) if not len(members[number])]
    # In random order, also where a hash decides: figures show the first images of a split.
    pool = members[0][np.random.RandomState(seed).permutation(len(members[0]))]
    # Exactly 1 where both are missing: a sum of 0.9999... would round sizes otherwise than earlier versions did.
    total = 1 if len(missing) == 2 else shares[0] + sum(shares[number] for number in missing)
    if hashed is None:
        parts = _by_size(pool, {number: round(len(pool) * shares[number] / total) for number in missing})
    else:
        parts = _by_hash(pool, {number: shares[number] / total for number in (0, *missing)}, hashed)
    for number, indices in parts.items():
        members[number] = indices
    splits = dict(zip(SPLITS, members, strict=True))
    empty = [name for name, indices in splits.items() if not len(indices)]
    if empty:
        problem = (
            f"dataset.split: the {empty[0]} split is empty; expected at least one image in each, "
            f"received {list(shares)} of {len(pool)} images"
        )
        if hashed is not None:
            values = len(np.unique(hashed[pool]))
            problem += (
                f" with {values:,} values of dataset.split_by; another dataset.split_seed splits otherwise"
            )
        raise GalvaeError(problem)
    return splits


def _by_size(pool, sizes):
    """Some images cut into the training images and, by number of their split, parts of some sizes."""
    start = max(0, len(pool) - sum(sizes.values()))
    parts = {0: pool[:start]}
    for number, size in sizes.items():
        parts[number], start = pool[start : start + size], start + size
    return parts


def _by_hash(pool, shares, hashed):
    """Some images cut by their hashes, as numbers from 0 to 1: those below the first share are in that split."""
    part = np.searchsorted(np.cumsum(list(shares.values()))[:-1], fractions(hashed[pool]), side="right")
    return {number: pool[part == place] for place, number in enumerate(shares)}


def split_notes(given, splits, column=None):
    """Sentences about splits that the dataset gives: what was cut from the training images, what is in none.

    Args:
        given: see `make_splits`; None: none is given, about which nothing is said.
        splits: what it returned.
        column: name of the column whose hash decides, or None.
    """
    if given is None:
        return []
    notes = [
        "split as given: " + ", ".join(f"{np.sum(given == n):,} {name}" for n, name in enumerate(SPLITS))
    ]
    cut = [f"{len(splits[name]):,} {name}" for n, name in enumerate(SPLITS) if not np.any(given == n)]
    if cut:
        how = "at random" if column is None else f"by the hash of {column}"
        notes.append(f"{' and '.join(cut)} images, of which none were given, are cut from train {how}")
    if np.any(given < 0):
        notes.append(f"{np.sum(given < 0):,} images are in no split, and not used")
    return notes


def save_splits(splits, path):
    """Writes the index array of each split as .npz; `read_splits` reads it back."""
    np.savez(Path(path), **splits)


def read_splits(path):
    """Reads the index array of each split of a run.

    Args:
        path: the file.

    Raises:
        GalvaeError: if the file is missing, holds anything but one array of indices for each of SPLITS, or an image is
            twice in one split or in two.
    """
    splits = read_npz(path, SPLITS)
    for name, indices in splits.items():
        if indices.dtype.kind not in "iu" or indices.ndim != 1 or not len(indices) or indices.min() < 0:
            raise GalvaeError(
                f"{path}: expected the indices of {', '.join(SPLITS)}, received for {name} {indices.dtype} of "
                f"shape {indices.shape}"
            )
    places = np.concatenate(list(splits.values()))
    images, numbers = np.unique(places, return_counts=True)
    if len(images) < len(places):
        twice = images[numbers > 1][0]
        names = [name for name, indices in splits.items() for _ in range(np.sum(indices == twice))]
        raise GalvaeError(
            f"{path}: expected every image once, in one of {', '.join(SPLITS)}, received image {twice} in "
            f"{' and '.join(names)}"
        )
    return splits


def check_within(splits, count, path):
    """Refuses splits that name images which the dataset lacks.

    Args:
        splits: dict of index arrays, see `read_splits`.
        count: number of images of the dataset.
        path: the file that they were read from.

    Raises:
        GalvaeError: if they do.
    """
    for name, indices in splits.items():
        if indices.max() >= count:
            raise GalvaeError(
                f"{path}: expected indices of {count} images, counted from 0, received {indices.max()} in {name}"
            )
