"""Stamps of galaxies on sheets, as JPEG files of which a page shows pieces."""

import io

import numpy as np
from PIL import Image

from galvae.data.area_average import fitted_within

SIDE = 64  # pixels of a stamp's longer side, at most
# With colour at full resolution, so that noise stays what it is. Measured on 256 stamps each of hdf (32 px), simulated
# galaxies (64 px) and simulated galaxies of a cvae2 (32 px): the standard deviation in the corners stays within 2 %, at
# 290, 3,740 and 990 bytes a stamp with mean errors of 1.8, 6.3 and 6.4 grey levels. WebP, which halves the resolution
# of colour, took 270, 1,970 and 740 bytes and lost a third of the noise of the latter two.
QUALITY = 88
BLOCK = 8  # pixels: JPEG treats each block of 8 by 8 alone, so that stamps which begin at one do not run into another
ROW = 16  # stamps; a sheet has as many rows, so that it is decoded in some 10 ms


def sheets_of(batches, galaxies):
    """Sheets of stamps: whole images, reduced to at most 64 pixels.

    Args:
        batches: iterable of RGB images (n, H, W, 3) uint8, all of one size; one batch at a time is held.
        galaxies: name of the array with the positions of these galaxies among all, in ascending order.

    Returns:
        (layout, sheets): the manifest's `thumbnails`, None without images; and a dict of JPEG files by name, each of
        256 stamps row by row, the last of what is left.
    """
    sheets, waiting, shape = {}, [], None
    for images in batches:
        for stamp in fitted_within(images, SIDE):
            shape = stamp.shape
            waiting.append(stamp)
            if len(waiting) == ROW**2:
                sheets[f"sheet-{len(sheets)}"] = _sheet(waiting)
                waiting = []
    if waiting:
        sheets[f"sheet-{len(sheets)}"] = _sheet(waiting)
    if not sheets:
        return None, {}
    height, width, _ = shape
    layout = {
        "width": width,
        "height": height,
        "cell": [_cell(width), _cell(height)],
        "columns": ROW,
        "per_sheet": ROW**2,
        "sheets": list(sheets),
        "galaxies": galaxies,
    }
    return layout, sheets


def _cell(side):
    """Pixels from one stamp to the next."""
    return -(-side // BLOCK) * BLOCK


def _sheet(stamps):
    """A JPEG file of at most ROW**2 stamps (H, W, 3)."""
    height, width, _ = stamps[0].shape
    rows, high, wide = -(-len(stamps) // ROW), _cell(height), _cell(width)
    cells = np.zeros((rows * ROW, high, wide, 3), np.uint8)
    cells[: len(stamps)] = np.pad(
        stamps, [(0, 0), (0, high - height), (0, wide - width), (0, 0)], mode="edge"
    )
    sheet = cells.reshape(rows, ROW, high, wide, 3).swapaxes(1, 2).reshape(rows * high, ROW * wide, 3)
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "JPEG", quality=QUALITY, subsampling="4:4:4")
    return file.getvalue()
