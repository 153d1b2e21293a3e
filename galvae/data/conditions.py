"""The columns of a dataset's condition: numbers as they are, a class as one column of zeros and ones for each class."""

import dataclasses
import logging

import numpy as np

from galvae.data.column_names import is_redshift
from galvae.errors import GalvaeError

CLASS = "class"
PREFIX = f"{CLASS}="  # of the name of a class's column

log = logging.getLogger(__name__)


def is_class(name, config):
    """Whether an entry of `dataset.condition` means the classes of a dataset: `class`, or the column of its labels.

    Args:
        name: the entry.
        config: the `dataset` section.
    """
    labels = getattr(config, "labels", None)
    # Runs of galvae 0.1 are conditional on numbers alone, whatever a column is called.
    return getattr(config, "reading", None) != 1 and (
        name.lower() == CLASS or (labels not in (None, "folder") and name.lower() == labels.lower())
    )


def numbers_of(config):
    """The entries of `dataset.condition` that are numbers.

    Args:
        config: the `dataset` section.
    """
    return [name for name in config.condition if not is_class(name, config)]


def classes_among(names):
    """Names of the classes that have a column, which come first, among the names of a condition's columns."""
    return [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]


def one_hot(labels, count):
    """Classes as columns of zeros and ones, (n, count) float32; NaN where unlabelled.

    Args:
        labels: (n,) class numbers, -1 where unlabelled.
        count: number of classes.
    """
    columns = np.eye(count, dtype=np.float32)[labels]
    columns[labels < 0] = np.nan
    return columns


def chosen(config, columns, about):
    """The condition that `dataset.condition` asks for, of the columns that a reader has returned.

    Args:
        config: the `dataset` section.
        columns: name -> (N,) or (N, K) array of a cache entry, see `galvae.data.store.cache_entry.Entry`.
        about: dict with class_names, condition_names, condition_units and catalogue_units.

    Returns:
        (condition, names, units): (N, K) float32 or None, and lists of K; a column for each class, if a class is asked
        for, comes first.

    Raises:
        GalvaeError: if there is no such column, or a class is asked for and there are none.
    """
    stored = columns.get("condition"), about["condition_names"], about["condition_units"]
    numbers = numbers_of(config)
    if len({name.lower() for name in numbers}) < len(numbers) or len(config.condition) > len(numbers) + 1:
        raise GalvaeError(
            f"dataset.condition: expected different columns, received {', '.join(config.condition)}"
        )
    parts, names, units = [], [], []
    if len(config.condition) > len(numbers):
        if "labels" not in columns:
            key = ", which dataset.labels=COLUMN names" if hasattr(config, "labels") else ""
            raise GalvaeError(
                f"dataset.condition: expected a dataset with classes{key}, for {CLASS}; received {config.name} without"
            )
        parts.append(one_hot(columns["labels"], len(about["class_names"])))
        names += [f"{PREFIX}{name}" for name in about["class_names"]]
        units += [""] * len(names)
    elif config.name == "files" or not numbers:
        return stored
    if config.name == "files":  # whose reader has chosen them
        numbers = stored[1] if numbers else []
    for name in numbers:
        values, name, unit = _number(config.name, name, columns, about)
        parts.append(values[:, None])
        names.append(name)
        units.append(unit)
    return np.concatenate(parts, axis=1), names, units


def _number(dataset, asked, columns, about):
    """A condition that is a number: values (N,) float32, the name under which it is stored, and its unit."""
    found = {
        name: (columns["condition"][:, index], about["condition_units"][index])
        for index, name in enumerate(about["condition_names"])
    }
    for column, values in columns.items():
        name = column.removeprefix("catalogue.")
        if name not in (column, "id", *found) and values.dtype.kind in "iuf":
            found[name] = values, about["catalogue_units"].get(name, "")
    for name, (values, unit) in found.items():
        if name.lower() == asked.lower() or (asked.lower() == "redshift" and is_redshift(name)):
            with np.errstate(over="ignore"):
                return values.astype(np.float32), name, unit
    names = [*([CLASS] if "labels" in columns else []), *found]
    raise GalvaeError(
        f"dataset.condition: expected columns of {dataset}, {' or '.join(names) or 'of which it has none'}, received "
        f"{asked!r}"
    )


def with_known(dataset, missing):
    """A dataset without unknown conditions in any split, as conditional models need it.

    Images of a class that no training image has are left out too: a model cannot learn it.

    Args:
        dataset: GalaxyDataset.
        missing: treatment of images whose condition is unknown: "drop" (leave them out of the splits), "mean" (give
            them the mean of the training images; those without a class, which has no mean, are left out) or "error".

    Raises:
        GalvaeError: if no condition is known at all, if one is unknown and `missing` is "error", or if a split would
            become empty.
    """
    condition, count = dataset.condition, len(dataset.condition_classes)
    if condition is None or not np.isfinite(condition).all(axis=1).any():
        classes = "; dataset.condition=[class] takes the classes"
        raise GalvaeError(
            f"dataset {dataset.name}: a conditional model expects a condition, such as redshift; received none that is "
            f"known{classes if condition is None and dataset.labels is not None else ''}"
        )
    known = np.isfinite(condition).all(axis=1)
    names = ", ".join([*([CLASS] if count else []), *dataset.condition_numbers])
    if not known.all():
        counts = np.sum(~known), len(known), names
        if missing == "error":
            raise GalvaeError(
                f"dataset.missing_condition: expected a known {names} for every image, received {counts[0]} of "
                f"{len(known)} without; missing_condition=drop leaves them out, mean fills them in"
            )
        if missing == "mean":
            train = condition[dataset.split("train"), count:]
            mean = np.nanmean(np.where(np.isfinite(train), train, np.nan), axis=0)
            filled = np.where(np.isfinite(condition[:, count:]), condition[:, count:], mean)
            condition = np.concatenate([condition[:, :count], filled], axis=1).astype(np.float32)
            known = np.isfinite(condition).all(axis=1)
            log.warning("%d of %d images have no known %s and get the training images' mean", *counts)
            counts = np.sum(~known), len(known), CLASS
        if not known.all():
            log.warning("%d of %d images have no known %s and are left out", *counts)
    if count:
        known &= _learned(dataset, condition[:, :count], known)
    splits = {name: indices[known[indices]] for name, indices in dataset.splits.items()}
    for name, indices in splits.items():
        if not len(indices):
            raise GalvaeError(
                f"dataset.missing_condition: expected a known {names} in every split, received none in {name}; "
                "missing_condition=mean keeps the images without one"
            )
    if known.all() and condition is dataset.condition:
        return dataset
    return dataclasses.replace(dataset, condition=condition, splits=splits)


def _learned(dataset, classes, known):
    """Which images are of a class that training images have, (N,) bool; a line in the log counts the others.

    Args:
        dataset: GalaxyDataset.
        classes: (N, count), see `one_hot`.
        known: (N,) bool, images whose conditions are known.
    """
    train = dataset.split("train")
    seen = classes[train[known[train]]].any(axis=0)
    others = known & ~(classes[:, seen] == 1).any(axis=1)
    if others.any():
        named = [dataset.condition_classes[index] for index in np.unique(classes[others].argmax(axis=1))]
        log.warning(
            "no training image is of class %s: %d images of it are left out", ", ".join(named), others.sum()
        )
    return ~others


def ranges(dataset):
    """Smallest and largest known value of each column of the condition, [low, high]; [None, None] if none is known.

    For a class: [0, 1], or [0, 0] if no training image is of it.

    Args:
        dataset: GalaxyDataset.
    """
    count, report = len(dataset.condition_classes), dataset.report
    train = dataset.split("train")
    classes = [[0, int((dataset.condition[train, column] == 1).any())] for column in range(count)]
    numbers = [report.get(f"condition {name}", {}) for name in dataset.condition_numbers]
    return [*classes, *([number.get(end) for end in ("low", "high")] for number in numbers)]
