"""The figure of the evaluator `card`: measures of real, decoded and sampled galaxies, and some of their images."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from galvae.figures.canvas import FONT_SIZE, Canvas, axes_of_dots, rgb
from galvae.figures.style import DPI, LITERAL, RC, TRAIN, UNKNOWN, VAL

COLUMNS = 4
PANEL_HEIGHT = 1.35  # inches
SMALL = 6.5  # points
BINS = (
    10,
    30,
)  # least and largest number in a histogram, whose own is the square root of the number of galaxies
DRAWN = (0.5, 99.5)  # percentiles of all galaxies that a histogram shows
GENERATED = {"decoded": TRAIN, "sampled": VAL}  # and their colours
NOISE = "_with_noise"


def card(report, column, style):
    """Histograms of each measure with its W1, the mean power spectra, and some of the images, drawn alike.

    Args:
        report: report whose arrays["card"] has indices (n,), frequencies (f,), and for the set "real" and those of
            GENERATED, also with "_with_noise", that could be measured: NAME_measures (n, k), NAME_power (f,) and
            NAME_examples (m, H, W, C); with the facts labels (of the k measures), noise ("learned" or "border") and
            w1 (name of a set, or "floor" -> k numbers or None). Without these arrays, nothing was measured.
        column: not used.
        style: Style.

    Returns:
        dict with the Figure card; empty if nothing was measured.
    """
    if "card" not in report.arrays:
        return {}
    arrays, facts = report.arrays["card"], report.facts
    strip = _strip(arrays, style)
    height, width = (length / DPI for length in strip.dots.shape[:2])
    rows = -(-(len(facts["labels"]) + 2) // COLUMNS)
    total = height + 0.1 + PANEL_HEIGHT * rows
    with matplotlib.rc_context({**RC, "font.size": 7, "legend.fontsize": SMALL}):
        figure = Figure(figsize=(width, total), layout="constrained")
        figure.get_layout_engine().set(rect=(0, 0, 1, 1 - (height + 0.1) / total))
        panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for index, label in enumerate(facts["labels"]):
            values = {name: arrays[f"{name}_measures"][:, index] for name in _drawn(arrays)}
            _histogram(panels[index], values, label)
            _distances(panels[index], {name: w1[index] for name, w1 in facts["w1"].items()})
        power, legend, *others = panels[len(facts["labels"]) :]
        _spectra(power, arrays)
        for panel in (legend, *others):
            panel.set_axis_off()
        _legend(legend, arrays, "floor" in facts["w1"], facts["noise"])
        axes = axes_of_dots(figure, strip.dots, (0, 1 - height / total, 1, height / total))
        for x, y, text, ha, va in strip.texts:
            axes.text(x, y, text, ha=ha, va=va, size=FONT_SIZE, **LITERAL)
        return {"card": figure}


def _drawn(arrays):
    """Names of the sets that are drawn, in their order; those with noise last."""
    names = ["real", *GENERATED, *(name + NOISE for name in GENERATED)]
    return [name for name in names if f"{name}_measures" in arrays]


def _line_of(name):
    """Colour, dashes and width of a set's line."""
    noisy = name.endswith(NOISE)
    return {
        "color": GENERATED[name.removesuffix(NOISE)],
        "ls": ":" if noisy else "-",
        "lw": 0.8 if noisy else 1,
    }


def _strip(arrays, style):
    """Canvas with a row of images of each set."""
    rows = {name: arrays[f"{name}_examples"] for name in _drawn(arrays)}
    labels = [name.replace(NOISE, "\nwith noise") for name in rows]
    images = rgb(np.concatenate(list(rows.values())), style)
    return Canvas(images, len(arrays["real_examples"]), row_labels=labels)


def _histogram(panel, values, label):
    """Densities of one measure: real galaxies filled, the others as lines."""
    finite = {name: column[np.isfinite(column)] for name, column in values.items()}
    pooled = np.concatenate(list(finite.values()))
    low, high = np.percentile(pooled, DRAWN) if len(pooled) else (0, 1)
    bins = int(np.clip(np.sqrt(len(values["real"])), *BINS))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    for name, column in finite.items():
        # Shares of all galaxies of the set: a set of which some failed has less area.
        heights = np.histogram(column, edges)[0] / len(values[name])
        if name == "real":
            panel.stairs(heights, edges, fill=True, color=UNKNOWN)
        else:
            panel.stairs(heights, edges, **_line_of(name))
    panel.set_xlabel(label, **LITERAL)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.xaxis.set_major_locator(MaxNLocator(4))
    panel.tick_params(labelsize=SMALL)


def _distances(panel, w1):
    """W1 of the floor, of decoded and of sampled galaxies above a panel, in the colours of their lines."""
    positions = {"floor": (0, "left"), "decoded": (0.56, "right"), "sampled": (1, "right")}
    for name, (x, ha) in positions.items():
        numbers = [w1[key] for key in (name, name + NOISE) if key in w1]
        text = " / ".join("\N{EN DASH}" if number is None else f"{number:.2f}" for number in numbers)
        colour = GENERATED.get(name, "0.4")
        panel.text(x, 1.03, text, transform=panel.transAxes, ha=ha, size=SMALL, color=colour, clip_on=False)


def _spectra(panel, arrays):
    for name in _drawn(arrays):
        line = {"color": UNKNOWN, "lw": 3} if name == "real" else _line_of(name)
        panel.loglog(arrays["frequencies"], arrays[f"{name}_power"], **line)
    panel.set_xlabel("cycles per pixel")
    panel.set_ylabel("mean power")
    panel.set_xticks([0.05, 0.1, 0.2, 0.5], ["0.05", "0.1", "0.2", "0.5"])
    panel.minorticks_off()
    panel.tick_params(labelsize=SMALL)


def _legend(panel, arrays, has_floor, noise):
    names = _drawn(arrays)
    handles = [Patch(color=UNKNOWN), *(Line2D([], [], **_line_of(name)) for name in names[1:])]
    labels = [name.replace(NOISE, f", {noise} noise added") for name in names]
    first = "floor (left), " if has_floor else ""
    count = len(arrays["indices"])
    title = f"n = {count} galaxies of each\nabove a panel: W1 of {first}\ndecoded, sampled / with noise"
    options = {"loc": "center left", "bbox_to_anchor": (-0.1, 0.45), "alignment": "left"}
    panel.legend(handles, labels, title=title, title_fontsize=SMALL, **options)
