"""Measures the morphology of many images, on all processor cores."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from galvae.morphology.compiled import kernel
from galvae.morphology.measures import MEASURES, measure_names, measure_of
from galvae.morphology.moments import adaptive_moments
from galvae.morphology.profile import (
    APERTURE,
    STEP,
    curve_of_growth,
    flux_within,
    petrosian_radius,
    radius_of,
)
from galvae.morphology.segmentation import (
    GALAXY,
    NEIGHBOUR,
    NOTHING,
    border_values,
    border_width,
    segments,
    sky_of,
    smoothed,
)
from galvae.morphology.structure import asymmetry, clumpiness, gini_and_m20
from galvae.system.cores import cores

VERSION = 1  # of the recipe; raised with every change to a number
SIGNIFICANCE = 4.0  # standard deviations of the real sky above which a smoothed pixel belongs to an object
BLOCK = 64  # images that a thread measures at a time


@dataclass(frozen=True)
class Measurements:
    """Morphology of some images.

    Attributes:
        values: name of the measure -> (n,) float64, NaN where it could not be measured.
        empty: (n,) bool, images in whose middle no galaxy was found.
        at_border: (n,) bool, galaxies that reach the border of their image, whose flux and size are those within it.
    """

    values: dict
    empty: np.ndarray
    at_border: np.ndarray

    def __len__(self):
        return len(self.empty)

    def at(self, positions):
        """The measurements of some of the images, by their positions."""
        values = {name: column[positions] for name, column in self.values.items()}
        return Measurements(values, self.empty[positions], self.at_border[positions])

    def matrix(self, names):
        """Measures as they are compared, (n, len(names)): fluxes as common logarithms, NaN where not positive."""
        columns = []
        for name in names:
            column = self.values[name]
            if measure_of(name).log:
                column = np.log10(np.where(column > 0, column, np.nan))
            columns.append(column)
        return np.stack(columns, axis=1)


def sky_sigma(images, excluded=None):
    """Standard deviation of the sky in each image, of the mean over bands, (n,).

    Args:
        images: (n, H, W, C).
        excluded: (n, H, W) bool, pixels that do not count, or None.
    """
    width = border_width(min(images.shape[1:3]))
    excluded = np.zeros(images.shape[:3], bool) if excluded is None else excluded
    means = np.asarray(images, np.float64).mean(axis=-1)
    return np.array(
        [sky_of(border_values(*pair, width))[1] for pair in zip(means, excluded, strict=True)], np.float64
    )


def measure_blocks(blocks, count, threshold, bands):
    """Measures the morphology of images that arrive in blocks.

    Args:
        blocks: iterable of (images (n, H, W, C), excluded (n, H, W) bool or None).
        count: number of images in all blocks.
        threshold: intensity above the sky, in units of the images, of the pixels that belong to objects, see
            SIGNIFICANCE.
        bands: names of the C bands, see `galvae.morphology.measures.colour_names`.

    Returns:
        Measurements.
    """
    names = measure_names(bands)
    table, flags = np.full((count, len(names)), np.nan), np.zeros((count, 2), bool)
    start, waiting = 0, []
    with ThreadPoolExecutor(cores()) as pool:
        for images, excluded in blocks:
            if excluded is None:
                excluded = np.zeros(images.shape[:3], bool)
            for first in range(0, len(images), BLOCK):
                part = slice(first, min(first + BLOCK, len(images)))
                rows = slice(start + part.start, start + part.stop)
                # Copied, so that a block is not kept in memory by a part of it.
                pixels = np.array(images[part], np.float32, order="C")
                waiting.append(
                    pool.submit(
                        _measure_block,
                        pixels,
                        excluded[part].copy(),
                        float(threshold),
                        table[rows],
                        flags[rows],
                    )
                )
            start += len(images)
            while len(waiting) > 4 * cores():  # limits the memory where images arrive faster
                waiting.pop(0).result()
        for future in waiting:
            future.result()
    values = {name: np.ascontiguousarray(table[:, index]) for index, name in enumerate(names)}
    return Measurements(values, flags[:, 0].copy(), flags[:, 1].copy())


def _measure_block(images, excluded, threshold, table, flags):
    for index in range(len(images)):
        _measure_stamp(images[index], excluded[index], threshold, table[index], flags[index])


# Columns of the table, in the order of MEASURES.
FLUX, PEAK, R50, SIGMA, ELLIPTICITY, E1, E2, RHO4, CONCENTRATION, ASYMMETRY, GINI, M20, CLUMPINESS = range(13)
SKY, SKY_SIGMA, NEIGHBORS = range(13, 16)
COLOURS = len(MEASURES)


def _measure_stamp(stamp, excluded, threshold, row, flags):
    """Measures one image, (H, W, C), and fills its row of the table and its flags (empty, at_border)."""
    width = border_width(min(stamp.shape[:2]))
    planes = np.ascontiguousarray(np.moveaxis(stamp, -1, 0), np.float64)
    image = planes.mean(axis=0)
    row[SKY], row[SKY_SIGMA] = sky_of(border_values(image, excluded, width))
    image = np.where(excluded, 0.0, image - row[SKY])
    smooth = smoothed(image)
    kinds, row[NEIGHBORS] = segments(smooth, threshold, excluded)
    galaxy = kinds == GALAXY
    if not galaxy.any():
        flags[0] = True
        return
    flags[1] = galaxy[0].any() or galaxy[-1].any() or galaxy[:, 0].any() or galaxy[:, -1].any()
    excluded = excluded | (kinds == NEIGHBOUR)
    occupied = excluded | (kinds != NOTHING)

    x, y, *second = _moments(np.where(galaxy, smooth, 0.0))
    row[PEAK] = smooth[galaxy].max()
    row[SIGMA], row[E1], row[E2], row[RHO4] = adaptive_moments(image, excluded, x, y, *second)
    distortion = math.hypot(row[E1], row[E2])
    row[ELLIPTICITY] = distortion / (1 + math.sqrt(max(0.0, 1 - distortion**2)))
    row[GINI], row[M20] = gini_and_m20(image, kinds)

    levels = [sky_of(border_values(plane, excluded, width))[0] for plane in planes]
    light = [(plane[galaxy] - level).sum() for plane, level in zip(planes, levels, strict=True)]
    for band, (one, next_one) in enumerate(pairwise(light)):
        if one > 0 and next_one > 0:
            row[COLOURS + band] = math.log10(one / next_one)

    petrosian, _ = petrosian_radius(curve_of_growth(image, excluded, x, y))
    if math.isnan(petrosian):
        return
    row[ASYMMETRY], x, y = asymmetry(image, excluded, occupied, x, y, APERTURE * petrosian, width)
    growth = curve_of_growth(image, excluded, x, y)
    petrosian, found = petrosian_radius(growth)
    if math.isnan(petrosian):
        return
    radius = min(APERTURE * petrosian, len(growth) * STEP)
    flags[1] |= not found
    row[FLUX] = flux_within(growth, radius)
    r20, row[R50], r80 = (radius_of(growth, share * row[FLUX]) for share in (0.2, 0.5, 0.8))
    row[CONCENTRATION] = 5 * np.log10(r80 / r20)
    row[CLUMPINESS] = clumpiness(image, excluded, occupied, x, y, petrosian, radius, width)


@kernel
def _moments(image):
    """Centroid (column, row) and second moments (xx, yy, xy) of an image without negative pixels."""
    total, x, y, xx, yy, xy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    height, length = image.shape
    for row in range(height):
        for column in range(length):
            value = image[row, column]
            total += value
            x += value * column
            y += value * row
            xx += value * column * column
            yy += value * row * row
            xy += value * row * column
    x, y = x / total, y / total
    return x, y, xx / total - x * x, yy / total - y * y, xy / total - x * y
