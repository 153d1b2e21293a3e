"""Structure of a galaxy: asymmetry, clumpiness, Gini coefficient and M20."""

import math

import numpy as np

from galvae.morphology.compiled import kernel
from galvae.morphology.segmentation import GALAXY

MOST_MOVES = 40  # of the centre of rotation
CENTRE_STEPS = 0.5, 0.125  # pixels between the centres that are tried
CLUMP_SCALE = 0.25  # Petrosian radii: side of the box that removes clumps, and radius of the centre left out
BRIGHTEST = 0.2  # share of the flux whose second moment is M20


@kernel
def asymmetry(image, excluded, occupied, x, y, radius, width):
    """Asymmetry of a galaxy under a rotation by 180 degrees about the centre that makes it smallest.

    The search moves to the best of nine centres until it stays, half a pixel apart at first, where the rotation maps
    pixels on pixels, then an eighth of a pixel, where the rotated image is interpolated.

    Args:
        image: (H, W) without its sky.
        excluded: (H, W) bool; neither such a pixel nor its partner counts.
        occupied: (H, W) bool, pixels of the galaxy or of neighbours, or excluded, which are no sky.
        x, y: centre to begin with, column and row.
        radius: of the aperture in pixels.
        width: of the border in pixels, in which the asymmetry of the sky is measured.

    Returns:
        (asymmetry, x, y): sum of |I - I_180| over the sum of |I|, that of as many pixels of the sky subtracted, and
        the centre; NaN and the first centre without light.

    Reference:
        Conselice, Bershady & Jangren 2000, ApJ 529, 886; Lotz, Primack & Madau 2004, AJ 128, 163, equation 3.
    """
    padded = _padded(image)
    x, y = round(2 * x) / 2, round(2 * y) / 2
    best = _asymmetry_at(image, padded, excluded, occupied, x, y, radius, width)
    if np.isnan(best):
        return np.nan, x, y
    for step in CENTRE_STEPS:
        last_x, last_y = np.inf, np.inf
        for _ in range(MOST_MOVES):
            next_x, next_y = x, y
            for step_y in range(-1, 2):
                for step_x in range(-1, 2):
                    new_x, new_y = x + step * step_x, y + step * step_y
                    # This centre itself, and those that were tried around the one before it, are no better.
                    if max(abs(new_x - last_x), abs(new_y - last_y)) <= step or (step_x == 0 and step_y == 0):
                        continue
                    value = _asymmetry_at(image, padded, excluded, occupied, new_x, new_y, radius, width)
                    if value < best:
                        best, next_x, next_y = value, new_x, new_y
            if next_x == x and next_y == y:
                break
            last_x, last_y, x, y = x, y, next_x, next_y
    return best, x, y


@kernel
def _asymmetry_at(image, padded, excluded, occupied, x, y, radius, width):
    height, length = image.shape
    shifted = _shifted(padded, 2 * x - math.floor(2 * x), 2 * y - math.floor(2 * y))
    base_x, base_y = int(math.floor(2 * x)), int(math.floor(2 * y))
    difference, light, count = 0.0, 0.0, 0
    for row in range(max(0, int(y - radius)), min(height, int(y + radius) + 2)):
        other_row = int(round(2 * y - row))
        if not 0 <= other_row < height:
            continue
        for column in range(max(0, int(x - radius)), min(length, int(x + radius) + 2)):
            other_column = int(round(2 * x - column))
            if not 0 <= other_column < length:
                continue
            if (column - x) ** 2 + (row - y) ** 2 > radius * radius:
                continue
            if excluded[row, column] or excluded[other_row, other_column]:
                continue
            difference += abs(image[row, column] - shifted[base_y - row + 1, base_x - column + 1])
            light += abs(image[row, column])
            count += 1
    if not light > 0:
        return np.nan
    return (difference - count * _sky_asymmetry(image, shifted, occupied, x, y, width)) / light


@kernel
def _sky_asymmetry(image, shifted, occupied, x, y, width):
    """Mean absolute difference between free pixels of the border and those opposite, rotated as about a centre.

    The rotation is about the middle of the stamp, shifted by the same part of a pixel as the centre (x, y), so that
    interpolation changes the noise here as it does there.
    """
    height, length = image.shape
    # Rows and columns opposite, as far as they are whole: those of the part that `shifted` has added.
    last_x = length - 1 - (1 if 2 * x - math.floor(2 * x) > 0.5 else 0)
    last_y = height - 1 - (1 if 2 * y - math.floor(2 * y) > 0.5 else 0)
    total, count = 0.0, 0
    for row in range(height):
        inner_row = width <= row < height - width
        for column in range(length):
            if inner_row and width <= column < length - width:
                continue
            if occupied[row, column] or occupied[height - 1 - row, length - 1 - column]:
                continue
            total += abs(image[row, column] - shifted[last_y - row + 1, last_x - column + 1])
            count += 1
    return total / count if count else 0.0


@kernel
def _padded(image):
    """An image with two more pixels on each side that repeat the outermost, (H + 4, W + 4)."""
    height, length = image.shape
    result = np.empty((height + 4, length + 4))
    for row in range(height + 4):
        for column in range(length + 4):
            result[row, column] = image[min(max(row - 2, 0), height - 1), min(max(column - 2, 0), length - 1)]
    return result


@kernel
def _shifted(padded, part_x, part_y):
    """An image between its pixels, by cubic convolution (Keys 1981, a = -1/2).

    Args:
        padded: (H + 4, W + 4), see `_padded`.
        part_x, part_y: parts of a pixel, 0 to 1, after each column and row.

    Returns:
        (H + 1, W + 1): the image after its rows and columns -1, 0, ..., H - 1 and W - 1.
    """
    rows, columns = padded.shape[0], padded.shape[1] - 3
    if part_x == 0.0 and part_y == 0.0:
        return padded[1 : rows - 2, 1 : columns + 1].copy()
    weights_x, weights_y = _cubic(part_x), _cubic(part_y)
    once = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            once[row, column] = (
                weights_x[0] * padded[row, column]
                + weights_x[1] * padded[row, column + 1]
                + weights_x[2] * padded[row, column + 2]
                + weights_x[3] * padded[row, column + 3]
            )
    result = np.empty((rows - 3, columns))
    for row in range(rows - 3):
        for column in range(columns):
            result[row, column] = (
                weights_y[0] * once[row, column]
                + weights_y[1] * once[row + 1, column]
                + weights_y[2] * once[row + 2, column]
                + weights_y[3] * once[row + 3, column]
            )
    return result


@kernel
def _cubic(part):
    """Weights of the four pixels around a position, a part of a pixel after the second of them."""
    square, cube = part * part, part * part * part
    return np.array(
        [
            -0.5 * part + square - 0.5 * cube,
            1 - 2.5 * square + 1.5 * cube,
            0.5 * part + 2 * square - 1.5 * cube,
            -0.5 * square + 0.5 * cube,
        ]
    )


@kernel
def clumpiness(image, excluded, occupied, x, y, petrosian, radius, width):
    """Share of a galaxy's flux that is in clumps smaller than a quarter of its Petrosian radius.

    Args:
        image: (H, W) without its sky.
        excluded: (H, W) bool, pixels that do not count.
        occupied: (H, W) bool, pixels of the galaxy or of neighbours, or excluded, which are no sky.
        x, y: centre, column and row.
        petrosian: Petrosian radius in pixels.
        radius: of the aperture in pixels.
        width: of the border in pixels, from which the clumps of the sky are measured.

    Returns:
        Sum of the positive differences from the image averaged over a box, without the centre, over the sum of the
        flux; the sky's own is subtracted. NaN without light.

    Reference:
        Conselice 2003, ApJS 147, 1, equation 4; Lotz, Primack & Madau 2004, AJ 128, 163, equation 4 (the sky).
    """
    height, length = image.shape
    half = max(
        1, int(round(0.5 * (CLUMP_SCALE * petrosian - 1)))
    )  # the odd side nearest to the scale, at least 3
    sums, counts = np.zeros((height + 1, length + 1)), np.zeros((height + 1, length + 1))
    for row in range(height):
        for column in range(length):
            used = 0.0 if excluded[row, column] else 1.0
            value = used * image[row, column]
            sums[row + 1, column + 1] = (
                value + sums[row, column + 1] + sums[row + 1, column] - sums[row, column]
            )
            counts[row + 1, column + 1] = (
                used + counts[row, column + 1] + counts[row + 1, column] - counts[row, column]
            )
    clumps, light, pixels, sky_clumps, sky_pixels = 0.0, 0.0, 0, 0.0, 0
    inner = CLUMP_SCALE * petrosian
    for row in range(height):
        low_y, high_y = max(0, row - half), min(height, row + half + 1)
        inner_row = width <= row < height - width
        for column in range(length):
            if excluded[row, column]:
                continue
            distance = (column - x) ** 2 + (row - y) ** 2
            in_galaxy = inner * inner <= distance <= radius * radius
            in_sky = not occupied[row, column] and not (inner_row and width <= column < length - width)
            if not (in_galaxy or in_sky):
                continue
            low_x, high_x = max(0, column - half), min(length, column + half + 1)
            total = sums[high_y, high_x] - sums[low_y, high_x] - sums[high_y, low_x] + sums[low_y, low_x]
            count = (
                counts[high_y, high_x] - counts[low_y, high_x] - counts[high_y, low_x] + counts[low_y, low_x]
            )
            excess = max(0.0, image[row, column] - total / count)
            if in_galaxy:
                clumps += excess
                light += image[row, column]
                pixels += 1
            if in_sky:
                sky_clumps += excess
                sky_pixels += 1
    if not light > 0:
        return np.nan
    per_pixel = sky_clumps / sky_pixels if sky_pixels else 0.0
    return (clumps - pixels * per_pixel) / light


@kernel
def gini_and_m20(image, kinds):
    """Gini coefficient and M20 of the pixels of a galaxy's segment.

    Args:
        image: (H, W) without its sky.
        kinds: (H, W), see `galvae.morphology.segmentation.segments`.

    Returns:
        (gini, m20): 0 where all pixels are equal, 1 where one holds all light; log10 of the second moment of the
        brightest pixels that hold a fifth of the flux over that of all. NaN for a segment without light; M20 is NaN
        where all light lies in one point.

    Reference:
        Lotz, Primack & Madau 2004, AJ 128, 163, equations 6 (Gini) and 8 (M20).
    """
    height, length = image.shape
    count = int((kinds == GALAXY).sum())
    values, xs, ys = np.empty(count), np.empty(count), np.empty(count)
    index = 0
    for row in range(height):
        for column in range(length):
            if kinds[row, column] == GALAXY:
                values[index], xs[index], ys[index] = image[row, column], column, row
                index += 1
    total = values.sum()
    if count < 2 or not total > 0:
        return np.nan, np.nan
    absolute = np.sort(np.abs(values))
    ranks = 2.0 * np.arange(1, count + 1) - count - 1
    gini = (ranks * absolute).sum() / (absolute.sum() * (count - 1))
    # The second moment of all pixels is smallest about the centroid.
    x, y = (values * xs).sum() / total, (values * ys).sum() / total
    moments = values * ((xs - x) ** 2 + (ys - y) ** 2)
    whole, part, light = moments.sum(), 0.0, 0.0
    for index in np.argsort(-values):
        if light >= BRIGHTEST * total:
            break
        part += moments[index]
        light += values[index]
    m20 = math.log10(part / whole) if part > 0 and whole > 0 else np.nan
    return gini, m20
