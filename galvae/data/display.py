"""How bright figures draw the galaxies of a dataset."""

import numpy as np

from galvae.data.dataset import evenly

DIM = 0.25  # of full intensity; galaxies with less light than that are drawn brighter
IMAGES = 100  # by which a dataset is judged
# Of the training pixels; between them figures go from black to white. Most pixels are sky, which asinh from the darkest
# pixel on would brighten to grey.
PERCENTILES = (25, 99.9)


def display_range(dataset):
    """The intensities that figures draw as black and white by asinh, where galaxies would be nearly black otherwise.

    Such is a dataset of which half of the images have less than DIM in their brightest hundredth. Real and generated
    galaxies are drawn alike; what a network receives stays.

    Args:
        dataset: GalaxyDataset.

    Returns:
        [low, high] in network units; None for intensities that are drawn as they are.
    """
    images = dataset.to_unit(dataset.images[evenly(len(dataset), IMAGES)])
    brightest = np.percentile(images, 99, axis=(1, 2, 3))
    if dataset.stretch != "none" or np.median(brightest) >= DIM:
        return None
    pixels = np.concatenate(dataset.training_pixels())
    low, high = np.percentile(pixels, PERCENTILES) if len(pixels) else (np.nan, np.nan)
    if not low < high:  # blank images
        return None
    return [float(value) for value in dataset.to_unit([low, high])]
