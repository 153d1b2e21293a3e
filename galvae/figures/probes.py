"""The figure of the evaluator `probes`: how well classes and conditions are predicted from codes and baselines."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.style import LITERAL, RC, TRAIN, UNKNOWN, VAL

COLUMNS = 3
PANEL = (2.6, 2.1)  # inches
LINE = 44  # characters in a line of a title
NAMES = {"knn": "nearest neighbours", "logistic": "logistic regression", "linear": "ridge regression"}
SHIFT = 0.13  # of the two probes from the middle of their row
LOWEST = -0.2  # R² below it, of probes far worse than the mean, is drawn at the edge


def probes(report, column, style):
    """Dots with 95 % intervals: a panel for each target, a row for each kind of features, two probes.

    Args:
        report: report whose summary["probes"] has, for each target that was measured, `n`, `galaxies`, `chance_level`,
            perhaps `classes`, and for the names in the fact features the scores of two probes, a dict of value, low
            and high each; with the facts invariant, latent_dim and features (name -> label).
        column: not used.
        style: not used.

    Returns:
        dict with the Figure probes; empty if nothing was measured.
    """
    features, summary = report.facts["features"], report.summary["probes"]
    targets = {name: result for name, result in summary.items() if "codes" in result}
    if not targets:
        return {}
    labels = dict(features)
    for name in ("codes", "pca"):
        labels[name] += f" ({report.facts['latent_dim']})"
    for name in ("codes", "untrained") if report.facts["invariant"] else ():
        labels[name] += ",\nover orientations"
    columns = min(COLUMNS, len(targets))
    rows = -(-len(targets) // columns)
    with matplotlib.rc_context({**RC, "legend.fontsize": 7}):
        size = PANEL[0] * columns + 1.6, PANEL[1] * rows + 0.5
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
        for panel, (name, result) in zip(panels, targets.items(), strict=False):
            _draw(panel, name, result, features)
            panel.set_yticks(range(len(labels)), labels.values())
        panels[0].set_ylim(len(labels) - 0.5, -0.5)
        for panel in panels[len(targets) :]:
            panel.set_axis_off()
        handles = {}
        for panel in panels:
            for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=len(handles))
        return {"probes": figure}


def _draw(panel, name, result, features):
    """Draws the scores of one target."""
    classes = result.get("classes")
    scores = np.array(
        [[list(probe.values()) for probe in result[feature].values()] for feature in features]
    )  # features, probes, (value, low, high)
    colours = (TRAIN, VAL)
    for index, probe in enumerate(result["codes"]):
        value, low, high = np.maximum(scores[:, index], LOWEST).T
        rows = np.arange(len(features)) + (2 * index - 1) * SHIFT
        errors = [value - low, high - value]
        panel.errorbar(
            value, rows, xerr=errors, fmt="osD"[index], ms=3.5, lw=1, color=colours[index], label=NAMES[probe]
        )
    panel.axvline(result["chance_level"], color=UNKNOWN, lw=1, zorder=0, label="chance")
    panel.set_xlim(np.clip(scores[..., 1].min() - 0.03, LOWEST, 0), 1.03)
    of = f", {len(classes)} classes" if classes else ""
    given = "; the encoder is given it" if result["given_to_encoder"] else ""
    title = f"{name}{of}: {result['n']:,} galaxies, {result['galaxies']}{given}"
    panel.set_title("\n".join(textwrap.wrap(title, LINE)), loc="left", size=7, **LITERAL)
    panel.set_xlabel("balanced accuracy" if classes else "R²")
