"""Conditions of another dataset as a run's model takes them: its classes by name, its numbers in its units."""

import numpy as np

from galvae.config.fields import closest
from galvae.data.conditions import CLASS, classes_among
from galvae.errors import GalvaeError


def aligned_condition(run, known, dataset, section):
    """The condition of other galaxies in the run's columns, the rows where it is known, and lines about it.

    Args:
        run: TrainedRun.
        known: Galaxies of the run, or None where they are not at hand.
        dataset: GalaxyDataset of the others, with the conditions that the run asks for, in its order.
        section: their `dataset` section.

    Returns:
        (attributes, rows, lines): condition, condition_names and condition_units by name; row indices; lines.

    Raises:
        GalvaeError: if classes or units differ, or no row is left.
    """
    if not run.model.condition_dim:
        return {}, dataset.split("all"), []
    names, lines = list(run.state.condition_names), []
    classes = classes_among(names)
    count, given = len(classes), len(dataset.condition_classes)
    numbers = names[count:]
    received = list(dataset.condition_numbers)
    if bool(given) != bool(count) or len(received) != len(numbers):
        raise GalvaeError(
            f"dataset.condition: expected columns for the run's {', '.join(run.conditions.names)}, of classes and "
            f"numbers as there, received {', '.join(section.condition)}"
        )
    units = dataset.condition_units[given:]
    if received != numbers:
        lines.append(f"conditions: {', '.join(received)} for the run's {', '.join(numbers)}")
    expected_units = [""] * len(numbers) if known is None else known.condition_units[count:]
    for name, unit, expected in zip(received, units, expected_units, strict=True):
        if unit and expected and unit != expected:
            raise GalvaeError(
                f"dataset.condition: {name}: expected values in {expected}, as those of the run, received {unit}"
            )
    condition = np.full((len(dataset), len(names)), np.nan, np.float32)
    condition[:, count:] = dataset.condition[:, given:]
    if count:
        condition[:, :count] = _classes(run, dataset, classes)
    used = np.zeros(len(dataset), bool)
    used[dataset.split("all")] = True
    rows, more = _rows(run, known, condition, section, used)
    lines += more
    for column, name in enumerate(numbers, count):
        low, high = run.state.condition_ranges[column]
        values = condition[rows, column]
        beyond = 0 if low is None else np.sum((values < low) | (values > high))
        if beyond:
            lines.append(
                f"{name} of {beyond:,} of {len(rows):,} galaxies is outside of the run's range, {low:.4g} to "
                f"{high:.4g}: the model extrapolates"
            )
    units = [""] * count + [unit or expected for unit, expected in zip(units, expected_units, strict=True)]
    attributes = {"condition": condition, "condition_names": names, "condition_units": units}
    return attributes, rows, lines


def _classes(run, dataset, classes):
    """The classes as the run's columns of zeros and ones, (N, len(classes)); NaN where unlabelled."""
    theirs = dataset.condition[:, : len(dataset.condition_classes)]
    result = np.where(np.isfinite(theirs).all(axis=1)[:, None], 0, np.nan) * np.ones(len(classes))
    for column, name in enumerate(dataset.condition_classes):
        members = theirs[:, column] == 1
        if name in classes:
            result[members, classes.index(name)] = 1
        elif members.any():
            raise GalvaeError(
                f"dataset.condition: expected the run's classes, {', '.join(classes)}, received {name!r} for "
                f"{members.sum():,} galaxies{closest(name, classes)}; dataset.class_names=[...] names those of "
                "dataset=files"
            )
    return result


def _rows(run, known, condition, section, used):
    """Rows that can be encoded, by `dataset.missing_condition`, and lines; unknown numbers may be filled in place.

    Args:
        run, known, section: see `aligned_condition`.
        condition: (N, K), in the run's columns.
        used: (N,) bool, the rows that are asked for.
    """
    names, count = run.conditions.names, len(run.conditions.classes)
    lines, total = [], used.sum()
    missing = used & ~np.isfinite(condition).all(axis=1)
    text = ", ".join(names)
    if missing.any() and section.missing_condition == "error":
        raise GalvaeError(
            f"dataset.missing_condition: expected a known {text} for every image, received {missing.sum():,} of "
            f"{total:,} without; missing_condition=drop leaves them out, mean takes that of the run's training galaxies"
        )
    if missing.any() and section.missing_condition == "mean":
        if known is None:
            raise GalvaeError(
                "dataset.missing_condition: expected drop, since the mean of the run's training galaxies is not known, "
                "received mean"
            )
        mean = known.condition[known.split("train"), count:].mean(axis=0)
        numbers = condition[:, count:]
        unknown = np.sum(used & ~np.isfinite(numbers).all(axis=1))
        lines.append(
            f"{unknown:,} of {total:,} galaxies have no known {text} and get the mean of the run's training galaxies"
        )
        numbers[:] = np.where(np.isfinite(numbers), numbers, mean)
        missing = used & ~np.isfinite(condition).all(axis=1)
    if missing.any():
        lines.append(f"{missing.sum():,} of {total:,} galaxies have no known {text} and are left out")
    if count:
        learned = condition[:, run.conditions.learned].any(axis=1)
        new = used & ~missing & ~learned
        if new.any():
            lines.append(f"{new.sum():,} galaxies of a {CLASS} without training galaxies are left out")
        missing |= new
    if not (used & ~missing).any():
        raise GalvaeError(
            f"dataset.missing_condition: expected galaxies with a known {text}, which the run's model needs, received "
            f"none of {total:,}; missing_condition=mean takes the mean of the run's training galaxies"
        )
    return np.flatnonzero(used & ~missing), lines
