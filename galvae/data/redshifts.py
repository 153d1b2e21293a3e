"""Redshifts of catalogues: which columns hold them, and which of their values mean "unknown"."""

import dataclasses

import numpy as np

from galvae.data.column_names import is_redshift

LOWEST = -0.01  # nearby galaxies may be blueshifted, the Andromeda galaxy by 0.001
# Numbers above all redshifts of galaxies that catalogues write for "unknown"; -1, -99 and the like are below LOWEST.
UNKNOWN = (9.99, 99, 99.9, 99.99, 999, 9999)


def known_redshifts(values):
    """Redshifts as floats, NaN where they are unknown.

    Args:
        values: numbers of any shape.

    Returns:
        Array of the same shape, float32 or float64.
    """
    values = np.asarray(values)
    if values.dtype.kind != "f":
        values = values.astype(float)
    unknown = (
        ~np.isfinite(values) | (values < LOWEST) | np.isin(values.astype(np.float32), np.float32(UNKNOWN))
    )
    return np.where(unknown, values.dtype.type(np.nan), values)


def with_known_redshifts(source):
    """A source whose conditions and columns that are redshifts by name have NaN for every unknown one.

    Its notes count the values that stood for "unknown", and the small negative ones that are kept.

    Args:
        source: `galvae.data.source.Source`.
    """
    notes, catalogue = list(source.notes), dict(source.catalogue)
    condition = None if source.condition is None else np.array(source.condition)
    columns = {name: values for name, values in catalogue.items() if is_redshift(name) and _is_number(values)}
    for index, name in enumerate(source.condition_names):
        if is_redshift(name):
            columns.setdefault(name, condition[:, index].copy())
    for name, values in columns.items():
        known = known_redshifts(values)
        if name in catalogue and _is_number(catalogue[name]):
            catalogue[name] = known
        if name in source.condition_names:
            index = source.condition_names.index(name)
            condition[:, index] = known_redshifts(condition[:, index])
        coded, negative = np.isnan(known) & np.isfinite(values), int(np.sum(known < 0))
        if coded.any():
            codes, counts = np.unique(values[coded], return_counts=True)
            listed = ", ".join(f"{code:g}" for code in codes[np.argsort(-counts, kind="stable")][:3])
            notes.append(f"{coded.sum():,} of {len(values):,} values of {name} ({listed}) count as unknown")
        if negative:
            notes.append(f"{negative:,} of {len(values):,} values of {name} are slightly negative, and kept")
    return dataclasses.replace(source, notes=notes, condition=condition, catalogue=catalogue)


def _is_number(values):
    return values.dtype.kind in "iuf"
