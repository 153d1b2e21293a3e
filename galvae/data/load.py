"""Loading of datasets: each `dataset.name` has a reader, whose arrays are cached, split and opened."""

import importlib

import numpy as np

from galvae.data.conditions import chosen, classes_among
from galvae.data.dataset import GalaxyDataset
from galvae.data.prepared_parts import open_parts
from galvae.data.selected_rows import selected_rows
from galvae.data.split_by import column_notes, split_column
from galvae.data.splits import make_splits, split_notes
from galvae.data.store import cache_entry, isolation
from galvae.data.store.cache import cached, stored
from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.cache_folder import cache_folder

# Module of the reader for each `dataset.name`.
SOURCES = {
    "hdf": "galvae.data.readers.hubble_deep_field",
    "galaxy10": "galvae.data.readers.galaxy10",
    "hst": "galvae.data.readers.stamps",
    "cosmos": "galvae.data.readers.stamps",
    "mnist": "galvae.data.readers.mnist",
    "simulated": "galvae.data.readers.simulated",
    "files": "galvae.data.readers.user_files",
}
TRUSTED = ("hdf", "simulated")  # read no file that could be damaged or hostile
# Parts of a fingerprint that galvae 0.1 did not have; readers put the keys that it did not have under "options".
LATER = ("reading", "options", "left out")


def load_dataset(config):
    """The dataset that a configuration names, prepared first if the cache does not hold it.

    Args:
        config: the `dataset` section. `config.name` selects the reader, a module with two functions:
            `fingerprint(config)`, a JSON-able dict of all that determines the arrays, and `read(config)`,
            which opens the source and returns a `galvae.data.source.Source`.

    Returns:
        GalaxyDataset with its splits.

    Raises:
        GalvaeError: if the source is missing, damaged or not in the layout that the reader expects.
        CannotBeDone: if it cannot be downloaded, changes while it is read, or its cache cannot be written.
    """
    entry = _entry(config)
    rows, notes, warnings = _selected(config, entry)
    given = own = entry.columns.get("split")
    if not rows.all():
        given = np.where(rows, 0 if own is None else own, -1)
    column = split_column(config, catalogue_of(entry.columns), given, entry.about.get("ids_are_rows"))
    hashed = None if column is None else column.hashed
    try:
        splits = make_splits(len(entry.images), config.split, config.split_seed, given, hashed)
    except GalvaeError as error:  # perhaps because images were left out, or not selected
        raise GalvaeError("; ".join([str(error), *notes, *entry.about.get("warnings", [])])) from error
    dataset = _dataset(config, entry, splits, rows)
    given = None if own is None else given
    split_by, divided = column_notes(column, given, splits)
    dataset.report["notes"] += notes + split_notes(given, splits, column and column.name) + split_by
    dataset.report["warnings"] += warnings + divided
    return dataset.stretched(config.stretch)


def load_all(config):
    """All galaxies of a dataset that are used, in one split, "all", without its stretch, as a model encodes them.

    Args:
        config: the `dataset` section. Its splits do not count, so that a single galaxy is a dataset too, and its
            stretch only says whether a pixel range is needed.

    Returns:
        GalaxyDataset.

    Raises:
        GalvaeError, CannotBeDone: see `load_dataset`.
    """
    entry = _entry(config)
    rows, notes, warnings = _selected(config, entry)
    dataset = _dataset(config, entry, {"all": np.flatnonzero(rows)}, rows)
    dataset.report["notes"] += notes
    dataset.report["warnings"] += warnings
    return dataset


def _selected(config, entry):
    """Which images of an entry are used, (N,) bool, and lists of what is to be said about them and warned of."""
    count = len(entry.images)
    if config.select is None:
        return np.ones(count, bool), [], []
    ids = entry.columns.get("catalogue.id", np.arange(count))
    rows, note, warning = selected_rows(config.select, ids)
    return rows, [note], [] if warning is None else [warning]


def _entry(config):
    """The cache entry of a dataset, prepared first if there is none."""
    reader = importlib.import_module(SOURCES[config.name])
    fingerprint = _fingerprint(reader, config)

    def check_unchanged():
        if _fingerprint(reader, config) != fingerprint:
            raise CannotBeDone(
                f"dataset {config.name}: expected files that do not change while they are read, received changed "
                "ones; run the command again"
            )

    def write_entry(folder):
        if config.name in TRUSTED:
            cache_entry.write(folder, config.name, reader.read(config), config.nan, config.drop)
            return
        isolation.write_entry(folder, SOURCES[config.name], config)
        check_unchanged()

    folder, entry = cache_folder(config.cache_dir), None
    if getattr(config, "reading", None) == 1:
        earlier = {name: value for name, value in fingerprint.items() if name not in LATER}
        entry = stored(folder, config.name, earlier, config.verify)
    if entry is None:
        files = reader.files_of(config) if hasattr(reader, "files_of") else None
        if files is not None:
            return open_parts(config, SOURCES[config.name], reader, fingerprint, files, check_unchanged)
        entry = cached(folder, config.name, fingerprint, write_entry, config.verify)
    return entry


def _dataset(config, entry, splits, rows):
    """The GalaxyDataset of a cache entry, on the scale of its pixel range; `rows`, (N,) bool, are used."""
    images, columns, about = entry.images, entry.columns, entry.about
    if about["pixel_range"] is None and config.stretch == "none":
        raise GalvaeError(
            f"dataset.pixel_range: expected the values that become 0 and 1 for the pixels of {config.path}, received "
            "null; dataset.stretch=linear or asinh finds them"
        )
    condition, condition_names, condition_units = chosen(config, columns, about)
    image_facts = {name: columns[f"image.{name}"] for name in ("hash", "low", "high")}
    report = _report(images, columns, about, image_facts)
    report |= _conditions(condition, condition_names, rows)
    return GalaxyDataset(
        name=config.name,
        images=images,
        masks=entry.masks,
        mapped_files=entry.mapped_files,
        pixel_range=tuple(about["pixel_range"] or (0, 1)),
        rgb=None if config.rgb is None else tuple(config.rgb),
        band_names=about.get("band_names", []),
        labels=columns.get("labels"),
        class_names=about["class_names"],
        condition=condition,
        condition_names=condition_names,
        condition_units=condition_units,
        catalogue=catalogue_of(columns),
        catalogue_units=about["catalogue_units"],
        reduction=_reduction(config, about.get("stored_side"), images.shape[1]),
        image_facts=image_facts,
        content=about["content"],
        report=report,
        splits=splits,
    )


def catalogue_of(columns):
    """The catalogue among the columns of a cache entry, name -> (N,) array."""
    prefix = "catalogue."
    return {name.removeprefix(prefix): column for name, column in columns.items() if name.startswith(prefix)}


def _reduction(config, stored_side, side):
    """Side of a pixel in pixels of the file; None if unknown, as of entries that earlier versions prepared."""
    if stored_side is None:
        return 1.0 if config.image_size is None else None
    return stored_side / side


def _fingerprint(reader, config):
    """What determines a cache entry: what the reader needs, and the keys that the entry's writer follows."""
    fingerprint = dict(reader.fingerprint(config))
    if hasattr(config, "reading"):
        fingerprint["reading"] = config.reading
    kept = {"nan": config.nan, "drop": config.drop}
    if kept != {"nan": "error", "drop": None}:
        fingerprint["left out"] = kept
    return fingerprint


def _report(images, columns, about, image_facts):
    """Summary of a dataset for its report: number, shape and range of the images, and classes."""
    report = {
        "sha256": about["content"],
        "count": len(images),
        "image_shape": list(images.shape[1:]),
        "dtype": str(images.dtype),
        "low": float(image_facts["low"].min()),
        "high": float(image_facts["high"].max()),
        "blank": int((image_facts["low"] == image_facts["high"]).sum()),
        "notes": list(about.get("notes", [])),
        "warnings": list(about.get("warnings", [])),
    }
    if "labels" in columns:
        unlabelled, *counts = np.bincount(
            columns["labels"] + 1, minlength=len(about["class_names"]) + 1
        ).tolist()
        report["classes"] = dict(zip(about["class_names"], counts, strict=True))
        report["unlabelled"] = unlabelled
    return report


def _conditions(condition, names, rows):
    """Numbers and range of each condition of the images that are used; classes are counted in the report besides."""
    report = {}
    for index in range(len(classes_among(names)), len(names)):
        name, values = names[index], condition[rows, index]
        known = values[np.isfinite(values)]
        report[f"condition {name}"] = {
            "known": len(known),
            "missing": len(values) - len(known),
            "low": float(known.min()) if len(known) else None,
            "high": float(known.max()) if len(known) else None,
        }
    return report
