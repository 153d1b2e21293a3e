"""Figures of the audit of classes: which class is seen in real and in generated galaxies, and some galaxies of each."""

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures import image_grids
from galvae.figures.style import LITERAL, RC, UNKNOWN, VAL

LONGEST = 24  # characters in a line of a class's name
MOST_NUMBERED = 12  # classes whose shares are written into the matrices
ROW, PANEL = 0.32, 2.7  # inches
SIGMAS = 2  # standard errors, half of an interval
SHARES = "Greys"


def class_audit(summary, names):
    """The class seen in real and in generated galaxies of each class, and the shares that are right.

    Args:
        summary: summary of the audit, see `galvae.analysis.class_audit.audit`.
        names: names of all classes, by which a class is numbered.
    """
    classes = summary["classes"]
    numbers, rows = [names.index(name) for name in classes], np.arange(len(classes))
    with matplotlib.rc_context(RC):
        height = max(PANEL, ROW * len(classes)) + 1.1
        figure = Figure(figsize=(3 * PANEL + 1.6, height), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for axes, kind, text in zip(
            panels, ("real", "generated"), ("real galaxies", "generated"), strict=False
        ):
            shares = np.array(summary[f"confusion_{kind}"])
            axes.imshow(shares, cmap=SHARES, vmin=0, vmax=1, aspect="auto")
            if len(classes) <= MOST_NUMBERED:
                for (row, column), share in np.ndenumerate(shares):
                    colour = "white" if share > 0.6 else "black"
                    axes.text(column, row, f"{share:.2f}", ha="center", va="center", size=6, color=colour)
            accuracy, error = summary[f"accuracy_{kind}"], summary[f"accuracy_{kind}_error"]
            axes.set_title(f"{text}: {accuracy:.2f} ± {error:.2f} right", size=8, **LITERAL)
            axes.set_xlabel("number of the class seen")
            axes.set_xticks(rows, numbers, size=7)
            axes.tick_params(length=0)
        labels = [
            textwrap.fill(f"{number} {name}", LONGEST) for number, name in zip(numbers, classes, strict=True)
        ]
        panels[0].set_yticks(rows, labels, size=7, **LITERAL)
        panels[0].set_ylabel("class asked for")
        _bars(panels[2], summary, rows)
        verdict = summary.get("verdict") or f"not measured: {summary['not measured']}"
        obeyed = (
            f", {summary['obedience']:.2f} of what real galaxies reach above chance"
            if "verdict" in summary
            else ""
        )
        figure.suptitle(
            f"class seen by a kNN in its {summary['judge']}: {verdict}{obeyed}", size=9, **LITERAL
        )
        return figure


def class_grid(arrays, names, style):
    """Generated galaxies of each class in a row, from the same random numbers in every row, beside real ones.

    Args:
        arrays: dict of labels (rows,), generated and real (rows, columns, H, W, C), NaN where there is no galaxy.
        names: names of all classes.
        style: Style.
    """
    labels = [textwrap.fill(names[label], LONGEST) for label in arrays["labels"]]
    return image_grids.beside(arrays["generated"], arrays["real"], labels, ("generated", "real"), style=style)


def _bars(axes, summary, rows):
    """Bars of the shares in which each class is seen rightly."""
    for shift, kind, colour in ((-0.2, "real", UNKNOWN), (0.2, "generated", VAL)):
        shares = [summary["of_class"][name] for name in summary["classes"]]
        keys = f"right_{kind}", f"right_{kind}_error"
        values, errors = (np.array([one[key] for one in shares], float) for key in keys)
        style = {"error_kw": {"lw": 0.8, "ecolor": "black"}, "color": colour, "label": kind}
        axes.barh(rows + shift, values, 0.4, xerr=SIGMAS * errors, **style)
    axes.axvline(summary["chance"], color="black", lw=0.8, ls="--", label="chance")
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"share seen rightly ± {SIGMAS} standard errors")
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, columnspacing=1)
