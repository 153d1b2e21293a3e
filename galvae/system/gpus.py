"""Which GPUs the environment leaves to a process."""

import os


def listed_gpus():
    """Names of the NVIDIA GPUs in CUDA_VISIBLE_DEVICES, a list; None if that is not set, so that all are left."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return None
    return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
