"""The figure of `galvae prior`: how close samples of each prior are to codes of galaxies, and how likely these are."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from galvae.figures.style import LITERAL, RC, TRAIN, UNKNOWN, VAL

WIDTH, ROW = 7.2, 0.4  # inches
MARGIN = 0.6  # of what the numbers span, left for their text
FAR = 3  # times the largest W1 of the fitted priors, from which that of N(0, I) is an arrow at the edge
NORMAL, PERFECT, CHOSEN = "N(0, I)", "codes of training galaxies\n(a perfect prior)", "\n(chosen)"


def priors(report):
    """Two panels, a row for each prior: the distance W1 of its samples, and the log-likelihood above N(0, I).

    Args:
        report: dict with priors, for each name a dict of its label, and of w1, gap and above_normal, each with its
            `_error`; normal, the same of N(0, I) without a label; training_codes, w1 and w1_error of a perfect prior;
            chosen, a name; and n, a dict with validation_galaxies.

    Returns:
        Figure.
    """
    rows = [("normal", {**report["normal"], "label": NORMAL})]
    rows += [(name, one) for name, one in report["priors"].items() if name != "normal"]
    chosen = [name == report["chosen"] for name, _ in rows]
    labels = [one["label"] + CHOSEN * marked for marked, (_, one) in zip(chosen, rows, strict=True)]
    perfect, n = report["training_codes"], report["n"]["validation_galaxies"]
    with matplotlib.rc_context({**RC, "font.size": 8}):
        figure = Figure(figsize=(WIDTH, ROW * len(rows) + 1.4), layout="constrained")
        distance, likelihood = figure.subplots(1, 2, sharey=True)
        low, high = perfect["w1"] - perfect["w1_error"], perfect["w1"] + perfect["w1_error"]
        distance.axvspan(low, high, color=UNKNOWN, alpha=0.5, lw=0)
        distance.axvline(perfect["w1"], color="black", lw=0.8, ls="--")
        likelihood.axvline(0, color=UNKNOWN, lw=0.8, zorder=0)
        entries = [one for _, one in rows]
        gaps = [f"{one['gap']:+.3f} ± {one['gap_error']:.3f}" for one in entries]
        nats = [f"{one['above_normal']:.1f} ± {one['above_normal_error']:.1f}" for one in entries[1:]]
        _draw(distance, [*entries, perfect], "w1", [*chosen, False], [*gaps, f"{perfect['w1']:.3f}"])
        _draw(likelihood, entries, "above_normal", chosen, ["", *nats])
        distance.set_yticks(range(len(rows) + 1), [*labels, PERFECT], **LITERAL)
        distance.set_ylim(len(rows) + 0.5, -0.5)
        distance.set_xlabel(
            f"W1 to codes of {n:,} validation galaxies\n(standard deviations); numbers: gap to a perfect prior"
        )
        likelihood.set_xlabel("log-likelihood above N(0, I)\n(nats per validation galaxy)")
        return figure


def _draw(panel, entries, measure, chosen, texts):
    """Draws a dot with its error and a text for each row; the chosen one in another colour.

    Args:
        panel: matplotlib Axes.
        entries: list of dicts, see `priors`; the first one is N(0, I), and outside of the panel if it is far away.
        measure: "w1" or "above_normal".
        chosen, texts: lists, for each row whether it is the chosen one, and its text.
    """
    values = np.array([one[measure] for one in entries])
    errors = np.array([one[f"{measure}_error"] for one in entries])
    far = measure == "w1" and len(values) > 2 and values[0] > FAR * values[1:].max()
    drawn = slice(int(far), None)
    low, high = min(0, (values - errors)[drawn].min()), max((values + errors)[drawn].max(), 1e-6)
    edge = high + MARGIN * (high - low)
    panel.set_xlim(low - 0.04 * (high - low), edge)
    panel.xaxis.set_major_locator(MaxNLocator(5))
    for place, (value, error, text) in enumerate(zip(values, errors, texts, strict=True)):
        colour = VAL if chosen[place] else TRAIN
        offset = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "size": 7, "color": colour}
        if far and place == 0:
            panel.plot(edge, place, ">", ms=5, color=colour, clip_on=False)
            panel.annotate(
                f"{value:.3f}, {text}", (edge, place), **{**offset, "xytext": (-6, 0), "ha": "right"}
            )
            continue
        panel.errorbar(value, place, xerr=error, fmt="o", ms=4, lw=1.2, color=colour)
        panel.annotate(text, (value + error, place), **offset)
