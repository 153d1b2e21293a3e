"""What a file or folder of images gives once it is open, whatever its format."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from galvae.data.column_names import IDS, is_named
from galvae.data.plain_columns import EXACT


@dataclass(kw_only=True)
class Opened:
    """Images that are read when sliced, and the columns that stand beside them.

    Attributes:
        images: an object with `shape` (N, H, W, C), `dtype` and `len`, which reads the slice of rows that it is
            indexed with as (n, H, W, C).
        columns: name -> (N,) numbers or text, one entry per image, see `galvae.data.plain_columns.plain`.
        unused: name of an array that is no column -> its shape and type, for messages.
        units: name -> unit, for the columns that have one.
        names: (N,) text by which the user knows the images, as file names, or None if they have none.
        class_names: name of a column of classes -> names of the classes 0, 1, ..., where the format stores them.
        band_names: names of the C bands, or empty.
        masks: gives bool (n, H, W, 1 or C) for the rows that it is indexed with, true where a pixel is set aside; None
            without masks, or where `images.with_masks(rows)` gives images and these together.
        bottom_up: whether the first stored row of an image is its lowest, as in FITS; `images` has it last then.
        origin: function of an image's number that says where it comes from: "g007.fits", "row 7 of a.h5".
        files: (path, name, number of images) of each of several files that hold the images; empty for one file.
        notes: sentences about what was read from where.
        warnings: sentences about what was left out.
    """

    images: Any
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    names: np.ndarray | None = None
    class_names: dict[str, list[str]] = field(default_factory=dict)
    band_names: list[str] = field(default_factory=list)
    masks: Any = None
    bottom_up: bool = False
    origin: Callable[[int], str]
    files: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Aside:
    """Marks the pixels that a stack of masks sets aside, when sliced; NaN sets them aside in any case.

    Args:
        masks: gives (n, H, W, 1 or C) numbers for the rows that it is indexed with, and has a shape.
        where: `dataset.mask_where`, "nonzero" or "zero".
    """

    def __init__(self, masks, where):
        self.masks, self.where, self.shape = masks, where, masks.shape

    def __getitem__(self, rows):
        values = self.masks[rows]
        if self.where == "nonzero":
            return values != 0
        return (values == 0) | np.isnan(values)


def id_columns(columns, keep_same=False):
    """The columns that are named like ids and have a whole number or text of their own for each image.

    Args:
        columns: name -> (N,) array.
        keep_same: whether columns with the same ids as an earlier one are among them.

    Returns:
        name -> (N,) integers or text.
    """
    found = {}
    for name, values in columns.items():
        if not is_named(name, IDS) or values.dtype.kind not in "iufU":
            continue
        if values.dtype.kind == "f":  # as of a table with an empty field
            if not ((np.abs(values) < EXACT) & (np.round(values) == values)).all():
                continue
            values = values.astype(np.int64)
        if (values.dtype.kind == "U" and np.any(values == "")) or len(np.unique(values)) < len(values):
            continue
        if keep_same or not any(
            np.array_equal(values.astype(str), other.astype(str)) for other in found.values()
        ):
            found[name] = values
    return found


def ids_column(columns):
    """Name and values of the only one of `id_columns`; (None, None) if there is none, or several."""
    found = id_columns(columns)
    return next(iter(found.items())) if len(found) == 1 else (None, None)
