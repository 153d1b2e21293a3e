"""Stamps of galaxies on sheets, as WebP files of which a page shows pieces."""

import io

import numpy as np
from PIL import Image

from galvae.data.area_average import thumbnails

SIDE = 64  # pixels of a stamp, at most
# Quality of WebP by the largest side. Small stamps are shown magnified beside reconstructions, where noise and colours
# that are smoothed away would be missed. Measured on real galaxies: 280 bytes at 32 px with a mean error of 2 grey
# levels, 710 bytes at 64 px with one of 3.
QUALITIES = {32: 92, SIDE: 85}
# Repeated pixels before and at least behind each stamp, whose place is a multiple of 8: WebP keeps colour at half the
# resolution, in blocks of 8, and the outermost pixels would take half of the colour of the next stamp.
BORDER = 4
ROW = 16  # stamps; a sheet has as many rows, so that it is decoded in some 10 ms


def sheets_of(batches, galaxies):
    """Sheets of stamps: the central square of each image, reduced to at most 64 pixels.

    Args:
        batches: iterable of RGB images (n, H, W, 3) uint8, all of one size; one batch at a time is held.
        galaxies: name of the array with the positions of these galaxies among all, in ascending order.

    Returns:
        (layout, sheets): the manifest's `thumbnails`, None without images; and a dict of WebP files by name, each of
        256 stamps row by row, the last of what is left.
    """
    sheets, waiting, side = {}, [], None
    for images in batches:
        for stamp in thumbnails(images, SIDE):
            side = len(stamp)
            waiting.append(stamp)
            if len(waiting) == ROW**2:
                sheets[f"sheet-{len(sheets)}"] = _sheet(waiting)
                waiting = []
    if waiting:
        sheets[f"sheet-{len(sheets)}"] = _sheet(waiting)
    if not sheets:
        return None, {}
    layout = {
        "side": side,
        "border": BORDER,
        "pitch": _pitch(side),
        "columns": ROW,
        "per_sheet": ROW**2,
        "sheets": list(sheets),
        "galaxies": galaxies,
    }
    return layout, sheets


def _pitch(side):
    """Pixels from one stamp to the next."""
    return -(-(side + 2 * BORDER) // 8) * 8


def _sheet(stamps):
    """A WebP file of at most ROW**2 stamps (side, side, 3)."""
    side = len(stamps[0])
    rows, pitch = -(-len(stamps) // ROW), _pitch(side)
    cells = np.zeros((rows * ROW, pitch, pitch, 3), np.uint8)
    margins = (BORDER, pitch - side - BORDER)
    cells[: len(stamps)] = np.pad(stamps, [(0, 0), margins, margins, (0, 0)], mode="edge")
    sheet = cells.reshape(rows, ROW, pitch, pitch, 3).swapaxes(1, 2).reshape(rows * pitch, ROW * pitch, 3)
    file = io.BytesIO()
    quality = next(quality for largest, quality in QUALITIES.items() if side <= largest)
    Image.fromarray(sheet).save(file, "WEBP", quality=quality)
    return file.getvalue()
