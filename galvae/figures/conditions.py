"""Figures of the evaluator `conditions`: the audit of a conditional model, and its predicted conditions."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures import plots
from galvae.figures.class_audit import class_audit, class_grid
from galvae.figures.style import LITERAL, RC, UNKNOWN, VAL

LONGEST_NAME = 50  # characters of a condition in the name of a file
PANELS = ("r50", "flux")  # measures that are drawn against the condition, with colours
MOST_COLOURS = 3  # of images with many bands, evenly chosen
REAL = "black"
PANEL, BELOW = (2.6, 2.5), 3.2  # inches
WRAPPED = 32  # characters in a line
SIGMAS = 2  # standard errors, half of an interval


def conditions(report, column, style):
    """Figures of predicted against true conditions, one for each condition, and of the audit.

    Args:
        report: report with the facts predictions, absent for a model that predicts nothing, a list of dicts with name
            and unit of the condition, true (n,) and predicted (n,), and errors, a dict with rmse and, for a redshift,
            sigma_nmad and bias; audit, the summary of the audit; and labels, name of a measure -> label of its axis.
            arrays["condition_audit"] has asked and read_off (m,), absent without an audit. Of a model that is
            conditional on classes, facts["class_audit"] is the summary of its audit, class_names are the names of all
            classes, and arrays["class_grid"] is what `class_grid` draws.
        column: not used.
        style: Style.

    Returns:
        dict with the Figures predicted_NAME, in which "/" of a condition's name becomes "_" and a long one is cut, and
        condition_audit, class_audit and class_grid.
    """
    figures = {}
    for index, prediction in enumerate(report.facts.get("predictions", [])):
        name, unit, errors = prediction["name"], prediction["unit"], prediction["errors"]
        summary = f"rmse = {errors['rmse']:.3g}"
        if "sigma_nmad" in errors:
            summary = f"$\\sigma_{{\\rm NMAD}}$ = {errors['sigma_nmad']:.3f}, bias = {errors['bias']:+.3f}"
        figure = plots.predictions(
            prediction["true"], prediction["predicted"], _with_unit(name, unit), summary
        )
        file = name.replace("/", "_")
        if len(file) > LONGEST_NAME:
            file = f"{file[:LONGEST_NAME]}_{index}"
        figures[f"predicted_{file}"] = figure
    audit = report.facts.get("audit", {})
    if "trend" in audit:
        figures["condition_audit"] = _audit(audit, report.facts["labels"], report.arrays["condition_audit"])
    classes = report.facts.get("class_audit", {})
    if "judge" in classes:
        names = report.facts["class_names"]
        figures["class_audit"] = class_audit(classes, names)
        figures["class_grid"] = class_grid(report.arrays["class_grid"], names, style)
    return figures


def _audit(summary, labels, arrays):
    """Measures against the condition, the condition read off generated galaxies, and effects of a swap."""
    label = _with_unit(summary["condition"], summary["unit"])
    colours = [name for name in labels if name.startswith("colour_")]
    chosen = np.unique(np.linspace(0, len(colours) - 1, min(MOST_COLOURS, len(colours))).astype(int))
    names = [*PANELS, *(colours[index] for index in chosen)]
    with matplotlib.rc_context(RC):
        size = PANEL[0] * max(3, len(names)), PANEL[1] + BELOW + 0.1
        figure = Figure(figsize=size, layout="constrained")
        above, below = figure.subfigures(2, 1, height_ratios=(PANEL[1], BELOW))
        for axes, name in zip(above.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            bins = [one for one in summary["bins"] if name in one["measures"]]
            axes.set_xlabel(label, **LITERAL)
            axes.set_ylabel(labels[name], **LITERAL)
            if bins:
                _measure(axes, name, bins)
            else:
                _unmeasured(axes, summary["trend"][name])
        legends = [axes.get_legend_handles_labels() for axes in above.axes]
        handles, texts = max(legends, key=lambda pair: len(pair[0]))
        if handles:
            above.legend(handles, texts, loc="outside upper center", ncols=len(handles))
        left, right = below.subplots(1, 2, width_ratios=(1, 1.7))
        read_off, swap = summary["read_off"], summary["swap"]
        left.set_xlabel(f"{label} asked for", **LITERAL)
        left.set_ylabel(f"{label} read off", **LITERAL)
        if "read_off" in arrays:
            _read_off(left, read_off, arrays["asked"], arrays["read_off"])
        else:
            _unmeasured(left, read_off)
        if "measures" in swap:
            noisy = [
                name for name, one in summary["trend"].items() if one.get("direction") == "depends on noise"
            ]
            starred = {
                name: text.partition(" (")[0] + " *" * (name in noisy) for name, text in labels.items()
            }
            _swap(right, swap, starred, label)
        else:
            _unmeasured(right, swap)
        title = (
            f"{summary['n']:,} real galaxies ({summary['galaxies']}), {summary['generated']:,} generated under their "
            f"{summary['condition']}"
        )
        figure.suptitle(title, size=9, **LITERAL)
        return figure


def _measure(axes, name, bins):
    """A measure in bins of the condition: mean with interval and scatter of real and of generated galaxies."""
    for kind, position, colour, band, alpha in (
        ("real", "mean", REAL, UNKNOWN, 0.35),
        ("generated", "mean_asked", VAL, VAL, 0.2),
    ):
        x = np.array([one[position] for one in bins])
        mean, error, scatter = (
            np.array([one["measures"][name][key] for one in bins], float)
            for key in (kind, f"{kind}_error", f"scatter_{kind}")
        )
        edges = mean - scatter, mean + scatter
        axes.fill_between(x, *edges, color=band, alpha=alpha, lw=0, label=f"{kind}: scatter")
        text = f"{kind}: mean ± {SIGMAS} standard errors"
        axes.errorbar(x, mean, SIGMAS * error, color=colour, lw=1, marker="o", ms=3, capsize=2, label=text)


def _read_off(axes, read_off, asked, read):
    """Condition read off generated galaxies against the one that was asked for, with the line of real galaxies."""
    size = float(np.clip(4000 / len(asked), 1, 12))
    axes.scatter(asked, read, s=size, lw=0, color=VAL, alpha=0.4, rasterized=True)
    ends, centre = np.array([asked.min(), asked.max()]), asked.mean()
    axes.plot(ends, ends, color=UNKNOWN, lw=1, ls="--", label="equal")
    for kind, colour, text in (("real", REAL, "real galaxies"), ("generated", VAL, "generated")):
        slope, error = read_off[f"slope_{kind}"], read_off[f"slope_{kind}_error"]
        line = centre + read_off[f"bias_{kind}"] + slope * (ends - centre)
        axes.plot(ends, line, color=colour, lw=1.5, label=f"{text}: {slope:.2f} ± {error:.2f}")
    title = (
        read_off.get("not measured")
        or f"{read_off['verdict']}: {read_off['obedience']:.2f} of the real slope"
    )
    axes.set_title(title, size=8, loc="left", **LITERAL)
    axes.legend(fontsize=7, title="slope", title_fontsize=7, alignment="left", frameon=True, framealpha=0.8)


def _swap(axes, swap, labels, condition):
    """Bars: the change of each measure under another condition, beside the change that the real trend predicts."""
    names = list(swap["measures"])
    rows = np.arange(len(names))
    for shift, key, colour, text in (
        (-0.2, "real_trend", UNKNOWN, "trend of real galaxies"),
        (0.2, "effect", VAL, f"{swap['n']:,} real galaxies, decoded"),
    ):
        values, errors = (
            np.array([swap["measures"][name][part] for name in names], float)
            for part in (key, f"{key}_error")
        )
        style = {"error_kw": {"lw": 0.8, "ecolor": REAL}}
        axes.barh(rows + shift, values, 0.4, xerr=SIGMAS * errors, color=colour, label=text, **style)
    axes.axvline(0, color=REAL, lw=0.6)
    axes.set_yticks(rows, [labels[name] for name in names], size=7, **LITERAL)
    axes.invert_yaxis()
    text = f"change from {condition} {swap['from']:.3g} to {swap['to']:.3g} (real standard deviations)"
    starred = any(labels[name].endswith("*") for name in names)
    axes.set_xlabel(text + "\n* depends on noise, which decoded images lack" * starred, **LITERAL)
    axes.legend(fontsize=7, loc="best")


def _unmeasured(axes, entry):
    """Says in place of a drawing why there is none."""
    why = textwrap.fill(f"not measured: {entry['not measured']}", WRAPPED)
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", size=7, **LITERAL)
    axes.set(xticks=[], yticks=[])


def _with_unit(name, unit):
    return f"{name} ({unit})" if unit else name
