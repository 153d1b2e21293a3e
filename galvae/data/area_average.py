"""Area averaging: square images reduced to a smaller size at the same surface brightness."""

import numpy as np

from galvae.errors import GalvaeError


def area_average(images, size):
    """Reduces square images to a smaller size; each new pixel is the mean over the area that it covers.

    Args:
        images: (n, S, S, C), square.
        size: new side in pixels, at most S.

    Returns:
        (n, size, size, C) of the same type; uint8 is rounded to the nearest integer.

    Raises:
        GalvaeError: if the images are not square, or smaller than `size`.
    """
    height, width = images.shape[1:3]
    check_size(height, width, size)
    if size == height:
        return images
    if height % size == 0:
        factor = height // size
        # Sums of strided slices: several times faster than a mean over reshaped axes.
        sum_type = np.float32 if images.dtype != np.uint8 else np.uint16 if factor <= 16 else np.uint32
        total = np.zeros((len(images), size, size, images.shape[3]), sum_type)
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


def thumbnails(images, side):
    """The central square of each image, averaged to a side that may be smaller.

    Args:
        images: (n, H, W, C) float32.
        side: largest side in pixels.

    Returns:
        (n, s, s, C), where s is the smallest of H, W and side.
    """
    height, width = images.shape[1:3]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    return area_average(images[:, top : top + square, left : left + square], min(side, square))


def fitted_within(images, side):
    """Whole images, averaged so that their longer side has at most so many pixels, in their own shape.

    Args:
        images: (n, H, W, C) uint8.
        side: largest side in pixels.

    Returns:
        (n, h, w, C) uint8, rounded to the nearest; h / w is H / W as far as whole pixels can be.
    """
    height, width = images.shape[1:3]
    longer = max(height, width)
    if longer <= side:
        return images
    if height == width:
        return area_average(images, side)
    rows, columns = (_overlaps(old, max(1, round(old * side / longer))) for old in (height, width))
    mean = np.einsum("ih,nhwc,jw->nijc", rows, images.astype(np.float32), columns, optimize=True)
    return (mean + 0.5).astype(np.uint8)


def check_size(height, width, size):
    """Refuses a size to which images of `height` by `width` pixels cannot be averaged.

    Raises:
        GalvaeError: if the images are not square, or smaller than `size`.
    """
    if height != width or size > height:
        raise GalvaeError(
            f"dataset.image_size: expected square images of at least {size} pixels, received {height}x{width}; "
            "image_size=null keeps them as they are"
        )


def _overlaps(old, new):
    """The share of each old pixel in each new one along one axis: a (new, old) matrix whose rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)[None, :]
    overlap = np.clip(np.minimum(ends, pixels + 1) - np.maximum(starts, pixels), 0, None)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
