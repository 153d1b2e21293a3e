"""Real galaxies nearest to generated ones: does the model generate new galaxies or reproduce training ones?"""

import numpy as np

from galvae.latent.codes import batches

# Number of 90-degree rotations, and whether a flip comes first: the eight orientations of a square.
ORIENTATIONS = [(rotations, flip) for flip in (False, True) for rotations in range(4)]


def nearest_real(images, dataset, indices, rotated=True):
    """Finds the galaxy that differs least from each image, pixel by pixel; pixels that are set aside do not count.

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
    smallest = np.full(len(flat), np.inf)
    closest = np.zeros(len(flat), int)  # positions in `indices`
    start = 0
    for inputs in batches(dataset, indices, "comparing"):
        real = dataset.to_unit(inputs["images"]).reshape(len(inputs["images"]), -1)
        squared = _squared_differences(flat, real, inputs.get("mask"))
        position = squared.argmin(axis=1)
        value = np.take_along_axis(squared, position[:, None], 1)[:, 0]
        better = value < smallest
        smallest[better], closest[better] = value[better], start + position[better]
        start += len(real)
    best = smallest.reshape(len(orientations), count).argmin(axis=0)
    nearest = indices[closest.reshape(len(orientations), count)[best, np.arange(count)]]
    chosen = [orientations[number] for number in best]
    real = _undo_orientations(dataset.to_unit(dataset.images[nearest]), chosen)
    squared, masks = (real - images) ** 2, dataset.masks_of(nearest)
    if masks is not None:
        squared = np.ma.MaskedArray(squared, _undo_orientations(masks, chosen))
    difference = np.sqrt(np.ma.filled(squared.mean(axis=(1, 2, 3)), np.nan))
    return nearest, difference, real


def _squared_differences(images, real, mask):
    """Squared difference between each image and each real galaxy, (n, m), summed over pixels.

    A galaxy with pixels set aside counts as if those differed as much as the others: it is not nearest for having few.

    Args:
        images: (n, pixels).
        real: (m, pixels).
        mask: m images, 1 where a pixel of a real galaxy is set aside, or None.
    """
    if mask is None:
        lengths = (images**2).sum(axis=1, dtype=np.float64)[:, None]
        return lengths + (real**2).sum(axis=1, dtype=np.float64) - 2.0 * (images @ real.T)
    used = 1 - mask.reshape(real.shape).astype(np.float32)
    real, count = real * used, used.sum(axis=1)
    squared = images**2 @ used.T + (real**2).sum(axis=1, dtype=np.float64) - 2.0 * (images @ real.T)
    return np.where(count > 0, squared * real.shape[1] / np.maximum(count, 1), np.inf)


def _orient(images, rotations, flip):
    return np.rot90(images[:, :, ::-1] if flip else images, rotations, axes=(1, 2))


def _undo_orientations(images, orientations):
    """Images (n, H, W, C) turned back from n orientations (rotations, flip)."""
    turned = [np.rot90(image, -rotations) for image, (rotations, _) in zip(images, orientations, strict=True)]
    return np.stack(
        [image[:, ::-1] if flip else image for image, (_, flip) in zip(turned, orientations, strict=True)]
    )
