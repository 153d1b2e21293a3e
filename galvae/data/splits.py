"""Splits into training, validation and test images, and the file that stores them."""

from pathlib import Path

import numpy as np

from galvae.errors import GalvaeError
from galvae.system.safe_read import read_npz

SPLITS = ("train", "val", "test")


def make_splits(count, shares, seed):
    """Splits `count` images at random into training, validation and test images.

    Args:
        count: number of images.
        shares: fractions of train, val and test, which sum to 1.
        seed: of the permutation (`numpy.random.RandomState`, whose stream NumPy guarantees not to change).

    Returns:
        dict of index arrays by the names in SPLITS.

    Raises:
        GalvaeError: if a split would be empty.
    """
    order = np.random.RandomState(seed).permutation(count)
    val, test = (round(count * share) for share in shares[1:])
    train = count - val - test
    sizes = dict(zip(SPLITS, (train, val, test), strict=True))
    empty = [name for name, size in sizes.items() if size < 1]
    if empty:
        raise GalvaeError(
            f"dataset.split: the {empty[0]} split is empty; expected at least one image in each, "
            f"received {list(shares)} of {count} images"
        )
    return {
        "train": order[:train],
        "val": order[train : train + val],
        "test": order[train + val :],
    }


def save_splits(splits, path):
    """Writes the index array of each split as .npz; `read_splits` reads it back."""
    np.savez(Path(path), **splits)


def read_splits(path):
    """Reads the index array of each split of a run.

    Raises:
        GalvaeError: if the file is missing, or holds anything but one array of indices for each of SPLITS.
    """
    splits = read_npz(path, SPLITS)
    for name, indices in splits.items():
        if indices.dtype.kind not in "iu" or indices.ndim != 1 or not len(indices) or indices.min() < 0:
            raise GalvaeError(
                f"{path}: expected the indices of {', '.join(SPLITS)}, received for {name} {indices.dtype} of "
                f"shape {indices.shape}"
            )
    return splits
