"""The dataset class that models, commands and figures work with, wherever the images came from."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.data.batches import Batches
from galvae.data.conditions import CLASS, classes_among, ranges, with_known
from galvae.data.find_id import find_id
from galvae.data.store.mapped_files import MappedFiles
from galvae.errors import GalvaeError
from galvae.stretch import from_unit, to_unit

SAMPLED_VALUES = 10_000_000  # pixel values from which medians and percentiles are computed
MOST_TEXTS = 30  # different texts in a column that may colour a figure
STORED_ROWS = "stored_rows"  # column of the catalogue with the order of an image's rows in its file
PERCENTILES = (0.1, 99.9)  # of training pixels; a stretch maps them to 0 and 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """One number or one class per galaxy, by which a figure is coloured.

    Attributes:
        name: name of the column.
        unit: its unit as text, "" if it has none.
        values: (n,) numbers, NaN where unknown; integers for classes, -1 where unlabelled.
        class_names: names of classes 0, 1, ...; None for numbers.
    """

    name: str
    unit: str
    values: np.ndarray
    class_names: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class GalaxyDataset:
    """Galaxy images with their labels, conditions and catalogue, in three splits.

    Attributes:
        name: name of the dataset, as `dataset.name` has it.
        images: (N, H, W, C) uint8 or float32, memory-mapped and never copied whole.
        pixel_range: (low, high), the stored values that become 0 and 1 in network units.
        stretch: "none", "linear" or "asinh", see `galvae.stretch.to_unit`.
        masks: (N, H, W, C) uint8, memory-mapped, 1 where a pixel is set aside: the loss and the scores do not count it,
            and the image holds a fill value there, the median of its sky; None if no pixel is set aside.
        mapped_files: MappedFiles behind images and masks; empty where these are arrays in memory.
        band_names: names of the C bands; empty where they have none.
        rgb: three bands, counted from 0, that figures show as red, green and blue; None: images of three bands as they
            are, of any other number as their mean.
        labels: (N,) integers, -1 where unlabelled, or None.
        class_names: names of classes 0, 1, ..., or None.
        condition: (N, K) float32, or None; NaN where unknown. Where a model is conditional on classes, the first
            columns are theirs, see `galvae.data.conditions`.
        condition_names, condition_units: K names and K units.
        catalogue: column name -> (N,) array: ids, sky positions and measurements, as they were read.
        catalogue_units: column name -> unit, for the columns that have one.
        image_facts: "hash", "low" and "high" -> (N,) array: the hash, the darkest and the brightest pixel of each
            image.
        content: SHA-256 of images, masks, labels, conditions and ids, hexadecimal; it does not depend on the file that
            they were read from.
        report: summary of the dataset and the findings of its quality check, as a JSON-able dict.
        splits: "train", "val" and "test" -> indices of images.
    """

    name: str
    images: np.ndarray
    pixel_range: tuple[float, float]
    stretch: str = "none"
    masks: np.ndarray | None = None
    mapped_files: MappedFiles = field(default_factory=MappedFiles)
    band_names: list[str] = field(default_factory=list)
    rgb: tuple[int, int, int] | None = None
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    condition: np.ndarray | None = None
    condition_names: list[str] = field(default_factory=list)
    condition_units: list[str] = field(default_factory=list)
    catalogue: dict[str, np.ndarray] = field(default_factory=dict)
    catalogue_units: dict[str, str] = field(default_factory=dict)
    image_facts: dict[str, np.ndarray] = field(default_factory=dict)
    content: str = ""
    report: dict = field(default_factory=dict)
    splits: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self):
        check_rgb(self.rgb, self.images.shape[-1])

    def __len__(self):
        return len(self.images)

    @property
    def image_shape(self):
        """Shape (H, W, C) of one image."""
        return tuple(self.images.shape[1:])

    def to_unit(self, images):
        """Converts stored pixel values to network units, as float32."""
        return to_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

    def from_unit(self, images):
        """Converts network units to stored pixel values, as float32."""
        return from_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

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

    def split(self, name):
        """Indices of the images of one split, or of all three in stored order.

        Args:
            name: "train", "val", "test" or "all".

        Raises:
            GalvaeError: if there is no split of that name.
        """
        if name == "all":
            return np.sort(np.concatenate(list(self.splits.values())))
        if name not in self.splits:
            raise GalvaeError(f"split: expected {' or '.join(self.splits)}, received {name!r}")
        return self.splits[name]

    @property
    def held_out(self):
        """Row indices of the validation and the test images together, in ascending order."""
        return np.sort(np.concatenate([self.splits["val"], self.splits["test"]]))

    @property
    def ids(self):
        """The ids of the galaxies (N,), from the catalogue or, without one, counted from 0."""
        return self.catalogue.get("id", np.arange(len(self)))

    def find(self, identifier):
        """Index of the galaxy that has an id.

        Ids are compared as texts: 0012 and 12 are different galaxies.

        Args:
            identifier: the id, an integer or text.

        Raises:
            GalvaeError: if no galaxy has it, or several do.
        """
        return find_id(identifier, self.ids, self.name)

    @property
    def condition_classes(self):
        """Names of the classes that the first columns of the condition stand for; empty if it has no class."""
        return classes_among(self.condition_names)

    @property
    def condition_numbers(self):
        """The conditions that are numbers, name -> index of its column."""
        first = len(self.condition_classes)
        return {name: first + index for index, name in enumerate(self.condition_names[first:])}

    @property
    def condition_ranges(self):
        """Smallest and largest value of each column of the condition, see `galvae.data.conditions.ranges`."""
        return ranges(self)

    @property
    def column_names(self):
        """Names of the columns by which a figure can be coloured: class, conditions and those of the catalogue."""
        classes = [CLASS] if self.labels is not None else []
        return list(dict.fromkeys([*classes, *self.condition_numbers, *self.catalogue]))

    def column(self, name, indices):
        """The values of a column for some galaxies, to colour a figure by.

        Args:
            name: "class", a condition or a column of the catalogue; None takes the class, else the first
                condition.
            indices: (n,) galaxies.

        Returns:
            Column; None if `name` is None and the dataset has neither classes nor conditions. Empty texts count as
            unlabelled.

        Raises:
            GalvaeError: if there is no such column, or it holds more than 30 different texts.
        """
        classes, numbers = [CLASS] if self.labels is not None else [], self.condition_numbers
        if name is None:
            defaults = [*classes, *numbers]
            if not defaults:
                return None
            name = defaults[0]
        if name in classes:
            return Column(CLASS, "", self.labels[indices], list(self.class_names))
        if name in numbers:
            index = numbers[name]
            return Column(name, self.condition_units[index], self.condition[indices, index])
        if name not in self.catalogue:
            raise GalvaeError(f"colour: expected {' or '.join(self.column_names)}, received {name!r}")
        values = self.catalogue[name][indices]
        if values.dtype.kind in "iufb":
            return Column(name, self.catalogue_units.get(name, ""), values.astype(float))
        texts, labels = np.unique(values, return_inverse=True)
        if len(texts) and not texts[0]:  # "" is the first in order
            texts, labels = texts[1:], labels - 1
        if len(texts) > MOST_TEXTS:
            raise GalvaeError(
                f"colour: expected numbers or at most {MOST_TEXTS} different texts, received {len(texts)} "
                f"different ones in {name}"
            )
        return Column(name, "", labels, [str(text) for text in texts])

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
