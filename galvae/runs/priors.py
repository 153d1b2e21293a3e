"""Priors that were fitted to a run and are kept in its directory: which was chosen, and each of them."""

import numpy as np

from galvae.errors import GalvaeError, damage_as_one_line
from galvae.latent.priors.of_model import PRIORS
from galvae.runs import fitted
from galvae.system.safe_read import read_json

CHOSEN, FILE = "chosen.json", "prior.safetensors"
LARGEST_CHOICE = 1_000_000  # bytes


def chosen_prior(run):
    """The name of the prior that a run generates galaxies from by default; None where none was fitted.

    Args:
        run: TrainedRun.

    Raises:
        GalvaeError: if the file that names it is damaged.
    """
    path = run.path / "priors" / CHOSEN
    if not path.exists():
        return None
    name = read_json(path, LARGEST_CHOICE).get("chosen")
    if name not in PRIORS:
        raise GalvaeError(
            f"{path}: expected chosen to be {' or '.join(PRIORS)}, received {name!r}; fit again: {_remedy(run, 'auto')}"
        )
    return name


def stored_prior(run, name):
    """A prior that was fitted to a run.

    Args:
        run: TrainedRun.
        name: its name in PRIORS.

    Returns:
        Prior.

    Raises:
        GalvaeError: if there is none, it is damaged, or it was fitted to other weights.
    """
    if name not in PRIORS:
        raise GalvaeError(f"prior: expected {' or '.join(PRIORS)}, received {name!r}")
    path, remedy = run.path / "priors" / name / FILE, f"{_remedy(run, name)}, or take prior=normal"
    if not path.exists():
        raise GalvaeError(
            f"prior: expected one that was fitted to {run.path}, received {name}, which was not; fit it: {remedy}"
        )
    arrays, _ = fitted.read(path, fitted.identity(run), f"a {name} prior", remedy)
    dimensions = run.latent_dim, run.condition_dim
    with damage_as_one_line(
        f"{path}: expected the arrays of a prior of {dimensions[0]} latents; fit again: {remedy}"
    ):
        prior = PRIORS[name].from_arrays(arrays)
        # Arrays whose sizes do not fit together, or the run, fail here or give another shape.
        condition = np.zeros((2, dimensions[1])) if dimensions[1] else None
        shape = prior.sample(2, condition, seed=0).shape
        if shape != (2, dimensions[0]):
            raise ValueError(f"samples of shape {shape}")
    return prior


def _remedy(run, name):
    return f"galvae prior run={run.path} prior={name}"
