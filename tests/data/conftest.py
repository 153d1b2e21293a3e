"""Fixtures of the tests of the user's own files."""

import contextlib
import dataclasses

import h5py
import numpy as np
import pytest

from galvae.config.dataset import READING, FilesConfig
from galvae.config.fields import ALWAYS
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError


def axes_of(path, name):
    """The axes of a test's few and small images, whose lengths alone do not tell them; None if there are none."""
    shapes = {}
    with contextlib.suppress(Exception):  # tests of damaged files
        if not path.is_file():
            pass  # a pipe would be opened for ever
        elif path.suffix == ".npy":
            shapes[None] = np.load(path, mmap_mode="r").shape
        elif path.suffix == ".npz":
            with open(path, "rb") as stored, np.load(stored) as file:
                shapes = {key: file[key].shape for key in file}
        elif path.suffix in (".h5", ".hdf5"):
            with h5py.File(path) as file:
                file.visititems(lambda key, item: shapes.__setitem__(key, getattr(item, "shape", None)))
    shapes = [shape for key, shape in shapes.items() if name in (None, key) and len(shape or ()) in (3, 4)]
    if len(shapes) != 1:
        return None
    return "NHW" if len(shapes[0]) == 3 else "NHWC" if shapes[0][3] <= 16 else "NCHW"


@pytest.fixture
def config(tmp_path):
    """Builds a FilesConfig for a path below tmp_path."""

    def build(path, **changes):
        values = dict.fromkeys(
            ("images", "table", "labels", "class_names", "ids", "pixel_range", "image_size")
        )
        later = {f.name: f.metadata["added"] for f in dataclasses.fields(FilesConfig)}
        values |= {name: value for name, value in later.items() if value is not ALWAYS}
        values |= {
            "name": "files",
            "reading": READING,
            "augment": False,
            "split": [0.6, 0.2, 0.2],
            "split_seed": 0,
            "split_by": None,
            "stretch": "none",
            "missing_condition": "drop",
            "condition": [],
        }
        values |= {"cache_dir": str(tmp_path / "cache"), "path": str(tmp_path / path), **changes}
        if "axes" not in changes:
            values["axes"] = axes_of(tmp_path / path, values["images"])
        if values["table"]:
            values["table"] = str(tmp_path / values["table"])
        return FilesConfig(**values)

    return build


@pytest.fixture
def refused(config, tmp_path):
    """Asserts that a configuration is refused in one line with these words and leaves nothing behind."""

    def entries():
        cache = tmp_path / "cache"
        return {name for name in cache.iterdir() if name.suffix != ".lock"} if cache.exists() else set()

    def check(words, path, **changes):
        before = entries()
        with pytest.raises(GalvaeError) as caught:
            load_dataset(config(path, **changes))
        message = str(caught.value)
        assert "\n" not in message
        assert all(word in message for word in words), message
        assert entries() == before

    return check
