"""Datasets: SOURCES maps the name that `dataset.name` takes to the reader's module."""

import importlib

import numpy as np

from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits
from galvae.data.store import cache_entry, isolation
from galvae.data.store.cache import cache_folder, cached
from galvae.errors import CannotBeDone

SOURCES = {
    "hdf": "galvae.data.readers.hubble_deep_field",
    "galaxy10": "galvae.data.readers.galaxy10",
    "hst": "galvae.data.readers.stamps",
    "cosmos": "galvae.data.readers.stamps",
    "mnist": "galvae.data.readers.mnist",
    "simulated": "galvae.data.readers.simulated",
    "files": "galvae.data.readers.user_files",
}
MADE_HERE = ("hdf", "simulated")  # of no file from elsewhere


def load_dataset(config):
    """The dataset that a configuration names, prepared now if the cache does not hold it.

    Args:
        config: the `dataset` section. `config.name` picks the reader, a module with two functions:
            `fingerprint(config)`, a JSON-able dict of all that determines the arrays, and `read(config)`,
            which opens the source and returns a `galvae.data.source.Source`.

    Returns:
        GalaxyDataset with its splits.

    Raises:
        GalvaeError: if the source is missing, damaged or not in the layout that the reader expects.
        CannotBeDone: if it cannot be downloaded, changes while it is read, or its cache cannot be written.
    """
    reader = importlib.import_module(SOURCES[config.name])
    fingerprint = reader.fingerprint(config)

    def fill(folder):
        if config.name in MADE_HERE:
            cache_entry.fill(folder, config.name, reader.read(config))
            return
        isolation.fill(folder, SOURCES[config.name], config)
        if reader.fingerprint(config) != fingerprint:
            raise CannotBeDone(
                f"dataset {config.name}: expected files that stay as they are, received others while they were read; "
                "run the command again"
            )

    images, columns, about = cached(cache_folder(config.cache_dir), config.name, fingerprint, fill)
    labels, condition = columns.get("labels"), columns.get("condition")
    facts = {name: columns[f"image.{name}"] for name in ("hash", "low", "high")}
    report = {
        "sha256": about["content"],
        "count": len(images),
        "image_shape": list(images.shape[1:]),
        "dtype": str(images.dtype),
        "low": float(facts["low"].min()),
        "high": float(facts["high"].max()),
        "blank": int((facts["low"] == facts["high"]).sum()),
    }
    if labels is not None:
        report["classes"] = {
            name: int((labels == index).sum()) for index, name in enumerate(about["class_names"])
        }
    for index, name in enumerate(about["condition_names"]):
        values = condition[:, index]
        known = values[np.isfinite(values)]
        report[f"condition {name}"] = {
            "known": len(known),
            "missing": len(values) - len(known),
            "low": float(known.min()) if len(known) else None,
            "high": float(known.max()) if len(known) else None,
        }
    return GalaxyDataset(
        name=config.name,
        images=images,
        pixel_range=tuple(about["pixel_range"]),
        labels=labels,
        class_names=about["class_names"],
        condition=condition,
        condition_names=about["condition_names"],
        condition_units=about["condition_units"],
        catalogue={
            name.removeprefix("catalogue."): column
            for name, column in columns.items()
            if name.startswith("catalogue.")
        },
        catalogue_units=about["catalogue_units"],
        image_facts=facts,
        content=about["content"],
        report=report,
        splits=make_splits(len(images), config.split, config.split_seed),
    ).stretched(config.stretch)
