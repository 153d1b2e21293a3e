"""Provenance of a run: the command line, versions and machine that it depends on besides its configuration."""

import dataclasses
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from galvae import __version__
from galvae.config.check import flatten

PACKAGES = ("tensorflow", "keras", "jax", "numpy", "h5py", "hydra-core", "omegaconf", "safetensors")
# Values of environment.json that must be equal for the same arithmetic.
IDENTICAL = ("galvae", "git_commit", "packages", "backend", "kind", "name", "count", "precision", "threads")


def environment(config, device):
    """Command line, versions and machine of this process, as environment.json records them.

    Args:
        config: TrainConfig.
        device: galvae.backend.setup.Device.

    Returns:
        dict of plain values.
    """
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "command_line": ["galvae", "train", *sys.argv[1:]],
        "galvae": __version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        **dataclasses.asdict(device),
        "seed": config.seed,
    }


def _git_commit():
    """Commit of the git checkout that galvae runs from; None if it is installed in another way."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def differences(then, now):
    """Differences between two environments on which the results of arithmetic may depend.

    Args:
        then, now: dicts, see `environment`.

    Returns:
        list of texts such as "threads 2 -> 4".
    """
    before, after = (flatten({name: values.get(name) for name in IDENTICAL}) for values in (then, now))
    return [
        f"{name} {before.get(name)} -> {value}" for name, value in after.items() if before.get(name) != value
    ]
