"""Whether several processes that are to train one run have the same galvae, configuration and files."""

import dataclasses
from importlib import metadata

from galvae import __version__
from galvae.backend import processes
from galvae.config.check import flatten
from galvae.config.fields import path_keys
from galvae.errors import GalvaeError

PACKAGES = ("keras", "jax", "jaxlib", "numpy")


def check_processes(command, backend, output_dir):
    """Refuses processes that would train different runs; one process is always right.

    Paths may differ, since a machine may have its own; the dataset itself is compared when it is open.

    Args:
        command: TrainCommand.
        backend: of the run.
        output_dir: the run's directory, as the first process names it.

    Raises:
        GalvaeError: if they differ, or the backend is not JAX, which alone trains on several processes.
    """
    if processes.count() == 1:
        return
    if backend != "jax":
        raise GalvaeError(
            f"backend: expected jax, by which alone {processes.count()} processes train one run, received {backend}; "
            "or start one process, as by srun -n 1"
        )
    paths = {"resume", "init", "trial", "dataset.verify"}
    paths |= {f"dataset.{name}" for name in path_keys(command.dataset)}
    processes.check_equal(
        {
            "galvae": __version__,
            **{package: metadata.version(package) for package in PACKAGES},
            **{
                name: value
                for name, value in flatten(dataclasses.asdict(command)).items()
                if name not in paths
            },
            f"{output_dir / 'config.yaml'} exists": (output_dir / "config.yaml").exists(),
        }
    )
