"""The dataset class that models, commands and figures work with, wherever the images came from."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.data.batches import Batches
from galvae.data.conditions import ranges, with_known
from galvae.data.galaxies import Galaxies
from galvae.data.store.joined_images import JoinedImages
from galvae.data.store.mapped_files import MappedFiles
from galvae.errors import GalvaeError

SAMPLED_VALUES = 10_000_000  # pixel values from which medians and percentiles are computed
STORED_ROWS = "stored_rows"  # column of the catalogue with the order of an image's rows in its file
PERCENTILES = (0.1, 99.9)  # of training pixels; a stretch maps them to 0 and 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class GalaxyDataset(Galaxies):
    """Galaxy images with their labels, conditions and catalogue, in three splits.

    Attributes (besides those of `Galaxies`):
        images: (N, H, W, C) uint8 or float32, memory-mapped and never copied whole: an array or, of several files,
            JoinedImages.
        masks: (N, H, W, C) uint8, memory-mapped likewise, 1 where a pixel is set aside: the loss and the scores do not
            count it, and the image holds a fill value there, the median of its sky; None if no pixel is set aside.
        mapped_files: MappedFiles behind images and masks; empty where these are arrays in memory.
        image_facts: "hash", "low" and "high" -> (N,) array: the hash, the darkest and the brightest pixel of each
            image.
        content: SHA-256 of images, masks, labels, conditions and ids, hexadecimal; it depends neither on the path of
            their file nor on how several files share them, but those of several have another one than those of one.
        report: summary of the dataset and the findings of its quality check, as a JSON-able dict.
    """

    images: np.ndarray | JoinedImages
    masks: np.ndarray | JoinedImages | None = None
    mapped_files: MappedFiles = field(default_factory=MappedFiles)
    image_facts: dict[str, np.ndarray] = field(default_factory=dict)
    content: str = ""
    report: dict = field(default_factory=dict)

    def __post_init__(self):
        check_rgb(self.rgb, self.images.shape[-1])

    def __len__(self):
        return len(self.images)

    @property
    def image_shape(self):
        """Shape (H, W, C) of one image."""
        return tuple(self.images.shape[1:])

    @property
    def digest(self):
        """SHA-256 of all that determines the training data (content, conditions, scale, splits), hexadecimal."""
        facts = [self.content, self.pixel_range, self.stretch, self.condition_names, list(self.splits)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for indices in self.splits.values():
            digest.update(np.ascontiguousarray(indices, "<i8"))
        if self.condition is not None:  # unknown values may have been filled in
            digest.update(np.ascontiguousarray(self.condition, "<f4"))
        return digest.hexdigest()

    @property
    def model_arrays(self):
        """What a model receives, a row per image: stored `images`, and `condition` and `mask` if there are any."""
        arrays = {"images": self.images, "condition": self.condition, "mask": self.masks}
        return {name: array for name, array in arrays.items() if array is not None}

    def as_stored(self, indices):
        """Images in the row order of their files: those that were flipped when they were read are flipped back.

        The catalogue's column `stored_rows` names the order in the file: "top-down", as here, or "bottom-up", as in
        FITS, where row 0 is drawn at the bottom. Without the column, all are top-down.

        Args:
            indices: (n,) row indices of the images.

        Returns:
            (n, H, W, C) stored pixel values.
        """
        images = np.array(self.images[indices])
        if STORED_ROWS in self.catalogue:
            flipped = self.catalogue[STORED_ROWS][indices] == "bottom-up"
            images[flipped] = images[flipped, ::-1]
        return images

    def masks_of(self, indices):
        """Which pixels of some images are set aside, (n, H, W, C) bool; None if the dataset has no masks."""
        return None if self.masks is None else self.masks[indices].astype(bool)

    @property
    def condition_ranges(self):
        """Smallest and largest value of each column of the condition, see `galvae.data.conditions.ranges`."""
        return ranges(self)

    def batches(self, split, batch, seed=None):
        """Batches of a split's images, shuffled anew in each epoch if a seed is given."""
        return Batches(self, self.split(split), batch, seed)

    def training_pixels(self):
        """Stored values of up to 10 million training pixels: for each channel those that are not set aside, (n,)."""
        indices = self.split("train")
        most = max(1, SAMPLED_VALUES // int(np.prod(self.image_shape)))
        sampled = np.sort(indices[evenly(len(indices), most)])
        images, masks = self.images[sampled], self.masks_of(sampled)
        used = np.ones(images.shape, bool) if masks is None else ~masks
        return [images[..., channel][used[..., channel]] for channel in range(images.shape[-1])]

    def median_pixel(self):
        """Median intensity of each channel over the training images, (C,), in network units; 0 without any pixel."""
        channels = self.training_pixels()
        return np.array([np.median(self.to_unit(pixels)) if len(pixels) else 0 for pixels in channels])

    def stretched(self, stretch):
        """The dataset on another intensity scale, between percentiles of its training pixels.

        Args:
            stretch: "none" (unchanged), "linear" or "asinh".

        Raises:
            GalvaeError: if the percentiles coincide.
        """
        if stretch == "none":
            return self
        pixels = np.concatenate(self.training_pixels())
        low, high = np.percentile(pixels, PERCENTILES) if len(pixels) else (np.nan, np.nan)
        if not low < high:
            raise GalvaeError(
                f"dataset.stretch: expected training pixels of different values, received {low} to {high}"
            )
        return dataclasses.replace(self, stretch=stretch, pixel_range=(float(low), float(high)))

    def with_known_condition(self, missing):
        """The dataset without unknown conditions in any split, see `galvae.data.conditions.with_known`."""
        return with_known(self, missing)


def check_rgb(rgb, bands):
    """Checks the bands that figures are to show as red, green and blue.

    Args:
        rgb: three bands, counted from 0, or None.
        bands: number of bands that images have.

    Raises:
        GalvaeError: if there are not three, or an image has no such band.
    """
    if rgb is not None and not (len(rgb) == 3 and all(0 <= band < bands for band in rgb)):
        has = "one band, 0" if bands == 1 else f"{bands} bands, 0 to {bands - 1}"
        raise GalvaeError(f"dataset.rgb: expected three of an image's {has}, received {list(rgb)}")


def evenly(count, most):
    """At most `most` of the integers 0 to count - 1, evenly spaced, the first and the last among them."""
    return np.linspace(0, count - 1, min(most, count)).astype(int)
