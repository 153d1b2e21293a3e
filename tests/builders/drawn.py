"""What one sees of a figure: its dots as they go into the file, and the galaxies in them."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg


def rendered(figure):
    """The dots of a figure as drawn, (height, width, 3) uint8, row 0 at the top."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def image_at(dots, centre, shape, zoom):
    """The image that is drawn about a place, (H, W, 3) uint8, from the dots in the middle of its pixels.

    Args:
        dots: (height, width, 3) uint8.
        centre: x and y of its middle, in dots from the upper left.
        shape: (H, W).
        zoom: dots per pixel.
    """
    x, y = (
        np.floor(middle + (np.arange(count) - (count - 1) / 2) * zoom).astype(int)
        for middle, count in zip(centre, reversed(shape), strict=True)
    )
    return dots[np.ix_(y, x)]


def places(dots, image, zoom):
    """Where an image is drawn, each of its pixels as a square of dots of its colour.

    Args:
        dots: (height, width, 3) uint8.
        image: (H, W, 3) uint8.
        zoom: dots per pixel.

    Returns:
        (n, 2): x and y of the middle of each copy, in dots from the upper left.
    """
    height, width = zoom * image.shape[0], zoom * image.shape[1]
    y, x = np.indices((dots.shape[0] - height + 1, dots.shape[1] - width + 1)).reshape(2, -1)
    for row, column in np.ndindex(*image.shape[:2]):
        for dot in (0, zoom - 1):
            same = (dots[y + row * zoom + dot, x + column * zoom + dot] == image[row, column]).all(axis=1)
            y, x = y[same], x[same]
    return np.stack([x + width / 2, y + height / 2], axis=1)
