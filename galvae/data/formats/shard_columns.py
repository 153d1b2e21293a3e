"""The columns of several files of one kind, joined exactly."""

import numpy as np

from galvae.data.plain_columns import EXACT


def joined_columns(parts, counts, names):
    """All columns of all shards, exactly, and warnings about those that some do not have or have in another type.

    Args:
        parts: columns of each shard by name.
        counts: number of images of each shard.
        names: of the files.
    """
    columns, warnings = {}, []
    parts = _in_one_case(parts)
    for column in dict.fromkeys(name for part in parts for name in part):
        values = [part.get(column) for part in parts]
        columns[column] = _joined(values, counts)
        missing = [number for number, part in enumerate(values) if part is None]
        if missing:
            rows = sum(counts[number] for number in missing)
            warnings.append(
                f"{len(missing):,} of {len(names):,} files, as {names[missing[0]]}, have no column {column!r}: "
                f"unknown for their {rows:,} images"
            )
        kinds = {
            part.dtype.kind == "U": name for part, name in zip(values, names, strict=True) if part is not None
        }
        if len(kinds) > 1:
            warnings.append(
                f"column {column!r} holds text in {kinds[True]} and numbers in {kinds[False]}: read as text"
            )
    return columns, warnings


def _in_one_case(parts):
    """Columns of all shards, those that differ in case only under the first name, unless a shard has two of them."""
    spelled = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        spelled.setdefault(name.lower(), []).append(name)
    names = {
        name: together[0] if all(sum(one in part for one in together) < 2 for part in parts) else name
        for together in spelled.values()
        for name in together
    }
    return [{names[name]: values for name, values in part.items()} for part in parts]


def _joined(values, counts):
    """Columns of numbers and text one after the other, in a type that holds all of them exactly.

    Args:
        values: one array per shard, or None where all are unknown: NaN, or "" among text.
        counts: number of values of each.
    """
    present = [part for part in values if part is not None]
    as_numbers = np.result_type(*present) if all(part.dtype.kind != "U" for part in present) else None
    if as_numbers is not None and len(present) < len(values):
        as_numbers = np.result_type(as_numbers, np.float32)
    if as_numbers is None or (as_numbers.kind == "f" and not all(map(_is_exact, present))):
        return np.concatenate(
            [
                np.full(count, "") if part is None else _as_text(part)
                for part, count in zip(values, counts, strict=True)
            ]
        )
    return np.concatenate(
        [
            np.full(count, np.nan) if part is None else part
            for part, count in zip(values, counts, strict=True)
        ],
        dtype=as_numbers,
        casting="unsafe",
    )


def _is_exact(values):
    """Whether numbers stay the same as floats."""
    return values.dtype.kind not in "iu" or not len(values) or -EXACT <= values.min() <= values.max() <= EXACT


def _as_text(values):
    """A column as text: whole numbers without a decimal point, unknown ones empty."""
    if values.dtype.kind != "f":
        return values.astype(str)
    return np.array(
        [
            "" if np.isnan(value) else f"{value:.0f}" if value == round(value, 0) else str(value)
            for value in values
        ]
    )
