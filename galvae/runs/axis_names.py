"""Names of a run's latent axes, after what they change in galaxies: measured once and kept in its directory."""

import logging

from galvae.errors import GalvaeError
from galvae.runs import fitted

FOLDER, FILE = "axes", "axes.safetensors"

log = logging.getLogger(__name__)


def keep_axis_names(run, names, arrays):
    """Keeps the names of all latent axes of a run; where that is not possible, a line in the log says why.

    Args:
        run: TrainedRun.
        names: a text for each axis, see `galvae.analysis.axis_effects.name_axis`.
        arrays: dict of the arrays behind them.
    """
    with fitted.where_possible(run, "the names of the axes cannot be kept"):
        fitted.save(fitted.folder(run, FOLDER) / FILE, arrays, fitted.identity(run), {"names": names})


def kept_axis_names(run):
    """Names of the latent axes of a run, a text each; None if none are kept of its present weights.

    Args:
        run: StoredRun.
    """
    path = run.path / FOLDER / FILE
    if not path.exists():
        return None
    try:
        remedy = f"galvae evaluate run={run.path} cards=[axes]"
        _, facts = fitted.read(path, fitted.identity(run), "names of axes", remedy, finite=False)
        names = facts.get("names")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise GalvaeError(f"{path}: expected a list of names, received others")
        if len(names) != run.latent_dim:
            raise GalvaeError(f"{path}: expected names of {run.latent_dim} axes, received {len(names)}")
    except GalvaeError as error:
        log.warning("the names of the axes are not used: %s", error)
        return None
    return names
