"""The intensity scale: stored pixel values to network units and back, on NumPy arrays or on the device."""

import numpy as np

SOFTENING = 0.05  # share of the pixel range below which asinh is nearly linear


def to_unit(values, stretch, pixel_range, ops=np):
    """Converts stored pixel values to network units, in which the pixel range becomes 0 to 1.

    Args:
        values: float array of any shape.
        stretch: "none" (linear, not clipped), "linear" (clipped to the
            range) or "asinh" (clipped, and faint light brightened).
        pixel_range: (low, high), the stored values that become 0 and 1.
        ops: the array module, `numpy` or `keras.ops`.

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
    """Converts network units back to stored pixel values, the inverse of `to_unit` within the pixel range."""
    low, high = pixel_range
    if stretch == "asinh":
        unit = SOFTENING * ops.sinh(unit * float(np.arcsinh(1 / SOFTENING)))
    return unit * (high - low) + low
