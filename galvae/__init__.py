"""galvae: learn, explore and generate galaxy morphology with variational autoencoders."""

__version__ = "0.2.0"


def open_run(path="latest", backend=None, dataset=None, force=False):
    """Opens a trained run: its model, dataset and latent codes.

    Args:
        path: path of the run's directory, or "latest" for the newest run that finished in this working directory.
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
