"""Columns as plain numbers and text, whatever a file stored them as; no integer or id loses a digit."""

import numpy as np

LONGEST_TEXT = 1000  # characters; one long entry widens a whole column
LARGEST_COLUMN = 2**31  # bytes of a column of text
EXACT = 2**53  # floats hold every whole number up to it


def plain(values):
    """The values of an array as plain numbers or text in this machine's byte order, or None if they are neither.

    Args:
        values: (N,) or (N, 1) array: numbers, text, bytes, objects that are text, or any of them masked.

    Returns:
        (N,) booleans, integers, floats or text without blanks at its end. Masked text is "", masked numbers are NaN;
        integers with masked values become floats where these are exact, else text.
    """
    mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    data = np.asarray(np.ma.getdata(values))
    if data.ndim == 2 and data.shape[1] == 1:
        data, mask = data[:, 0], None if mask is None else mask[:, 0]
    if data.ndim != 1 or data.dtype.itemsize > 4 * LONGEST_TEXT:
        return None
    if data.dtype.kind in "OT":
        data = _text_of_objects(data)
    elif data.dtype.kind == "S":
        data = _text_of_bytes(data)
    if data is None or data.dtype.kind not in "biufU":
        return None
    if data.dtype.kind == "U":
        data = np.strings.rstrip(data)
    data = data.astype(
        np.float64 if data.dtype.kind == "f" and data.dtype.itemsize > 8 else data.dtype.newbyteorder("=")
    )
    if mask is None or not mask.any():
        return data
    if data.dtype.kind in "iu" and not all(-EXACT <= int(value) <= EXACT for value in _extremes(data[~mask])):
        data = data.astype(str)
    missing = "" if data.dtype.kind == "U" else np.nan
    return np.where(mask, missing, data)


def _extremes(values):
    return (values.min(), values.max()) if len(values) else ()


def _text_of_bytes(data):
    try:
        return data.astype(str)  # fast, and right for ASCII
    except UnicodeDecodeError:
        return np.strings.decode(data, "utf-8", "replace")


def _text_of_objects(data):
    """Text from an array of objects, "" for those that stand for no value; None if one is anything else."""
    texts, longest = [], 1
    for value in data.tolist():
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        elif value is None or value is np.ma.masked or (isinstance(value, float) and value != value):
            value = ""
        if not isinstance(value, str):
            return None
        longest = max(longest, len(value))
        texts.append(value)
    if longest > LONGEST_TEXT or 4 * longest * len(texts) > LARGEST_COLUMN:
        return None
    return np.array(texts, dtype=f"U{longest}")
