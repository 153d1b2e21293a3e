"""The figure of the evaluator `prior`: codes of galaxies under the prior that samples are drawn from."""

import itertools

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from galvae.figures.style import RC, TRAIN, latent_name

COLUMNS = 4
TITLE_WIDTH = 5.6  # inches
MOST_DRAWN = 8  # latent dimensions
BINS = (15, 40)  # fewest and most bins of a histogram
SIGMAS = (1, 2, 3)  # of the prior's ellipses
DRAWN = (0.0005, 0.9995)  # quantiles of codes and prior that a panel shows


def prior(report, column, style):
    """Histograms of the latent dimensions that fit the prior worst, and of the pairs of them that are most correlated.

    Args:
        report: report whose arrays["prior"] has sample (n, latent_dim), codes drawn from the posteriors, and w1
            (latent_dim,), their distance from the prior; with the facts reference (m, latent_dim), codes of the prior,
            prior (its name), posterior (whether the model has one) and nats (value, low, high). Without these arrays,
            nothing was measured.
        column: not used.
        style: Style.

    Returns:
        dict with the Figure prior; empty if nothing was measured.
    """
    if "prior" not in report.arrays:
        return {}
    arrays, facts = report.arrays["prior"], report.facts
    sample, reference, distance = arrays["sample"], facts["reference"], arrays["w1"]
    order = np.argsort(-distance, kind="stable")[:MOST_DRAWN]
    pairs = _most_correlated(sample, order)
    columns = min(COLUMNS, len(order))
    histogram_rows = -(-len(order) // columns)
    rows = histogram_rows + (1 if pairs else 0)
    what = "Samples of the posteriors" if facts["posterior"] else "Codes"
    title = (
        f"{what} of {len(sample):,} galaxies (filled) and {facts['prior']} (line): at least "
        f"{max(facts['nats']['value'], 0):.2g} nats apart"
    )
    if pairs:
        title += (
            "\nBelow: the pairs of strongest correlation, with 1, 2 and 3 standard deviations of the prior"
        )
    with matplotlib.rc_context({**RC, "font.size": 8, "axes.titlesize": 8}):
        figure = Figure(
            figsize=(max(1.75 * columns + 0.4, TITLE_WIDTH), 1.6 * rows + 0.5), layout="constrained"
        )
        grid = figure.subplots(rows, columns, squeeze=False)
        for panel in grid.ravel():
            panel.set_axis_off()
        for panel, axis in zip(grid[:histogram_rows].ravel(), order, strict=False):
            _histogram(panel, sample[:, axis], reference[:, axis])
            panel.set_title(f"{latent_name(axis)}, W1 {distance[axis]:.2f}")
        for panel, pair in zip(grid[-1], pairs, strict=False):
            _pair(panel, sample[:, pair], reference[:, pair], style)
            panel.set_xlabel(latent_name(pair[0]))
            panel.set_ylabel(latent_name(pair[1]))
        figure.suptitle(title, x=0.01, ha="left", size=8)
        return {"prior": figure}


def _most_correlated(sample, axes):
    """Pairs of the axes, at most COLUMNS, in descending order of the absolute correlation of their codes."""
    correlation = np.abs(np.ma.corrcoef(sample[:, axes], rowvar=False)).filled(0)
    pairs = sorted(itertools.combinations(range(len(axes)), 2), key=lambda pair: -correlation[pair])
    return [list(axes[list(pair)]) for pair in pairs[:COLUMNS]]


def _limits(sample, reference):
    edges = [np.quantile(codes.astype(float), DRAWN, axis=0) for codes in (sample, reference)]
    low, high = np.min(edges, axis=0)[0], np.max(edges, axis=0)[1]
    return low, np.maximum(high, low + 1e-6 * np.maximum(np.abs(low), 1))


def _bins(count):
    return int(np.clip(np.sqrt(count) / 1.5, *BINS))


def _histogram(panel, sample, reference):
    low, high = _limits(sample, reference)
    edges = np.linspace(low, high, _bins(len(sample)) + 1)
    panel.set_axis_on()
    panel.stairs(np.histogram(sample, edges)[0] / len(sample), edges, fill=True, color=TRAIN, alpha=0.6)
    panel.stairs(np.histogram(reference, edges)[0] / len(reference), edges, color="black", lw=0.9)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.xaxis.set_major_locator(MaxNLocator(3))


def _pair(panel, sample, reference, style):
    """Draws a histogram of two latent dimensions under the prior's ellipses of 1, 2 and 3 standard deviations."""
    (low_x, low_y), (high_x, high_y) = _limits(sample, reference)
    ranges = [(low_x, high_x), (low_y, high_y)]
    counts, xs, ys = np.histogram2d(*sample.T, _bins(len(sample)), ranges)
    panel.set_axis_on()
    panel.pcolormesh(
        xs,
        ys,
        np.ma.masked_equal(counts.T, 0),
        cmap=style.value_map,
        norm=LogNorm(1, max(2, counts.max())),
        rasterized=True,
    )
    angles = np.linspace(0, 2 * np.pi, 100)
    values, vectors = np.linalg.eigh(np.cov(reference, rowvar=False))
    circle = vectors * np.sqrt(np.maximum(values, 0)) @ np.stack([np.cos(angles), np.sin(angles)])
    for sigma in SIGMAS:
        panel.plot(*(reference.mean(axis=0)[:, None] + sigma * circle), color="black", lw=0.7)
    panel.set_xlim(low_x, high_x)
    panel.set_ylim(low_y, high_y)
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_locator(MaxNLocator(3))
