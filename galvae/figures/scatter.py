"""Scatters of codes, coloured by class or by a number."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure

from galvae.figures.style import PLAIN, RC, TRAIN, UNKNOWN, amount

BINNED = 50_000  # points; more are counted in hexagons where they have no classes
HEXAGONS = 120  # across
MOST_NAMES = 40  # classes that the colour bar has room for


def scatter(x, y, names, column=None, style=PLAIN, marked=None, equal=False):
    """Points of a plane, coloured by class or by a number.

    Points are drawn in a random order, so that no class lies over the others. More than BINNED points are
    counted in hexagons, or, coloured by a number, show its mean in each; those of classes are rasterised.

    Args:
        x, y: (n,).
        names: of the two axes.
        column: what colours the points: an object with `name`, `unit`, `values` (n,) and `class_names`
            (None for numbers; NaN is drawn in grey); or None.
        style: Style.
        marked: (x0, x1, y0, y1), a region to outline, or None.
        equal: whether a unit is as long on one axis as on the other.
    """
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(6.0 if column is not None else 4.6, 4.4), layout="constrained")
        axes = figure.subplots()
        draw_scatter(axes, x, y, column, style)
        if marked is not None:
            x0, x1, y0, y1 = marked
            axes.plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color="black", lw=0.8)
        axes.set(xlabel=names[0], ylabel=names[1])
        if equal:
            axes.set_aspect("equal", adjustable="datalim")
        return figure


def latent_scatter(codes, information, column=None, information_unit="nats", style=PLAIN):
    """Codes in the plane of the two most informative axes; one axis: a histogram.

    Args:
        codes: (n, latent_dim) posterior means.
        information: (latent_dim,), written beside the axes.
        column: as of `scatter`.
        information_unit: unit of `information`.
        style: Style.
    """
    order = np.argsort(-information, kind="stable")
    names = [f"code {axis} ({amount(information[axis], information_unit)})" for axis in order]
    if len(order) > 1:
        return scatter(codes[:, order[0]], codes[:, order[1]], names, column, style)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(4.6, 4.2), layout="constrained")
        axes = figure.subplots()
        edges = np.histogram_bin_edges(codes[:, 0], bins=min(60, 5 + len(codes) // 10))
        if column is None or column.class_names is None:
            axes.hist(codes[:, 0], bins=edges, color=TRAIN)
        else:
            colours = style.class_colours(len(column.class_names))
            for index, name in enumerate(column.class_names):
                if (column.values == index).any():
                    chosen = codes[column.values == index, 0]
                    axes.hist(chosen, bins=edges, histtype="step", color=colours[index], label=name)
            axes.legend()
        axes.set(xlabel=names[0], ylabel="galaxies")
        return figure


def draw_scatter(axes, x, y, column, style, bar_axes=None):
    """What `scatter` draws, in axes of a larger figure; a colour bar names classes or numbers.

    Args:
        axes: the Axes.
        x, y, column, style: as of `scatter`.
        bar_axes: Axes for the colour bar; by default matplotlib finds room.
    """
    size = float(np.clip(10_000 / len(x), 0.7, 14))
    point = {"s": size, "lw": 0, "rasterized": True}
    room = {"cax": bar_axes} if bar_axes is not None else {"ax": axes}
    hexagons = {"gridsize": HEXAGONS, "mincnt": 1, "linewidths": 0.1, "rasterized": True}
    if column is None:
        if len(x) > BINNED:
            found = axes.hexbin(x, y, bins="log", cmap=style.value_map, **hexagons)
            axes.figure.colorbar(found, label="galaxies", **room)
        else:
            axes.scatter(x, y, color=TRAIN, alpha=0.6, **point)
        return
    label = f"{column.name} ({column.unit})" if column.unit else column.name
    if column.class_names is not None:
        labels = np.asarray(column.values)
        colours = style.class_colours(len(column.class_names))
        # In a random order, so that the last class does not cover the others.
        order = np.random.default_rng(0).permutation(len(x))
        axes.scatter(x[order], y[order], c=colours[labels[order]], **point)
        # Legend and colour bar in one, of the classes that are there, each in the colour it has in every figure.
        there = np.unique(labels)
        edges = np.arange(len(there) + 1) - 0.5
        shown = ScalarMappable(BoundaryNorm(edges, len(there)), ListedColormap(colours[there]))
        bar = axes.figure.colorbar(shown, **room)
        every = -(-len(there) // MOST_NAMES)
        names = [str(column.class_names[index]) for index in there]
        bar.set_ticks(np.arange(len(there))[::every], labels=names[::every])
        bar.ax.invert_yaxis()
        bar.ax.tick_params(length=0, which="both", labelsize=9 if len(there) <= MOST_NAMES / 2 else 6)
        bar.ax.set_title(label, loc="left")
        return
    values = np.asarray(column.values, float)
    known = np.isfinite(values)
    low, high = np.quantile(values[known], [0.01, 0.99]) if known.any() else (0.0, 1.0)
    outside = known.any() and (values[known].min() < low or values[known].max() > high)
    norm = Normalize(low, high if high > low else low + 1)
    if len(x) > BINNED:
        found = axes.hexbin(x[known], y[known], values[known], cmap=style.value_map, norm=norm, **hexagons)
    else:
        axes.scatter(x[~known], y[~known], color=UNKNOWN, **point)
        order = np.random.default_rng(0).permutation(int(known.sum()))
        found = axes.scatter(
            *(part[known][order] for part in (x, y)),
            c=values[known][order],
            cmap=style.value_map,
            norm=norm,
            **point,
        )
    axes.figure.colorbar(found, label=label, extend="both" if outside else "neither", **room)
