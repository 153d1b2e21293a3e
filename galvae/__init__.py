"""galvae: learn, explore and generate galaxy morphology with variational autoencoders."""

import os

__version__ = "0.2.0"


def open_run(path="latest", backend=None, dataset=None, force=False):
    """Opens a trained run: its model, dataset and latent codes.

    Args:
        path: path of the run's directory, of a bundle (a folder or a .zip file), or "latest" for the newest run that
            finished in this working directory.
        backend: Keras backend, "tensorflow" or "jax"; None for the backend on which the run was trained.
        dataset: dict with the new path, table, archive or cache_dir of a dataset that has moved, as in
            {"path": "/data/galaxies.h5"}, or None.
        force: whether to open a run that declares more memory than its own data need; only one that you trust.

    Returns:
        galvae.runs.trained_run.TrainedRun.

    Raises:
        galvae.errors.GalvaeError: if there is no run or no undamaged checkpoint, the backend is not installed, or
            Keras already runs on another one.
    """
    # Late, because Keras takes its backend when it is imported, and only the run's configuration names it.
    from galvae.backend.setup import load
    from galvae.runs.directory import RunDirectory

    directory = RunDirectory.open(path)
    load(backend or directory.config.backend)
    from galvae.runs.trained_run import TrainedRun

    return TrainedRun.open(directory, backend, dataset, force)


# Late, because Keras must have its backend first, and so that importing galvae stays light.


def traverse(run="latest", **keys):
    """Galaxies decoded along a walk through the latent space, see `galvae.analysis.traversal.traverse`.

    Args:
        run: TrainedRun, or the path of one.
        keys: of `galvae traverse`, such as axes=[0, 3], steps=7, span=3 or at="G007".

    Returns:
        dict of arrays: images (rows, steps, H, W, C), intensities in [0, 1]; codes (rows, steps, latent_dim); and more.

    Raises:
        galvae.errors.GalvaeError: if there is no such run, key or value.
    """
    run = _opened(run)
    from galvae.analysis import traversal

    return traversal.traverse(run, **keys)


def neighbors(run="latest", **keys):
    """The galaxies whose codes are nearest to those of galaxies or images, see `galvae.analysis.nearest.neighbors`.

    Args:
        run: TrainedRun, or the path of one.
        keys: id= of a galaxy or images=, an array, and others as n=10 or metric="cosine".

    Returns:
        astropy Table with n rows for each query, nearest first.

    Raises:
        galvae.errors.GalvaeError: if there is no such run, galaxy or value.
    """
    run = _opened(run)
    from galvae.analysis import nearest

    return nearest.neighbors(run, **keys)


def anomalies(run="latest", **keys):
    """The galaxies of a run by how odd they are, see `galvae.analysis.anomaly.anomalies`.

    Args:
        run: TrainedRun, or the path of one.
        keys: n=, the number of galaxies, and others as split="test" or prior="flow".

    Returns:
        astropy Table with a row for each galaxy, the oddest first.

    Raises:
        galvae.errors.GalvaeError: if there is no such run or value.
    """
    run = _opened(run)
    from galvae.analysis import anomaly

    return anomaly.anomalies(run, **keys)


def card(run="latest", **keys):
    """Measures how real a run's galaxies are, and what it has learned, see `galvae.analysis.evaluators.card`.

    Args:
        run: TrainedRun, or the path of one.
        keys: of `galvae evaluate`, such as samples=500, split="val" or cards=["scores", "card"].

    Returns:
        (summary, table): the entries of metrics.json, a dict, and an astropy Table of the split's galaxies.

    Raises:
        galvae.errors.GalvaeError: if there is no such run, key or value.
    """
    run = _opened(run)
    from galvae.analysis import evaluators

    return evaluators.card(run, **keys)


def _opened(run):
    """The TrainedRun of a path; one that is open already stays as it is."""
    return open_run(run) if isinstance(run, str | os.PathLike) else run
