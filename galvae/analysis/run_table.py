"""Table of runs, with their configuration and results, as CSV and Markdown."""

import csv
import io
import math
import re
import statistics

from galvae.runs.evaluations import CARD

RESULTS = (
    *("status", "epochs", "best_epoch", "val_loss", "val_reconstruction", "val_kl", "active_units"),
    *("parameters", "images_per_second", "seconds", "peak_memory_mb"),
)
DIGITS = 4  # significant digits of a number in the Markdown table


def results(metrics, history):
    """Results of a run's training, as far as available.

    Args:
        metrics: content of metrics.json, which people may edit.
        history: rows of the epochs of a verified checkpoint, which take precedence over the metrics; may be empty.

    Returns:
        dict with those of RESULTS that are available.
    """
    values = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    if history:
        best = min(history, key=lambda row: row["val_loss"])
        values |= {
            "epochs": len(history),
            "best_epoch": best["epoch"],
            **{name: value for name, value in best.items() if name.startswith("val_")},
            "images_per_second": statistics.median(row["images_per_second"] for row in history),
            "seconds": sum(row["seconds"] for row in history),
        }
    return {name: value for name, value in values.items() if name in RESULTS}


def has_number(row, name):
    """Whether a row of the table has a finite number in a column.

    Args:
        row: dict, name of the column -> value.
        name: name of the column.
    """
    return row.get(name) is not None and math.isfinite(row[name])


def column_of(key):
    """Column name of a configuration key.

    It differs from the key if a result has the same name: requested epochs and trained epochs are two columns.

    Args:
        key: configuration key, such as "latent_dim".
    """
    return f"config.{key}" if key in RESULTS else key


def as_text(value):
    """A value of a configuration or a table as text: null for None, numbers without trailing zeros."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(as_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def as_csv(rows, columns):
    """Formats a table as CSV, with all digits of its numbers.

    Args:
        rows: list of dicts, name of the column -> value; missing values and None give empty cells.
        columns: names of the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def as_markdown(rows, columns):
    """Formats a table as aligned GitHub Markdown, with results rounded to DIGITS significant digits.

    Args:
        rows, columns: see `as_csv`.
    """
    lines = []
    for name in columns:
        cells = [name, *(_cell(name, row.get(name)) for row in rows)]
        width = max(map(len, cells))
        if any(isinstance(row.get(name), str) for row in rows):
            lines.append([f"{cell:<{width}}" for cell in (cells[0], "-" * width, *cells[1:])])
        else:
            lines.append([f"{cell:>{width}}" for cell in (cells[0], "-" * (width - 1) + ":", *cells[1:])])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in zip(*lines, strict=True))


def _plain(value):
    return as_text(value) if isinstance(value, list | bool) else value


def _cell(name, value):
    if value is None:
        return ""
    if name in (*RESULTS, *CARD) and isinstance(value, float):
        return f"{value:.0f}" if 10 ** (DIGITS - 1) <= abs(value) < 1e15 else f"{value:#.{DIGITS}g}"
    return re.sub(r"\s", " ", as_text(value)).replace("|", r"\|")
