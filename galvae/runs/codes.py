"""Latent codes of a run's galaxies, kept in its directory and bound to its weights and its dataset."""

import logging

import numpy as np

from galvae.latent import codes as latent_codes
from galvae.runs import fitted

FOLDER = "codes"

log = logging.getLogger(__name__)


def keep_codes(run, split, codes):
    """Writes the codes of a split; where that is not possible, a line in the log says why.

    Args:
        run: TrainedRun.
        split: name of the split.
        codes: Codes.
    """
    with fitted.where_possible(run, "the codes cannot be cached"):
        codes.save(fitted.folder(run, FOLDER) / f"{split}.npz", _identity(run, split))


def kept_codes(run, split):
    """The codes of a split that are kept with a run; None if there are none of its weights and its galaxies.

    Args:
        run: TrainedRun.
        split: name of the split.

    Returns:
        Codes, in the order of the split.
    """
    codes = latent_codes.read_codes(
        run.path / FOLDER / f"{split}.npz",
        _identity(run, split),
        run.latent_dim,
        run.has_posterior,
    )
    return codes if codes is not None and np.array_equal(codes.indices, run.galaxies.split(split)) else None


def _identity(run, split):
    return latent_codes.identity(run.weights_digest, run.state.dataset_sha256, split)
