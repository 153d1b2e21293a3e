"""Galaxies as a dataset describes them, without their images: labels, conditions, catalogue and splits."""

from dataclasses import dataclass, field

import numpy as np

from galvae.data.conditions import CLASS, classes_among
from galvae.data.find_id import find_id
from galvae.errors import GalvaeError
from galvae.stretch import from_unit, to_unit

MOST_TEXTS = 30  # different texts in a column that may colour a figure


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
class Galaxies:
    """Galaxies with their labels, conditions and catalogue, in three splits; their images may be elsewhere.

    `GalaxyDataset` has the images too; `StoredGalaxies` are those that a run keeps.

    Attributes:
        name: name of the dataset, as `dataset.name` has it.
        image_shape: shape (H, W, C) of one image.
        pixel_range: (low, high), the stored values that become 0 and 1 in network units.
        stretch: "none", "linear" or "asinh", see `galvae.stretch.to_unit`.
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
        reduction: side of a pixel in pixels of the file, as `dataset.image_size` has averaged them; None if unknown.
        splits: "train", "val" and "test" -> row indices.
    """

    name: str
    pixel_range: tuple[float, float]
    stretch: str = "none"
    band_names: list[str] = field(default_factory=list)
    rgb: tuple[int, int, int] | None = None
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    condition: np.ndarray | None = None
    condition_names: list[str] = field(default_factory=list)
    condition_units: list[str] = field(default_factory=list)
    catalogue: dict[str, np.ndarray] = field(default_factory=dict)
    catalogue_units: dict[str, str] = field(default_factory=dict)
    reduction: float | None = None
    splits: dict[str, np.ndarray] = field(default_factory=dict)

    def to_unit(self, images):
        """Converts stored pixel values to network units, as float32."""
        return to_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

    def from_unit(self, images):
        """Converts network units to stored pixel values, as float32."""
        return from_unit(np.asarray(images, np.float32), self.stretch, self.pixel_range)

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


@dataclass(frozen=True, kw_only=True)
class StoredGalaxies(Galaxies):
    """Galaxies whose images are not at hand.

    Attributes:
        image_shape: see `Galaxies`.
        count: number of galaxies, N.
    """

    image_shape: tuple[int, int, int]
    count: int

    def __len__(self):
        return self.count
