"""How large a pixel of a dataset's images is on the sky, as its catalogue says."""

import numpy as np
from astropy import units

from galvae.data.column_names import is_named

# Of Galaxy10 and the Multimodal Universe, GalSim's catalogue and others.
NAMES = (
    *("pxscale", "rgb_pixel_scale", "pixel_scale", "pixscale", "pixelscale", "pix_scale", "pixel_size"),
    *("image_scale", "plate_scale", "arcsec_per_pixel", "arcsec_per_pix"),
)
TOLERANCE = 0.05  # relative difference of two pixel scales that a galaxy's size does not show
ARCSEC = units.arcsec / units.pix


def pixel_scales(galaxies):
    """Pixel scale of each galaxy's image as a model sees it, after `dataset.image_size` has averaged its pixels.

    Args:
        galaxies: Galaxies.

    Returns:
        (n,) arcsec per pixel of the galaxies that are in a split, NaN where unknown; None if the catalogue has no such
        column, or none that is recognised alone, or it is not known by how much images were reduced.
    """
    columns = [name for name in galaxies.catalogue if is_named(name, NAMES)]
    if len(columns) != 1 or galaxies.reduction is None:
        return None
    values = galaxies.catalogue[columns[0]][galaxies.split("all")]
    factor = _arcsec(galaxies.catalogue_units.get(columns[0]))
    if values.dtype.kind not in "iuf" or values.ndim != 1 or factor is None:
        return None
    scales = values.astype(float) * factor * galaxies.reduction
    return np.where(np.isfinite(scales) & (scales > 0), scales, np.nan)


def pixel_scale(galaxies):
    """Pixel scale of the images of galaxies as a model sees them, where it is the same for all.

    Args:
        galaxies: Galaxies.

    Returns:
        Median in arcsec per pixel; None if it is unknown, or not within TOLERANCE for all galaxies where it is known.
    """
    scales = pixel_scales(galaxies)
    known = [] if scales is None else scales[np.isfinite(scales)]
    if not len(known):
        return None
    median = float(np.median(known))
    return median if (np.abs(known / median - 1) <= TOLERANCE).all() else None


def _arcsec(unit):
    """Factor that makes values of a unit arcsec per pixel; arcsec where none is given; None if it is no angle."""
    if not unit:
        return 1.0
    parsed = units.Unit(unit, parse_strict="silent")
    for target in (ARCSEC, units.arcsec):
        if parsed.is_equivalent(target):
            return float(parsed.to(target))
    return None
