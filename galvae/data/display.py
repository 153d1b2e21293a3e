"""How bright figures draw the galaxies of a dataset."""

import numpy as np

from galvae.data.dataset import evenly
from galvae.errors import GalvaeError

DIM = 0.25  # of full intensity; galaxies with less light than that are drawn brighter
IMAGES = 100  # by which a dataset is judged


def display_range(dataset):
    """The intensities that figures draw as black and white by asinh, where galaxies would be nearly black otherwise.

    Such is a dataset of which half of the images have less than DIM in their brightest hundredth. Its galaxies are
    drawn as `dataset.stretch=asinh` would stretch them, real and generated ones alike; what a network receives stays.

    Args:
        dataset: GalaxyDataset.

    Returns:
        [low, high] in network units; None for intensities that are drawn as they are.
    """
    images = dataset.to_unit(dataset.images[evenly(len(dataset), IMAGES)])
    brightest = np.percentile(images, 99, axis=(1, 2, 3))
    if dataset.stretch != "none" or np.median(brightest) >= DIM:
        return None
    try:
        stretched = dataset.stretched("asinh")
    except GalvaeError:  # blank images
        return None
    return [float(value) for value in dataset.to_unit(stretched.pixel_range)]
