"""Plots of numbers: loss curves, information in latent dimensions, predictions, comparisons of runs."""

import itertools
import textwrap

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator, StrMethodFormatter

from galvae.figures.scatter import BINNED, HEXAGONS
from galvae.figures.style import LITERAL, PLAIN, RC, TRAIN, UNKNOWN, VAL, amount, latent_name
from galvae.figures.ticks import fit_ticks

MARKERS = "osD^vPX*<>"
DASHES = ("-", "--", ":")
LEGEND_CHARACTERS = 30  # in a line of a legend of runs
# Labels of the terms of a loss: as they are, and above the entropy of the images.
PER_IMAGE = ("per image", "nats per image above\nthe entropy of the images")
TICK_DIGITS = 72  # that fit below the bars of the latent dimensions, with room between the numbers


def loss_curves(history, floors=None):
    """Training and validation curves of the loss and each of its terms.

    Scales are logarithmic where all values are positive and differ by a factor of two or more; that of the KL
    divergence, which rises as often as it falls, is linear. Where beta differs from 1, its panel also shows beta times
    it.

    Args:
        history: a dict per epoch with `epoch`, terms such as `loss` and `kl`, the same terms with the prefix
            `val_`, and, for models with a KL divergence, optionally `beta`.
        floors: term -> the entropy of the training and of the validation images as it enters the term, in nats per
            image. No cross-entropy lies below it; what is drawn lies above it. None: terms are drawn as they are.
    """
    floors = floors or {}
    terms = [name for name in history[0] if f"val_{name}" in history[0]]
    epochs = [row["epoch"] for row in history]
    marker = "." if len(history) < 10 else None
    unit = None
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(2.6 * len(terms) + 0.4, 2.6), layout="constrained")
        for axes, term in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms, strict=True):
            training, validation = floors.get(term, (0.0, 0.0))
            curves = [
                ("training", TRAIN, "-", [row[term] - training for row in history]),
                ("validation", VAL, "-", [row[f"val_{term}"] - validation for row in history]),
            ]
            if term == "kl" and any(row.get("beta", 1.0) != 1.0 for row in history):
                weighted = [row["beta"] * row["kl"] for row in history]
                curves.append(("β × training", TRAIN, ":", weighted))
            for label, colour, dash, values in curves:
                axes.plot(epochs, values, label=label, color=colour, ls=dash, lw=1, marker=marker)
            drawn = np.concatenate([values for *_, values in curves])
            if term != "kl" and 0 < 2 * drawn.min() <= drawn.max():
                axes.set_yscale("log")
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.yaxis.set_minor_formatter(_PlainLog(minor_thresholds=(1.5, 0.5)))
            else:
                fit_ticks(axes, x=False)
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
            axes.set(title=term.replace("_", " "), xlabel="epoch")
            left, unit = unit, "nats per image" if term == "kl" else PER_IMAGE[term in floors]
            if unit != left:
                axes.set_ylabel(unit)
            if len(curves) > 2:
                axes.legend()
        figure.axes[0].legend()
        return figure


class _PlainLog(LogFormatter):
    """Formats the minor ticks that matplotlib would label like the major ones: 0.06, not 6e-02."""

    def __call__(self, value, position=None):
        return f"{value:g}" if super().__call__(value, position) else ""


def information_bars(information, unit="nats", active=None):
    """Bar chart of the information in each latent dimension, in descending order.

    Args:
        information: (latent_dim,).
        unit: unit of `information`: "nats", or "variance" of codes without a posterior.
        active: (latent_dim,) booleans, or None; inactive dimensions are drawn in grey.
    """
    order = np.argsort(-information, kind="stable")
    colours = [TRAIN if active is None or active[axis] else UNKNOWN for axis in order]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(float(np.clip(0.22 * len(order) + 1.2, 3.2, 9)), 2.6), layout="constrained")
        axes = figure.subplots()
        axes.bar(np.arange(len(order)), information[order], color=colours)
        every = -(-len(order) * len(str(len(order) - 1)) // TICK_DIGITS)
        axes.set_xticks(np.arange(len(order))[::every], [str(axis) for axis in order[::every]])
        axes.set(
            xlabel="latent dimension", ylabel="variance" if unit == "variance" else f"KL divergence ({unit})"
        )
        fit_ticks(axes, x=False)
        return figure


def pairs(codes, information, unit="nats", max_dims=5, style=PLAIN, prior=True):
    """Corner plot: histograms of the most informative latent dimensions and of each pair of them.

    Args:
        codes: (n, latent_dim), one sample of each posterior: means vary less than the prior even where both agree.
        information: (latent_dim,).
        unit: unit of `information`: "nats", or "variance" of codes without a posterior.
        max_dims: largest number of dimensions drawn.
        style: Style.
        prior: whether the codes have a posterior and a prior, the standard normal, which is then drawn over the
            one-dimensional histograms.
    """
    order = np.argsort(-information, kind="stable")[: min(max_dims, codes.shape[1])]
    drawn = codes[:, order]
    low, high = np.quantile(drawn.astype(float), [0.0005, 0.9995], axis=0)
    margin = 0.08 * np.maximum(high - low, 1e-6 * np.maximum(np.abs(high), 1))
    low, high = low - margin, high + margin
    bins = int(np.clip(np.sqrt(len(codes)) / 1.5, 10, 60))
    count = len(order)
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(1.35 * count + 0.8,) * 2, layout="constrained")
        grid = figure.subplots(count, count, squeeze=False)
        for row in range(count):
            for column in range(count):
                axes = grid[row, column]
                if column > row:
                    axes.set_visible(False)
                    continue
                axes.set_xlim(low[column], high[column])
                if column == row:
                    axes.hist(
                        drawn[:, row], bins=bins, range=(low[row], high[row]), color=TRAIN, density=True
                    )
                    if prior:
                        values = np.linspace(low[row], high[row], 200)
                        density = np.exp(-(values**2) / 2) / np.sqrt(2 * np.pi)
                        (normal,) = axes.plot(values, density, color="black", lw=0.8)
                    axes.set_yticks([])
                    axes.spines["left"].set_visible(False)
                    axes.set_title(amount(information[order[row]], unit), size=7)
                else:
                    ranges = [(low[column], high[column]), (low[row], high[row])]
                    counts, xs, ys = np.histogram2d(drawn[:, column], drawn[:, row], bins, ranges)
                    counts = np.ma.masked_equal(counts.T, 0)
                    top = max(2, counts.max() if counts.count() else 2)
                    axes.pcolormesh(
                        xs, ys, counts, cmap=style.value_map, norm=LogNorm(1, top), rasterized=True
                    )
                    axes.set_ylim(low[row], high[row])
                axes.xaxis.set_major_locator(MaxNLocator(3))
                if column != row:
                    axes.yaxis.set_major_locator(MaxNLocator(3))
                axes.tick_params(labelbottom=row == count - 1, labelleft=column == 0 and row > 0, labelsize=7)
                if row == count - 1:
                    axes.set_xlabel(latent_name(order[column]))
                if column == 0 and row > 0:
                    axes.set_ylabel(latent_name(order[row]))
        if count > 1:
            what = "one sample of each posterior; " if prior else ""
            title = f"{what}colour: galaxies per bin, logarithmic, from 1 to the maximum of each panel"
            title = textwrap.fill(title, min(21 * (count - 1), 40))  # the empty corner grows with the count
            handles, names = ([normal], ["prior"]) if prior else ([], [])
            figure.legend(handles, names, loc="upper right", title=title, title_fontsize=8, alignment="right")
        return figure


def predictions(true, predicted, name, summary):
    """Scatter plot of predicted against true values of a condition, with the line where they are equal.

    Args:
        true, predicted: (n,).
        name: name of the condition, with its unit.
        summary: short text above the axes, such as the errors; may contain mathtext.
    """
    low, high = min(true.min(), predicted.min()), max(true.max(), predicted.max())
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(4.2, 4.0), layout="constrained")
        axes = figure.subplots()
        if len(true) > BINNED:
            axes.hexbin(true, predicted, gridsize=HEXAGONS, bins="log", mincnt=1, cmap="Purples", lw=0.1)
        else:
            size = float(np.clip(4000 / len(true), 1, 12))
            axes.scatter(true, predicted, s=size, lw=0, color=TRAIN, alpha=0.6, rasterized=True)
        axes.plot([low, high], [low, high], color="black", lw=0.8)
        axes.set_title(summary, loc="left", size=8)  # above the axes, where no galaxy can lie
        axes.set_aspect("equal")
        axes.set_xlabel(f"true {name}", **LITERAL)
        axes.set_ylabel(f"predicted {name}", **LITERAL)
        fit_ticks(axes)
        return figure


def loss_against_latent_dim(latent_dim, panels, groups, style=PLAIN):
    """Losses of several runs against their numbers of latent dimensions, in one panel for each loss.

    Args:
        latent_dim: (n,) integers.
        panels: list of (name of the loss, kind of the runs as a short text, (n,) values per image); NaN is left out.
        groups: n names; runs of the same name are joined by a line.
        style: Style.
    """
    with matplotlib.rc_context(RC):
        figure = _figure_of_runs(groups, len(panels))
        every = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, (name, kind, values) in zip(every, panels, strict=True):
            _draw_runs(axes, latent_dim, values, groups, style)
            ticks = _clear_ticks(np.unique(latent_dim))
            if len(ticks) > 1:
                axes.set_xscale("log", base=2)
            axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
            axes.minorticks_off()
            fit_ticks(axes, x=False)
            axes.set(xlabel="latent dimensions", ylabel=f"{name} per image")
            axes.set_title(_wrapped(kind), size=8, **LITERAL)
        _legend_of_runs(figure, groups)
        return figure


def rate_distortion(
    rate, distortion, groups, labels, label_name="latent dimensions", kinds=None, style=PLAIN
):
    """Rate-distortion plot of several runs: reconstruction term against KL divergence.

    Args:
        rate: (n,) KL divergence in nats per image.
        distortion: (n,) reconstruction term per image.
        groups: n names; runs of the same name are joined by a line in the order of their rates.
        labels: n short texts beside the points.
        label_name: what the texts are, written above the axes.
        kinds: n short texts; runs whose values cannot be compared have different ones, and panels of their own. None:
            all can be compared.
        style: Style.

    Reference:
        Alemi et al. 2018 (arXiv:1711.00464), "Fixing a broken ELBO".
    """
    kinds = [""] * len(rate) if kinds is None else kinds
    points = np.stack([rate, distortion], axis=1).astype(float)
    with matplotlib.rc_context(RC):
        names = list(dict.fromkeys(kinds))
        figure = _figure_of_runs(groups, len(names))
        every = figure.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(every, names, strict=True):
            own = np.array([kind == name for kind in kinds])
            _draw_runs(axes, *np.where(own[:, None], points, np.nan).T, groups, style)
            axes.set_xlabel("rate: KL divergence (nats per image)")
            fit_ticks(axes)
            title = f"{_wrapped(name)}\nbeside the points: {label_name}".strip()
            axes.set_title(title, loc="right", size=8, **LITERAL)
        every[0].set_ylabel("distortion: reconstruction per image")
        _legend_of_runs(figure, groups)
        figure.draw_without_rendering()  # fixes the layout before labels are placed in it
        for axes, name in zip(every, names, strict=True):
            own = [kind == name for kind in kinds]
            _label_points(axes, points[own], list(itertools.compress(labels, own)))
        return figure


def _figure_of_runs(groups, panels):
    """Figure with room for panels side by side and, if there are several groups, a legend on their right."""
    names = [_wrapped(name) for name in dict.fromkeys(groups)]
    characters = max(len(line) for name in names for line in name.split("\n")) if len(names) > 1 else -8
    lines = sum(name.count("\n") + 1 for name in names)
    return Figure(
        figsize=(3.1 * panels + 1.0 + 0.065 * (characters + 8), max(3.0, 0.17 * lines + 0.4)),
        layout="constrained",
    )


def _draw_runs(axes, x, y, groups, style):
    """Draws a line with markers for each group of runs; runs whose x or y is not finite are left out."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    names = list(dict.fromkeys(groups))
    colours = style.class_colours(len(names))
    for index, name in enumerate(names):
        chosen = np.flatnonzero([group == name for group in groups] & np.isfinite(x) & np.isfinite(y))
        chosen = chosen[np.argsort(x[chosen], kind="stable")]
        line_style = {
            "color": colours[index],
            # Shifted by one each time the colours repeat, so that single points differ too.
            "marker": MARKERS[(index + index // len(MARKERS)) % len(MARKERS)],
            "ls": DASHES[index // len(MARKERS) % len(DASHES)],
        }
        axes.plot(x[chosen], y[chosen], lw=1, ms=4, label=_wrapped(name), **line_style)
    axes.margins(0.08)


def _legend_of_runs(figure, groups):
    """Draws a legend of the groups on the right of the axes, where it covers no line."""
    if len(set(groups)) > 1:
        legend = figure.legend(handles=figure.axes[0].lines, loc="outside right upper")
        for text in legend.get_texts():
            text.set(**LITERAL)


def _wrapped(name):
    return textwrap.fill(name, LEGEND_CHARACTERS)


def _clear_ticks(values):
    """The ascending numbers that can be labelled on a logarithmic axis without overlap."""
    ticks = [values[0]]
    for value in values[1:]:
        if np.log(value / ticks[-1]) >= np.log(values[-1] / values[0]) / 10:
            ticks.append(value)
    return ticks


def _label_points(axes, points, labels, size=7):
    """Writes texts beside points, each on the side where it covers fewest points, lines and other texts.

    Args:
        axes: matplotlib Axes whose layout is final.
        points: (n, 2) data coordinates.
        labels: n short texts.
        size: font size in points.
    """
    scale = axes.figure.dpi / 72
    positions = axes.transData.transform(points)
    # Samples, in dots, of all that a text should not cover. The library adjustText 1.4 takes 50 times as long
    # and more, and writes most labels over markers.
    obstacles = [positions]
    for line in axes.lines:
        corners = axes.transData.transform(line.get_xydata())
        obstacles += [np.linspace(start, end, 100) for start, end in itertools.pairwise(corners)]
    obstacles = np.concatenate(obstacles)
    sides = [(1, 1), (1, -1), (-1, 1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0)]
    for point, position, label in zip(points, positions, labels, strict=True):
        half = np.array([0.3 * size * len(label), 0.5 * size]) * scale
        centres = [position + side * (half + 4 * scale) for side in np.array(sides)]
        covered = [
            np.sum(np.all(np.abs(obstacles - centre) < half, axis=1))
            + 1000 * (not all(axes.bbox.contains(*corner) for corner in (centre - half, centre + half)))
            for centre in centres
        ]
        centre = centres[int(np.argmin(covered))]
        properties = {"textcoords": "offset points", "ha": "center", "va": "center", "size": size, **LITERAL}
        axes.annotate(label, point, (centre - position) / scale, **properties)
        inside = np.stack(np.meshgrid(*(np.linspace(-1, 1, 9),) * 2), axis=-1).reshape(-1, 2)
        obstacles = np.concatenate([obstacles, centre + half * inside])
