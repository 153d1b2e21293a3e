"""Codes along axes, over planes and from one code to another."""

import numpy as np


def axis_codes(origin, axes, values):
    """Codes along axes, (len(axes), steps, latent_dim), the other dimensions at the origin.

    Args:
        origin: (latent_dim,).
        axes: latent dimensions to walk along, one for each row.
        values: (len(axes), steps), where the walks step.
    """
    codes = np.tile(origin, (len(axes), values.shape[1], 1))
    for row, axis in enumerate(axes):
        codes[row, :, axis] = values[row]
    return codes


def plane_codes(origin, axes, x, y):
    """Codes over the plane of two axes, (len(y), len(x), latent_dim), the other dimensions at the origin.

    Args:
        origin: (latent_dim,).
        axes: the two latent dimensions.
        x, y: coordinates along the first and the second.
    """
    codes = np.tile(origin, (len(y), len(x), 1))
    codes[:, :, axes[0]], codes[:, :, axes[1]] = np.meshgrid(x, y)
    return codes


def slerp(start, end, steps):
    """Codes along the great circle between two codes, (steps, latent_dim), lengths changing evenly.

    In many dimensions the codes of a standard normal lie near a sphere, which a straight line would leave.
    Codes that point in (nearly) the same or in opposite directions are joined by a straight line.

    Args:
        start, end: (latent_dim,).
        steps: number of codes, both ends included.

    Reference:
        Shoemake 1985, SIGGRAPH 19, 245; White 2016 (arXiv:1609.04468).
    """
    share = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    straight = (1 - share) * start + share * end
    if min(lengths) == 0:
        return straight
    cosine = np.clip(start @ end / (lengths[0] * lengths[1]), -1, 1)
    angle = np.arccos(cosine)
    if np.sin(angle) < 1e-4:
        return straight
    directions = (
        np.sin((1 - share) * angle) * start / lengths[0] + np.sin(share * angle) * end / lengths[1]
    ) / np.sin(angle)
    return directions * ((1 - share) * lengths[0] + share * lengths[1])
