"""Galaxies of a run, kept in its directory: what it needs of its dataset when the images have gone."""

import logging

import numpy as np

from galvae.data.galaxies import StoredGalaxies
from galvae.data.splits import check_within, read_splits
from galvae.errors import GalvaeError, damage_as_one_line
from galvae.runs import fitted
from galvae.system.atomic import Blocks

FILE = "galaxies.safetensors"
TEXT = "text."  # before the name of an array of texts: (N, bytes) of UTF-8
CATALOGUE = "catalogue."  # before the name of a column of the catalogue
ROWS = 2**18  # texts encoded at a time

log = logging.getLogger(__name__)


def store_galaxies(path, dataset, digest):
    """Writes the galaxies of a dataset, without images and splits.

    Args:
        path: the run's directory.
        dataset: Galaxies.
        digest: SHA-256 of the dataset, see `GalaxyDataset.digest`.
    """
    # Ids always, so that the file says in its arrays how many galaxies it has.
    catalogue = dataset.catalogue if "id" in dataset.catalogue else {**dataset.catalogue, "id": dataset.ids}
    columns = {f"{CATALOGUE}{name}": values for name, values in catalogue.items()}
    columns |= {"labels": dataset.labels, "condition": dataset.condition}
    arrays = dict(_encoded(name, values) for name, values in columns.items() if values is not None)
    facts = {
        "name": dataset.name,
        "count": len(dataset),
        "catalogue": list(catalogue),  # in their order, which the file does not keep
        "band_names": list(dataset.band_names),
        "class_names": None if dataset.class_names is None else list(dataset.class_names),
        "condition_units": list(dataset.condition_units),
        "catalogue_units": dict(dataset.catalogue_units),
        "reduction": dataset.reduction,
    }
    fitted.save(path / FILE, arrays, {"dataset": digest}, facts)


def stored_galaxies(run):
    """The galaxies that are kept with a run.

    Args:
        run: TrainedRun.

    Returns:
        StoredGalaxies; None if the run keeps none, as one that an earlier version has begun. A damaged file is logged
        as a warning, and counts as none.

    Raises:
        GalvaeError: if split.npz is damaged.
    """
    path, state = run.path / FILE, run.state
    if not path.exists():
        return None
    try:
        expected = {"dataset": state.dataset_sha256}
        arrays, facts = fitted.read(
            path, expected, "galaxies", f"galvae train resume={run.path}", finite=False
        )
        with damage_as_one_line(f"{path}: expected the galaxies of the run"):
            galaxies = _decoded(arrays, facts, state, run.config.dataset.rgb)
    except GalvaeError as error:
        log.warning("the galaxies that are kept with the run cannot be used: %s", error)
        return None
    splits = run.path / "split.npz"
    galaxies.splits.update(read_splits(splits))
    check_within(galaxies.splits, len(galaxies), splits)
    return galaxies


def _encoded(name, values):
    """Name and array, or Blocks, under which a column is stored."""
    values = np.asarray(values)
    if values.dtype.kind not in "US":
        return name, values.astype(values.dtype.newbyteorder("="), copy=False)
    parts = range(0, len(values), ROWS)
    longest = max((_longest(_utf8(values[start : start + ROWS])) for start in parts), default=1)
    blocks = (_utf8(values[start : start + ROWS]).astype(f"S{longest}") for start in parts)
    as_bytes = (block.view(np.uint8).reshape(-1, longest) for block in blocks)
    return TEXT + name, Blocks((len(values), longest), np.uint8, as_bytes)


def _utf8(texts):
    """Texts as bytes, (n,) of NumPy's type S; those that are ASCII, as ids are, ten times as fast."""
    try:
        return texts.astype("S")
    except UnicodeEncodeError:
        return np.char.encode(texts, "utf-8")


def _decoded_texts(texts):
    """The texts of bytes, the inverse of `_utf8`."""
    try:
        return texts.astype(str)
    except UnicodeDecodeError:
        return np.char.decode(texts, "utf-8")


def _longest(texts):
    """Number of bytes of the longest of some texts, at least 1, the smallest number that NumPy's type S has."""
    return max(1, int(np.strings.str_len(texts).max()))


def _decoded(arrays, facts, state, rgb):
    """StoredGalaxies of the arrays and facts of a file, without splits.

    Args:
        arrays, facts: see `store_galaxies`.
        state: CheckpointState.
        rgb: `dataset.rgb` of the run.

    Raises:
        ValueError, TypeError, KeyError: if they do not fit together.
    """
    count, columns = facts["count"], {}
    for name, values in arrays.items():
        if name.startswith(TEXT):
            texts = np.ascontiguousarray(values).view(f"S{values.shape[1]}")[:, 0]
            name, values = name.removeprefix(TEXT), _decoded_texts(texts)
        if len(values) != count:
            raise ValueError(f"{len(values)} values of {name} for {count} galaxies")
        columns[name] = values
    labels, condition, classes = columns.get("labels"), columns.get("condition"), facts["class_names"]
    if columns["catalogue.id"].ndim != 1:
        raise ValueError("ids of several dimensions")
    if labels is not None and not (
        labels.dtype.kind in "iu" and labels.min(initial=0) >= -1 and labels.max(initial=-1) < len(classes)
    ):
        raise ValueError(
            f"labels {labels.dtype} from {labels.min()} to {labels.max()} of {len(classes)} classes"
        )
    names, units = state.condition_names, facts["condition_units"]
    shape = None if condition is None else condition.shape
    if len(units) != len(names) or shape != ((count, len(names)) if names else None):
        raise ValueError(f"conditions of shape {shape} for {count} galaxies with {', '.join(names)}")
    return StoredGalaxies(
        name=str(facts["name"]),
        count=count,
        image_shape=tuple(state.image_shape),
        pixel_range=tuple(state.pixel_range),
        stretch=state.stretch,
        band_names=[str(name) for name in facts["band_names"]],
        rgb=None if rgb is None else tuple(rgb),
        labels=labels,
        class_names=None if classes is None else [str(name) for name in classes],
        condition=condition,
        condition_names=list(names),
        condition_units=[str(unit) for unit in units],
        catalogue={str(name): columns[f"{CATALOGUE}{name}"] for name in facts["catalogue"]},
        catalogue_units={str(name): str(unit) for name, unit in facts["catalogue_units"].items()},
        reduction=None if facts.get("reduction") is None else float(facts["reduction"]),
    )
