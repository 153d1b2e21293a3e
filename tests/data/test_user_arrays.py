"""The user's own arrays in .npy, .npz and HDF5: known answers for each layout and type, one line for each bad input."""

import os
import tracemalloc
import zipfile

import numpy as np
import pytest
from builders.galaxies import ellipses
from builders.user_files import N, pixels, store

from galvae.data.load import load_dataset
from galvae.data.readers import user_files
from galvae.errors import GalvaeError


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize(
    ("shape", "arrange"),
    [
        ((N, 20, 24), lambda images: images[..., None]),
        ((N, 20, 24, 3), lambda images: images),
        ((N, 20, 24, 16), lambda images: images),
        ((N, 3, 20, 24), lambda images: images.transpose(0, 2, 3, 1)),
        ((N, 1, 20, 24), lambda images: images.transpose(0, 2, 3, 1)),
        ((N, 3, 20, 4), lambda images: images),
    ],
)
def test_layouts(tmp_path, config, name, shape, arrange):
    images = pixels(*shape)
    store(tmp_path, name, images)
    dataset = load_dataset(config(name))
    assert dataset.images.dtype == np.uint8 and dataset.pixel_range == (0, 255)
    np.testing.assert_array_equal(dataset.images, arrange(images))
    np.testing.assert_array_equal(dataset.catalogue["id"], np.arange(N))
    assert dataset.labels is None and dataset.condition is None


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize(
    ("dtype", "given", "pixel_range"),
    [
        ("<u2", None, (0, 65535)),
        (">u2", None, (0, 65535)),
        ("<f2", None, (0, 1)),
        (">f4", None, (0, 1)),
        (">f8", [-1.0, 2.0], (-1, 2)),
        (">i2", [0.0, 300.0], (0, 300)),
        ("<i8", [0.0, 300.0], (0, 300)),
    ],
)
def test_types(tmp_path, config, name, dtype, given, pixel_range):
    images = pixels(N, 8, 8, dtype=dtype)
    store(tmp_path, name, images)
    dataset = load_dataset(config(name, pixel_range=given))
    assert dataset.images.dtype.str == "<f4" and dataset.pixel_range == pixel_range
    np.testing.assert_array_equal(dataset.images[..., 0], images.astype(np.float32))


def test_images_are_averaged_after_conversion(tmp_path, config):
    images = pixels(N, 16, 16, 2, dtype=">u2")
    store(tmp_path, "a.npy", images)
    dataset = load_dataset(config("a.npy", image_size=8))
    expected = images.astype(float).reshape(N, 8, 2, 8, 2, 2).mean(axis=(2, 4))
    np.testing.assert_allclose(dataset.images, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
def test_streams_in_blocks(tmp_path, config, monkeypatch, name):
    images = pixels(2000, 16, 16, 4)
    store(tmp_path, name, images)
    monkeypatch.setattr(user_files, "BLOCK", 50_000)
    source = user_files.read(config(name))
    tracemalloc.start()
    lengths, total = [], np.zeros((), np.int64)
    for block in source.blocks:
        lengths.append(len(block))
        total += block.sum(dtype=np.int64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert max(lengths) == 48 and sum(lengths) == 2000 and total == images.sum(dtype=np.int64)
    assert peak < images.nbytes / 4


def test_fortran_order_of_npy_is_read(tmp_path, config):
    images = np.asfortranarray(pixels(N, 8, 9, 3))
    np.save(tmp_path / "a.npy", images)
    np.testing.assert_array_equal(load_dataset(config("a.npy")).images, images)


def test_choice_among_several_arrays(tmp_path, config, refused):
    store(tmp_path, "a.npz", pixels(N, 8, 8), more=pixels(N, 9, 9, 3), mask=np.ones((8, 8)))
    np.testing.assert_array_equal(load_dataset(config("a.npz", images="more")).images, pixels(N, 9, 9, 3))
    store(tmp_path, "b.npz", pixels(N, 8, 8), more=pixels(N, 9, 9, 3))
    listed = ["dataset.images", "images (6, 8, 8)", "more (6, 9, 9, 3)"]
    refused(listed, "b.npz")
    refused([*listed, "received foo"], "b.npz", images="foo")
    store(tmp_path, "c.h5", pixels(N, 8))
    refused(["dataset.images", "(none)"], "c.h5")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images(tmp_path, config, refused, count):
    store(tmp_path, "a.npy", pixels(count, 8, 8))
    if count == 3:
        assert len(load_dataset(config("a.npy", split=[0.34, 0.33, 0.33]))) == 3
        return
    with pytest.raises(GalvaeError, match=f"split is empty; .* of {count} images"):
        load_dataset(config("a.npy"))


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pixels(N, 20, 20, 17), ["at most 16 bands C", "(6, 20, 20, 17)"]),
        (pixels(0, 20, 20), ["dataset.axes", "shape (0, 20, 20)"]),
        (pixels(N, 20, 0, 3), ["dataset.axes", "shape (6, 20, 0, 3)"]),
        (pixels(N, 8, 8, dtype="i4"), ["dataset.pixel_range", "int32"]),
        (pixels(N, 8, 8) > 3, ["expected integer or float pixels, received bool"]),
        (pixels(N, 8, 8) * 1j, ["complex128"]),
        (np.full((N, 8, 8), np.nan), ["NaN or infinity in row 0 of a."]),
        (np.full((N, 8, 8), 1e300), ["NaN or infinity in row 0 of a."]),
    ],
)
def test_bad_arrays(tmp_path, refused, name, images, words):
    store(tmp_path, name, images)
    refused(words, name)


def test_bad_sizes(tmp_path, refused):
    store(tmp_path, "a.npy", pixels(N, 8, 9))
    refused(["dataset.image_size", "8x9"], "a.npy", image_size=8)
    store(tmp_path, "b.npy", pixels(N, 8, 8))
    refused(["dataset.image_size", "8x8"], "b.npy", image_size=16)


def test_images_that_fill_the_memory_are_refused_unread(tmp_path, refused):
    with open(tmp_path / "a.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (1, 20_000, 20_000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(4 * 10**8 + 1000)
    refused(["a.npy", "at most 100000000 values", "(1, 20000, 20000)"], "a.npy")


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize("kept", [0, 50, 3000, -20])
def test_truncated_arrays(tmp_path, refused, name, kept):
    store(tmp_path, name, np.random.default_rng(0).random((N, 16, 16)))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:kept])
    refused([name], name)


def test_damage_inside_an_npz_is_found_while_it_is_streamed(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(user_files, "BLOCK", 2000)
    store(tmp_path, "a.npz", np.random.default_rng(0).integers(0, 256, (N, 64, 64), "u1"))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    refused(["dataset.path", "a.npz", "damaged"], "a.npz", axes="NHW")


def test_python_objects_are_never_unpickled(tmp_path, config, refused):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    trap = np.full((N, 8, 8), Trap())
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(trap.dumps())
    np.savez(tmp_path / "c.npz", images=trap, allow_pickle=True)
    np.savez(tmp_path / "d.npz", images=pixels(N, 8, 8), kind=trap[:, 0, 0], allow_pickle=True)
    for name in ("a.npy", "b.npy", "c.npz", "d.npz"):
        words = ["dataset.labels", "of object"] if name == "d.npz" else ["dataset.path"]
        refused([*words, name], name, labels="kind" if name == "d.npz" else None, axes="NHW")
    load_dataset(config("d.npz", axes="NHW"))  # objects that are not asked for are left alone
    assert not (tmp_path / "pwned").exists()


def test_arrays_that_are_none(tmp_path, refused):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\x08\x00{'descr'")
    refused(["dataset.path", "a.npy"], "a.npy")
    (tmp_path / "a.npz").write_text("no zip")
    refused(["dataset.path", "a.npz"], "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as file:
        file.writestr("images.npy", "no array")
    refused(["dataset.path", "b.npz"], "b.npz")


@pytest.mark.parametrize("axes", ["NHWC", "WHNC"])
def test_transposed_arrays_in_an_npz_keep_their_pixels(tmp_path, config, axes):
    images = ellipses(N, 8, 3)
    stored = np.asfortranarray(np.transpose(images, ["NHWC".index(letter) for letter in axes]))
    assert stored.flags.f_contiguous
    np.savez(tmp_path / "a.npz", images=stored)
    np.testing.assert_array_equal(load_dataset(config("a.npz", axes=axes)).images, images)


@pytest.mark.parametrize("axes", ["NHWC", "NCHW", "HWCN", "CWHN"])
@pytest.mark.parametrize("bands", ["a mask for each band", "one mask for all"])
def test_masks_have_the_axes_of_the_images(tmp_path, config, axes, bands):
    images = ellipses(N, (8, 12), 3).astype(np.float32) / 256 + np.float32(0.01)
    aside = np.random.default_rng(0).uniform(size=images.shape) < 0.2
    aside = aside if bands == "a mask for each band" else aside[..., 0]
    stored = np.transpose(images, ["NHWC".index(letter) for letter in axes])
    own = axes if aside.ndim == 4 else axes.replace("C", "")
    masks = np.transpose(aside, ["NHWC".index(letter) for letter in own])
    store(tmp_path, "a.h5", stored, bad=masks.astype(np.uint8))
    data = load_dataset(config("a.h5", axes=axes, images="images", mask="bad"))
    aside = np.broadcast_to(aside if aside.ndim == 4 else aside[..., None], images.shape)
    np.testing.assert_array_equal(data.masks_of(np.arange(N)), aside)
    np.testing.assert_array_equal(data.images[~aside], images[~aside])


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_columns_with_a_second_axis_of_one_entry_are_read(tmp_path, config, name):
    store(tmp_path, name, pixels(N, 8, 8), z=np.arange(N)[:, None] / 10, kind=np.arange(N)[:, None] % 3)
    dataset = load_dataset(config(name, condition=["z"], labels="kind"))
    np.testing.assert_allclose(dataset.condition[:, 0], np.arange(N) / 10, rtol=1e-6)
    assert dataset.labels.tolist() == [0, 1, 2, 0, 1, 2]
