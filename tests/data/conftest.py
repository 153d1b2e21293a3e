"""Fixtures of the tests of the user's own files."""

import pytest

from galvae.config.dataset import FilesConfig
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError


@pytest.fixture
def config(tmp_path):
    """Builds a FilesConfig for a path below tmp_path."""

    def build(path, **changes):
        values = dict.fromkeys(
            ("images", "table", "labels", "class_names", "ids", "pixel_range", "image_size")
        )
        values |= {
            "name": "files",
            "augment": False,
            "split": [0.6, 0.2, 0.2],
            "split_seed": 0,
            "stretch": "none",
            "missing_condition": "drop",
            "condition": [],
        }
        values |= {"cache_dir": str(tmp_path / "cache"), "path": str(tmp_path / path), **changes}
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
