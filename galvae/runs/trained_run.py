"""A run made ready for the commands that read it: backend, model, weights, conditions."""

import logging

import numpy as np

from galvae.backend.setup import setup
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory

log = logging.getLogger(__name__)


def load(path, backend=None):
    """A run and its model, with the weights of the best epoch so far.

    A run that has not finished is read all the same, with a line that says so.

    Args:
        path: the run's directory.
        backend: of Keras; None: as the run was trained.

    Returns:
        (run, model, state): the RunDirectory, the model, and the state of the checkpoint that was read.

    Raises:
        GalvaeError: if there is no run, or no checkpoint that verifies, or the backend is not installed.
    """
    run = RunDirectory.open(path)
    setup(backend or run.config.backend)
    model, state = run.load_model()
    if run.status != "finished":
        log.warning("this run is %s: reading its best epoch of %d so far", run.status, state["epoch"])
    return run, model, state


def condition_of(model, dataset, indices):
    """Conditions of galaxies as a model takes them, (n, K); None for a model that takes none."""
    return dataset.condition[indices] if model.condition_dim else None


def short_name(condition):
    """A condition's name as it stands in a picture: z for the redshift."""
    return "z" if condition == "redshift" else condition


def redshift_conditions(run, model, state, values, others=None):
    """Conditions whose redshift, the first column, is asked for, (n, K) in physical units.

    Values outside of the dataset's range are taken, with a warning: the model has seen none like them.

    Args:
        run: RunDirectory.
        model: its model.
        state: of its checkpoint.
        values: (n,) redshifts.
        others: (n, K) conditions that give the other columns; needed if there are any.

    Raises:
        GalvaeError: if the model takes no condition.
    """
    if not model.condition_dim:
        raise GalvaeError(
            f"redshift: expected none, because {run.config.model.name} takes no condition, received "
            f"{', '.join(f'{value:g}' for value in np.unique(values))}"
        )
    name = state["condition_names"][0]
    low, high = state["condition_ranges"][0]
    if low is not None and (np.min(values) < low or np.max(values) > high):
        asked = " to ".join(f"{value:g}" for value in dict.fromkeys((np.min(values), np.max(values))))
        log.warning(
            "%s %s: the training data reach from %.4g to %.4g; the model has seen none beyond",
            *(name, asked, low, high),
        )
    condition = np.zeros((len(values), model.condition_dim), np.float32) if others is None else others.copy()
    condition[:, 0] = values
    return condition
