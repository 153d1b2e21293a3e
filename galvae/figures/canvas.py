"""Galaxies on a canvas: every pixel of every galaxy covers the same whole number of dots."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.style import DPI, RC

WIDTH = 1400  # dots that a picture of galaxies is brought close to
LARGEST = 6000  # dots that it may measure
WHITE = 255
GAP = 0.06  # of a galaxy's side, between two galaxies
TEXT = 8  # points
LINE = 26  # dots of a line of text
LETTER = 0.58 * TEXT * DPI / 72  # dots of a letter, on average
FADED = 0.85  # grey towards which images are faded that nothing real stands behind


def rgb(images, style):
    """Colours of images, (n, H, W, 3) uint8; bands other than one or three are averaged.

    Args:
        images: (n, H, W, C) intensities, clipped to [0, 1]; an image with NaN becomes white.
        style: Style.
    """
    images = np.clip(np.asarray(images, np.float32), 0, 1)
    missing = np.isnan(images).any(axis=(1, 2, 3))
    images[missing] = 1.0
    if images.shape[-1] != 3:
        images = matplotlib.colormaps[style.image_map](images.mean(axis=-1))[..., :3]
    colours = _bytes(images)
    colours[missing] = WHITE
    return colours


def residual_rgb(residuals, limit):
    """Colours of residuals between -limit and limit, (n, H, W, 3) uint8: blue to red, or each band about grey."""
    unit = 0.5 + 0.5 * np.clip(residuals / limit, -1, 1)
    if residuals.shape[-1] != 3:
        unit = matplotlib.colormaps["RdBu_r"](unit.mean(axis=-1))[..., :3]
    return _bytes(unit)


def fade(colours, faded):
    """A copy of colours, (n, H, W, 3) uint8, in which the images that a mask (n,) names are close to grey."""
    colours = colours.copy()
    if faded is not None:
        grey = colours[faded].mean(axis=-1, keepdims=True) / 255
        colours[faded] = _bytes(np.repeat(FADED + 0.2 * (grey - FADED), 3, axis=-1))
    return colours


def _bytes(unit):
    return np.round(255 * unit).astype(np.uint8)


def shrunk(images, count):
    """Images whose pixels are averaged in squares, as far as `count` images in a row would exceed LARGEST dots.

    Args:
        images: (n, H, W, C).
        count: images in a row.

    Returns:
        (n, H', W', C); a rest of pixels that makes no whole square is left out on both sides.
    """
    _, height, width, bands = images.shape
    square = min(-(-count * max(height, width) // LARGEST), height, width)
    if square <= 1:
        return images
    high, wide = height // square, width // square
    down, right = (height - high * square) // 2, (width - wide * square) // 2
    cut = images[:, down : down + high * square, right : right + wide * square]
    return cut.reshape(-1, high, square, wide, square, bands).mean(axis=(2, 4)).astype(images.dtype)


class Canvas:
    """Images laid out in rows on white, in dots of the finished picture, with places for texts.

    Args:
        images: (n, H, W, 3) uint8 colours, shrunk if they would make too wide a picture.
        columns: images in a row.
        row_labels: text on the left of each row, or None.
        column_labels: text over each column, or None.
        captions: text under each image, or None.
        zoom: dots of a pixel; by default the whole number that brings the width close to WIDTH.
        width: to take instead of WIDTH.

    Attributes:
        dots: (height, width, 3) uint8 colours.
        texts: (x, y, text, horizontal, vertical alignment) in dots from the upper left.
        cells: (n, 2) dots (x, y) of the images' centres.
    """

    def __init__(
        self, images, columns, row_labels=None, column_labels=None, captions=None, zoom=None, width=WIDTH
    ):
        images = shrunk(images, columns)
        count, high, wide, _ = images.shape
        zoom = zoom or whole_zoom(wide * columns, width)
        gap = max(1, round(GAP * high)) * zoom
        left = round(0.6 * LINE + LETTER * max(_longest(text) for text in row_labels)) if row_labels else 0
        top = LINE + LINE // 4 if column_labels is not None else 0
        if captions is not None:  # a long id must not run into its neighbour
            letters = max(8, int(wide * zoom / (1.15 * LETTER)))  # digits and capitals are wide
            captions = [_wrapped(text, letters) for text in captions]
        lines = (
            max((text.count("\n") + 1 for text in captions if text), default=0) if captions is not None else 0
        )
        under = lines * LINE + (LINE // 4 if lines else 0)
        step_x, step_y = wide * zoom + gap, high * zoom + gap
        rows_of = -(-count // columns)
        # Captions stand under the rows that have any, as the last of each group of originals and residuals.
        extra = np.zeros(rows_of, int)
        if lines:
            for row in range(rows_of):
                extra[row] = under if any(captions[row * columns : (row + 1) * columns]) else 0
        starts = top + np.concatenate([[0], np.cumsum(step_y + extra)])
        self.dots = np.full((starts[-1] - gap, left + columns * step_x - gap, 3), WHITE, np.uint8)
        self.texts, self.cells = [], np.zeros((count, 2))
        for index, image in enumerate(images):
            row, column = divmod(index, columns)
            y, x = starts[row], left + column * step_x
            self.dots[y : y + high * zoom, x : x + wide * zoom] = image.repeat(zoom, 0).repeat(zoom, 1)
            self.cells[index] = x + wide * zoom / 2, y + high * zoom / 2
            if lines and captions[index]:
                below = y + high * zoom + LINE // 8
                self.texts.append((self.cells[index, 0], below, captions[index], "center", "top"))
        for row, label in enumerate(row_labels or []):
            y = starts[row] + high * zoom / 2
            self.texts.append((left - 0.3 * LINE, y, label, "right", "center"))
        if column_labels is not None:
            # As many as stand clear of each other.
            every = int(np.ceil((max(map(_longest, column_labels)) + 1) * LETTER / step_x))
            for column in range(0, columns, every):
                x = left + column * step_x + wide * zoom / 2
                self.texts.append((x, top - LINE // 4, column_labels[column], "center", "bottom"))


def whole_zoom(width, wanted=WIDTH):
    """Dots of a pixel that bring pictures of so many pixels close to a width."""
    return max(1, round(wanted / (width * (1 + GAP))))


def _wrapped(text, letters):
    return "\n".join(textwrap.fill(line, letters) for line in text.split("\n"))


def _longest(text):
    return max(map(len, text.split("\n")))


def picture(canvas):
    """A figure of a canvas and its texts."""
    height, width = canvas.dots.shape[:2]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(width / DPI, height / DPI))
        axes = axes_of_dots(figure, canvas.dots, (0, 0, 1, 1))
        for x, y, text, horizontal, vertical in canvas.texts:
            axes.text(x, y, text, ha=horizontal, va=vertical, size=TEXT, linespacing=1.1)
        return figure


def axes_of_dots(figure, dots, rectangle):
    """Axes that show an array dot by dot, with coordinates in dots from the upper left."""
    axes = figure.add_axes(rectangle)
    height, width = dots.shape[:2]
    axes.imshow(dots, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.set_axis_off()
    return axes
