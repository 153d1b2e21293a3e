"""Figures: arrays in, a matplotlib Figure out; nothing of Keras."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator, StrMethodFormatter

from galvae.atomic import replacing

DPI = 200
WIDTH = 1400  # pixels that a picture of galaxies is brought close to
GAP = 0.06  # of a galaxy's side, between two galaxies
BACKGROUND = 1.0
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "savefig.dpi": DPI,
    "figure.dpi": DPI,
}
# Ten colours that colour-blind readers tell apart: P. Tol's "muted" scheme (SRON/EPS/TN/09-002).
CLASS_COLOURS = (
    *("#332288", "#88CCEE", "#44AA99", "#117733", "#999933"),
    *("#DDCC77", "#CC6677", "#882255", "#AA4499", "#777777"),
)
TRAIN, VAL = "#332288", "#CC6677"


def save(figure, path):
    """Writes a figure in the format of the path's ending, 200 dots per inch."""
    with matplotlib.rc_context(STYLE), replacing(path) as beside:
        figure.savefig(beside)


def loss_curves(history):
    """Every term of the objective by epoch, training and validation, on a logarithmic scale.

    Args:
        history: list of dicts with `epoch`, terms such as `loss` and `kl`, and the same with `val_`.
    """
    terms = [name for name in history[0] if f"val_{name}" in history[0]]
    epochs = [row["epoch"] for row in history]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(terms) + 0.4, 2.6), layout="constrained")
        for axes, term in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms, strict=True):
            marker = "." if len(history) < 10 else None
            for name, label, colour in ((term, "training", TRAIN), (f"val_{term}", "validation", VAL)):
                axes.plot(
                    epochs, [row[name] for row in history], label=label, color=colour, lw=1, marker=marker
                )
            if all(row[name] > 0 for row in history for name in (term, f"val_{term}")):
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            axes.set(title=term, xlabel="epoch")
        figure.axes[0].set_ylabel("per image")
        figure.axes[0].legend()
        return figure


def reconstructions(originals, decoded, columns=12):
    """Originals above their reconstructions, in pairs of rows.

    Args:
        originals, decoded: (n, H, W, C) intensities in [0, 1].
        columns: galaxies in a row.
    """
    columns = min(columns, len(originals))
    rows = []
    for start in range(0, len(originals), columns):
        for images in (originals, decoded):
            row = images[start : start + columns]
            blank = np.full((columns - len(row), *row.shape[1:]), BACKGROUND, row.dtype)
            rows.append(np.concatenate([row, blank]))
    labels = ["original", "decoded"] * (len(rows) // 2)
    return _picture(np.concatenate(rows), columns, row_labels=labels)


def grid(images, columns=None):
    """Images side by side, nearly square unless `columns` says otherwise.

    Args:
        images: (n, H, W, C) intensities in [0, 1].
        columns: galaxies in a row.
    """
    return _picture(images, columns or int(np.ceil(np.sqrt(len(images)))))


def latent_scatter(codes, information, labels=None, class_names=None, information_unit="nats"):
    """Codes in the plane of the two most informative axes, coloured by class; one axis: a histogram.

    Args:
        codes: (n, latent_dim) posterior means.
        information: (latent_dim,), written beside the axes.
        labels: (n,) integers, or None.
        class_names: name of class 0, 1, ...
        information_unit: unit of `information`.
    """
    order = np.argsort(information)[::-1]
    names = [f"code {axis} ({information[axis]:.2f} {information_unit})" for axis in order]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4 if labels is not None else 4.4, 4.2), layout="constrained")
        axes = figure.subplots()
        if len(order) == 1:
            axes.hist(codes[:, 0], bins="auto", color=TRAIN)
            axes.set(xlabel=names[0], ylabel="galaxies")
            return figure
        style = {"s": float(np.clip(4000 / len(codes), 1, 16)), "lw": 0, "rasterized": True}
        x, y = codes[:, order[0]], codes[:, order[1]]
        if labels is None:
            axes.scatter(x, y, color=TRAIN, alpha=0.6, **style)
        else:
            for index in np.unique(labels):
                chosen = labels == index
                axes.scatter(
                    x[chosen], y[chosen], color=class_colour(index), label=class_names[index], **style
                )
            figure.legend(loc="outside right upper", markerscale=np.sqrt(25 / style["s"]))
        axes.set(xlabel=names[0], ylabel=names[1])
        return figure


def class_colour(index):
    """Colour of a class; after the tenth they repeat."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def _picture(images, columns, row_labels=None):
    """A mosaic drawn so that every pixel of every galaxy covers the same whole number of dots."""
    mosaic, side = _mosaic(images, columns)
    height, width = mosaic.shape[:2]
    zoom = max(1, round(WIDTH / width))
    left = 130 if row_labels else 0
    size = (left + width * zoom, height * zoom)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI))
        axes = figure.add_axes((left / size[0], 0, width * zoom / size[0], 1))
        axes.imshow(mosaic, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        for row, label in enumerate(row_labels or []):
            y = 1 - (row + 0.5) * side / height
            figure.text(0.92 * left / size[0], y, label, ha="right", va="center", size=8)
        return figure


def _mosaic(images, columns):
    """(rows, cols[, 3]) picture of images side by side with white gaps, and the height of one row in it."""
    images = np.clip(np.asarray(images, np.float32), 0, 1)
    if images.shape[-1] not in (1, 3):
        images = images.mean(axis=-1, keepdims=True)
    count, height, width, bands = images.shape
    gap = max(1, round(GAP * height))
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, bands)
    mosaic = np.full(shape, BACKGROUND, np.float32)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        y, x = row * (height + gap), column * (width + gap)
        mosaic[y : y + height, x : x + width] = image
    return mosaic[..., 0] if bands == 1 else mosaic, height + gap
