"""Images of galaxies laid out over a plane of two latent dimensions or of an embedding."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.canvas import (
    GAP,
    LINE_HEIGHT,
    MAX_DOTS,
    WIDTH,
    Canvas,
    axes_of_dots,
    fade,
    rgb,
)
from galvae.figures.scatter import bar_width, draw_scatter
from galvae.figures.style import DPI, PLAIN, RC, UNKNOWN
from galvae.figures.ticks import fit_ticks, fitting_ticks, label_width, short_texts

# Room in dots for the tick labels and names of axes: on the left at least, below, and on the sides without any.
LEFT, BELOW, REST = 150, 110, 20
NAME, LABEL = 90, 25  # dots of an axis' name with its ticks, and of the font of tick labels
IMAGES_ACROSS = 8  # images side by side in a montage whose scale no two positions determine


def plane(images, x, y, names, faded=None, style=PLAIN):
    """Images over a plane, each centred at its coordinates, which label the axes.

    Args:
        images: (len(y), len(x), H, W, C) intensities in [0, 1]; NaN where there is no image.
        x, y: evenly spaced coordinates of columns and rows, increasing to the right and upwards.
        names: labels of the two axes.
        faded: (len(y), len(x)) booleans, which images to fade, or None.
        style: Style.
    """
    with matplotlib.rc_context(RC):
        canvas = _plane_canvas(images, faded, style)
        height, width = canvas.dots.shape[:2]
        above, left = REST + _key_height(faded), _left(_y_ticks(canvas, x, y)[1])
        right = _right(_x_ticks(canvas, x)[1])
        figure = Figure(figsize=((left + width + right) / DPI, (BELOW + height + above) / DPI))
        _plane_axes(figure, canvas, x, y, names, (left, BELOW))
        _draw_key(figure, faded)
        return figure


def fill_cells(images, occupied):
    """Images laid out in the cells of a plane, as `plane` takes them.

    Args:
        images: (n, H, W, C) intensities in [0, 1], row by row.
        occupied: (rows, columns) booleans, n of them true: the cells of the images.

    Returns:
        (rows, columns, H, W, C) float32, NaN in empty cells.
    """
    cells = np.full((*occupied.shape, *images.shape[1:]), np.nan, np.float32)
    cells[occupied] = images
    return cells


def plane_and_scatter(images, x, y, names, codes, column=None, style=PLAIN):
    """Scatter plot of codes in a plane with a grid of positions marked, beside the images decoded there.

    Args:
        images, x, y, names: see `plane`.
        codes: (n, 2) codes in the plane.
        column: what colours the points, see `galvae.figures.scatter.scatter`.
        style: Style.
    """
    with matplotlib.rc_context(RC):
        canvas = _plane_canvas(images, None, style, WIDTH // 2)
        height, width = canvas.dots.shape[:2]
        bar = 60 + bar_width(column)
        plane_left = _left(_y_ticks(canvas, x, y)[1])
        left = max(
            plane_left,
            _left(fitting_ticks(codes[:, 1].min(), codes[:, 1].max(), height * 72 / DPI, False)[1]),
        )
        total = left + height + bar + plane_left + width + 2 * REST + _right(_x_ticks(canvas, x)[1])
        figure = Figure(figsize=(total / DPI, (BELOW + height + 3 * REST) / DPI))
        size = figure.get_size_inches() * DPI
        axes = figure.add_axes((left / size[0], BELOW / size[1], height / size[0], height / size[1]))
        bar_axes = None
        if column is not None:
            bar_axes = figure.add_axes(
                ((left + height + 30) / size[0], BELOW / size[1], 30 / size[0], height / size[1])
            )
        draw_scatter(axes, codes[:, 0], codes[:, 1], column, style, bar_axes)
        axes.plot(*(part.ravel() for part in np.meshgrid(x, y)), "kx", ms=4, mew=0.8, ls="none")
        axes.set(xlabel=names[0], ylabel=names[1])
        fit_ticks(axes)
        _plane_axes(figure, canvas, x, y, names, (left + height + bar + plane_left, BELOW))
        return figure


def montage(images, positions, names, faded=None, background=None, style=PLAIN):
    """Images centred at arbitrary positions of a plane, over the points of a scatter.

    The plane is drawn so large that the images at the two closest positions do not overlap, as far as
    MAX_DOTS allows; beyond that, later images cover earlier ones.

    Args:
        images: (n, H, W, C) intensities in [0, 1].
        positions: (n, 2) coordinates.
        names: labels of the two axes.
        faded: (n,) booleans, which images to fade, or None.
        background: (m, 2) points drawn in grey behind the images, or None.
        style: Style.

    Returns:
        (figure, overlapping): the Figure, and whether images overlap.
    """
    positions = np.asarray(positions, float)
    colours = fade(rgb(images, style), faded)
    height, width = colours.shape[1:3]
    span = np.ptp(positions, axis=0)
    distinct, separation = np.unique(positions, axis=0), np.inf
    for index in range(len(distinct) - 1):
        distances = np.abs(distinct[index + 1 :] - distinct[index]).max(axis=1)
        separation = min(separation, distances.min())
    if len(distinct) == 1 and background is not None:
        separation = np.ptp(background, axis=0).max() / IMAGES_ACROSS
    zoom = max(1, round(WIDTH / IMAGES_ACROSS / width))
    side = zoom * max(height, width) * (1 + GAP)
    # Dots per unit of the plane.
    scale = side / separation if np.isfinite(separation) and separation > 0 else 1.0
    largest_scale = (MAX_DOTS - side) / max(span.max(), 1e-12)
    overlapping = bool(scale > largest_scale) or len(distinct) < len(positions)
    scale = min(scale, largest_scale)
    margin = 0.75 * side / scale
    low, high = positions.min(axis=0) - margin, positions.max(axis=0) + margin
    size = np.ceil((high - low) * scale).astype(int)
    with matplotlib.rc_context(RC):
        x_labels, y_labels = (
            fitting_ticks(*ends, count * 72 / DPI, horizontal)[1]
            for *ends, count, horizontal in zip(low, high, size, (True, False), strict=True)
        )
        above, left = REST + _key_height(faded), _left(y_labels)
        figure = Figure(figsize=((left + size[0] + _right(x_labels)) / DPI, (BELOW + size[1] + above) / DPI))
        _draw_key(figure, faded)
        total = figure.get_size_inches() * DPI
        axes = figure.add_axes((left / total[0], BELOW / total[1], size[0] / total[0], size[1] / total[1]))
        if background is not None:
            inside = ((background >= low) & (background <= high)).all(axis=1)
            axes.scatter(*background[inside].T, s=2, lw=0, color=UNKNOWN, rasterized=True)
        half = np.array([width, height]) * zoom / 2 / scale
        for image, position in zip(colours, positions, strict=True):
            # Rounded to whole dots, so that no pixel is stretched.
            corner = np.round((position - half - low) * scale) / scale + low
            extent = (corner[0], corner[0] + 2 * half[0], corner[1], corner[1] + 2 * half[1])
            axes.imshow(image, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=names[0], ylabel=names[1])
        fit_ticks(axes)
        return figure, overlapping


def _key_height(faded):
    """Dots that the key of faded images takes above a figure."""
    return LINE_HEIGHT if faded is not None and np.any(faded) else 0


def _draw_key(figure, faded):
    """Writes above a figure what its grey images mean, if it has any."""
    if _key_height(faded):
        width, height = figure.get_size_inches() * DPI
        figure.text(
            1 - 20 / width, 1 - 6 / height, "grey: no real galaxy nearby", ha="right", va="top", size=7
        )


def _plane_canvas(images, faded, style, width=WIDTH):
    flat = np.concatenate(list(images[::-1]))  # the first row is the lowest
    if faded is not None:  # cells without an image stay white
        faded = np.ravel(faded[::-1]) & ~np.isnan(flat).any(axis=(1, 2, 3))
    return Canvas(fade(rgb(flat, style), faded), images.shape[1], width=width)


def _plane_axes(figure, canvas, x, y, names, corner):
    """Draws axes with a canvas whose columns and rows are labelled by coordinates.

    Args:
        figure: matplotlib Figure.
        canvas: Canvas.
        x, y, names: see `plane`.
        corner: (left, bottom) of the axes in dots.
    """
    size = figure.get_size_inches() * DPI
    height, width = canvas.dots.shape[:2]
    rectangle = (corner[0] / size[0], corner[1] / size[1], width / size[0], height / size[1])
    axes = axes_of_dots(figure, canvas.dots, rectangle)
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    axes.xaxis.set_ticks(*_x_ticks(canvas, x))
    axes.yaxis.set_ticks(*_y_ticks(canvas, x, y))
    axes.set(xlabel=names[0], ylabel=names[1])


def _x_ticks(canvas, x):
    """Positions in dots and labels of the horizontal axis, see `_ticks`."""
    return _ticks(x, canvas.centres[: len(x), 0])


def _y_ticks(canvas, x, y):
    """Positions in dots and labels of the vertical axis, see `_ticks`."""
    return _ticks(y, canvas.centres[:: len(x), 1][::-1])


def _ticks(values, centres):
    """Positions in dots and labels of ticks: at every image if these are at short numbers, else at round numbers.

    Args:
        values: (n,) evenly spaced, increasing coordinates of the images.
        centres: (n,) the same in dots: increasing from left to right, decreasing upwards.
    """
    values = np.asarray(values, float)
    preferred = values if np.allclose(values, np.round(values, 2)) else ()
    length, horizontal = np.ptp(centres) * 72 / DPI, centres[-1] > centres[0]
    ticks, labels = fitting_ticks(values[0], values[-1], length, horizontal, preferred=preferred)
    if len(ticks) < 2:
        ticks = values[[0, -1]] if len(values) > 1 else values
        labels = short_texts(ticks)
    return np.interp(ticks, values, centres), labels


def _right(labels):
    """Room for half of a label of the horizontal axis on the right of axes, in dots."""
    return max(REST, round(label_width(labels) * LABEL / 2))


def _left(labels):
    """Room for labels of the vertical axis and its name on the left of axes, in dots."""
    return max(LEFT, round(NAME + label_width(labels) * LABEL))
