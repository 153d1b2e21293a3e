"""Galaxies laid out over a plane of codes or of an embedding."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from galvae.figures.canvas import GAP, LARGEST, LETTER, LINE, WIDTH, Canvas, axes_of_dots, fade, rgb
from galvae.figures.scatter import draw_scatter
from galvae.figures.style import DPI, PLAIN, RC, UNKNOWN

LABEL = 90  # dots that the label of a tick takes, with room around it


def plane(images, x, y, names, faded=None, style=PLAIN):
    """Images over a plane, each centred at its place, with the coordinates as ticks.

    Args:
        images: (len(y), len(x), H, W, C) intensities in [0, 1]; NaN where there is none.
        x, y: evenly spaced coordinates of columns and rows, increasing to the right and upwards.
        names: of the two axes.
        faded: (len(y), len(x)) booleans, which images to fade; or None.
        style: Style.
    """
    with matplotlib.rc_context(RC):
        canvas = _plane_canvas(images, faded, style)
        height, width = canvas.dots.shape[:2]
        left, below, rest = 150, 110, 20
        above = rest + _room_for_key(faded)
        figure = Figure(figsize=((left + width + rest) / DPI, (below + height + above) / DPI))
        _plane_axes(figure, canvas, x, y, names, (left, below))
        _name_faded(figure, faded)
        return figure


def plane_and_scatter(images, x, y, names, codes, column=None, style=PLAIN):
    """Codes in a plane with the places of a grid marked, and beside them the images decoded there.

    Args:
        images, x, y, names: as of `plane`.
        codes: (n, 2) codes in the plane.
        column: as of `plots.scatter`.
        style: Style.
    """
    with matplotlib.rc_context(RC):
        canvas = _plane_canvas(images, None, style, WIDTH // 2)
        height, width = canvas.dots.shape[:2]
        # Room on the left for the scatter, and for the colour bar with the names of classes.
        names_of = getattr(column, "class_names", None)
        bar = 60 if column is None else 190 + (max(map(len, names_of)) * LETTER if names_of else 0)
        left, below, rest = 150, 110, 60
        total = left + height + bar + left + width + rest
        figure = Figure(figsize=(total / DPI, (below + height + rest) / DPI))
        size = figure.get_size_inches() * DPI
        axes = figure.add_axes((left / size[0], below / size[1], height / size[0], height / size[1]))
        bar_axes = None
        if column is not None:
            bar_axes = figure.add_axes(
                ((left + height + 30) / size[0], below / size[1], 30 / size[0], height / size[1])
            )
        draw_scatter(axes, codes[:, 0], codes[:, 1], column, style, bar_axes)
        axes.plot(*(part.ravel() for part in np.meshgrid(x, y)), "kx", ms=4, mew=0.8, ls="none")
        axes.set(xlabel=names[0], ylabel=names[1])
        _plane_axes(figure, canvas, x, y, names, (left + height + bar + left, below))
        return figure


def montage(images, places, names, faded=None, background=None, style=PLAIN):
    """Images centred at any places of a plane, over the points of a scatter.

    The plane is drawn so large that the two closest places leave room for their images, as far as LARGEST
    goes; beyond that, later images cover earlier ones.

    Args:
        images: (n, H, W, C) intensities in [0, 1].
        places: (n, 2) coordinates.
        names: of the two axes.
        faded: (n,) booleans, which images to fade; or None.
        background: (m, 2) points drawn in grey behind the images, or None.
        style: Style.

    Returns:
        (figure, covered): the Figure, and whether images cover each other.
    """
    places = np.asarray(places, float)
    coloured = fade(rgb(images, style), faded)
    height, width = coloured.shape[1:3]
    span = np.ptp(places, axis=0)
    distinct, apart = np.unique(places, axis=0), np.inf
    for index in range(len(distinct) - 1):
        apart = min(apart, np.abs(distinct[index + 1 :] - distinct[index]).max(axis=1).min())
    if len(distinct) == 1 and background is not None:  # an eighth of the points' plane
        apart = np.ptp(background, axis=0).max() / 8
    zoom = max(1, round(WIDTH / 8 / width))
    side = zoom * max(height, width) * (1 + GAP)
    scale = side / apart if np.isfinite(apart) and apart > 0 else 1.0  # dots per unit of the plane
    largest = (LARGEST - side) / max(span.max(), 1e-12)
    covered = bool(scale > largest) or len(distinct) < len(places)
    scale = min(scale, largest)
    margin = 0.75 * side / scale
    low, high = places.min(axis=0) - margin, places.max(axis=0) + margin
    size = np.ceil((high - low) * scale).astype(int)
    left, below, rest = 150, 110, 20
    with matplotlib.rc_context(RC):
        above = rest + _room_for_key(faded)
        figure = Figure(figsize=((left + size[0] + rest) / DPI, (below + size[1] + above) / DPI))
        _name_faded(figure, faded)
        total = figure.get_size_inches() * DPI
        axes = figure.add_axes((left / total[0], below / total[1], size[0] / total[0], size[1] / total[1]))
        if background is not None:
            inside = ((background >= low) & (background <= high)).all(axis=1)
            axes.scatter(*background[inside].T, s=2, lw=0, color=UNKNOWN, rasterized=True)
        half = np.array([width, height]) * zoom / 2 / scale
        for image, place in zip(coloured, places, strict=True):
            # Snapped to whole dots, so that no pixel is stretched.
            corner = np.round((place - half - low) * scale) / scale + low
            extent = (corner[0], corner[0] + 2 * half[0], corner[1], corner[1] + 2 * half[1])
            axes.imshow(image, extent=extent, interpolation="nearest", aspect="auto", zorder=2)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=names[0], ylabel=names[1])
        return figure, covered


def _room_for_key(faded):
    """Dots that the key of faded images takes above a picture."""
    return LINE if faded is not None and np.any(faded) else 0


def _name_faded(figure, faded):
    """Says above a picture what its grey images are, if it has any."""
    if _room_for_key(faded):
        width, height = figure.get_size_inches() * DPI
        figure.text(1 - 20 / width, 1 - 6 / height, "grey: no real galaxy near", ha="right", va="top", size=7)


def _plane_canvas(images, faded, style, width=WIDTH):
    flat = np.concatenate(list(images[::-1]))  # the first row is the lowest
    if faded is not None:  # places without an image stay white
        faded = np.ravel(faded[::-1]) & ~np.isnan(flat).any(axis=(1, 2, 3))
    return Canvas(fade(rgb(flat, style), faded), images.shape[1], width=width)


def _plane_axes(figure, canvas, x, y, names, corner):
    """Axes with a canvas whose columns and rows are labelled by coordinates; the corner is in dots."""
    size = figure.get_size_inches() * DPI
    height, width = canvas.dots.shape[:2]
    rectangle = (corner[0] / size[0], corner[1] / size[1], width / size[0], height / size[1])
    axes = axes_of_dots(figure, canvas.dots, rectangle)
    axes.set_axis_on()
    axes.spines[:].set_visible(False)
    for axis, values, places in (
        (axes.xaxis, x, canvas.cells[: len(x), 0]),
        (axes.yaxis, y, canvas.cells[:: len(x), 1][::-1]),
    ):
        axis.set_ticks(*_ticks(np.asarray(values, float), places))
    axes.set(xlabel=names[0], ylabel=names[1])
    return axes


def _ticks(values, places):
    """Dots and labels of ticks: at every image where these are few and at round numbers, else at round numbers.

    Args:
        values: (n,) evenly spaced, increasing coordinates.
        places: (n,) their dots.
    """
    shown = values
    most = int(np.clip(np.ptp(places) / LABEL, 1, 9))
    if len(values) > most + 1 or not np.allclose(values, np.round(values, 2)):
        between = MaxNLocator(most, steps=[1, 2, 5, 10], min_n_ticks=1).tick_values(values[0], values[-1])
        between = between[(between >= values[0]) & (between <= values[-1])]
        shown = between if len(between) > 1 else values[[0, -1]]
    return np.interp(shown, values, places), [
        f"{value:.4g}".replace("-", "\N{MINUS SIGN}") for value in shown
    ]
