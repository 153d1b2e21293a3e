"""Area averaging: images brought to a smaller size with every pixel's light counted once."""

import numpy as np

from galvae.errors import GalvaeError


def area_average(images, size):
    """Images of another size, each new pixel being the mean over the area it covers.

    Args:
        images: (n, S, S, C), square.
        size: new side in pixels, at most S.

    Returns:
        (n, size, size, C) of the same type; uint8 is rounded to the nearest.

    Raises:
        GalvaeError: if the images are not square or are smaller than asked for.
    """
    height, width = images.shape[1:3]
    if height != width or size > height:
        raise GalvaeError(
            f"dataset.image_size: expected square images of at least {size} pixels, received {height}x{width}; "
            "image_size=null keeps them as they are"
        )
    if size == height:
        return images
    if height % size == 0:
        factor = height // size
        # Sums of strided slices: several times faster than a mean over reshaped axes.
        kind = np.float32 if images.dtype != np.uint8 else np.uint16 if factor <= 16 else np.uint32
        total = np.zeros((len(images), size, size, images.shape[3]), kind)
        for row in range(factor):
            for column in range(factor):
                total += images[:, row::factor, column::factor]
        if images.dtype == np.uint8:
            total += factor**2 // 2  # rounds to the nearest
            return (total // factor**2).astype(np.uint8)
        mean = total / factor**2
    else:
        weights = _overlaps(height, size)
        mean = np.einsum("ih,nhwc->niwc", weights, images.astype(np.float32), optimize=True)
        mean = np.einsum("jw,niwc->nijc", weights, mean, optimize=True)
    if images.dtype == np.uint8:
        return np.floor(mean + 0.5).astype(np.uint8)
    return mean.astype(images.dtype)


def _overlaps(old, new):
    """(new, old) matrix: the share of each old pixel in each new one along one axis; rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)[None, :]
    overlap = np.clip(np.minimum(ends, pixels + 1) - np.maximum(starts, pixels), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
