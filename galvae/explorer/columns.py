"""Columns of a page: the catalogue of its galaxies, their measures, latents and places of the plane."""

import logging

import numpy as np

from galvae.data.catalogue import code_columns, free_name, galaxy_table
from galvae.data.column_names import is_in_degrees, is_named
from galvae.data.conditions import CLASS
from galvae.data.galaxies import MOST_TEXTS
from galvae.errors import GalvaeError

UNNAMED = "no measured property"  # of galvae.analysis.axis_effects
SPLITS = ("train", "val", "test")

log = logging.getLogger(__name__)


def columns_of(run, codes, names, measured, config):
    """Columns of the galaxies but those of their plane, and their arrays.

    Args:
        run, codes, names, measured, config: see `galvae.explorer.contents.contents_of`.

    Returns:
        (columns, arrays): the manifest's `columns`; and a dict of arrays by name.

    Raises:
        GalvaeError: if there is no column of a name that `columns` or `colour` asks for.
    """
    galaxies = run.galaxies
    table = galaxy_table(galaxies, codes.indices, measured)
    origins = dict.fromkeys(table.colnames, "catalogue")
    origins |= dict.fromkeys(table.colnames[len(table.colnames) - len(measured) :], "measured")
    origins |= {**dict.fromkeys(galaxies.condition_numbers, "condition"), "split": "split"}
    if galaxies.labels is not None:
        origins[CLASS] = "class"
    shown = [name for name in table.colnames if name not in ("index", "id")]
    if config.columns is not None:
        missing = [name for name in config.columns if name not in shown]
        if missing:
            raise GalvaeError(
                f"columns: expected {' or '.join(shown)}, received {', '.join(missing)}{_hint(measured)}"
            )
        optional = "catalogue", "measured"
        shown = [name for name in shown if origins[name] not in optional or name in config.columns]
    columns, arrays = [], {}
    for name in shown:
        if origins[name] == "class":
            entry, array = _class(galaxies.labels[codes.indices], galaxies.class_names)
        else:
            entry, array = _column(table[name])
        if array is None:
            log.info("column %s is left out: it is no number and no text for each galaxy", name)
            continue
        key, unit = f"column.{len(columns)}", table[name].unit
        entry = {"name": name, "label": name, "unit": "" if unit is None else str(unit), **entry}
        columns.append({**entry, "array": key, "origin": origins[name]})
        arrays[key] = array
    for axis, name in enumerate(code_columns(codes.mean)):
        what = axis_name(names, axis)
        label = f"latent {axis}: {what}" if what else f"latent {axis}"
        entry = {"name": _free(name, columns), "label": label, "unit": "", "kind": "number"}
        columns.append({**entry, "array": None, "axis": axis, "origin": "latent"})
    able = [column["name"] for column in columns if column["kind"] != "text"] + ["umap_x", "umap_y"]
    if config.colour not in (None, *able):
        raise GalvaeError(
            f"colour: expected {' or '.join(able)}, received {config.colour!r}{_hint(measured)}"
        )
    return columns, arrays


def add_plane(columns, arrays, embedding):
    """Adds the two columns of an Embedding, if there is one, to the others and their arrays."""
    if embedding is None:
        return
    for number, axis in enumerate("xy"):
        key = f"umap.{axis}"
        arrays[key] = embedding.plane[:, number]
        entry = {"name": _free(f"umap_{axis}", columns), "label": f"UMAP {number + 1}", "unit": ""}
        columns.append({**entry, "kind": "number", "array": key, "origin": "umap"})


def _free(name, columns):
    return free_name(name, {column["name"] for column in columns})


def _hint(measured):
    return "" if measured else "; the galaxies are not measured: measures=true measures them"


def axis_name(names, axis):
    """Name of a latent axis, after what it changes; "" if it has none."""
    return "" if names is None or names[axis] == UNNAMED else names[axis]


def _column(column):
    """Kind and array of a column of a table; None in place of the array for what a page cannot show."""
    values = np.asarray(column)
    if values.ndim != 1:
        return {}, None
    if values.dtype.kind == "b":
        return {"kind": "number"}, values.astype(np.float32)
    if values.dtype.kind == "f":
        return {"kind": "number"}, values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
    if values.dtype.kind in "iu":
        largest = max(abs(int(end)) for end in (values.min(initial=0), values.max(initial=0)))
        if largest < 2**53:  # a number of JavaScript holds it exactly
            return {"kind": "number"}, values.astype(np.float32 if largest < 2**24 else np.float64)
        return {"kind": "text"}, [str(one) for one in values.tolist()]
    if values.dtype.kind not in "USO":
        return {}, None
    texts = [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in values.tolist()
    ]
    names = sorted(set(texts) - {""})
    if column.name == "split":
        names = [name for name in SPLITS if name in names]
    if len(names) > MOST_TEXTS:
        return {"kind": "text"}, texts
    numbers = {name: number for number, name in enumerate(names)}
    return _class([numbers.get(text, -1) for text in texts], names)


def _class(labels, names):
    return {"kind": "class", "classes": [str(name) for name in names]}, np.asarray(labels, np.int16)


def position_column(columns, names):
    """Name of the first column of right ascensions, or of declinations; None if there is none, or not in degrees.

    A column without a unit is taken to be in degrees, which its unit then says.
    """
    for column in columns:
        if column["kind"] == "number" and is_named(column["name"], names):
            if not is_in_degrees(column["unit"]):
                return None
            column["unit"] = "deg"
            return column["name"]
    return None
