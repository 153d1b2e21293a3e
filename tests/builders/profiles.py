"""Drawn galaxies whose properties are known from their formulas, and their measurements."""

import numpy as np

from galvae.morphology.measure import measure_blocks


def pixels(function, side, centre, oversampling=5):
    """Mean of a function of (x, y), offsets from a centre, over each pixel, (height, width).

    Args:
        function: of two arrays.
        side: of a square image, or (height, width).
        centre: column and row.
        oversampling: points in a pixel, along each direction.
    """
    height, width = np.broadcast_to(side, 2)
    part = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    x = (np.arange(width)[:, None] + part).ravel() - centre[0]
    y = (np.arange(height)[:, None] + part).ravel() - centre[1]
    values = function(*np.meshgrid(x, y))
    return values.reshape(height, oversampling, width, oversampling).mean(axis=(1, 3))


def gaussian(side, centre, sigma, shear=(0.0, 0.0)):
    """A Gaussian galaxy of flux 1 whose circles are sheared without a change of area.

    Args:
        side, centre: see `pixels`.
        sigma: of the round galaxy in pixels.
        shear: g1 and g2, (a - b) / (a + b) along the rows and along the diagonals.
    """
    g1, g2 = shear
    scale = np.sqrt(1 - g1**2 - g2**2)

    def light(x, y):
        u, v = ((1 - g1) * x - g2 * y) / scale, ((1 + g1) * y - g2 * x) / scale
        return np.exp(-0.5 * (u**2 + v**2) / sigma**2) / (2 * np.pi * sigma**2)

    return pixels(light, side, centre)


def spiral(side, centre, radius):
    """A galaxy with two arms: symmetric under a rotation by 180 degrees, but in no mirror; it ends at 4 radii."""

    def light(x, y):
        distance, angle = np.hypot(x, y), np.arctan2(y, x)
        arms = 1 + 0.6 * np.cos(2 * angle - 6 * distance / (radius + distance))
        return np.exp(-distance / radius) * arms * (distance < 4 * radius)

    return pixels(light, side, centre)


def measured(images, threshold, bands=("0",), excluded=None):
    """Measurements of images (n, H, W) or (n, H, W, C)."""
    images = images[..., None] if images.ndim == 3 else images
    return measure_blocks([(images, excluded)], len(images), threshold, list(bands))
