"""Stored pixel values to network units and back; the same arithmetic on NumPy arrays and on the device."""

import numpy as np

SOFTENING = 0.05  # share of the range below which asinh is nearly linear


def to_unit(values, stretch, pixel_range, ops=np):
    """Stored values as floats in network units.

    Args:
        values: float array of any shape.
        stretch: "none" (linear, values outside of the range keep their excess), "linear" (clipped to the
            range) or "asinh" (clipped, and faint light lifted).
        pixel_range: (low, high), the stored values that become 0 and 1.
        ops: the module that computes, `numpy` or `keras.ops`.

    Returns:
        Array of the same shape.

    Reference:
        Lupton, Gunn & Szalay 1999, AJ 118, 1406 (asinh magnitudes).
    """
    low, high = pixel_range
    unit = (values - low) / (high - low)
    if stretch == "none":
        return unit
    unit = ops.clip(unit, 0.0, 1.0)
    if stretch == "asinh":
        return ops.arcsinh(unit / SOFTENING) / float(np.arcsinh(1 / SOFTENING))
    return unit


def from_unit(unit, stretch, pixel_range, ops=np):
    """Network units as stored values: the inverse of `to_unit` within the range."""
    low, high = pixel_range
    if stretch == "asinh":
        unit = SOFTENING * ops.sinh(unit * float(np.arcsinh(1 / SOFTENING)))
    return unit * (high - low) + low
