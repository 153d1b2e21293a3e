"""Scatter plots of latent codes and embeddings, coloured by class or by a number."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from galvae.figures.canvas import CHARACTER_WIDTH
from galvae.figures.style import DPI, LITERAL, PLAIN, RC, TRAIN, UNKNOWN, UNLABELLED, axis_label
from galvae.figures.ticks import fit_ticks

BINNED = 50_000  # points; more are counted in hexagons, unless they are coloured by class
HEXAGONS = 120  # across
MOST_NAMES = 40  # classes whose names fit beside the colour bar of square axes
SIDE = 3.8  # inches of square axes
ELONGATED = 5.0  # largest ratio of the sides of axes
BAR_WIDTH, NUMBERS_WIDTH = 130, 200  # dots of a colour bar without its names of classes, or with its numbers
HALO = [withStroke(linewidth=2, foreground="white")]  # of numbers among points


def scatter(x, y, names, column=None, style=PLAIN, box=None, points=None, equal=False):
    """Scatter plot of points in a plane, coloured by class or by a number.

    Points are drawn in random order, so that no class covers the others. More than BINNED points are counted
    in hexagons or, if coloured by a number, averaged in them; points coloured by class are rasterised.

    Args:
        x, y: (n,) coordinates.
        names: labels of the two axes.
        column: what colours the points: an object with `name`, `unit`, `values` (n,) and `class_names` (None
            for numbers); or None. Values of NaN, and classes of -1, are drawn in grey.
        style: Style.
        box: (x0, x1, y0, y1) of a rectangle to outline, or None.
        points: (m, 2) positions to mark with crosses, numbered from 1, or None.
        equal: whether a unit has the same length on both axes; the figure is then as wide or as high as the points.
    """
    with matplotlib.rc_context(RC):
        width, height = SIDE * _proportions(x, y) if equal else (SIDE, SIDE)
        figure = Figure(figsize=(width + 0.7 + bar_width(column) / DPI, height + 0.6), layout="constrained")
        axes = figure.subplots()
        draw_scatter(axes, x, y, column, style)
        if box is not None:
            x0, x1, y0, y1 = box
            axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color="black", lw=0.8)
        if points is not None:
            axes.plot(*np.transpose(points), "kx", ms=6, mew=1.2, ls="none")
            for number, point in enumerate(points, 1):
                axes.annotate(str(number), point, (4, 3), textcoords="offset points", path_effects=HALO)
        axes.set(xlabel=names[0], ylabel=names[1])
        fit_ticks(axes)
        if equal:
            axes.set_aspect("equal", adjustable="datalim")
        return figure


def _proportions(x, y):
    """Width and height of axes of area 1 on which points fill an equal scale; at most ELONGATED times each other."""
    width, height = np.ptp(x), np.ptp(y)
    ratio = np.clip(width / height if height > 0 else np.inf, 1 / ELONGATED, ELONGATED)
    return np.sqrt([ratio, 1 / ratio])


def bar_width(column):
    """Room that the colour bar of a column takes beside a scatter plot, in dots.

    Args:
        column: see `scatter`.
    """
    if column is None:
        return 0
    if column.class_names is None:
        return NUMBERS_WIDTH
    names = [*column.class_names, UNLABELLED] if np.min(column.values) < 0 else column.class_names
    return BAR_WIDTH + max(map(len, names)) * CHARACTER_WIDTH


def latent_scatter(codes, information, column=None, information_unit="nats", style=PLAIN):
    """Scatter plot of codes in the two most informative latent dimensions; a single one gives a histogram.

    Args:
        codes: (n, latent_dim) posterior means.
        information: (latent_dim,) information in each latent dimension, written beside the axes.
        column: what colours the points, see `scatter`.
        information_unit: "nats", or "variance" of codes without a posterior.
        style: Style.
    """
    order = np.argsort(-information, kind="stable")
    names = [axis_label(axis, information[axis], information_unit) for axis in order]
    if len(order) > 1:
        return scatter(codes[:, order[0]], codes[:, order[1]], names, column, style)
    with matplotlib.rc_context(RC):
        has_classes = column is not None and column.class_names is not None
        room = bar_width(column) / DPI if has_classes else 0
        figure = Figure(figsize=(SIDE + 0.7 + room, SIDE + 0.4), layout="constrained")
        axes = figure.subplots()
        edges = np.histogram_bin_edges(codes[:, 0].astype(float), bins=min(60, 5 + len(codes) // 10))
        if has_classes:
            colours = _class_colours(column, style)
            for index in np.unique(column.values):
                members = codes[column.values == index, 0]
                axes.hist(members, bins=edges, histtype="step", color=colours[index])
            _draw_class_bar(axes, column, colours, ax=axes)
        else:
            axes.hist(codes[:, 0], bins=edges, color=TRAIN)
        axes.set(xlabel=names[0], ylabel="galaxies")
        fit_ticks(axes)
        return figure


def draw_scatter(axes, x, y, column, style, bar_axes=None):
    """Draws points in existing axes, with a colour bar that names classes or numbers.

    Args:
        axes: matplotlib Axes.
        x, y, column, style: see `scatter`.
        bar_axes: Axes of the colour bar; by default matplotlib finds room for them.
    """
    size = float(np.clip(10_000 / len(x), 0.7, 14))
    point = {"s": size, "lw": 0, "rasterized": True}
    bar_options = {"cax": bar_axes} if bar_axes is not None else {"ax": axes}
    hexagons = {"gridsize": HEXAGONS, "mincnt": 1, "linewidths": 0.1, "rasterized": True}
    if column is None:
        if len(x) > BINNED:
            counts = axes.hexbin(x, y, bins="log", cmap=style.value_map, **hexagons)
            axes.figure.colorbar(counts, label="galaxies", **bar_options)
        else:
            axes.scatter(x, y, color=TRAIN, alpha=0.6, **point)
        return
    if column.class_names is not None:
        labels = np.asarray(column.values)
        colours = _class_colours(column, style)
        # In random order, so that the last class does not cover the others.
        order = np.random.default_rng(0).permutation(len(x))
        axes.scatter(x[order], y[order], c=colours[labels[order]], **point)
        _draw_class_bar(axes, column, colours, **bar_options)
        return
    values = np.asarray(column.values, float)
    finite = np.isfinite(values)
    low, high = np.quantile(values[finite], [0.01, 0.99]) if finite.any() else (0.0, 1.0)
    outside = finite.any() and (values[finite].min() < low or values[finite].max() > high)
    norm = Normalize(low, high if high > low else low + 1)
    if len(x) > BINNED:
        mappable = axes.hexbin(
            x[finite], y[finite], values[finite], cmap=style.value_map, norm=norm, **hexagons
        )
    else:
        axes.scatter(x[~finite], y[~finite], color=UNKNOWN, **point)
        order = np.random.default_rng(0).permutation(int(finite.sum()))
        mappable = axes.scatter(
            *(part[finite][order] for part in (x, y)),
            c=values[finite][order],
            cmap=style.value_map,
            norm=norm,
            **point,
        )
    bar = axes.figure.colorbar(mappable, extend="both" if outside else "neither", **bar_options)
    bar.set_label(_label(column), **LITERAL)


def _class_colours(column, style):
    """Colours of classes 0, 1, ... and then that of -1, unlabelled, (classes + 1, 4) RGBA.

    Args:
        column: see `scatter`, with class names.
        style: Style.
    """
    return np.concatenate([style.class_colours(len(column.class_names)), to_rgba_array(UNKNOWN)])


def _draw_class_bar(axes, column, colours, **bar_options):
    """Draws a bar of the classes present, each in the colour that it has in every figure.

    Args:
        axes: matplotlib Axes of the data.
        column: see `scatter`, with class names.
        colours: see `_class_colours`.
        bar_options: position of the bar, as arguments of `matplotlib.figure.Figure.colorbar`.
    """
    present = np.unique(column.values)
    present = np.concatenate([present[present >= 0], present[present < 0]])  # unlabelled last
    edges = np.arange(len(present) + 1) - 0.5
    mappable = ScalarMappable(BoundaryNorm(edges, len(present)), ListedColormap(colours[present]))
    bar = axes.figure.colorbar(mappable, **bar_options)
    most = int(MOST_NAMES * axes.figure.get_figheight() / (SIDE + 0.6))
    every = -(-len(present) // most)
    names = [str(column.class_names[index]) if index >= 0 else UNLABELLED for index in present]
    bar.set_ticks(np.arange(len(present))[::every], labels=names[::every], **LITERAL)
    bar.ax.invert_yaxis()
    bar.ax.tick_params(length=0, which="both", labelsize=9 if len(present) <= most / 2 else 6)
    bar.ax.set_title(_label(column), loc="left", **LITERAL)


def _label(column):
    return f"{column.name} ({column.unit})" if column.unit else column.name
