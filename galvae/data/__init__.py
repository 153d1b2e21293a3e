"""Datasets: SOURCES maps the name that `dataset.name` takes to the reader's module."""

import importlib

import numpy as np

from galvae.data.cache import cache_folder, cached
from galvae.data.dataset import GalaxyDataset, make_splits

SOURCES = {
    "hdf": "galvae.data.hdf",
    "galaxy10": "galvae.data.galaxy10",
    "hst": "galvae.data.hst",
    "cosmos": "galvae.data.cosmos",
    "mnist": "galvae.data.mnist",
    "simulated": "galvae.data.simulated",
    "files": "galvae.data.files",
}


def load_dataset(config):
    """The dataset that a configuration names, prepared now if the cache does not hold it.

    Args:
        config: the `dataset` section. `config.name` picks the reader, a module with two functions:
            `fingerprint(config)`, a JSON-able dict of all that determines the arrays, and `read(config)`,
            which opens the source and returns a `galvae.data.cache.Source`.

    Returns:
        GalaxyDataset with its splits.

    Raises:
        GalvaeError: if the source is missing, damaged or not in the layout that the reader expects.
        CannotBeDone: if it cannot be downloaded, or its cache cannot be written.
    """
    reader = importlib.import_module(SOURCES[config.name])
    images, columns, about = cached(
        cache_folder(config.cache_dir), config.name, reader.fingerprint(config), lambda: reader.read(config)
    )
    labels, condition = columns.get("labels"), columns.get("condition")
    report = dict(about["report"])
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
        report=report,
        splits=make_splits(len(images), config.split, config.split_seed),
    ).stretched(config.stretch)
