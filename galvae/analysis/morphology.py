"""Morphology of each galaxy: sizes, shapes and structure as columns of the table."""

import numpy as np

from galvae.analysis.measured import band_labels, measure_galaxies, measured_columns, measured_names
from galvae.analysis.report import Report
from galvae.morphology.measures import measure_names


def measure(run, indices, config, columns):
    """Measures the morphology of the galaxies as they are stored.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report.
    """
    measured = measure_galaxies(run.dataset, indices, config.morphology)
    summary = {
        "code": config.morphology,
        "galaxies": len(indices),
        "empty": float(measured.empty.mean()),
        "at_border": float(measured.at_border.mean()),
        "failed": {
            name: float(np.isnan(measured.values[name]).mean())
            for name in measure_names(band_labels(run.dataset))
        },
    }
    line = f"  morphology       of {len(indices):,} galaxies, {measured.empty.sum():,} images without one"
    if measured.at_border.any():
        line += f"; {measured.at_border.sum():,} at the border of their image"
    return Report(
        question="How large, how concentrated, how irregular is each galaxy?",
        perfect="no image without a galaxy, no measure that failed",
        chance="not a comparison: these are the galaxies as they are",
        summary={"morphology": summary},
        columns=measured_columns(run.dataset, measured),
        lines=[line],
    )


def column_names(run):
    """Names of the columns that `measure` returns."""
    return measured_names(run.dataset)
