"""Galaxies on which a model is judged: those that it was not trained on, where they are enough."""

import numpy as np


def held_out_galaxies(dataset, enough, known=None):
    """Galaxies of the validation and the test split together or, where these are too few, of all splits.

    Args:
        dataset: GalaxyDataset.
        enough: number of galaxies from which on validation and test galaxies are taken alone.
        known: (N,) booleans, galaxies that may be taken; None: all.

    Returns:
        (rows, splits): row indices in ascending order, and of which splits they are, in words.
    """
    known = np.ones(len(dataset), bool) if known is None else known
    rows = dataset.held_out[known[dataset.held_out]]
    if len(rows) >= enough:
        return rows, "validation and test splits"
    rows = dataset.split("all")
    return rows[known[rows]], "all splits, most of which trained the model"
