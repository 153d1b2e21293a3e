"""Limits of the memory that a run which somebody else made can make its reader use.

A run of a few kilobytes may declare images of any size, and layers of any width whose weights are few. Up to a limit it
is believed; beyond it, its own dataset must have such images, or the user trusts it.
"""

import math

from galvae.backend.hardware import available_memory
from galvae.errors import GalvaeError

UNASKED = 1e9  # bytes that any run may declare
HELD = 100  # images that a command holds at full size, about
LARGEST_RATIO = 200  # of the values in a layer and in an image; about 20 in the networks' own settings
PIXEL = 4  # bytes of a value in float32


def check_memory(run, layer_bytes):
    """Refuses a run that declares much more memory than its own data need.

    Weights do not count: their sizes have been compared with their file. Images may be as large as those of the run's
    dataset, if it can be opened, and layers may have LARGEST_RATIO times as many values as an image.

    Args:
        run: TrainedRun, whose model need not be built.
        layer_bytes: bytes of an image's values at the largest layer, see `galvae.models.build.Outline`.

    Raises:
        GalvaeError: if it does, with the numbers.
    """
    shape = run.state.image_shape
    image = PIXEL * math.prod(shape)
    need, allowed = HELD * image + layer_bytes, UNASKED
    if need <= allowed:
        return
    reason = "its layers are much larger than these"
    try:
        _open_dataset(run)
        allowed += (HELD + LARGEST_RATIO) * image
    except GalvaeError as error:
        reason = f"its dataset is not at hand to show that they are so large ({error})"
    if need > allowed:
        raise GalvaeError(
            f"run: {run.path}: declares images of {'x'.join(map(str, shape))}, for which commands need about "
            f"{need / 1e9:.1f} GB, and {reason}; expected at most {allowed / 1e9:.1f} GB, or its dataset, as "
            "dataset.path=..., or force=true if you trust the run"
        )


def check_step(path, count, layer_bytes):
    """Refuses to resume a run whose steps cannot fit in the main memory.

    Args:
        path: the run's directory.
        count: number of images in a step.
        layer_bytes: see `check_memory`; a step needs more, for all layers and their gradients.

    Raises:
        GalvaeError: if the largest layer alone does not fit.
    """
    need, available = count * layer_bytes, available_memory()
    if need > available > 0:
        raise GalvaeError(
            f"resume: {path}: a step of {count} images takes {need / 1e9:.1f} GB and more, of {available / 1e9:.1f} GB "
            "that are free; expected a run that fits, or force=true"
        )


def _open_dataset(run):
    """Opens the run's dataset, whose images are then compared with what the run declares.

    Raises:
        GalvaeError: if it cannot be opened, has other images, or can be made with images of any size.
    """
    if run.config.dataset.name == "simulated":
        raise GalvaeError("simulated galaxies can have any size")
    _ = run.dataset
