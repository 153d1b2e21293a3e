"""The dataset class that models, commands and figures work with, wherever the images came from."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.data.batches import Batches
from galvae.errors import GalvaeError
from galvae.stretch import from_unit, to_unit

SAMPLED_VALUES = 10_000_000  # pixel values from which medians and percentiles are computed
MOST_TEXTS = 30  # different texts in a column that may colour a figure
PERCENTILES = (0.1, 99.9)  # of training pixels; a stretch maps them to 0 and 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """One number or one class per galaxy, by which a figure is coloured.

    Attributes:
        name: name of the column.
        unit: its unit as text, "" if it has none.
        values: (n,) numbers, NaN where unknown; integers for classes.
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
        labels: (N,) integers, or None.
        class_names: names of classes 0, 1, ..., or None.
        condition: (N, K) float32, or None; NaN where unknown.
        condition_names, condition_units: K names and K units.
        catalogue: column name -> (N,) array: ids, sky positions and measurements, as they were read.
        catalogue_units: column name -> unit, for the columns that have one.
        image_facts: "hash", "low" and "high" -> (N,) array: the hash, the darkest and the brightest pixel of each
            image.
        content: SHA-256 of images, labels, conditions and ids, hexadecimal; it does not depend on the file that
            they were read from.
        report: summary of the dataset and the findings of its quality check, as a JSON-able dict.
        splits: "train", "val" and "test" -> indices of images.
    """

    name: str
    images: np.ndarray
    pixel_range: tuple[float, float]
    stretch: str = "none"
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
    def ids(self):
        """The ids of the galaxies (N,), from the catalogue or, without one, counted from 0."""
        return self.catalogue.get("id", np.arange(len(self)))

    def find(self, identifier):
        """Index of the galaxy that has an id.

        Args:
            identifier: the id, an integer or text.

        Raises:
            GalvaeError: if no galaxy has it, or several do.
        """
        matches = np.flatnonzero(np.char.strip(self.ids.astype(str)) == str(identifier))
        if len(matches) != 1:
            received = f"{len(matches)} of them" if len(matches) else "none"
            raise GalvaeError(
                f"id {identifier}: expected one galaxy of dataset {self.name} with it, received {received}; "
                f"its ids are like {', '.join(str(name) for name in self.ids[:3])}"
            )
        return int(matches[0])

    def column(self, name, indices):
        """The values of a column for some galaxies, to colour a figure by.

        Args:
            name: "class", a condition or a column of the catalogue; None takes the class, else the first
                condition.
            indices: (n,) galaxies.

        Returns:
            Column; None if `name` is None and the dataset has neither classes nor conditions.

        Raises:
            GalvaeError: if there is no such column, or it holds more than 30 different texts.
        """
        classes = ["class"] if self.labels is not None else []
        if name is None:
            defaults = classes or self.condition_names
            if not defaults:
                return None
            name = defaults[0]
        if name in classes:
            return Column("class", "", self.labels[indices], list(self.class_names))
        if name in self.condition_names:
            index = self.condition_names.index(name)
            return Column(name, self.condition_units[index], self.condition[indices, index])
        if name not in self.catalogue:
            columns = dict.fromkeys([*classes, *self.condition_names, *self.catalogue])
            raise GalvaeError(f"colour: expected {' or '.join(columns)}, received {name!r}")
        values = self.catalogue[name][indices]
        if values.dtype.kind in "iufb":
            return Column(name, self.catalogue_units.get(name, ""), values.astype(float))
        texts, labels = np.unique(values, return_inverse=True)
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
        """Evenly sampled training images (n, H, W, C) as stored, of at most 10 million values or one image."""
        indices = self.split("train")
        most = max(1, SAMPLED_VALUES // int(np.prod(self.image_shape)))
        return self.images[np.sort(indices[evenly(len(indices), most)])]

    def median_pixel(self):
        """Median intensity of each channel over the training images, (C,), in network units."""
        return np.median(self.to_unit(self.training_pixels()), axis=(0, 1, 2))

    def stretched(self, stretch):
        """The dataset on another intensity scale, between percentiles of its training pixels.

        Args:
            stretch: "none" (unchanged), "linear" or "asinh".

        Raises:
            GalvaeError: if the percentiles coincide.
        """
        if stretch == "none":
            return self
        low, high = np.percentile(self.training_pixels(), PERCENTILES)
        if not low < high:
            raise GalvaeError(
                f"dataset.stretch: expected training pixels of different values, received {low} to {high}"
            )
        return dataclasses.replace(self, stretch=stretch, pixel_range=(float(low), float(high)))

    def with_known_condition(self, missing):
        """The dataset without unknown conditions in any split, as conditional models need it.

        Args:
            missing: treatment of images whose condition is unknown: "drop" (leave them out of the splits),
                "mean" (give them the mean of the training images) or "error".

        Raises:
            GalvaeError: if no condition is known at all, if one is unknown and `missing` is "error", or if a
                split would become empty.
        """
        if self.condition is None or not np.isfinite(self.condition).all(axis=1).any():
            raise GalvaeError(
                f"dataset {self.name}: a conditional model expects a condition, such as redshift; received "
                "none that is known"
            )
        known = np.isfinite(self.condition).all(axis=1)
        unknown = len(known) - int(known.sum())
        if not unknown:
            return self
        names = ", ".join(self.condition_names)
        counts = unknown, len(known), names
        if missing == "error":
            raise GalvaeError(
                f"dataset.missing_condition: expected a known {names} for every image, received {unknown} of "
                f"{len(known)} without; missing_condition=drop leaves them out, mean fills them in"
            )
        if missing == "mean":
            log.warning("%d of %d images have no known %s and get the training images' mean", *counts)
            train = self.condition[self.split("train")]
            mean = np.nanmean(np.where(np.isfinite(train), train, np.nan), axis=0)
            filled = np.where(np.isfinite(self.condition), self.condition, mean).astype(np.float32)
            return dataclasses.replace(self, condition=filled)
        log.warning("%d of %d images have no known %s and are left out", *counts)
        splits = {name: indices[known[indices]] for name, indices in self.splits.items()}
        for name, indices in splits.items():
            if not len(indices):
                raise GalvaeError(
                    f"dataset.missing_condition: expected a known {names} in every split, received none in "
                    f"{name}; missing_condition=mean keeps the images without one"
                )
        return dataclasses.replace(self, splits=splits)


def evenly(count, most):
    """At most `most` of the integers 0 to count - 1, evenly spaced, the first and the last among them."""
    return np.linspace(0, count - 1, min(most, count)).astype(int)
