"""Provenance of a run: the command line, versions and machine that it depends on besides its configuration."""

import dataclasses
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from galvae import __version__
from galvae.config.check import flatten
from galvae.errors import printable

PACKAGES = ("tensorflow", "keras", "jax", "numpy", "h5py", "hydra-core", "omegaconf", "safetensors")
# Values of environment.json that must be equal for the same arithmetic.
IDENTICAL = ("galvae", "git_commit", "packages", "backend", "kind", "name", "count", "precision", "threads")
# Environment variables by which the same program computes other numbers: which kernels run, in which precision, and
# between how many threads sums are divided. Those of logs, memory and compilation caches are not among them.
SETTINGS = (
    *("TF_ENABLE_ONEDNN_OPTS", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", "TF_SET_ONEDNN_FPMATH_MODE"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "TF_USE_DEEP_CONV2D"),
    *(f"{prefix}_{name}" for prefix in ("ONEDNN", "DNNL") for name in ("MAX_CPU_ISA", "CPU_ISA_HINTS")),
    *(f"{prefix}_DEFAULT_FPMATH_MODE" for prefix in ("ONEDNN", "DNNL")),
    *("XLA_FLAGS", "TF_XLA_FLAGS", "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "TF_CUDNN_USE_AUTOTUNE"),
    *("TF_USE_CUBLASLT", "TF_CUDNN_USE_FRONTEND", "TF_ENABLE_WINOGRAD_NONFUSED", "TF_USE_DEFAULT_CONV_ALGO"),
    *("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG", "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL"),
    *("JAX_DEFAULT_MATMUL_PRECISION", "JAX_ENABLE_X64", "JAX_DISABLE_JIT"),
    *("JAX_DEFAULT_PRNG_IMPL", "JAX_THREEFRY_PARTITIONABLE", "JAX_RANDOM_SEED_OFFSET"),
)


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
        "numerical_settings": {name: os.environ[name] for name in SETTINGS if name in os.environ},
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
        list of texts such as "threads 2 -> 4" or "TF_ENABLE_ONEDNN_OPTS unset -> 0".
    """
    before, after = (flatten({name: values.get(name) for name in IDENTICAL}) for values in (then, now))
    changed = [(name, before.get(name), value) for name, value in after.items() if before.get(name) != value]
    if isinstance(then.get("numerical_settings"), dict):  # galvae 0.1 and 0.2 did not record them
        before, after = then["numerical_settings"], now["numerical_settings"]
        names = [name for name in SETTINGS if before.get(name) != after.get(name)]
        changed += [(name, before.get(name, "unset"), after.get(name, "unset")) for name in names]
    return [printable(f"{name} {earlier} -> {value}") for name, earlier, value in changed]
