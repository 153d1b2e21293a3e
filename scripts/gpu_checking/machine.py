"""The machine on which the checks run: its cards, their driver, the packages."""

import platform
from importlib import metadata
from importlib.util import find_spec

from galvae import __version__
from galvae.backend.hardware import processor_name
from gpu_checking.devices import nvidia_smi

BACKENDS = ("jax", "tensorflow")
PACKAGES = (
    *("keras", "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "tensorflow", "numpy"),
    *("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
)


def backends():
    """Names of the backends that are installed, JAX first."""
    return [name for name in BACKENDS if find_spec(name)]


def description(limits, kind):
    """Facts about the machine for the report.

    Args:
        limits: see `benchmarking.training.device_limits`.
        kind: "gpu" or "cpu".

    Returns:
        dict of texts and lists.
    """
    cards = nvidia_smi("name,driver_version,memory.total") if kind == "gpu" else []
    return {
        "card": limits["name"],
        "nvidia-smi: name, driver, MB": cards,
        "processor": processor_name(),
        "rate of matrix products, 1e12 operations/s": {
            name: round(limits[name] / 1e12, 2) for name in ("float32", "bfloat16") if name in limits
        },
        "versions": {"galvae": __version__, "python": platform.python_version(), **_versions()},
    }


def missing(check, settings):
    """Why a check cannot run on this machine; None if it can.

    Args:
        check: Check.
        settings: Settings.
    """
    two = f"it needs two GPUs, received {settings.limits['gpus']}"
    reasons = {
        "gpu": (settings.kind == "gpu", "there is no GPU"),
        "gpus": (settings.limits["gpus"] > 1, two),
        "places": (settings.kind == "cpu" or settings.limits["gpus"] > 1, two),
        "jax": (settings.backend == "jax", "it needs JAX"),
        "tensorflow": ("tensorflow" in backends(), "TensorFlow is not installed"),
    }
    for need in check.needs:
        there, reason = reasons[need]
        if not there:
            return reason
    return None


def _versions():
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
