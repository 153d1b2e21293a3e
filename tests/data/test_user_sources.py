"""Where the user's files lie: paths, permissions, links and pipes, and files that change."""

import os

import numpy as np
import pytest
from astropy.table import Table
from builders.user_files import N, pixels, store, write_image

from galvae.data.load import load_dataset
from galvae.data.readers import user_files
from galvae.errors import GalvaeError


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.npy", ["dataset.path", "No such file", "expected an existing file"]),
        ("missing", ["dataset.path", "No such file"]),
        ("a.tif", ["dataset.path", ".h5 .hdf5 .hdf .npz .npy .parquet .pq .fits .fit, or a folder", "a.tif"]),
    ],
)
def test_bad_paths(tmp_path, refused, path, words):
    (tmp_path / "a.tif").write_bytes(b"")
    refused(words, path)


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy", "images/a.png", "images"])
def test_unreadable(nobody, config, name):
    write_image(nobody, "a.png", pixels(8, 8))
    if name.startswith("a."):
        store(nobody, name, pixels(N, 8, 8))
    (nobody / name).chmod(0)
    with pytest.raises(GalvaeError, match="ermission denied") as error:
        load_dataset(config(nobody / name.split("/")[0], cache_dir=str(nobody / "cache")))
    assert "\n" not in str(error.value)
    assert not [path for path in (nobody / "cache").glob("*") if path.suffix != ".lock"]


def test_a_changed_source_or_setting_has_another_fingerprint(tmp_path, config):
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    first = load_dataset(config("a.npy"))
    store(tmp_path, "a.npy", pixels(N, 8, 8) + 1)
    os.utime(tmp_path / "a.npy", (1, 1))
    second = load_dataset(config("a.npy"))
    np.testing.assert_array_equal(second.images, first.images + 1)

    write_image(tmp_path, "a.png", pixels(8, 8))
    Table({"z": [0.5]}).write(tmp_path / "t.csv")
    prints = [user_files.fingerprint(config("images", table="t.csv"))]
    write_image(tmp_path, "deep/b.png", pixels(8, 8))
    prints.append(user_files.fingerprint(config("images", table="t.csv")))
    os.utime(tmp_path / "t.csv", (1, 1))
    prints.append(user_files.fingerprint(config("images", table="t.csv")))
    changes = {"images": "x", "labels": "x", "class_names": ["x"], "condition": ["x"], "ids": "x"}
    changes |= {"image_size": 8, "pixel_range": [0.0, 2.0], "axes": "CHW", "row_0": "bottom", "channels": [0]}
    changes |= dict.fromkeys(("hdu", "band_files", "mask", "table_name", "redshift", "split_from"), "x")
    changes |= {"mask_where": "zero", "join": "order"}
    prints += [
        user_files.fingerprint(config("images", table="t.csv", **{key: changes[key]})) for key in changes
    ]
    assert len({repr(facts) for facts in prints}) == len(prints)
    assert user_files.fingerprint(config("images", augment=True)) == user_files.fingerprint(config("images"))


@pytest.mark.parametrize("name", ["a.h5", "a.npy", "a.npz", "images/b.png", "images/b.fits"])
def test_pipes_are_not_opened(tmp_path, refused, name):
    write_image(tmp_path, "a.png", pixels(8, 8))
    os.mkfifo(tmp_path / name)
    refused(["dataset.path", "expected a file, received", "a pipe"], name.split("/")[0])


def test_circles_of_links(tmp_path, config, refused):
    for name in "abcde":
        write_image(tmp_path, f"deep/{name}.png", pixels(8, 8))
    (tmp_path / "images" / "deep" / "again").symlink_to(tmp_path / "images")
    refused(["expected links to folders that are not read anyway", "deep/again"], "images")
    (tmp_path / "images" / "deep" / "again").unlink()
    (tmp_path / "images" / "z.png").symlink_to("z.png")
    dataset = load_dataset(config("images"))
    assert len(dataset) == 5 and "z.png" in dataset.report["warnings"][0]
    (tmp_path / "a.h5").symlink_to("a.h5")
    refused(["a.h5", "symbolic links"], "a.h5")


def test_empty_folder_and_broken_link(tmp_path, refused):
    folder = tmp_path / "images"
    folder.mkdir()
    refused(["dataset.path", "expected files ending in", ".png", "received none"], "images")
    (folder / "a.png").symlink_to(tmp_path / "nowhere")
    refused(["dataset.path", "a.png", "lead nowhere"], "images")


def test_a_source_that_changes_later_or_while_it_is_read(tmp_path, config, refused, monkeypatch):
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    dataset = load_dataset(config("a.npy"))
    store(tmp_path, "a.npy", 255 - pixels(N, 8, 8))
    np.testing.assert_array_equal(dataset.images[..., 0], pixels(N, 8, 8))  # the prepared copy
    os.remove(tmp_path / "a.npy")
    np.testing.assert_array_equal(dataset.images[..., 0], pixels(N, 8, 8))

    def growing(config):
        source = read(config)
        store(tmp_path, "b.npy", pixels(N + 1, 8, 8))
        return source

    read = user_files.read
    store(tmp_path, "b.npy", pixels(N, 8, 8))
    monkeypatch.setattr(user_files, "read", growing)
    refused(["expected files that do not change while they are read"], "b.npy")
    store(tmp_path, "b.npy", pixels(N + 1, 8, 8))
    refused(["expected files that do not change while they are read"], "b.npy")
