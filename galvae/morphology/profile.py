"""Curve of growth of a galaxy: Petrosian radius, flux, and the radii that hold shares of the flux."""

import math

import numpy as np

from galvae.morphology.compiled import kernel

STEP = 0.25  # pixels between the radii of a curve of growth
FINE, SUBPIXELS = 10.0, 5  # within this radius a pixel is divided into so many in each direction
COVERED = 0.5  # share of an annulus that must be seen
PETROSIAN_RATIO = 0.2
ANNULUS = 0.8, 1.25  # of the radius, where the Petrosian ratio compares the surface brightness
APERTURE = 1.5  # Petrosian radii that hold the flux


@kernel
def curve_of_growth(image, excluded, x, y):
    """Flux of a galaxy within circles around a centre.

    An annulus contributes its mean surface brightness times its area, so that excluded pixels and the corners of the
    stamp are filled with the mean of their annulus. The curve ends where less than half of an annulus is seen.

    Args:
        image: (H, W) without its sky.
        excluded: (H, W) bool.
        x, y: centre, column and row.

    Returns:
        (n,) flux within STEP, 2 STEP, ... pixels.
    """
    height, length = image.shape
    most = int(math.hypot(height, length) / STEP) + 2
    sums, areas = np.zeros(most), np.zeros(most)
    for row in range(height):
        for column in range(length):
            if excluded[row, column]:
                continue
            dx, dy = column - x, row - y
            divisions = SUBPIXELS if dx * dx + dy * dy < FINE * FINE else 2
            part = 1.0 / divisions
            area = part * part
            light = image[row, column] * area
            for i in range(divisions):
                sub_y = dy - 0.5 + (i + 0.5) * part
                for j in range(divisions):
                    sub_x = dx - 0.5 + (j + 0.5) * part
                    index = int(math.sqrt(sub_x * sub_x + sub_y * sub_y) / STEP)
                    sums[index] += light
                    areas[index] += area
    growth = np.empty(most)
    total, seen, whole = 0.0, 0.0, 0.0
    for index in range(most):
        annulus = math.pi * STEP * STEP * (2 * index + 1)
        # Over the last pixel, since a single thin annulus holds few subpixels.
        first = max(0, index - 3)
        seen = areas[first : index + 1].sum()
        whole = math.pi * STEP * STEP * ((index + 1) ** 2 - first * first)
        if seen < COVERED * whole:
            return growth[:index]
        if areas[index] > 0:
            total += sums[index] / areas[index] * annulus
        growth[index] = total
    return growth


@kernel
def flux_within(growth, radius):
    """Flux within a radius in pixels, interpolated as if the surface brightness were constant between two radii."""
    position = radius / STEP
    index = min(int(position), len(growth) - 1)
    inner = growth[index - 1] if index > 0 else 0.0
    low, high = float(index * index), float((index + 1) ** 2)
    return inner + (growth[index] - inner) * min(1.0, (position * position - low) / (high - low))


@kernel
def petrosian_radius(growth):
    """Radius in pixels where the surface brightness has fallen to a fifth of the mean within it.

    Args:
        growth: curve of growth.

    Returns:
        (radius, found): if the ratio does not fall so far within the curve, the largest radius at which it can be
        measured, and False; (NaN, False) for a curve too short or without light.

    Reference:
        Petrosian 1976, ApJ 209, L1; Strauss et al. 2002, AJ 124, 1810 (the annulus).
    """
    inner, outer = ANNULUS
    previous, radius = 1.0, np.nan
    for index in range(4, int(len(growth) / outer)):
        radius = (index + 1) * STEP
        within = growth[index] / (math.pi * radius * radius)
        if not within > 0:
            return np.nan, False
        light = flux_within(growth, outer * radius) - flux_within(growth, inner * radius)
        ratio = light / (math.pi * (outer * outer - inner * inner) * radius * radius) / within
        if ratio < PETROSIAN_RATIO:
            if previous <= PETROSIAN_RATIO:
                return radius, True
            return radius - STEP * (PETROSIAN_RATIO - ratio) / (previous - ratio), True
        previous = ratio
    return radius, False


@kernel
def radius_of(growth, flux):
    """Smallest radius in pixels that holds a flux; NaN if none does."""
    for index in range(len(growth)):
        if growth[index] >= flux:
            inner = growth[index - 1] if index > 0 else 0.0
            share = (flux - inner) / (growth[index] - inner) if growth[index] > inner else 1.0
            low, high = float(index * index), float((index + 1) ** 2)
            return STEP * math.sqrt(low + share * (high - low))
    return np.nan
