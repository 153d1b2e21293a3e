"""What must hold of a dataset that was read from one of the layouts in `builders.layouts`."""

import contextlib
import dataclasses
import functools

import numpy as np

from builders.configs import composed
from builders.layouts import LAYOUTS
from galvae.cli.overrides import hydra_arguments
from galvae.config.check import from_dict
from galvae.config.dataset import PrepareConfig


@functools.cache
def _section(words):
    """The `dataset` section of a command's words, with relative paths taken from the root folder."""
    with contextlib.chdir("/"):
        return from_dict(PrepareConfig, composed("prepare", *hydra_arguments("prepare", list(words)))).dataset


def config_of(name, folder):
    """The configuration of a layout whose files are in a folder, which also has the cache."""
    config = _section(LAYOUTS[name].words)
    paths = {
        "path": config.path,
        "table": getattr(config, "table", None),
        "ids": getattr(config, "ids", None),
    }
    moved = {key: f"{folder}{path}" for key, path in paths.items() if path and path.startswith("/")}
    if str(paths["ids"]).endswith(".npy") and "ids" not in moved:
        moved["ids"] = f"{folder}/{config.ids}"
    return dataclasses.replace(config, **moved, cache_dir=str(folder / "cache"))


def difference(images, expected):
    """Mean absolute difference of each pair of images."""
    return np.abs(np.asarray(images, float) - expected).mean(axis=(1, 2, 3))


def check_ids(dataset, expected, where):
    assert dataset.ids.tolist() == [expected.ids[index] for index in np.argsort(where)]
    assert dataset.ids.dtype.kind == expected.ids.dtype.kind
    assert len(dataset) == len(expected.ids)


def check_pixels(dataset, expected, where):
    """The values of every image, wherever in it they are; blank pixels are compared by `check_set_aside`."""
    images, wanted = np.array(dataset.images[where]), np.array(expected.images, float)
    if expected.aside is not None:
        images[expected.aside] = wanted[expected.aside] = 0
    values = [
        np.sort(pixels.reshape(len(pixels), -1, pixels.shape[-1]), axis=1) for pixels in (images, wanted)
    ]
    assert images.shape == wanted.shape
    assert np.abs(values[0] - values[1]).mean() <= expected.tolerance + 1e-6 * np.abs(wanted).max()


def check_orientation(dataset, expected, where):
    """Every pixel of every image, at its place; no flipped or rotated galaxy is as similar."""
    images, wanted = np.array(dataset.images[where], float), np.array(expected.images, float)
    if expected.aside is not None:
        images[expected.aside] = wanted[expected.aside] = 0
    found = difference(images, wanted)
    assert found.max() <= expected.tolerance + 1e-6 * np.abs(wanted).max()
    for other in (
        wanted[:, ::-1],
        wanted[:, :, ::-1],
        wanted.transpose(0, 2, 1, 3),
        np.roll(wanted, 1, axis=0),
    ):
        assert (found < difference(images, other)).all()


def check_redshift(dataset, expected, where):
    redshifts = [dataset.condition[:, 0]] if dataset.condition is not None else []
    redshifts += [dataset.catalogue[name] for name in ("redshift", "z", "zbest") if name in dataset.catalogue]
    if expected.redshift is None:
        assert not redshifts
        return
    assert redshifts
    for column in redshifts:
        np.testing.assert_allclose(column[where].astype(float), expected.redshift, rtol=1e-6)


def check_class(dataset, expected, where):
    if expected.classes is None:
        assert dataset.labels is None
        return
    assert np.array(dataset.class_names)[dataset.labels[where]].tolist() == expected.classes.tolist()


CELLS = {
    "ids": check_ids,
    "pixels": check_pixels,
    "orientation": check_orientation,
    "redshift": check_redshift,
    "class": check_class,
}


def check_right(dataset, expected):
    """Every galaxy of a dataset has the pixels, redshift and class that were written with its id."""
    rows = {str(value): row for row, value in enumerate(expected.ids)}
    rows = np.array([rows[str(value)] for value in dataset.ids])
    parts = {"images", "ids", "redshift", "classes", "split", "aside"}
    wanted = {part: getattr(expected, part) for part in parts}
    wanted = {part: None if values is None else values[rows] for part, values in wanted.items()}
    wanted = dataclasses.replace(expected, **wanted)
    for check in CELLS.values():
        check(dataset, wanted, np.arange(len(dataset)))
