"""What "like the training data" means for a run: how far its own validation galaxies are from what it has learned."""

from dataclasses import dataclass

import numpy as np

from galvae.data.dataset import evenly
from galvae.errors import damage_as_one_line
from galvae.latent.aggregate import Aggregate
from galvae.latent.reconstruction import reconstruction_errors
from galvae.runs import fitted

FOLDER, FILE = "reference", "reference.safetensors"
MOST_GALAXIES = 2_000  # validation galaxies; the 5 % farthest are then known to a tenth


@dataclass(frozen=True)
class Reference:
    """Training codes, and how far galaxies that are like the training data are from them and from their images.

    Attributes:
        aggregate: Aggregate of the training codes.
        mse: (n,) mean squared error of each validation galaxy's reconstruction, in network units; NaN where all its
            pixels are set aside.
        distance: (n,) Mahalanobis distance of its posterior mean under the aggregate posterior.
    """

    aggregate: Aggregate
    mse: np.ndarray
    distance: np.ndarray


def keep_reference(run):
    """Measures what galaxies like the training data look like to a run, and stores it in the run's directory.

    At most MOST_GALAXIES validation galaxies, evenly chosen, are decoded: training galaxies would be reconstructed
    better than new ones.

    Args:
        run: TrainedRun, whose dataset is at hand.

    Returns:
        Reference.

    Raises:
        GalvaeError: if the dataset has gone, or the run cannot be written to.
    """
    dataset = run.dataset
    path = fitted.folder(run, FOLDER) / FILE  # first, so that a run that cannot be written to costs no time
    codes, val = run.codes("all"), dataset.split("val")
    val = codes.at(val[evenly(len(val), MOST_GALAXIES)])
    aggregate = Aggregate.of(codes.at(dataset.split("train")))
    mse = reconstruction_errors(run.model, dataset, val)
    reference = Reference(aggregate, mse[np.isfinite(mse)], aggregate.distances(val.mean))
    arrays = {
        "mean": aggregate.mean,
        "covariance": aggregate.covariance,
        "mse": reference.mse,
        "distance": reference.distance,
    }
    fitted.save(path, arrays, fitted.identity(run), {})
    return reference


def stored_reference(run):
    """The reference that is stored in a run's directory.

    Args:
        run: TrainedRun.

    Returns:
        Reference; None if none is stored, as in runs of galvae 0.1.

    Raises:
        GalvaeError: if it is damaged, or was measured with other weights.
    """
    path, what = run.path / FOLDER / FILE, "what galaxies like the training data look like"
    if not path.exists():
        return None
    remedy = f"galvae prior run={run.path}"
    arrays, _ = fitted.read(path, fitted.identity(run), what, remedy)
    dim = run.model.latent_dim
    with damage_as_one_line(f"{path}: expected {what}, to {dim} latents; measure it again: {remedy}"):
        shapes = arrays["mean"].shape, arrays["covariance"].shape
        ranks = arrays["mse"].ndim, arrays["distance"].ndim
        if shapes != ((dim,), (dim, dim)) or ranks != (1, 1):
            raise ValueError(f"shapes {shapes}")
        np.linalg.cholesky(arrays["covariance"])  # as distances need it
        return Reference(Aggregate(arrays["mean"], arrays["covariance"]), arrays["mse"], arrays["distance"])
