"""Galaxies drawn for a test, and datasets of them."""

import numpy as np

from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits


def ellipses(count, side, bands=3, seed=0):
    """Galaxies without any symmetry, (count, height, width, bands) uint8, of which no two look alike.

    Each is tilted, off-centre, of unequal bands and its own brightness, with a bright pixel in the upper right corner.

    Args:
        count: of galaxies.
        side: of a square image, or (height, width).
        bands: of an image.
        seed: of other galaxies.
    """
    generator = np.random.default_rng(seed)
    height, width = shape = np.broadcast_to(side, 2)
    y, x = np.mgrid[:height, :width].astype(float)
    images = np.zeros((count, *shape, bands))
    for image in images:
        angle, radius = generator.uniform(0.2, 1.2), generator.uniform(0.1, 0.22) * shape.min()
        down, right = generator.uniform(0.3, 0.45, 2) * shape
        along = (x - right) * np.cos(angle) + (y - down) * np.sin(angle)
        across = ((y - down) * np.cos(angle) - (x - right) * np.sin(angle)) / generator.uniform(0.35, 0.7)
        for band in range(bands):
            size, peak = radius * (1 + 0.25 * band), generator.uniform(90, 230) / (1 + 0.5 * band)
            image[..., band] = peak * np.exp(-(along**2 + across**2) / (2 * size**2))
        image += generator.uniform(0, 6, image.shape)
        image[0, -1] = np.linspace(240, 120, bands)
    return np.round(np.clip(images, 0, 255)).astype(np.uint8)


def dataset(count=25, **changes):
    """A GalaxyDataset of galaxies of 8 pixels, 15 of 25 for training; `changes` replace its attributes."""
    values = {
        "name": "test",
        "images": ellipses(count, 8),
        "pixel_range": (0, 255),
        "splits": make_splits(count, [0.6, 0.2, 0.2], 0),
    }
    return GalaxyDataset(**{**values, **changes})


def redshift_dataset(count=40):
    """A GalaxyDataset of galaxies of 16 pixels whose redshifts rise evenly from 0.1 to 2."""
    return dataset(
        count,
        images=ellipses(count, 16),
        condition=np.linspace(0.1, 2, count, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        splits=make_splits(count, [0.8, 0.1, 0.1], 0),
    )
