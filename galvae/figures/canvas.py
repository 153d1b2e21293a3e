"""Images of galaxies on a canvas, where every pixel of every image covers the same whole number of dots.

A pixel is that of an image; a dot is that of the figure, of which there are DPI per inch.
"""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from galvae.figures.style import DPI, LITERAL, RC
from galvae.stretch import from_unit, to_unit

WIDTH = 1400  # approximate width of a canvas, in dots
MAX_DOTS = 6000  # largest width or height of a canvas
WHITE = 255
GAP = 0.06  # between two images, relative to the height of one
FONT_SIZE = 8  # points
LINE_HEIGHT = 26  # dots
CHARACTER_WIDTH = 0.58 * FONT_SIZE * DPI / 72  # dots, on average
FADED_GREY = 0.85  # grey level towards which images without a real galaxy nearby are faded


def rgb(images, style):
    """Colours in which images are drawn: three bands, or the mean of any other number through a colour map.

    Args:
        images: (n, H, W, C) intensities, clipped to [0, 1]; an image that contains NaN is drawn white.
        style: Style, whose `rgb` chooses the three bands, and whose `display` a stretch of all bands alike.

    Returns:
        (n, H, W, 3) uint8.
    """
    images, stretch = np.asarray(images, np.float32), style.stretch
    if style.display is not None:
        images, stretch = to_unit(images, "asinh", style.display), "asinh"
    images = np.clip(images, 0, 1)
    missing = np.isnan(images).any(axis=(1, 2, 3))
    images[missing] = 1.0
    if style.rgb is not None:
        images = lupton(shown_bands(images, style), stretch)
    elif images.shape[-1] != 3:
        images = matplotlib.colormaps[style.image_map](images.mean(axis=-1))[..., :3]
    colours = _bytes(images)
    colours[missing] = WHITE
    return colours


def shown_bands(images, style):
    """The three bands that a style chooses of images (..., C), or all of them if it chooses none."""
    return images if style.rgb is None else images[..., list(style.rgb)]


def lupton(images, stretch):
    """Colours of three bands by Lupton's asinh, which brightens faint light and keeps the ratios of the bands.

    The mean of the bands is stretched as `dataset.stretch=asinh` stretches one band, the same for all images, so that
    galaxies can be compared. Where a band would exceed 1, all three are reduced alike.

    Args:
        images: (n, H, W, 3) intensities in [0, 1].
        stretch: their own stretch, which is undone first, see galvae.stretch.

    Returns:
        (n, H, W, 3) in [0, 1].

    Reference:
        Lupton et al. 2004, PASP 116, 133.
    """
    linear = from_unit(images, stretch, (0, 1))
    mean = linear.mean(axis=-1, keepdims=True)
    factor = to_unit(mean, "asinh", (0, 1)) / np.where(mean > 0, mean, 1)
    return factor * linear / np.maximum(factor * linear.max(axis=-1, keepdims=True), 1)


def residual_rgb(residuals, limit):
    """Colours in which residuals are drawn: from blue to red for one band, each band about grey for three.

    Args:
        residuals: (n, H, W, C), clipped to [-limit, limit].
        limit: the residual of full colour.

    Returns:
        (n, H, W, 3) uint8.
    """
    unit = 0.5 + 0.5 * np.clip(residuals / limit, -1, 1)
    if residuals.shape[-1] != 3:
        unit = matplotlib.colormaps["RdBu_r"](unit.mean(axis=-1))[..., :3]
    return _bytes(unit)


def fade(colours, faded):
    """Fades some of the images almost to grey, in a copy.

    Args:
        colours: (n, H, W, 3) uint8.
        faded: (n,) booleans, or None for no image.

    Returns:
        (n, H, W, 3) uint8.
    """
    colours = colours.copy()
    if faded is not None:
        grey = colours[faded].mean(axis=-1, keepdims=True) / 255
        colours[faded] = _bytes(np.repeat(FADED_GREY + 0.2 * (grey - FADED_GREY), 3, axis=-1))
    return colours


def _bytes(unit):
    return np.round(255 * unit).astype(np.uint8)


def shrunk(images, count):
    """Images averaged over squares of pixels, as far as a row of them would otherwise exceed MAX_DOTS.

    Args:
        images: (n, H, W, C).
        count: images in a row.

    Returns:
        (n, H', W', C); pixels at the edges that fill no whole square are cut off equally on both sides.
    """
    _, height, width, bands = images.shape
    square = min(-(-count * max(height, width) // MAX_DOTS), height, width)
    if square <= 1:
        return images
    new_height, new_width = height // square, width // square
    top, left = (height - new_height * square) // 2, (width - new_width * square) // 2
    cut = images[:, top : top + new_height * square, left : left + new_width * square]
    squares = cut.reshape(-1, new_height, square, new_width, square, bands)
    return squares.mean(axis=(2, 4)).astype(images.dtype)


class Canvas:
    """Images laid out in rows on white, in dots of the final figure, with positions for texts.

    Args:
        images: (n, H, W, 3) uint8 colours, shrunk if a row of them would exceed MAX_DOTS.
        columns: images in a row.
        row_labels: text on the left of each row, or None.
        column_labels: text above each column, or None.
        captions: n texts under the images, or None.
        zoom: dots per pixel; by default the whole number that brings the width close to `width`.
        width: approximate width in dots.

    Attributes:
        dots: (height, width, 3) uint8 colours.
        texts: (x, y, text, horizontal alignment, vertical alignment), in dots from the upper left.
        centres: (n, 2) x and y of the images' centres, in dots from the upper left.
    """

    def __init__(
        self, images, columns, row_labels=None, column_labels=None, captions=None, zoom=None, width=WIDTH
    ):
        images = shrunk(images, columns)
        count, image_height, image_width, _ = images.shape
        zoom = zoom or whole_zoom(image_width * columns, width)
        high, wide = image_height * zoom, image_width * zoom
        gap = max(1, round(GAP * image_height)) * zoom
        left = 0
        if row_labels:
            left = round(0.6 * LINE_HEIGHT + CHARACTER_WIDTH * max(map(_longest_line, row_labels)))
        top = LINE_HEIGHT + LINE_HEIGHT // 4 if column_labels is not None else 0
        lines = 0
        if captions is not None:  # a long id must not run into its neighbour
            captions = [_wrapped(text, wide) for text in captions]
            lines = max((text.count("\n") + 1 for text in captions if text), default=0)
        caption_height = lines * LINE_HEIGHT + (LINE_HEIGHT // 4 if lines else 0)
        row_count = -(-count // columns)
        # Only rows with captions get room for them: in groups of originals and residuals, the last of each.
        extra = np.zeros(row_count, int)
        if lines:
            for row in range(row_count):
                extra[row] = caption_height if any(captions[row * columns : (row + 1) * columns]) else 0
        starts = top + np.concatenate([[0], np.cumsum(high + gap + extra)])
        self.dots = np.full((starts[-1] - gap, left + columns * (wide + gap) - gap, 3), WHITE, np.uint8)
        self.texts, self.centres = [], np.zeros((count, 2))
        for index, image in enumerate(images):
            row, column = divmod(index, columns)
            y, x = starts[row], left + column * (wide + gap)
            self.dots[y : y + high, x : x + wide] = image.repeat(zoom, 0).repeat(zoom, 1)
            self.centres[index] = x + wide / 2, y + high / 2
            if lines and captions[index]:
                below = y + high + LINE_HEIGHT // 8
                self.texts.append((self.centres[index, 0], below, captions[index], "center", "top"))
        for row, label in enumerate(row_labels or []):
            self.texts.append((left - 0.3 * LINE_HEIGHT, starts[row] + high / 2, label, "right", "center"))
        if column_labels is not None:
            # As many labels as fit beside each other.
            longest = max(map(_longest_line, column_labels))
            every = int(np.ceil((longest + 1) * CHARACTER_WIDTH / (wide + gap)))
            for column in range(0, columns, every):
                x = left + column * (wide + gap) + wide / 2
                self.texts.append((x, top - LINE_HEIGHT // 4, column_labels[column], "center", "bottom"))

    def figure(self):
        """The canvas with its texts as a matplotlib Figure."""
        texts = [(x, y, text, {"ha": ha, "va": va}) for x, y, text, ha, va in self.texts]
        return figure_of_dots(self.dots, texts)


def whole_zoom(pixels, width=WIDTH):
    """Whole number of dots per pixel that brings a row of so many pixels close to a width in dots."""
    return max(1, round(width / (pixels * (1 + GAP))))


def _wrapped(text, width):
    """A caption whose lines are wrapped if they do not fit into a width in dots with a character to spare."""
    characters = max(8, int(width / (1.15 * CHARACTER_WIDTH)))  # digits and capitals are wide
    return "\n".join(
        line if _text_width(line) + CHARACTER_WIDTH <= width else textwrap.fill(line, characters)
        for line in text.split("\n")
    )


def _text_width(text):
    """Width of a line of text in dots."""
    font = FontProperties(size=FONT_SIZE)
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] * DPI / 72


def _longest_line(text):
    return max(map(len, text.split("\n")))


def figure_of_dots(dots, texts, font_scale=1.0):
    """Figure of exactly the given dots, with texts on it.

    Args:
        dots: (height, width, 3) uint8 colours.
        texts: (x, y, text, dict of matplotlib's text properties), in dots from the upper left.
        font_scale: factor of the font size.
    """
    height, width = dots.shape[:2]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(width / DPI, height / DPI))
        axes = axes_of_dots(figure, dots, (0, 0, 1, 1))
        for x, y, text, properties in texts:
            axes.text(x, y, text, size=FONT_SIZE * font_scale, linespacing=1.1, **properties, **LITERAL)
        return figure


def axes_of_dots(figure, dots, rectangle):
    """Axes that draw an array dot by dot, with coordinates in dots from the upper left.

    Args:
        figure: matplotlib Figure.
        dots: (height, width, 3) uint8 colours.
        rectangle: (left, bottom, width, height) of the axes, relative to the figure.
    """
    axes = figure.add_axes(rectangle)
    height, width = dots.shape[:2]
    axes.imshow(dots, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
    axes.set_axis_off()
    return axes
