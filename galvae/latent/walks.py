"""Walks through the latent space: along axes, over planes, and from one code to another."""

import numpy as np


def axis_codes(origin, axes, values):
    """Codes along single latent dimensions, with the others at the origin.

    Args:
        origin: (latent_dim,).
        axes: latent dimensions to walk along, one for each row.
        values: (len(axes), steps) coordinates of each walk.

    Returns:
        (len(axes), steps, latent_dim).
    """
    codes = np.tile(origin, (len(axes), values.shape[1], 1))
    for row, axis in enumerate(axes):
        codes[row, :, axis] = values[row]
    return codes


def plane_codes(origin, axes, x, y):
    """Codes over the plane of two latent dimensions, with the others at the origin.

    Args:
        origin: (latent_dim,).
        axes: the two latent dimensions.
        x, y: coordinates along the first and the second.

    Returns:
        (len(y), len(x), latent_dim).
    """
    codes = np.tile(origin, (len(y), len(x), 1))
    codes[:, :, axes[0]], codes[:, :, axes[1]] = np.meshgrid(x, y)
    return codes


def slerp(start, end, steps):
    """Codes along the great circle between two codes, with lengths that change linearly.

    In many dimensions, samples of a standard normal lie near a sphere, which a straight line would leave.
    Codes in (nearly) the same or in opposite directions are joined by a straight line.

    Args:
        start, end: (latent_dim,).
        steps: number of codes, both ends included.

    Returns:
        (steps, latent_dim).

    Reference:
        Shoemake 1985, SIGGRAPH 19, 245; White 2016 (arXiv:1609.04468).
    """
    fraction = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    straight = (1 - fraction) * start + fraction * end
    if min(lengths) == 0:
        return straight
    cosine = np.clip(start @ end / (lengths[0] * lengths[1]), -1, 1)
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return straight
    directions = (
        np.sin((1 - fraction) * angle) * start / lengths[0] + np.sin(fraction * angle) * end / lengths[1]
    ) / np.sin(angle)
    return directions * ((1 - fraction) * lengths[0] + fraction * lengths[1])
