"""What the columns of the user's own images mean: conditions, class labels, and the split."""

import re

import numpy as np

from galvae.data.column_names import is_redshift
from galvae.data.conditions import numbers_of
from galvae.data.formats.folder_listing import classes_by_folder, is_split_by_folder, split_by_folder
from galvae.data.readers.user_columns import integers_or_text, no_numbers
from galvae.data.splits import SPLIT_NAMES, SPLITS
from galvae.data.tables.text_tables import MISSING
from galvae.errors import GalvaeError

MOST_CLASSES = 1000
UNLABELLED = {*MISSING, "-1"}  # of names of classes
NEGATIVE = re.compile(r"\s*-[0-9]+\s*")


def conditions(config, merged):
    """The columns on which a conditional model is conditioned.

    They are the numbers of `dataset.condition`, else the one of `dataset.redshift`; classes are added to them by
    `galvae.data.conditions.chosen`.

    Args:
        config: FilesConfig.
        merged: Columns.

    Returns:
        (condition, names, units): (n, K) float32 or None, and lists of K.

    Raises:
        GalvaeError: if a column is missing, or holds text.
    """
    stored = None
    if config.redshift is not None:
        stored = merged.find(config.redshift, "redshift") if is_redshift(config.redshift) else "redshift"
    names = []
    for name in numbers_of(config) or ([stored] if stored else []):
        is_stored = stored and name.lower() == config.redshift.lower()
        names.append(stored if is_stored else merged.find(name, "condition"))
    if not names:
        return None, [], []
    if len(set(names)) < len(names):
        raise GalvaeError(
            f"dataset.condition: expected different columns, received {', '.join(config.condition)}"
        )
    values = [merged.columns[name] for name in names]
    for name, column in zip(names, values, strict=True):
        if column.dtype.kind == "U":
            raise GalvaeError(
                f"dataset.condition: {no_numbers(name, merged)}; dataset.labels={name} dataset.condition=[class] reads "
                "it as classes"
            )
    with np.errstate(over="ignore"):
        condition = np.stack([column.astype(np.float32) for column in values], axis=1)
    return condition, names, [merged.units.get(name, "") for name in names]


def labels(config, opened, merged):
    """Class labels and class names, from a column of integers or names or from the names of folders.

    Args:
        config: FilesConfig.
        opened: Opened.
        merged: Columns.

    Returns:
        (labels, names): (n,) int64, -1 where unlabelled, and a list; (None, None) if `dataset.labels` is null.

    Raises:
        GalvaeError: if there are more than MOST_CLASSES classes, or an image belongs to none.
    """
    if config.labels is None:
        return None, None
    if config.labels == "folder":
        values, name = classes_by_folder(_file_names(config, opened, merged, "labels"))[0], "folder"
    else:
        name = merged.find(config.labels, "labels")
        values = merged.columns[name]
    names = config.class_names or merged.class_names.get(name)
    if names is None and values.dtype.kind == "U":
        values, notes = _without_codes(values, name, merged.origin)
        merged.notes.extend(notes)
    return classes(values, name, names, merged.origin)


def _without_codes(values, column, origin):
    """Names of classes where words for "no value", and -1, are "" as unlabelled; and notes that count them.

    Raises:
        GalvaeError: if there are other negative numbers among the names.
    """
    texts, positions = np.unique(values, return_inverse=True)
    codes = np.array([text.strip().lower() in UNLABELLED for text in texts])
    wrong = np.array([NEGATIVE.fullmatch(text) is not None for text in texts]) & ~codes
    if wrong.any():
        index = int(np.argmax(wrong[positions]))
        raise GalvaeError(
            f"dataset.labels: expected names of classes in {column!r}, empty or -1 for unlabelled, received "
            f"{values[index]} for {origin(index)}"
        )
    coded = codes[positions] & (values != "")
    if not coded.any():
        return values, []
    listed = ", ".join(np.unique(values[coded]))
    return np.where(coded, "", values), [
        f"{coded.sum():,} of {len(values):,} values of {column!r} ({listed}) count as unlabelled"
    ]


def classes(values, column, names, origin):
    """Class labels and class names from a column.

    Args:
        values: (n,) integers, whole numbers or text; -1, NaN and "" mean unlabelled.
        column: its name, for messages.
        names: names of the classes 0, 1, ..., or None: as in the column.
        origin: function of an index that says which image it is, for messages.

    Returns:
        (labels, names): (n,) int64 and a list.

    Raises:
        GalvaeError: see `labels`.
    """
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), -1, values)
    numbers = integers_or_text("labels", column, values, origin)
    is_text = numbers.dtype.kind == "U"
    if names is None and is_text:
        names = np.unique(numbers[numbers != ""]).tolist()
    elif names is None:
        names = [str(label) for label in range(min(int(numbers.max()), MOST_CLASSES) + 1)]
    names = list(names)
    if not names:
        raise GalvaeError(f"dataset.labels: expected classes in {column!r}, received unlabelled images only")
    if len(names) > MOST_CLASSES or len(set(names)) < len(names):
        raise GalvaeError(
            f"dataset.labels: expected 1 to {MOST_CLASSES} classes in {column!r}, all of different names, received "
            f"{len(names)}"
        )
    expected = f"0 to {len(names) - 1}, or -1 for unlabelled"
    if is_text:
        expected = " ".join(names)
        numbers_of_names = {name: number for number, name in enumerate(names)} | {"": -1}
        numbers = np.array([numbers_of_names.get(str(name), -2) for name in numbers])
    wrong = (numbers < -1) | (numbers >= len(names))
    if wrong.any():
        index = int(np.argmax(wrong))
        raise GalvaeError(
            f"dataset.labels: expected {expected} in {column!r}, received {values[index]!s} for {origin(index)}"
        )
    return numbers.astype(np.int64), names


def split(config, opened, merged):
    """The split that the user's own column or folders give, (n,) index into SPLITS, -1 for none; None: at random.

    Args:
        config: FilesConfig.
        opened: Opened.
        merged: Columns.

    Raises:
        GalvaeError: if an entry names no split.
    """
    if config.split_from is None:
        if config.labels != "folder":
            merged.notes.extend(_unused_split(opened, merged))
            return None
        _, indices, notes = classes_by_folder(_file_names(config, opened, merged, "labels"))
        merged.notes.extend(notes)
        return indices
    if config.split_from == "folder":
        indices, notes = split_by_folder(_file_names(config, opened, merged, "split_from"))
        merged.notes.extend(notes)
        return indices
    name = merged.find(config.split_from, "split_from")
    values = merged.columns[name]
    texts, positions = np.unique(values.astype(str), return_inverse=True)
    indices = []
    for text in texts:
        key = text.strip().lower()
        if key and key != "nan" and key not in SPLIT_NAMES:
            index = int(np.argmax(values.astype(str) == text))
            raise GalvaeError(
                f"dataset.split_from: expected {', '.join(SPLITS)} in {name!r}, received {text} for "
                f"{merged.origin(index)}"
            )
        indices.append(SPLIT_NAMES.get(key, -1))
    merged.notes.append(f"split from {name!r}")
    return np.array(indices)[positions]


def _unused_split(opened, merged):
    """A note about folders or a column that say a split, which is not used unless asked for."""
    if opened.names is not None and is_split_by_folder(opened.names.tolist()):
        return ["folders are called train, val or test: dataset.split_from=folder uses them as the split"]
    if any("dataset.split_from=" in note for note in opened.notes):  # as of shards
        return []
    for name, values in merged.columns.items():
        if values.dtype.kind == "U" and len(values) and values[0].strip().lower() in SPLIT_NAMES:
            texts = sorted({text.strip().lower() for text in np.unique(values)})
            if len(texts) > 1 and SPLIT_NAMES.keys() >= {*texts}:
                return [f"{name!r} holds {', '.join(texts)}: dataset.split_from={name} uses it as the split"]
    return []


def _file_names(config, opened, merged, key):
    """The names of the images' files, with their folders."""
    if opened.names is None:
        raise GalvaeError(
            f"dataset.{key}: expected a folder with a file for each image, received {config.path}; the split that "
            "names of shards say is dataset.split_from=split"
        )
    return opened.names[merged.images].tolist()
