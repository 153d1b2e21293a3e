"""The figure of the evaluator `axes`: what each latent axis changes, and how well codes know each property."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.style import RC, UNKNOWN, axis_label, with_minus

MOST_ROWS = 40  # latent dimensions, the most informative first
CELL = (0.5, 0.36)  # inches
SMALL = 6.5  # points
DARK = 0.6  # of the range of colours: lighter characters are drawn on darker cells
PREDICTIONS = {
    "linear": "R², codes, linear",
    "boosted": "R², codes, boosted trees",
    "pca_linear": "R², PCA, linear",
    "pca_boosted": "R², PCA, boosted trees",
}


def axes(report, column, style):
    """Matrix of the mean effect of each latent axis on each measure, above the R² of the measures from the codes.

    Args:
        report: report whose arrays["axes"] has indices (n,), mean_change and scatter (latent_dim, M), in standard
            deviations of the real galaxies, kept (M,), whether reconstructions keep a measure, and information
            (latent_dim,), with the facts names (latent_dim texts, or None), labels (of the M measures), unit (of the
            information) and properties (measure -> name of a prediction -> dict of r2 and its error).
        column: not used.
        style: not used.

    Returns:
        dict with the Figure axes.
    """
    arrays, facts = report.arrays["axes"], report.facts
    mean, scatter, amounts = arrays["mean_change"], arrays["scatter"], arrays["information"]
    order = np.argsort(-amounts, kind="stable")[:MOST_ROWS]
    rows, columns = len(order), mean.shape[1]
    limit = max(1.0, np.max(np.abs(mean), initial=0, where=np.isfinite(mean) & arrays["kept"]))
    r2, errors = (
        np.array(
            [
                [entry.get(name, {}).get(key, np.nan) for entry in facts["properties"].values()]
                for name in PREDICTIONS
            ],
            float,
        )
        for key in ("r2", "error")
    )
    first = "" if rows == len(mean) else f", the {rows} most informative of {len(mean)}"
    title = (
        f"Change of each measure when a latent axis{first} moves from \N{MINUS SIGN}1 to +1 standard deviation around "
        f"{len(arrays['indices'])} galaxies,\nin standard deviations of the real galaxies; below it: its scatter over "
        "galaxies; grey: measures that reconstructions do not keep"
    )
    with matplotlib.rc_context(RC):
        heights = [rows, len(PREDICTIONS)]
        size = CELL[0] * columns + 4.2, CELL[1] * sum(heights) + 1.8
        figure = Figure(figsize=size, layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=heights)
        image = _matrix(above, mean[order], scatter[order], "RdBu_r", (-limit, limit), "{:+.2f}", "{:.2f}")
        above.set_yticks(range(rows), [axis_label(axis, amounts[axis], facts["unit"]) for axis in order])
        above.set_xticks(range(columns), facts["labels"], rotation=45, ha="left", rotation_mode="anchor")
        above.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        for label, kept in zip(above.get_xticklabels(), arrays["kept"], strict=True):
            label.set_color("black" if kept else UNKNOWN)
        above.set_title(title, loc="left")
        names = above.secondary_yaxis("right")
        texts = facts["names"] or ["not measured"] * len(mean)
        names.set_yticks(range(rows), [with_minus(texts[axis]) for axis in order])
        names.tick_params(length=0)
        names.spines["right"].set_visible(False)
        _matrix(below, r2, errors, "Greys", (0, 1), "{:.2f}", "±{:.2f}")
        below.set_yticks(range(len(PREDICTIONS)), PREDICTIONS.values())
        below.set_xticks([])
        bar = figure.colorbar(
            image, ax=above, location="bottom", label="mean change (standard deviations)", aspect=60
        )
        bar.outline.set_visible(False)
        return {"axes": figure}


def _matrix(axes, values, errors, colours, limits, number, error):
    """Draws numbers as cells of a colour, each with its number and its error written in; grey where there is none."""
    colours = matplotlib.colormaps[colours].with_extremes(bad=UNKNOWN)
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto"
    )
    axes.spines[:].set_visible(False)
    dark = np.abs(values - np.mean(limits) * (limits[0] < 0)) > DARK * limits[1]
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = with_minus(f"{number.format(value)}\n{error.format(errors[row, column])}")
            colour = "white" if dark[row, column] else "black"
            axes.text(
                column,
                row,
                text.replace("-", "\N{MINUS SIGN}"),
                size=SMALL,
                ha="center",
                va="center",
                color=colour,
            )
    return image
