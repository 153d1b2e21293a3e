"""Runs side by side: which are meant, in what they differ, and the table of them."""

import csv
import io
import os
import re
import statistics
from pathlib import Path

from galvae.config.fields import LATEST, absolute
from galvae.errors import GalvaeError

RESULTS = (
    *("status", "epochs", "best_epoch", "val_loss", "val_reconstruction", "val_kl", "active_units"),
    *("parameters", "images_per_second", "seconds", "peak_memory_mb"),
)
DIGITS = 4  # of a number in the Markdown table
# Runs that differ in one of these keys have been measured on other galaxies or in other units,
MEASURED = {
    *("reconstruction.loss", "dataset.name", "dataset.path", "dataset.archive", "dataset.image_size"),
    *("dataset.stretch", "dataset.split", "dataset.split_seed"),
}
# and those that differ in one of these have minimised another sum of the same terms.
OBJECTIVE = {
    *("reconstruction.weight", "model.name", "model.prediction", "model.prediction_weight"),
    *("beta.value", "beta.values"),
}


def find_runs(places):
    """Directories of the runs to compare.

    Args:
        places: a directory, or a list of them; each is a run's, or holds runs as a sweep's does. "latest" is
            the newest finished run.

    Returns:
        list of paths; the runs of a sweep in the order of its jobs.

    Raises:
        GalvaeError: if there is none, a place holds no run, or a run is named twice.
    """
    if not places:
        raise GalvaeError("runs: expected a sweep's directory or a list of runs, received an empty list")
    found = []
    for place in [places] if isinstance(places, str) else places:
        path = Path(absolute(LATEST.resolve() if place == "latest" else place))
        runs = [path] if _is_run(path) else _runs_in(path)
        if not runs:
            received = "a directory without runs" if path.is_dir() else "no directory"
            raise GalvaeError(f"runs: {path}: expected a run's or a sweep's directory; received {received}")
        found += runs
    resolved = [path.resolve() for path in found]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise GalvaeError(f"runs: expected each run once, received {found[index]} twice")
    return found


def _is_run(path):
    return os.path.isfile(path / "config.yaml")


def _runs_in(folder):
    """The runs in a folder; a link to one of the others, as `latest` is, does not count."""
    runs = {}
    for path in sorted(folder.iterdir() if folder.is_dir() else [], key=lambda path: path.is_symlink()):
        if _is_run(path):
            runs.setdefault(path.resolve(), path)
    return sorted(runs.values(), key=_job_order)


def _job_order(path):
    """Sorts numbers in names as numbers, so that job 10 comes after job 9."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def short_names(paths):
    """The last part of each path, with as many of those before it as tell all apart."""
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return names


def differing_keys(settings):
    """Keys whose values differ between runs, `latent_dim` before the others.

    Args:
        settings: what `galvae.config.check.flat` gives of each run. A run that lacks a key says nothing of it: what
            sets it apart is the choice, such as `model.name`, that has no such key.
    """
    keys = dict.fromkeys(["latent_dim", *(key for values in settings for key in values)])
    found = {key: [values[key] for values in settings if key in values] for key in keys}
    return [key for key, values in found.items() if any(value != values[0] for value in values)]


def telling_keys(settings, keys):
    """The keys that suffice to tell runs apart: each left out adds nothing to those before it.

    Args:
        settings: what `galvae.config.check.flat` gives of each run.
        keys: in the order in which they are preferred.
    """
    chosen, kinds = [], 1
    for key in keys:
        now = len({_values(values, [*chosen, key]) for values in settings})
        if now > kinds:
            chosen, kinds = [*chosen, key], now
    return chosen


def _values(values, keys):
    return tuple(repr(values.get(key)) for key in keys)


def label(values, keys):
    """Short text of a run's values, as "vae, latent_dim 2"; keys that it does not have are left out.

    Args:
        values: what `flat` gives of the run.
        keys: those to name.
    """
    parts = [f"{shown(values[key])}" for key in keys if key.endswith(".name") and key in values]
    parts += [f"{key} {shown(values[key])}" for key in keys if not key.endswith(".name") and key in values]
    return ", ".join(parts)


def descriptions(settings, keys, along=None):
    """What sets each run apart besides the key `along`, in a few words, by the run's name.

    Args:
        settings: what `flat` gives, by run.
        keys: that differ between the runs.
        along: key to leave out, or None.
    """
    telling = telling_keys(list(settings.values()), [key for key in keys if key != along])
    return {name: label(values, telling) for name, values in settings.items()}


def shown(value):
    """A value of a configuration or a table in words: null for None, numbers without trailing zeros."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(map(shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def not_comparable(keys):
    """A sentence on the losses that runs which differ in these keys do not share, or None."""
    measured = [key for key in keys if key in MEASURED]
    if measured:
        return f"losses cannot be compared between runs that differ in {', '.join(measured)}"
    weighted = [key for key in keys if key in OBJECTIVE]
    if weighted:
        return (
            f"val_loss cannot be compared between runs that differ in {', '.join(weighted)}; "
            "val_reconstruction and val_kl can"
        )
    return None


def results(metrics, history):
    """What is known of a run's training.

    Args:
        metrics: of metrics.json, which people may edit.
        history: rows of the epochs of a verified checkpoint, which have the last word; may be empty.

    Returns:
        dict with those of RESULTS that are known.
    """
    found = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    if history:
        best = min(history, key=lambda row: row["val_loss"])
        found |= {
            "epochs": len(history),
            "best_epoch": best["epoch"],
            **{name: value for name, value in best.items() if name.startswith("val_")},
            "images_per_second": statistics.median(row["images_per_second"] for row in history),
            "seconds": sum(row["seconds"] for row in history),
        }
    return {name: value for name, value in found.items() if name in RESULTS}


def column_of(key):
    """Name of a configuration key's column: epochs asked for are not the epochs done."""
    return f"config.{key}" if key in RESULTS else key


def as_csv(rows, columns):
    """A table as CSV, numbers in full.

    Args:
        rows: list of dicts; what is missing or None stays empty.
        columns: names of the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _plain(value):
    return shown(value) if isinstance(value, list | bool) else value


def as_markdown(rows, columns):
    """A table as GitHub's Markdown, aligned, results rounded to DIGITS digits; arguments as of `as_csv`."""
    lines = []
    for name in columns:
        cells = [name, *(_cell(name, row.get(name)) for row in rows)]
        width = max(map(len, cells))
        if any(isinstance(row.get(name), str) for row in rows):
            lines.append([f"{cell:<{width}}" for cell in (cells[0], "-" * width, *cells[1:])])
        else:
            lines.append([f"{cell:>{width}}" for cell in (cells[0], "-" * (width - 1) + ":", *cells[1:])])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in zip(*lines, strict=True))


def _cell(name, value):
    if value is None:
        return ""
    if name in RESULTS and isinstance(value, float):
        return f"{value:.0f}" if 10 ** (DIGITS - 1) <= abs(value) < 1e15 else f"{value:#.{DIGITS}g}"
    return re.sub(r"\s", " ", shown(value)).replace("|", r"\|")
