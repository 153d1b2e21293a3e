"""The real galaxies that generated ones come nearest to: does a model invent, or remember?"""

import numpy as np

from galvae.latent.codes import batches

# Quarter turns, and whether a flip comes first: the eight ways to lay down a square.
TURNS = [(quarters, flip) for flip in (False, True) for quarters in range(4)]


def nearest_real(images, dataset, indices, turned=True):
    """The galaxy that differs least from each image, pixel by pixel.

    Args:
        images: (n, H, W, C) intensities in network units.
        dataset: GalaxyDataset.
        indices: (m,) galaxies to look among.
        turned: whether flips and quarter turns of the images count as the same galaxy.

    Returns:
        (found, difference, real): indices (n,), root mean square difference (n,) in network units, and the
        galaxies found (n, H, W, C) in network units, flipped and turned as the images are.
    """
    count = len(images)
    turns = [turn for turn in TURNS if turned and (images.shape[1] == images.shape[2] or not turn[0] % 2)]
    turns = turns or TURNS[:1]
    flat = np.concatenate([_turn(images, *turn).reshape(count, -1) for turn in turns])
    lengths = (flat**2).sum(axis=1, dtype=np.float64)
    least = np.full(len(flat), np.inf)
    found = np.zeros(len(flat), int)
    start = 0
    for inputs in batches(dataset, indices, "comparing"):
        real = dataset.to_unit(inputs["images"]).reshape(len(inputs["images"]), -1)
        squared = lengths[:, None] + (real**2).sum(axis=1, dtype=np.float64) - 2.0 * (flat @ real.T)
        nearest = squared.argmin(axis=1)
        value = np.take_along_axis(squared, nearest[:, None], 1)[:, 0]
        better = value < least
        least[better], found[better] = value[better], start + nearest[better]
        start += len(real)
    best = least.reshape(len(turns), count).argmin(axis=0)
    chosen = indices[found.reshape(len(turns), count)[best, np.arange(count)]]
    real = dataset.to_unit(dataset.images[chosen])
    real = np.stack([_turn_back(real[[k]], *turns[turn])[0] for k, turn in enumerate(best)])
    difference = np.sqrt(np.mean((real - images) ** 2, axis=(1, 2, 3)))
    return chosen, difference, real


def _turn(images, quarters, flip):
    return np.rot90(images[:, :, ::-1] if flip else images, quarters, axes=(1, 2))


def _turn_back(images, quarters, flip):
    images = np.rot90(images, -quarters, axes=(1, 2))
    return images[:, :, ::-1] if flip else images
