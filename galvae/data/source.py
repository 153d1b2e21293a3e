"""The output of a reader: images block by block, with labels, conditions and catalogue columns."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class SourceFile:
    """One of the files that a dataset's images come from.

    Attributes:
        path: of the file.
        name: by which messages call it.
        count: number of its images.
        rows: (n,) increasing numbers of those that are used.
    """

    path: str
    name: str
    count: int
    rows: np.ndarray


@dataclass(kw_only=True)
class Source:
    """The images and columns that a reader returns to be cached.

    Attributes:
        shape: (N, H, W, C) of all images.
        dtype: uint8 or float32.
        blocks: consecutive arrays (n, H, W, C), N images in all; only one block is in memory at a time. Where
            `masked` is true they are NumPy's masked arrays, of which masked pixels are set aside in the loss.
        masked: whether the blocks are masked arrays.
        pixel_range: (low, high), the stored values that become 0 and 1; None if only `dataset.stretch` tells them.
        labels: (N,) integers, -1 where unlabelled, or None.
        split: (N,) indices into `galvae.data.splits.SPLITS`, -1 for images in none, or None: at random.
        band_names: names of the C bands; empty where they have none.
        drop_constant: whether images whose pixels all have one value are left out, whatever `dataset.drop` is.
        ids_are_rows: whether the ids are but numbers of rows, which change when data are added; None if unknown.
        stored_side: side in pixels of square images before `dataset.image_size` reduced them; None if these differ.
        origin: function of an image's number, counted from 0 in the order of the blocks, that says where it comes
            from as the user knows it ("g007.fits", "row 7 of a.h5"); None: by its id.
        files: where several files hold the images, all of them, in the order of the blocks.
        notes: sentences about what was read from where, joined, reordered or rescaled.
        warnings: sentences about what was left out or looks wrong.
        class_names, condition, condition_names, condition_units, catalogue, catalogue_units: see `GalaxyDataset`.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    blocks: Iterable[np.ndarray]
    pixel_range: tuple[float, float] | None
    masked: bool = False
    labels: np.ndarray | None = None
    class_names: list[str] | None = None
    condition: np.ndarray | None = None
    condition_names: list[str] = field(default_factory=list)
    condition_units: list[str] = field(default_factory=list)
    catalogue: dict[str, np.ndarray] = field(default_factory=dict)
    catalogue_units: dict[str, str] = field(default_factory=dict)
    split: np.ndarray | None = None
    band_names: list[str] = field(default_factory=list)
    drop_constant: bool = False
    ids_are_rows: bool | None = None
    stored_side: int | None = None
    origin: Callable[[int], str] | None = None
    files: list[SourceFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
