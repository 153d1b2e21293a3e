"""Noise of real images, for images that hold none: pure functions of arrays."""
