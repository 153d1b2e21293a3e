"""Generated galaxies with their catalogue as a FITS file."""

import io

import numpy as np
from astropy.io import fits

from galvae.data.catalogue import as_fits
from galvae.system.atomic import replacing

IMAGES, CATALOGUE = "SCI", "CATALOGUE"  # names of the units
BLOCK = 2880  # bytes, of which each part of a file has a whole number


def write_cube(path, blocks, shape, table, facts):
    """Writes galaxies and their catalogue as a FITS file, atomically and block by block; formats.fits_cube reads it.

    The unit SCI has the axes galaxies, bands, rows, columns (NAXIS4 to NAXIS1), row 0 at the bottom, and no world
    coordinates.

    Args:
        path: path of the file.
        blocks: iterable of images (B, H, W, C) in stored pixel values, the highest row first.
        shape: (N, H, W, C) of all of them.
        table: astropy Table with a row for each galaxy.
        facts: keyword of the header -> (value, comment).
    """
    count, height, width, bands = shape
    header = fits.ImageHDU(np.zeros((1, 1, 1, 1), np.float32), name=IMAGES).header
    for axis, length in enumerate((width, height, bands, count), start=1):
        header[f"NAXIS{axis}"] = length
    header.extend((keyword, *value) for keyword, value in facts.items())
    catalogue = io.BytesIO()
    unit = fits.table_to_hdu(as_fits(table))
    unit.name = CATALOGUE
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(catalogue)
    primary, catalogue = catalogue.getvalue()[:BLOCK], catalogue.getvalue()[BLOCK:]
    with replacing(path) as temporary, open(temporary, "wb") as file:
        file.write(primary + header.tostring().encode("ascii"))
        for block in blocks:
            file.write(np.ascontiguousarray(np.transpose(block[:, ::-1], (0, 3, 1, 2)), ">f4").data)
        file.write(bytes(-4 * count * height * width * bands % BLOCK))
        file.write(catalogue)
