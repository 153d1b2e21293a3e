"""Real galaxies nearest to generated ones: does the model generate new galaxies or reproduce training ones?"""

import numpy as np

from galvae.latent.codes import batches

# Number of 90-degree rotations, and whether a flip comes first: the eight orientations of a square.
ORIENTATIONS = [(rotations, flip) for flip in (False, True) for rotations in range(4)]


def nearest_real(images, dataset, indices, rotated=True):
    """Finds the galaxy that differs least from each image, pixel by pixel.

    Args:
        images: (n, H, W, C) intensities in network units.
        dataset: GalaxyDataset.
        indices: (m,) row indices of the galaxies to search among.
        rotated: whether flips and 90-degree rotations of an image count as the same galaxy.

    Returns:
        (nearest, difference, real): row indices (n,) of the nearest galaxies, root mean square difference (n,) in
        network units, and those galaxies (n, H, W, C) in network units, in the orientation of the images.
    """
    count = len(images)
    square = images.shape[1] == images.shape[2]
    orientations = [pair for pair in ORIENTATIONS if rotated and (square or not pair[0] % 2)]
    orientations = orientations or ORIENTATIONS[:1]
    flat = np.concatenate([_orient(images, *pair).reshape(count, -1) for pair in orientations])
    lengths = (flat**2).sum(axis=1, dtype=np.float64)
    smallest = np.full(len(flat), np.inf)
    closest = np.zeros(len(flat), int)  # positions in `indices`
    start = 0
    for inputs in batches(dataset, indices, "comparing"):
        real = dataset.to_unit(inputs["images"]).reshape(len(inputs["images"]), -1)
        squared = lengths[:, None] + (real**2).sum(axis=1, dtype=np.float64) - 2.0 * (flat @ real.T)
        position = squared.argmin(axis=1)
        value = np.take_along_axis(squared, position[:, None], 1)[:, 0]
        better = value < smallest
        smallest[better], closest[better] = value[better], start + position[better]
        start += len(real)
    best = smallest.reshape(len(orientations), count).argmin(axis=0)
    nearest = indices[closest.reshape(len(orientations), count)[best, np.arange(count)]]
    real = dataset.to_unit(dataset.images[nearest])
    real = np.stack([_undo_orientation(real[[k]], *orientations[number])[0] for k, number in enumerate(best)])
    difference = np.sqrt(np.mean((real - images) ** 2, axis=(1, 2, 3)))
    return nearest, difference, real


def _orient(images, rotations, flip):
    return np.rot90(images[:, :, ::-1] if flip else images, rotations, axes=(1, 2))


def _undo_orientation(images, rotations, flip):
    images = np.rot90(images, -rotations, axes=(1, 2))
    return images[:, :, ::-1] if flip else images
