"""What a check is, what it is told, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from benchmarking import training

COUNT = 17_736  # images of Galaxy10
SMALL_COUNT, SMALL_SIDE = 160, 32  # images and pixels with which the processor runs a check
PATIENCE = 4  # times the limits on a GPU, which a processor that others use too is given
BLOG = ("experiment=galaxy10_blog", "latent_dim=8", "prior=none")


@dataclass(frozen=True)
class Check:
    """A check, which runs in a process of its own.

    Attributes:
        function: of Settings; yields the rows of the table, see `row`. Its docstring says what is to be seen.
        seconds: time limit on a GPU, after which it has failed.
        needs: what is required besides JAX or TensorFlow: "gpu", "jax", "tensorflow", "gpus" (two or more), or "places"
            (a GPU for each of two processes, or the processor).
        environment: environment variables of its process.
    """

    function: Callable
    seconds: int = 180
    needs: tuple = ()
    environment: dict = field(default_factory=dict)

    @property
    def name(self):
        """The function's name, by which the user asks for the check."""
        return self.function.__name__

    @property
    def question(self):
        """What is to be seen, in one line."""
        return self.function.__doc__.partition("\n")[0]


@dataclass(frozen=True)
class Settings:
    """What a check is told of the machine and of the request.

    Attributes:
        backend: "tensorflow" or "jax".
        kind: "gpu", or "cpu", where everything is small and no speed is judged.
        quick: whether to train for few epochs.
        folder: of images and caches that the checks share.
        limits: see `benchmarking.training.device_limits`.
    """

    backend: str
    kind: str
    quick: bool
    folder: str
    limits: dict

    def epochs(self, full):
        """Number of epochs of a run that has `full` epochs where the check is neither quick nor small."""
        return 3 if self.kind == "cpu" else max(3, full // 5) if self.quick else full

    def seconds(self, check):
        """Time limit of a check."""
        return check.seconds if self.kind == "gpu" else PATIENCE * check.seconds

    def side(self, pixels):
        """Side of the images, for a side of `pixels` on a GPU."""
        return pixels if self.kind == "gpu" else SMALL_SIDE

    def count(self, full=COUNT):
        """Number of images, for `full` of them on a GPU."""
        return full if self.kind == "gpu" else min(full, SMALL_COUNT)

    def images(self, pixels=128, bands=3, count=COUNT):
        """Path of an .npy file of drawn galaxies with noise, made once for all checks.

        Args:
            pixels: side of an image on a GPU.
            bands: number of bands.
            count: number of images on a GPU.
        """
        count, side = self.count(count), self.side(pixels)
        folder = Path(self.folder, f"{count}x{side}x{bands}")
        path = folder / "images.npy"
        if not path.exists():
            folder.mkdir(exist_ok=True)
            training.tiled(folder, "unfinished", count, side, bands).rename(path)
        return path

    def trained(self, *overrides, base=BLOG, pixels=128, bands=3, count=COUNT, environment=None):
        """Trains the blog's `conv`, or what the overrides make of it; see `benchmarking.programs.galvae`.

        Args:
            *overrides: of `galvae train`.
            base: overrides before them.
            pixels, bands, count: see `images`.
            environment: environment variables of its process.
        """
        path = self.images(pixels, bands, count)
        return training.galvae(path, [*base, f"backend={self.backend}", *overrides], environment)

    def on_gpu(self, good):
        """A verdict on a speed or a precision, which is None on the processor: nothing can be seen there."""
        return bool(good) if self.kind == "gpu" else None


def row(what, measured, good=None, wanted="", peak_mb=None, share=None, value=None):
    """A row of the table.

    Args:
        what: was measured.
        measured: the result in words.
        good: whether it is as it should be; None: it is only a figure.
        wanted: what it should be, in words.
        peak_mb: peak of the memory on the GPU in MB.
        share: arithmetic rate relative to the card's rate of matrix products.
        value: the result as a number.
    """
    status = "figure" if good is None else "pass" if good else "fail"
    return {
        "status": status,
        "what": what,
        "measured": measured,
        "wanted": wanted,
        "value": value,
        "peak_mb": peak_mb,
        "share": share,
    }


def speed(result):
    """Images per second of a run, the median of its epochs without the first, which compiles.

    Args:
        result: what `Settings.trained` returns.
    """
    return float(np.median([epoch["images_per_second"] for epoch in result["history"][1:]]))


def difference(one, other, names=("loss", "val_loss")):
    """Largest relative difference of the losses of two histories.

    Args:
        one, other: lists with a dict per epoch.
        names: of the losses.
    """
    if len(one) != len(other):
        raise ValueError(f"expected histories of as many epochs, received {len(one)} and {len(other)}")
    return max(
        abs(a[name] - b[name]) / max(abs(b[name]), 1e-30)
        for a, b in zip(one, other, strict=True)
        for name in names
    )
