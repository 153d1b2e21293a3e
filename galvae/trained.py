"""A run made ready for the commands that read it: backend, model, weights."""

import logging

from galvae import devices
from galvae.run import Run

log = logging.getLogger(__name__)


def load(path, backend=None):
    """A run and its model, with the weights of the best epoch so far.

    A run that has not finished is read all the same, with a line that says so.

    Args:
        path: the run's directory.
        backend: of Keras; None: as the run was trained.

    Returns:
        (run, model, state): the Run, the model, and the state of the checkpoint that was read.

    Raises:
        GalvaeError: if there is no run, or no checkpoint that verifies, or the backend is not installed.
    """
    run = Run.open(path)
    devices.setup(backend or run.config.backend)
    model, state = run.load_model()
    if run.status != "finished":
        log.warning("this run is %s: reading its best epoch of %d so far", run.status, state["epoch"])
    return run, model, state


def condition_of(model, dataset, indices):
    """Conditions of galaxies as a model takes them, (n, K); None for a model that takes none."""
    return dataset.condition[indices] if model.condition_dim else None
