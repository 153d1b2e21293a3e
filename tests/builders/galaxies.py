"""Galaxies drawn for a test, and datasets of them."""

import numpy as np

from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits


def blobs(count, side, bands=3, seed=0):
    """Round galaxies of random size and colour on a dark sky, (count, side, side, bands) uint8."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = generator.uniform(0.1, 0.3, (count, 1, 1, 1)) * side
    colour = generator.uniform(80, 255, (count, 1, 1, bands))
    profile = np.exp(-(x**2 + y**2)[None, :, :, None] / (2 * radius**2))
    return np.round(profile * colour).astype(np.uint8)


def dataset(count=25, **changes):
    """A GalaxyDataset of blobs of 8 pixels, 15 of 25 for training; `changes` replace its attributes."""
    values = {
        "name": "test",
        "images": blobs(count, 8),
        "pixel_range": (0, 255),
        "splits": make_splits(count, [0.6, 0.2, 0.2], 0),
    }
    return GalaxyDataset(**{**values, **changes})


def redshift_dataset(count=40):
    """A GalaxyDataset of blobs of 16 pixels whose redshifts rise evenly from 0.1 to 2."""
    return dataset(
        count,
        images=blobs(count, 16),
        condition=np.linspace(0.1, 2, count, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        splits=make_splits(count, [0.8, 0.1, 0.1], 0),
    )
