"""The reader of the user's own images: known answers for each format, and one line for each bad input."""

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from galvae.config.dataset import FilesConfig
from galvae.data.load import load_dataset
from galvae.data.readers import user_files
from galvae.data.readers.image_folder import Pictures, read_picture
from galvae.errors import GalvaeError

N = 6


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


def pixels(*shape, dtype="u1"):
    """Values that are different from each other as far as the type allows."""
    values = np.arange(np.prod(shape)) * 7 % 251
    return (values / 256 if np.dtype(dtype).kind == "f" else values).astype(dtype).reshape(shape)


def store(folder, name, images, **columns):
    """Writes images and columns as .h5, .npz or .npy."""
    path = folder / name
    if path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for key, values in {"images": images, **columns}.items():
                text = np.asarray(values).dtype.kind == "U"
                file.create_dataset(key, data=values.tolist() if text else values)
    elif path.suffix == ".npz":
        np.savez_compressed(path, images=images, **columns)
    else:
        np.save(path, images)


def picture(folder, name, values, **options):
    """Writes one picture of a folder, below folder / "pictures"."""
    path = folder / "pictures" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if ".fit" in name:
        fits.writeto(path, values, **options)
    else:
        Image.fromarray(values).save(path, **options)
    return path


def raw_png(path, depth, kind, rows, width, height):
    """A PNG of kinds that Pillow does not write."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, data in chunks:
            file.write(
                struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            )


# --- arrays ----------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(files, "BLOCK", 50_000)
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


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_columns_of_the_file(tmp_path, config, name):
    redshift = np.array([0.1, np.nan, 0.3, 0.4, 0.5, 0.6], ">f8")
    columns = {"kind": np.array(["spiral", "disc", "spiral", "disc", "odd", "odd"]), "z": redshift}
    columns |= {"mass": np.arange(N), "number": np.arange(N)[::-1].astype(">u8"), "other": np.arange(N + 1)}
    store(tmp_path, name, pixels(N, 8, 8), **columns)
    dataset = load_dataset(config(name, labels="kind", condition=["z", "mass"], ids="number"))
    assert dataset.class_names == ["disc", "odd", "spiral"] and dataset.labels.tolist() == [2, 0, 2, 0, 1, 1]
    np.testing.assert_array_equal(dataset.condition, np.stack([redshift, np.arange(N)], 1).astype("f4"))
    assert dataset.condition.dtype == np.float32
    assert dataset.condition_names == ["z", "mass"] and dataset.condition_units == ["", ""]
    assert set(dataset.catalogue) == {"id", "kind", "z", "mass", "number"}
    assert dataset.catalogue["id"].tolist() == [5, 4, 3, 2, 1, 0]
    assert dataset.catalogue["kind"].tolist() == columns["kind"].tolist()
    assert dataset.catalogue["z"].dtype.isnative and dataset.report["classes"]["odd"] == 2


def test_hdf5_in_groups_with_fixed_text_and_enumerated_flags(tmp_path, config):
    images = pixels(N, 8, 8, 3)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["deep/cubes"] = images
        file["deep/name"] = np.array([b"a", b"b", b"c", b"d", b"e", "é".encode()])
        file["deep/flag"] = np.arange(N) > 2
        file["deep/pairs"] = np.zeros((N, 2))
        file["deep/scalar"] = 3.0
        file["deep/empty"] = h5py.Empty("f4")
        spectra = file.create_dataset("deep/spectra", (N,), h5py.vlen_dtype("f4"))
        spectra[0] = np.ones(3)
        file["deep/long"] = ["x" * 2000] * N
    dataset = load_dataset(config("a.hdf5", labels="deep/flag", ids="deep/name"))
    np.testing.assert_array_equal(dataset.images, images)
    assert dataset.catalogue["id"].tolist() == ["a", "b", "c", "d", "e", "é"]
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1] and dataset.class_names == ["0", "1"]
    assert set(dataset.catalogue) == {"id", "deep/name", "deep/flag"}


@pytest.mark.parametrize(
    ("labels", "class_names", "expected", "names"),
    [
        ([0, 2, 2, 0, 0, 2], None, [0, 2, 2, 0, 0, 2], ["0", "1", "2"]),
        ([0.0, 1.0, 1.0, 0.0, 0.0, 1.0], ["a", "b"], [0, 1, 1, 0, 0, 1], ["a", "b"]),
        (["x", "y", "y", "x", "x", "y"], ["y", "x", "w"], [1, 0, 0, 1, 1, 0], ["y", "x", "w"]),
    ],
)
def test_labels(tmp_path, config, labels, class_names, expected, names):
    store(tmp_path, "a.npz", pixels(N, 8, 8), kind=np.array(labels))
    dataset = load_dataset(config("a.npz", labels="kind", class_names=class_names))
    assert dataset.labels.tolist() == expected and dataset.labels.dtype == np.int64
    assert dataset.class_names == names


@pytest.mark.parametrize(
    ("labels", "class_names", "words"),
    [
        ([0, 1, 2, 3, 4], None, ["dataset.labels", "expected 6", "(5,)"]),
        ([0, 1, 2, -1, 0, 0], None, ["expected 0 to 2", "received -1 for image 3"]),
        ([0, 1, 2, 1, 0, 0], ["a", "b"], ["expected 0 to 1", "received 2 for image 2"]),
        ([0, 1, 2000, 1, 0, 0], None, ["at most 1000 classes"]),
        ([0, 1, 1, 0, np.nan, 0], None, ["expected integers or text", "received nan for image 4"]),
        ([0, 1, 0.5, 0, 0, 0], None, ["received 0.5 for image 2"]),
        ([0, 1, np.inf, 0, 0, 0], None, ["received inf for image 2"]),
        (["a", "b", "c", "a", "a", "a"], ["a", "b"], ["expected a b", "received c for image 2"]),
        (["a", "b", "", "a", "a", "a"], None, ["expected a b", "for image 2"]),
        ([0] * N, ["a", "a"], ["different names"]),
        ([0j] * N, None, ["complex128"]),
    ],
)
def test_bad_labels(tmp_path, refused, labels, class_names, words):
    store(tmp_path, "a.npz", pixels(N, 8, 8), kind=np.array(labels))
    refused(words, "a.npz", labels="kind", class_names=class_names)


def test_bad_conditions_and_ids(tmp_path, refused):
    columns = {"short": np.arange(5.0), "text": np.array(list("abcdef")), "half": np.arange(N) / 2}
    store(tmp_path, "a.h5", pixels(N, 8, 8), **columns)
    refused(["dataset.condition", "expected 6", "(5,)"], "a.h5", condition=["half", "short"])
    refused(["dataset.condition", "expected numbers in 'text'"], "a.h5", condition=["text"])
    refused(["dataset.condition: no column 'foo'", "half, text"], "a.h5", condition=["foo"])
    refused(["dataset.ids", "received 0.5 for image 1"], "a.h5", ids="half")
    refused(["dataset.labels: no column 'folder'"], "a.h5", labels="folder")


def test_choice_among_several_arrays(tmp_path, config, refused):
    store(tmp_path, "a.npz", pixels(N, 8, 8), more=pixels(N, 9, 9, 3), mask=np.ones((8, 8)))
    np.testing.assert_array_equal(load_dataset(config("a.npz", images="more")).images, pixels(N, 9, 9, 3))
    store(tmp_path, "b.npz", pixels(N, 8, 8), more=pixels(N, 9, 9, 3))
    listed = ["dataset.images", "images (6, 8, 8)", "more (6, 9, 9, 3)"]
    refused(listed, "b.npz")
    refused([*listed, "received foo"], "b.npz", images="foo")
    store(tmp_path, "c.h5", pixels(N, 8))
    refused(["dataset.images", "(none)"], "c.h5")


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pixels(N, 20, 20, 17), ["expected images of shape", "received (6, 20, 20, 17)"]),
        (pixels(0, 20, 20), ["received (0, 20, 20)"]),
        (pixels(N, 20, 0, 3), ["received (6, 20, 0, 3)"]),
        (pixels(N, 8, 8, dtype="i4"), ["dataset.pixel_range", "int32"]),
        (pixels(N, 8, 8) > 3, ["expected integer or float pixels, received bool"]),
        (pixels(N, 8, 8) * 1j, ["complex128"]),
        (np.full((N, 8, 8), np.nan), ["NaN or infinity in image 0"]),
        (np.full((N, 8, 8), 1e300), ["NaN or infinity in image 0"]),
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


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy"])
@pytest.mark.parametrize("kept", [0, 50, 3000, -20])
def test_truncated_arrays(tmp_path, refused, name, kept):
    store(tmp_path, name, np.random.default_rng(0).random((N, 16, 16)))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:kept])
    refused([name], name)


def test_damage_inside_an_npz_is_found_while_it_is_streamed(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(files, "BLOCK", 2000)
    store(tmp_path, "a.npz", np.random.default_rng(0).integers(0, 256, (N, 64, 64), "u1"))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    refused(["dataset.path", "a.npz", "damaged"], "a.npz")


def test_python_objects_are_never_unpickled(tmp_path, refused):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "pwned"),)

    trap = np.full((N, 8, 8), Trap())
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    (tmp_path / "b.npy").write_bytes(trap.dumps())
    np.savez(tmp_path / "c.npz", images=trap, allow_pickle=True)
    np.savez(tmp_path / "d.npz", images=pixels(N, 8, 8), kind=trap[:, 0, 0], allow_pickle=True)
    for name in ("a.npy", "b.npy", "c.npz", "d.npz"):
        refused(["dataset.path", name], name, labels="kind" if name == "d.npz" else None)
    assert not (tmp_path / "pwned").exists()


def test_arrays_that_are_none(tmp_path, refused):
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\x08\x00{'descr'")
    refused(["dataset.path", "a.npy"], "a.npy")
    (tmp_path / "a.npz").write_text("no zip")
    refused(["dataset.path", "a.npz"], "a.npz")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as file:
        file.writestr("images.npy", "no array")
    refused(["dataset.path", "b.npz"], "b.npz")
    np.savez(tmp_path / "c.npz", images=np.asfortranarray(pixels(N, 8, 8)))
    refused(["Fortran order"], "c.npz")


def test_hdf5_that_declares_more_than_it_stores(tmp_path, refused):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("images", (10**6, 64, 64), "f4", chunks=(1, 64, 64))
    refused(["'images' declares"], "a.h5")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing.npy", ["dataset.path", "No such file", "expected an existing file"]),
        ("missing", ["dataset.path", "No such file"]),
        ("a.tif", ["dataset.path", ".h5 .hdf5 .hdf .npz .npy or a folder", "a.tif"]),
    ],
)
def test_bad_paths(tmp_path, refused, path, words):
    (tmp_path / "a.tif").write_bytes(b"")
    refused(words, path)


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.npy", "pictures/a.png", "pictures"])
def test_unreadable(nobody, config, name):
    picture(nobody, "a.png", pixels(8, 8))
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

    picture(tmp_path, "a.png", pixels(8, 8))
    Table({"z": [0.5]}).write(tmp_path / "t.csv")
    prints = [user_files.fingerprint(config("pictures", table="t.csv"))]
    picture(tmp_path, "deep/b.png", pixels(8, 8))
    prints.append(user_files.fingerprint(config("pictures", table="t.csv")))
    os.utime(tmp_path / "t.csv", (1, 1))
    prints.append(user_files.fingerprint(config("pictures", table="t.csv")))
    changes = {"images": "x", "labels": "x", "class_names": ["x"], "condition": ["x"], "ids": "x"}
    changes |= {"image_size": 8, "pixel_range": [0.0, 2.0]}
    prints += [
        user_files.fingerprint(config("pictures", table="t.csv", **{key: changes[key]})) for key in changes
    ]
    assert len({repr(facts) for facts in prints}) == len(prints)
    assert user_files.fingerprint(config("pictures", augment=True)) == user_files.fingerprint(
        config("pictures")
    )


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_large_ids_stay_exact(tmp_path, config, name):
    ids = 2**53 + np.arange(N) * 2 + 1
    store(tmp_path, name, pixels(N, 8, 8), number=ids)
    assert load_dataset(config(name, ids="number")).catalogue["id"].tolist() == ids.tolist()
    for table in ("t.csv", "t.ecsv", "t.fits"):
        Table({"number": ids}).write(tmp_path / table)
        dataset = load_dataset(config(name, table=table, ids="number"))
        assert dataset.catalogue["id"].tolist() == ids.tolist()


def test_one_chunk_of_all_images_and_odd_sides(tmp_path, config):
    for shape in ((N, 31, 33, 3), (N, 1, 1)):
        images = pixels(*shape)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("images", data=images, chunks=shape, compression="gzip")
        dataset = load_dataset(config("a.h5"))
        np.testing.assert_array_equal(dataset.images, images.reshape(dataset.images.shape))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_images(tmp_path, config, refused, count):
    store(tmp_path, "a.npy", pixels(count, 8, 8))
    if count == 3:
        assert len(load_dataset(config("a.npy", split=[0.34, 0.33, 0.33]))) == 3
        return
    with pytest.raises(GalvaeError, match=f"split is empty; .* of {count} images"):
        load_dataset(config("a.npy"))


def test_images_that_fill_the_memory_are_refused_unread(tmp_path, refused):
    with open(tmp_path / "a.npy", "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (1, 20_000, 20_000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(4 * 10**8 + 1000)
    refused(["a.npy", "at most 100000000 values", "(1, 20000, 20000)"], "a.npy")


@pytest.mark.parametrize("name", ["a.h5", "a.npy", "a.npz", "pictures/b.png", "pictures/b.fits"])
def test_pipes_are_not_opened(tmp_path, refused, name):
    picture(tmp_path, "a.png", pixels(8, 8))
    os.mkfifo(tmp_path / name)
    refused(["dataset.path", "expected a file, received", "a pipe"], name.split("/")[0])


def test_circles_of_links(tmp_path, config, refused):
    for name in "abcde":
        picture(tmp_path, f"deep/{name}.png", pixels(8, 8))
    (tmp_path / "pictures" / "deep" / "again").symlink_to(tmp_path / "pictures")
    assert len(load_dataset(config("pictures"))) == 5
    (tmp_path / "pictures" / "z.png").symlink_to("z.png")
    refused(["dataset.path: z.png", "symbolic links"], "pictures")
    (tmp_path / "a.h5").symlink_to("a.h5")
    refused(["a.h5", "symbolic links"], "a.h5")


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
    monkeypatch.setattr(files, "read", growing)
    refused(["expected 6 images, received 7"], "b.npy")
    store(tmp_path, "b.npy", pixels(N + 1, 8, 8))
    refused(["received others while they were read"], "b.npy")


# --- tables ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["t.csv", "t.ecsv", "t.fits", "t.fits.gz"])
def test_table_of_an_array(tmp_path, config, name):
    table = Table({"z": np.arange(N) / 8, "kind": list("abcabc"), "count": np.arange(N)}, masked=True)
    table["z"].unit = "km / s"
    table["z"].mask[1] = table["count"].mask[2] = table["kind"].mask[3] = True
    if name == "t.ecsv":
        table["vector"] = np.zeros((N, 2))
    table.write(tmp_path / name)
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    dataset = load_dataset(config("a.npy", table=name, condition=["z", "count"]))
    expected = np.array([np.arange(N) / 8, np.arange(N)], "f4").T
    expected[1, 0] = expected[2, 1] = np.nan
    np.testing.assert_array_equal(dataset.condition, expected)
    unit = "" if name == "t.csv" else "km / s"
    assert dataset.condition_units == [unit, ""]
    assert dataset.catalogue_units == ({"z": unit} if unit else {})
    assert set(dataset.catalogue) == {"id", "z", "kind", "count"}
    assert dataset.catalogue["kind"].tolist() == ["a", "b", "c", "", "b", "c"]
    np.testing.assert_array_equal(
        dataset.catalogue["z"], np.where(np.arange(N) == 1, np.nan, np.arange(N) / 8)
    )


def test_masked_labels_are_refused(tmp_path, refused):
    table = Table({"kind": list("abcabc"), "count": np.arange(N)}, masked=True)
    table["kind"].mask[3] = table["count"].mask[2] = True
    table.write(tmp_path / "t.ecsv")
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    refused(["dataset.labels", "for image 3"], "a.npy", table="t.ecsv", labels="kind")
    refused(["dataset.labels", "nan for image 2"], "a.npy", table="t.ecsv", labels="count")


def test_table_comes_before_the_file(tmp_path, config):
    store(tmp_path, "a.h5", pixels(N, 8, 8), z=np.zeros(N), kind=np.arange(N))
    Table({"z": np.ones(N), "id": np.arange(N) + 100}).write(tmp_path / "t.csv")
    dataset = load_dataset(config("a.h5", table="t.csv", condition=["z"], labels="kind"))
    assert (dataset.condition == 1).all() and dataset.labels.tolist() == list(range(N))
    assert dataset.catalogue["id"].tolist() == [100, 101, 102, 103, 104, 105]


TRAP = """# %ECSV 1.0
# ---
# datatype:
# - {{name: !!python/object/apply:os.mkdir ['{path}'], datatype: int64}}
name
1
"""
CLASS_TRAP = """# %ECSV 1.0
# ---
# datatype:
# - {{name: a.path, datatype: string}}
# meta: !!omap
# - __serialized_columns__:
#     a:
#       __class__: os.mkdir
#       path: !astropy.table.SerializedColumn {{name: a.path}}
# schema: astropy-2.0
a.path
{path}
"""


@pytest.mark.parametrize("content", [TRAP, CLASS_TRAP])
def test_ecsv_executes_nothing(tmp_path, refused, content):
    (tmp_path / "t.ecsv").write_text(content.format(path=tmp_path / "pwned"))
    store(tmp_path, "a.npy", pixels(1, 8, 8))
    refused(["dataset.table", "t.ecsv"], "a.npy", table="t.ecsv")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"z\n1\n2\n", ["dataset.table", "expected 6 rows", "received 2"]),
        ("t.csv", b"", ["dataset.table", "expected 6 rows", "received 0"]),
        ("t.csv", b"a,b\n1,2,3\n", ["dataset.table", "t.csv", "inconsistent"]),
        ("t.csv", b"a\n\xff\n", ["dataset.table", "t.csv", "utf-8"]),
        ("t.fits", b"no table", ["dataset.table", "t.fits"]),
        ("t.txt", b"z\n1\n", ["dataset.table", ".csv .ecsv .fits", "t.txt"]),
        (None, None, ["dataset.table", "no such file"]),
    ],
)
def test_bad_tables(tmp_path, refused, name, content, words):
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    if name:
        (tmp_path / name).write_bytes(content)
    refused(words, "a.npy", table=name or "missing.csv")


def test_truncated_table(tmp_path, refused):
    Table({"z": np.arange(N)}).write(tmp_path / "t.fits")
    (tmp_path / "t.fits").write_bytes((tmp_path / "t.fits").read_bytes()[:-2870])
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    refused(["dataset.table", "truncated"], "a.npy", table="t.fits")


def test_missing_column_names_both_places(tmp_path, refused):
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    Table({"z": np.arange(N), "q": np.arange(N)}).write(tmp_path / "t.csv")
    words = ["dataset.labels: no column 'foo' in", "t.csv or", "a.npy; expected one of z, q"]
    refused(words, "a.npy", table="t.csv", labels="foo")


NAMES = ["0012.png", "deep/b.v2.png", "deep/c.PNG", "x/d.png", "y/e.png", "y/f.png"]


@pytest.fixture
def unique_paths(tmp_path):
    """Six pictures in sub-folders, the k-th one of value k."""
    for value, name in enumerate(NAMES):
        picture(tmp_path, name, np.full((8, 8), value, "u1"))


def test_rows_are_matched_by_file_name(tmp_path, config, numbered):
    rows = ["e", "nothing", "deep/b.v2", "0012", "x/d.png", "f.png", "deep/c.PNG"]
    values = [4, -1, 1, 0, 3, 5, 2]
    (tmp_path / "t.csv").write_text(
        "\ufefffile,z\n" + "".join(f"{row},{value}\n" for row, value in zip(rows, values, strict=True)),
        encoding="utf-8",
    )
    dataset = load_dataset(config("pictures", table="t.csv", ids="file", condition=["z"]))
    assert dataset.condition[:, 0].tolist() == dataset.images[:, 0, 0, 0].tolist() == list(range(N))
    assert dataset.catalogue["id"].tolist() == ["0012", "deep/b.v2", "deep/c.PNG", "x/d.png", "e", "f.png"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["0012", "b.v2", "c", "d", "e"], ["dataset.ids", "y/f.png", "received none"]),
        (["0012", "b.v2", "c", "d", "x/d", "e", "f"], ["dataset.ids", "x/d.png", "received 2"]),
    ],
)
def test_bad_matches(tmp_path, refused, numbered, rows, words):
    Table({"file": rows}).write(tmp_path / "t.ecsv")
    refused(words, "pictures", table="t.ecsv", ids="file")


def test_ambiguous_rows_and_missing_table(tmp_path, refused, numbered):
    picture(tmp_path, "z/e.png", pixels(8, 8))
    Table({"file": ["0012", "b.v2", "c", "d", "e", "f"]}).write(tmp_path / "t.ecsv")
    words = ["dataset.ids", "expected one picture for e", "y/e.png and z/e.png"]
    refused(words, "pictures", table="t.ecsv", ids="file")
    refused(["dataset.ids: no column 'name'", "expected one of file"], "pictures", table="t.ecsv", ids="name")
    refused(["dataset.ids: no column 'file'", "expected one of a table"], "pictures", ids="file")


def test_rows_in_order_of_the_pictures(tmp_path, config, refused, numbered):
    Table({"z": np.arange(N)}).write(tmp_path / "t.csv")
    dataset = load_dataset(config("pictures", table="t.csv", condition=["z"]))
    assert dataset.condition[:, 0].tolist() == list(range(N))
    assert dataset.catalogue["id"].tolist() == NAMES
    Table({"z": np.arange(N - 1)}).write(tmp_path / "u.csv")
    refused(["dataset.table", "expected 6 rows", "received 5"], "pictures", table="u.csv")


# --- pictures --------------------------------------------------------------------------------------------


def test_folders_are_classes(tmp_path, config):
    for value, name in enumerate(["b/1.png", "b/deep/2.png", "a/3.png", "c/4.png", "a/5.png"]):
        picture(tmp_path, name, np.full((8, 8), value, "u1"))
    for name in (".hidden/x.png", "a/._3.png"):
        picture(tmp_path, name, pixels(3, 3))
    (tmp_path / "pictures" / "notes.txt").write_text("no picture")
    dataset = load_dataset(config("pictures", labels="folder"))
    assert dataset.class_names == ["a", "b", "c"] and dataset.labels.tolist() == [0, 0, 1, 1, 2]
    assert dataset.images[:, 0, 0, 0].tolist() == [2, 4, 0, 1, 3]
    assert dataset.catalogue["id"].tolist() == ["a/3.png", "a/5.png", "b/1.png", "b/deep/2.png", "c/4.png"]
    dataset = load_dataset(config("pictures", labels="folder", class_names=["c", "b", "a"]))
    assert dataset.labels.tolist() == [2, 2, 1, 1, 0]
    refused_names = config("pictures", labels="folder", class_names=["a", "b"])
    with pytest.raises(GalvaeError, match="expected a b in 'folder', received c for image 4"):
        user_files.read(refused_names)
    picture(tmp_path, "z.png", pixels(8, 8))
    with pytest.raises(
        GalvaeError, match=r"dataset.labels: expected each picture in a sub-folder of .* z\.png"
    ):
        user_files.read(config("pictures", labels="folder"))


def shades(kind):
    """(pixels to write, pixels to expect) of a kind of PNG."""
    grey, colours = pixels(8, 9), pixels(8, 9, 3)
    opaque = np.full((8, 9, 1), 255, "u1")
    return {
        "grey": (grey, grey[..., None]),
        "RGB": (colours, colours),
        "16 bits": (grey.astype("u2") * 256, grey[..., None].astype("f4") * 256),
        "RGBA": (np.concatenate([colours, opaque], 2), colours),
        "LA": (np.concatenate([grey[..., None], opaque], 2), grey[..., None]),
        "1": (grey > 99, (grey > 99)[..., None] * np.uint8(255)),
    }[kind]


@pytest.mark.parametrize("kind", ["grey", "RGB", "16 bits", "RGBA", "LA", "1"])
def test_png(tmp_path, config, kind):
    written, expected = shades(kind)
    for name in "abcde":
        picture(tmp_path, f"{name}.png", written)
    dataset = load_dataset(config("pictures"))
    assert dataset.images.dtype == expected.dtype
    assert dataset.pixel_range == ((0, 65535) if kind == "16 bits" else (0, 255))
    np.testing.assert_array_equal(dataset.images[3], expected)


def test_palette_and_few_bits_and_jpeg(tmp_path):
    colours = np.zeros((8, 8, 3), "u1")
    colours[:4, :, 0], colours[4:, :, 2] = 200, 90
    path = tmp_path / "pictures" / "a.png"
    path.parent.mkdir()
    Image.fromarray(colours).quantize(4).save(path)
    with Image.open(path) as image:
        assert image.mode == "P"
    Image.fromarray(np.full((8, 8, 3), 77, "u1")).save(tmp_path / "pictures" / "b.JPG", quality=95)
    images = Pictures(tmp_path / "pictures", None)
    np.testing.assert_array_equal(images[:1][0], colours)
    np.testing.assert_allclose(images[1:2], 77, atol=1)
    raw_png(path, 2, 0, [b"\x1b"] * 4, 4, 4)
    np.testing.assert_array_equal(Pictures(path.parent, None)[:1][0, 0, :, 0], [0, 85, 170, 255])


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_rotation_is_applied(tmp_path, name):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    upright = np.repeat(np.repeat([[0, 50], [100, 150], [200, 250]], 8, 0), 8, 1).astype("u1")
    picture(tmp_path, name, np.rot90(upright, 1), exif=exif)
    np.testing.assert_allclose(Pictures(tmp_path / "pictures", None)[:1][0, ..., 0], upright, atol=2)


@pytest.mark.parametrize("name", ["a.fits", "a.fit", "a.fits.gz"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pixels(8, 9, dtype=">f4"), lambda values: values[..., None]),
        (pixels(5, 8, 9, dtype=">f8"), lambda values: values.transpose(1, 2, 0)),
        (pixels(8, 9, dtype="u2"), lambda values: values[..., None]),
    ],
)
def test_fits(tmp_path, config, name, values, expected):
    for sub in "abcde":
        picture(tmp_path, f"{sub}/{name}", values)
    dataset = load_dataset(config("pictures"))
    assert dataset.images.dtype.str == "<f4"
    assert dataset.pixel_range == ((0, 65535) if values.dtype.kind == "u" else (0, 1))
    np.testing.assert_array_equal(dataset.images[4], expected(values).astype("f4"))


def test_fits_scaling_and_later_hdus(tmp_path):
    stored = pixels(8, 8, dtype="i2")
    scaled = fits.ImageHDU(stored)
    scaled.header["BSCALE"], scaled.header["BZERO"] = 0.5, 3.0
    for unit, expected in ((scaled, stored * 0.5 + 3), (fits.CompImageHDU(stored), stored)):
        units = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros(5)), fits.BinTableHDU(Table({"x": [1]})), unit]
        fits.HDUList(units).writeto(tmp_path / "a.fits", overwrite=True)
        np.testing.assert_array_equal(read_picture(tmp_path / "a.fits")[..., 0], expected)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_text("no picture"), ["damage", "cannot identify"]),
        (lambda path: path.write_bytes(b""), ["damage"]),
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), ["truncated"]),
        (lambda path: Image.fromarray(pixels(8, 8)).save(path, "GIF"), ["cannot identify"]),
        (
            lambda path: Image.fromarray(pixels(8, 8)).save(
                path, save_all=True, append_images=[Image.fromarray(pixels(8, 8) + 1)]
            ),
            ["received 2 (an animation)"],
        ),
        (lambda path: Image.new("CMYK", (8, 8)).save(path, "JPEG"), ["received CMYK; convert it to RGB"]),
        (lambda path: Image.new("RGBA", (8, 8), (1, 2, 3, 254)).save(path), ["transparent"]),
        (lambda path: Image.new("L", (8, 8)).save(path, transparency=0), ["transparent"]),
        (lambda path: raw_png(path, 16, 2, [bytes(48)] * 8, 8, 8), ["expected 8 bits for colours"]),
        (lambda path: raw_png(path, 16, 4, [bytes(32)] * 8, 8, 8), ["expected 8 bits for colours"]),
        (lambda path: raw_png(path, 8, 0, [b""], 60000, 60000), ["decompression bomb"]),
        (lambda path: raw_png(path, 8, 0, [b""], 11000, 9100), ["bomb"]),
        (lambda path: Image.fromarray(pixels(8, 8, 3)).save(path), ["expected (8, 8, 1)", "(8, 8, 3)"]),
        (lambda path: Image.fromarray(pixels(8, 8).astype("u2")).save(path), ["expected", "uint16"]),
        (lambda path: Image.fromarray(pixels(8, 9)).save(path), ["(8, 9, 1)", "dataset.image_size="]),
    ],
)
def test_bad_pictures(tmp_path, refused, write, words):
    for name in "abcde":
        path = picture(tmp_path, f"{name}.png", pixels(8, 8))
    write(path)
    refused(["dataset.path", "e.png", *words], "pictures")


def damaged_fits(values, kept=None, squeeze=False):
    content = io.BytesIO()
    fits.writeto(content, values)
    kept = content.getvalue()[:kept]
    return gzip.compress(kept) if squeeze else kept


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("e.fits", b"no FITS", ["e.fits", "damage"]),
        ("e.fits", damaged_fits(pixels(40, 40, dtype="f4"), 5000), ["e.fits", "truncated"]),
        ("e.fits.gz", damaged_fits(pixels(40, 40, dtype="f4"), 5000, squeeze=True), ["e.fits.gz", "damage"]),
        ("e.fits.gz", damaged_fits(pixels(40, 40, dtype="f4"), squeeze=True)[:-50], ["e.fits.gz", "damage"]),
        ("e.fits", damaged_fits(pixels(40)), ["e.fits", "received none"]),
        ("e.fits", damaged_fits(pixels(17, 8, 8)), ["e.fits", "16 channels", "(17, 8, 8)"]),
        ("e.fits", damaged_fits(pixels(8, 8, dtype="i2")), ["e.fits", "int16"]),
        ("e.fits", damaged_fits(np.full((8, 8), np.nan, ">f4")), ["NaN or infinity in image 4"]),
    ],
)
def test_bad_fits(tmp_path, refused, name, content, words):
    for other in "abcd":
        picture(tmp_path, f"{other}.fits", pixels(8, 8, dtype="f4"))
    (tmp_path / "pictures" / name).write_bytes(content)
    refused(words, "pictures")


def test_fits_cut_anywhere(tmp_path):
    """Two units, the first without an image; only the end of the last block is padding."""
    values = np.arange(59 * 59, dtype=">f4").reshape(59, 59)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values)]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    assert len(content) == 7 * 2880
    for kept in (*range(0, len(content), 2880), 1, 100, 2881, len(content) - 2881):
        (tmp_path / "a.fits").write_bytes(content[:kept])
        with pytest.raises(GalvaeError, match=r"a\.fits: ") as error:
            read_picture(tmp_path / "a.fits")
        assert "\n" not in str(error.value)
    (tmp_path / "a.fits").write_bytes(content)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.fits")[..., 0], values)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"SIMPLE  =                    T", b"NOTHING =                    T", "SIMPLE"),
        (b"NAXIS   =                    2", b"NAXIS   =                    0", "damage"),
        (b"NAXIS   =                    2", b"NAXIS   =                  999", "damage"),
        (b"NAXIS1  =                    8", b"NAXIS1  =                   -8", "received"),
        (b"NAXIS1  =                    8", b"NAXIS1  =            999999999", "received"),
        (b"BITPIX  =                    8", b"BITPIX  =                    7", "damage"),
        (b"END     ", b"COMMENT ", "damage"),
    ],
)
def test_fits_with_an_odd_header(tmp_path, old, new, words):
    content = damaged_fits(pixels(8, 8))
    assert old in content
    (tmp_path / "a.fits").write_bytes(content.replace(old, new, 1))
    with pytest.raises(GalvaeError, match=words) as error:
        read_picture(tmp_path / "a.fits")
    assert "\n" not in str(error.value)


def test_fits_of_four_axes_and_without_an_image(tmp_path):
    (tmp_path / "a.fits").write_bytes(damaged_fits(pixels(2, 3, 8, 8)))
    with pytest.raises(GalvaeError, match="expected an image of shape .* received none"):
        read_picture(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"x": [1]}))]).writeto(tmp_path / "b.fits")
    with pytest.raises(GalvaeError, match="received none"):
        read_picture(tmp_path / "b.fits")


def test_blank_values_of_fits_are_no_intensities(tmp_path, refused):
    values = pixels(8, 8, dtype="i2")
    values[3, 4] = -1
    for name in "abcde":
        unit = fits.PrimaryHDU(values)
        unit.header["BLANK"] = -1
        path = picture(tmp_path, f"{name}.fits", pixels(8, 8))
        unit.writeto(path, overwrite=True)
    assert np.isnan(read_picture(path)[3, 4, 0])
    refused(["NaN or infinity in image 0"], "pictures", pixel_range=[0.0, 255.0])


def test_packed_fits(tmp_path):
    values = pixels(20, 30, dtype="i2")
    for name in ("a.fits.fz", "b.fits"):
        unit = fits.CompImageHDU(values)
        fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / name)
        np.testing.assert_array_equal(read_picture(tmp_path / name)[..., 0], values)
    assert len(Pictures(tmp_path, None)) == 2


def test_fits_that_unpacks_to_too_much(tmp_path, refused, monkeypatch):
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 11000), ("NAXIS2", 9100)])
    (tmp_path / "pictures").mkdir()
    size = 11000 * 9100
    content = header.tostring().encode() + bytes(size + -size % 2880)
    bomb = tmp_path / "pictures" / "a.fits.gz"
    bomb.write_bytes(gzip.compress(content, 1))
    assert bomb.stat().st_size < 1e6
    refused(["dataset.path", "a.fits.gz", "100000000 values"], "pictures")
    monkeypatch.setattr(pictures, "LARGEST_FITS", 10**6)
    refused(["dataset.path", "a.fits.gz", "at most 1000000 bytes, unpacked"], "pictures")


def test_signed_fits_needs_a_range(tmp_path, refused):
    picture(tmp_path, "a.fits", pixels(8, 8, dtype="i2"))
    refused(["dataset.pixel_range", "int16"], "pictures")


def test_pictures_of_several_sizes(tmp_path, config):
    for name, side in zip("abcde", (8, 16, 24, 16, 8), strict=True):
        picture(tmp_path, f"{name}.png", np.full((side, side, 3), side, "u1"))
    dataset = load_dataset(config("pictures", image_size=8))
    assert dataset.images.shape == (5, 8, 8, 3)
    assert dataset.images[:, 0, 0, 0].tolist() == [8, 16, 24, 16, 8]
    picture(tmp_path, "f.png", pixels(8, 9, 3))
    with pytest.raises(GalvaeError, match=r"dataset\.image_size: .*f\.png: .* received 8x9"):
        list(user_files.read(config("pictures", image_size=8)).blocks)
    with pytest.raises(
        GalvaeError, match=r"dataset\.image_size: .*a\.png: .* at least 16 pixels, received 8x8"
    ):
        user_files.read(config("pictures", image_size=16))


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_progressive_jpeg_is_read_and_its_loss_is_refused(tmp_path, kind):
    path = picture(tmp_path, "a.jpg", pixels(64, 64, 3))
    Image.new(kind, (64, 64), 77 if kind == "L" else (77, 77, 77)).save(path, progressive=True, quality=95)
    np.testing.assert_allclose(read_picture(path), 77, atol=1)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(GalvaeError, match=r"a\.jpg: expected a whole PNG, JPEG or FITS file"):
        read_picture(path)


def test_empty_folder_and_broken_link(tmp_path, refused):
    folder = tmp_path / "pictures"
    folder.mkdir()
    refused(["dataset.path", "expected files ending in", ".png", "received none"], "pictures")
    (folder / "a.png").symlink_to(tmp_path / "nowhere")
    refused(["dataset.path", "a.png", "No such file"], "pictures")
