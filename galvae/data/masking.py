"""Pixels that are set aside: filled with the sky, and marked so that the loss does not count them; blank parts."""

import numpy as np

from galvae.data.area_average import area_average

FRAME = 0.1  # width of the frame whose pixels count as sky, relative to an image's side
FEWEST = 10  # sky pixels from which a median is taken; with fewer, all pixels of the image count
PARTLY_BLANK = 0.05  # share of an image's pixels that are exactly zero, from which on it counts as cut


def filled(images, aside):
    """Masked images whose pixels set aside hold the median of their image's sky, band by band.

    The sky is a frame along the image's edges, see `edge_frame`. Where all pixels of a band are set aside, it is
    filled with zeros.

    Args:
        images: (n, H, W, C), of which pixels to set aside may hold anything, NaN included.
        aside: (n, H, W, C) bool.

    Returns:
        Masked array (n, H, W, C) of the images' type.
    """
    images, aside = np.array(images), np.broadcast_to(aside, images.shape)
    frame = edge_frame(*images.shape[1:3])
    for index, band in np.argwhere(aside.any(axis=(1, 2))):
        image, used = images[index, ..., band], ~aside[index, ..., band]
        sky = image[used & frame] if np.sum(used & frame) >= FEWEST else image[used]
        image[~used] = np.median(sky) if len(sky) else 0
    return np.ma.MaskedArray(images, aside)


def edge_frame(height, width):
    """Marks the pixels of an image that count as sky, a frame of a tenth of its side, as (height, width) bool."""
    rows, columns = (max(1, round(FRAME * side)) for side in (height, width))
    frame = np.ones((height, width), bool)
    frame[rows : height - rows, columns : width - columns] = False
    return frame


def averaged(images, size):
    """Images reduced to a smaller size, where a pixel is set aside if any part of it is.

    Args:
        images: (n, S, S, C), an array or a masked array whose pixels set aside are filled.
        size: new side in pixels, or None to keep the images as they are.

    Returns:
        (n, size, size, C), masked if the images are.
    """
    if size is None:
        return images
    if not isinstance(images, np.ma.MaskedArray):
        return area_average(images, size)
    aside = area_average(np.ma.getmaskarray(images).astype(np.float32), size) > 0
    return np.ma.MaskedArray(area_average(images.data, size), aside)


def is_cut(images):
    """Marks images of which a part is blank: a line, or a twentieth of the pixels, is exactly zero in all bands.

    Sky noise is never exactly zero; images of integers, whose sky may be, are not marked.

    Args:
        images: (n, H, W, C).

    Returns:
        (n,) bool.
    """
    if images.dtype.kind != "f":
        return np.zeros(len(images), bool)
    zero = (np.asarray(images) == 0).all(axis=3)
    lines = zero.all(axis=1).any(axis=1) | zero.all(axis=2).any(axis=1)
    return lines | (zero.mean(axis=(1, 2)) >= PARTLY_BLANK)
