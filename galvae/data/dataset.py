"""The one form in which every dataset reaches models, commands and figures."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass, field

import numpy as np

from galvae.data.batches import Batches
from galvae.errors import GalvaeError
from galvae.stretch import from_unit, to_unit

SAMPLED_VALUES = 10_000_000  # of which medians and percentiles are taken
MOST_KINDS = 30  # different texts in a column that may colour a figure
PERCENTILES = (0.1, 99.9)  # of training pixels, that a stretch maps to 0 and 1

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """One number or class per galaxy, as figures are coloured by.

    Attributes:
        name: of the column.
        unit: as text, "" without one.
        values: (n,) numbers, NaN where unknown; for classes, integers.
        class_names: name of class 0, 1, ...; None for numbers.
    """

    name: str
    unit: str
    values: np.ndarray
    class_names: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class GalaxyDataset:
    """Images with what is known of them, memory-mapped, in three splits.

    Attributes:
        name: of the reader.
        images: (N, H, W, C) uint8 or float32, memory-mapped and never copied whole.
        pixel_range: (low, high), the stored values that become 0 and 1 in network units.
        stretch: "none", "linear" or "asinh", as in galvae.stretch.
        labels: (N,) integers, or None.
        class_names: name of class 0, 1, ..., or None.
        condition: (N, K) float32, or None; NaN where unknown.
        condition_names, condition_units: K names and units.
        catalogue: column name -> (N,) array; ids, sky positions and measurements, carried along untouched.
        catalogue_units: column name -> unit, for the columns that have one.
        image_facts: "hash", "low" and "high" -> (N,) array: of each image a hash, its darkest and its brightest pixel.
        content: SHA-256 of images, labels, conditions and ids, hexadecimal; equal wherever they are read from.
        report: what is known of the whole, and what its check found.
        splits: "train", "val", "test" -> indices of images.
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
        """(H, W, C)."""
        return tuple(self.images.shape[1:])

    def to_unit(self, images):
        """Stored pixel values as float32 in network units."""
        return to_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

    def from_unit(self, images):
        """Values in network units as float32 in stored units."""
        return from_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

    @property
    def digest(self):
        """SHA-256 of all that determines the training data: content, conditions, units and splits, hexadecimal."""
        facts = [self.content, self.pixel_range, self.stretch, self.condition_names, list(self.splits)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for indices in self.splits.values():
            digest.update(np.ascontiguousarray(indices, "<i8"))
        if self.condition is not None:  # the unknown ones may have been filled in
            digest.update(np.ascontiguousarray(self.condition, "<f4"))
        return digest.hexdigest()

    def split(self, name):
        """Indices of the images of "train", "val" or "test", or, for "all", of the three in stored order.

        Raises:
            GalvaeError: for another name.
        """
        if name == "all":
            return np.sort(np.concatenate(list(self.splits.values())))
        if name not in self.splits:
            raise GalvaeError(f"split: expected {' or '.join(self.splits)}, received {name!r}")
        return self.splits[name]

    @property
    def ids(self):
        """(N,) the catalogue's ids; without them, the images' numbers from 0."""
        return self.catalogue.get("id", np.arange(len(self)))

    def find(self, identifier):
        """Index of the galaxy with an id.

        Args:
            identifier: integer or text.

        Raises:
            GalvaeError: if no galaxy has it, or several do.
        """
        found = np.flatnonzero(np.char.strip(self.ids.astype(str)) == str(identifier))
        if len(found) != 1:
            received = f"{len(found)} of them" if len(found) else "none"
            raise GalvaeError(
                f"id {identifier}: expected one galaxy of dataset {self.name} with it, received {received}; "
                f"its ids are like {', '.join(str(name) for name in self.ids[:3])}"
            )
        return int(found[0])

    def column(self, name, indices):
        """What is known of galaxies under one name, to colour a figure by.

        Args:
            name: "class", a condition, or a column of the catalogue; None: the class, else the first condition.
            indices: (n,) galaxies.

        Returns:
            Column, or None if no name is given and there is neither.

        Raises:
            GalvaeError: if there is no such column, or it is text of more than 30 kinds.
        """
        if name is None:
            known = ["class"] if self.labels is not None else self.condition_names
            if not known:
                return None
            name = known[0]
        if name == "class" and self.labels is not None:
            return Column("class", "", self.labels[indices], list(self.class_names))
        if name in self.condition_names:
            index = self.condition_names.index(name)
            return Column(name, self.condition_units[index], self.condition[indices, index])
        if name not in self.catalogue:
            known = [*(["class"] if self.labels is not None else []), *self.condition_names, *self.catalogue]
            raise GalvaeError(f"colour: expected {' or '.join(dict.fromkeys(known))}, received {name!r}")
        values = self.catalogue[name][indices]
        if values.dtype.kind in "iufb":
            return Column(name, self.catalogue_units.get(name, ""), values.astype(float))
        kinds, labels = np.unique(values, return_inverse=True)
        if len(kinds) > MOST_KINDS:
            raise GalvaeError(
                f"colour: expected numbers or at most {MOST_KINDS} different texts, received {len(kinds)} "
                f"different ones in {name}"
            )
        return Column(name, "", labels, [str(kind) for kind in kinds])

    def batches(self, split, batch, seed=None):
        """The images of a split, `batch` at a time; shuffled anew each epoch if a seed is given."""
        return Batches(self, self.split(split), batch, seed)

    def training_pixels(self):
        """Stored pixels of training images, evenly taken, (n, H, W, C); at most SAMPLED_VALUES, or one image."""
        indices = self.split("train")
        most = max(1, SAMPLED_VALUES // int(np.prod(self.image_shape)))
        return self.images[np.sort(indices[evenly(len(indices), most)])]

    def median_pixel(self):
        """Median intensity of each channel over the training images, (C,) in network units."""
        return np.median(self.to_unit(self.training_pixels()), axis=(0, 1, 2))

    def stretched(self, stretch):
        """The dataset with another stretch, between percentiles of its training pixels.

        Args:
            stretch: "none" (as it is), "linear" or "asinh".

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
        """The dataset as a conditional model can take it, with no unknown condition in any split.

        Args:
            missing: "drop" (leave such images out of the splits), "mean" (give them the training images'
                mean) or "error".

        Raises:
            GalvaeError: if there is no condition at all, one is unknown and `missing` is "error", or a split
                would be left empty.
        """
        if self.condition is None or not np.isfinite(self.condition).all(axis=1).any():
            raise GalvaeError(
                f"dataset {self.name}: a conditional model expects a condition, such as redshift; received "
                "a dataset without a known one"
            )
        known = np.isfinite(self.condition).all(axis=1)
        unknown = len(known) - int(known.sum())
        if not unknown:
            return self
        names = ", ".join(self.condition_names)
        if missing == "error":
            raise GalvaeError(
                f"dataset.missing_condition: expected a known {names} for every image, received {unknown} of "
                f"{len(known)} without; drop or mean go on without them"
            )
        if missing == "mean":
            log.warning("%d of %d images have no known %s: they get the mean", unknown, len(known), names)
            train = self.condition[self.split("train")]
            mean = np.nanmean(np.where(np.isfinite(train), train, np.nan), axis=0)
            filled = np.where(np.isfinite(self.condition), self.condition, mean).astype(np.float32)
            return dataclasses.replace(self, condition=filled)
        log.warning("%d of %d images have no known %s: they are left out", unknown, len(known), names)
        splits = {name: indices[known[indices]] for name, indices in self.splits.items()}
        for name, indices in splits.items():
            if not len(indices):
                raise GalvaeError(
                    f"dataset.missing_condition: expected a known {names} in every split, received none in "
                    f"{name}; missing_condition=mean keeps such images"
                )
        return dataclasses.replace(self, splits=splits)


def evenly(count, most):
    """At most `most` of the numbers 0 to count - 1, evenly spread, the first and the last among them."""
    return np.linspace(0, count - 1, min(most, count)).astype(int)
