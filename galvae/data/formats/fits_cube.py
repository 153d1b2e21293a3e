"""FITS files whose image holds many galaxies, such as samples.fits of galvae sample."""

import contextlib
import os

import numpy as np

from galvae.data.formats.axes import MOST_BANDS, ImageStack, choose_axes, described
from galvae.data.formats.fits_units import scaled, units_of
from galvae.data.formats.opened import Opened
from galvae.errors import GalvaeError, damage_as_one_line

ENDINGS = (".fits", ".fit")


@contextlib.contextmanager
def open_cube(path, config):
    """The images of a FITS file with many galaxies in one unit; its tables are read by dataset.table.

    Row 0 is drawn at the bottom unless `dataset.row_0` says top.

    Args:
        path: the file.
        config: FilesConfig, of which `hdu`, `axes`, `mask` and `row_0` are used.

    Returns:
        Context manager of Opened.

    Raises:
        GalvaeError: if the file is damaged, or has not one such unit.
    """
    expected = f"dataset.path: {path}: expected one image of many galaxies, of 3 or 4 axes"
    if config.mask is not None:
        raise GalvaeError("dataset.mask: expected null for a FITS file of many galaxies, received a mask")
    with damage_as_one_line(f"{expected}, in a whole FITS file"), open(path, "rb") as file:
        units = units_of(file)
    stacks = [unit for unit in units if len(unit.shape) in (3, 4) and not unit.is_packed]
    if config.hdu is not None:
        stacks = [unit for unit in stacks if config.hdu in (unit.name, unit.number)]
    if len(stacks) != 1:
        listed = ", ".join(f"{unit.number} {unit.name} {unit.shape}" for unit in stacks)
        raise GalvaeError(
            f"{expected}, received {listed or 'none'}; dataset.hdu= names one, dataset.path= takes a folder of files "
            "with one galaxy each"
        )
    (unit,) = stacks
    # As FITS cubes have their axes, and as galvae writes them.
    usual = "NCHW" if len(unit.shape) == 4 and unit.shape[1] <= MOST_BANDS else None
    order, flipped = choose_axes(unit.shape, path, config.axes or usual), config.row_0 in (None, "bottom")
    images, base = _Cube(path, unit, order, flipped), os.path.basename(path)
    note = f"images from {unit.label} of {base!r} of shape {unit.shape} read as {order}: {described(order, unit.shape)}"
    yield Opened(
        images=images,
        bottom_up=flipped,
        origin=lambda number: f"row {number} of {base}",
        notes=[f"{note}; row 0 of each is drawn at the {'bottom' if flipped else 'top'}"],
    )


class _Cube(ImageStack):
    """The galaxies of a unit, scaled and the right way up when they are sliced."""

    def __init__(self, path, unit, order, flipped):
        super().__init__(np.memmap(path, unit.type, "r", unit.start, unit.shape), order, path)
        self._cards, self._flipped = unit.cards, flipped
        self.dtype = scaled(np.zeros(1, unit.type), unit.cards).dtype

    def __getitem__(self, rows):
        block = scaled(np.asarray(super().__getitem__(rows)), self._cards)
        return block[:, ::-1] if self._flipped else block
