"""The figures of the evaluator `memorisation`: distances to training galaxies, and the closest pairs."""

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from galvae.figures.image_grids import compared
from galvae.figures.style import RC, TRAIN, UNKNOWN

TITLES = {"codes": "codes", "pixels": "decoded images"}
PAIRS_IN_A_ROW = 6
BINS = (10, 40)  # fewest and most bins of a histogram


def memorisation(report, column, style):
    """Histograms of the distances to the nearest training galaxies, and the samples that are closest to one.

    Args:
        report: report whose summary["memorisation"] has, for codes and pixels, `share`, `threshold`, `n` and
            `new_galaxies`; whose arrays nearest_to_samples (n,) and nearest_to_new_galaxies (m,) have
            `codes_relative` and `pixels_relative`, and whose closest_pairs has samples and real (k, H, W, C), and
            pixels and pixels_relative (k,). Without them, nothing was measured.
        column: not used.
        style: Style.

    Returns:
        dict with the Figures memorisation and closest_pairs; empty if nothing was measured.
    """
    if "closest_pairs" not in report.arrays:
        return {}
    summary, pairs = report.summary["memorisation"], report.arrays["closest_pairs"]
    distances = [report.arrays[name] for name in ("nearest_to_samples", "nearest_to_new_galaxies")]
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(6.6, 2.8), layout="constrained")
        for panel, (space, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
            _histograms(panel, *(arrays[f"{space}_relative"] for arrays in distances), summary[space])
            share, expected = (f"{100 * summary[space][key]:.2g} %" for key in ("share", "expected"))
            panel.set_title(f"{title}: {share} of samples below ({expected} expected)", loc="left", size=8)
        handles, labels = panel.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        figure.supxlabel("distance to the nearest training galaxy / mean distance to the next four", size=9)
    captions = [
        f"{relative:.2f}, rms {difference:.3f}"
        for relative, difference in zip(pairs["pixels_relative"], pairs["pixels"], strict=True)
    ]
    labels = ["sample", "nearest training\ngalaxy; distance\nrelative to the\nnext four, and\nrms difference"]
    return {
        "memorisation": figure,
        "closest_pairs": compared(pairs["samples"], pairs["real"], labels, PAIRS_IN_A_ROW, captions, style),
    }


def _histograms(panel, samples, new, result):
    """Draws the distances of samples and of new galaxies, and the first percentile of the latter."""
    low, high = np.quantile(np.concatenate([samples, new]), [0, 0.995])
    edges = np.linspace(low, max(high, low + 1e-6), int(np.clip(np.sqrt(len(new)), *BINS)) + 1)
    for values, label, drawn in (
        (new, f"{len(new):,} new real galaxies, decoded", {"fill": True, "color": UNKNOWN}),
        (samples, f"{len(samples):,} samples", {"color": TRAIN, "lw": 1.2}),
    ):
        panel.stairs(np.histogram(values, edges)[0] / len(values), edges, label=label, **drawn)
    panel.axvline(
        result["threshold"], color="black", lw=0.8, ls=":", label="first percentile of new galaxies"
    )
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
