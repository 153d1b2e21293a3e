"""Loading of datasets: each `dataset.name` has a reader, whose arrays are cached, split and opened."""

import importlib

import numpy as np

from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits
from galvae.data.store import cache_entry, isolation
from galvae.data.store.cache import cache_folder, cached
from galvae.errors import CannotBeDone

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
    reader = importlib.import_module(SOURCES[config.name])
    fingerprint = reader.fingerprint(config)

    def write_entry(folder):
        if config.name in TRUSTED:
            cache_entry.write(folder, config.name, reader.read(config))
            return
        isolation.write_entry(folder, SOURCES[config.name], config)
        if reader.fingerprint(config) != fingerprint:
            raise CannotBeDone(
                f"dataset {config.name}: expected files that do not change while they are read, received changed "
                "ones; run the command again"
            )

    images, columns, about = cached(cache_folder(config.cache_dir), config.name, fingerprint, write_entry)
    image_facts = {name: columns[f"image.{name}"] for name in ("hash", "low", "high")}
    return GalaxyDataset(
        name=config.name,
        images=images,
        pixel_range=tuple(about["pixel_range"]),
        labels=columns.get("labels"),
        class_names=about["class_names"],
        condition=columns.get("condition"),
        condition_names=about["condition_names"],
        condition_units=about["condition_units"],
        catalogue={
            name.removeprefix("catalogue."): column
            for name, column in columns.items()
            if name.startswith("catalogue.")
        },
        catalogue_units=about["catalogue_units"],
        image_facts=image_facts,
        content=about["content"],
        report=_report(images, columns, about, image_facts),
        splits=make_splits(len(images), config.split, config.split_seed),
    ).stretched(config.stretch)


def _report(images, columns, about, image_facts):
    """Summary of a dataset for its report: number, shape and range of the images, classes and conditions."""
    report = {
        "sha256": about["content"],
        "count": len(images),
        "image_shape": list(images.shape[1:]),
        "dtype": str(images.dtype),
        "low": float(image_facts["low"].min()),
        "high": float(image_facts["high"].max()),
        "blank": int((image_facts["low"] == image_facts["high"]).sum()),
    }
    if "labels" in columns:
        report["classes"] = {
            name: int((columns["labels"] == index).sum()) for index, name in enumerate(about["class_names"])
        }
    for index, name in enumerate(about["condition_names"]):
        values = columns["condition"][:, index]
        known = values[np.isfinite(values)]
        report[f"condition {name}"] = {
            "known": len(known),
            "missing": len(values) - len(known),
            "low": float(known.min()) if len(known) else None,
            "high": float(known.max()) if len(known) else None,
        }
    return report
