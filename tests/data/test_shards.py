"""Several files that are one dataset: which ones a path stands for, and how their images and columns follow."""

import contextlib
import os

import numpy as np
import pytest
from builders.format_writers import pictures, write_hdf5, write_parquet
from builders.galaxies import ellipses

from galvae.data.formats.opened import Aside, Opened
from galvae.data.formats.shards import concatenated, expand, identity
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

SIDE = 8
OBJIDS = 1237648720142532814 + 3 * np.arange(20, dtype=np.int64)  # not exact as floats


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Writes empty files and returns a function that expands a path among them, relative to their folder."""
    monkeypatch.chdir(tmp_path)

    def write(*names):
        for name in names:
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
            open(name, "wb").close()

    return write


class Shards:
    """Opens shards given as Opened, and counts how many are open."""

    def __init__(self, **shards):
        self.shards, self.open, self.most, self.times = shards, 0, 0, 0

    @contextlib.contextmanager
    def open_file(self, path):
        self.open, self.times = self.open + 1, self.times + 1
        self.most = max(self.most, self.open)
        yield self.shards[path]
        self.open -= 1

    def joined(self):
        return concatenated(list(self.shards), self.open_file)


def shard(images, name="a", **changes):
    """An Opened of some images."""
    return Opened(**{"images": images, "origin": lambda number: f"row {number} of {name}", **changes})


def parts(counts=(5, 1, 7, 3), **columns):
    """Shards a, b, c and d of consecutive images and columns, and all images."""
    images, starts = ellipses(sum(counts), SIDE), np.cumsum([0, *counts])
    rows = [slice(start, stop) for start, stop in zip(starts, starts[1:], strict=False)]
    shards = {
        name: shard(images[part], name, columns={key: values[part] for key, values in columns.items()})
        for name, part in zip("abcd", rows, strict=False)
    }
    return shards, images


@pytest.mark.parametrize("name", ["a[1].h5", "a*.h5", "what?.parquet", "healpix=1/a=b.hdf5", "[x]/b.npy"])
def test_a_file_that_exists_is_itself(files, name):
    files(name, "a1.h5", "a2.h5", "whats.parquet")
    assert expand(name) == [name]


def test_a_pattern_is_every_file_that_it_fits_in_natural_order(files):
    files("part-10.h5", "part-2.h5", "part-1.h5", "other.h5", "part-3.txt")
    assert expand("part-*.h5") == ["part-1.h5", "part-2.h5", "part-10.h5"]
    assert expand("part-[12].h5") == ["part-1.h5", "part-2.h5"]


def test_patterns_of_folders(files):
    names = [f"healpix={number}/001-of-001.hdf5" for number in (99, 100, 1200)]
    files(*names, "deep/er/train-0.parquet", "deep/train-1.parquet", "healpix=99/.hidden.hdf5")
    assert expand("healpix=*/*.hdf5") == names
    assert expand("deep/**/*.parquet") == ["deep/er/train-0.parquet", "deep/train-1.parquet"]


def test_a_folder_of_shards_and_one_of_images(files):
    files("shards/healpix=2/a.hdf5", "shards/healpix=10/a.h5", "shards/README.md", "shards/.cache/x.hdf5")
    assert expand("shards") == ["shards/healpix=2/a.hdf5", "shards/healpix=10/a.h5"]
    files("images/g1.png", "images/catalogue.parquet", "empty/notes.txt")
    assert expand("images") == ["images"]
    assert expand("empty") == ["empty"]
    assert expand("missing.h5") == ["missing.h5"]


def test_the_table_beside_the_shards_is_none_of_them(files):
    files("run/part-1.npy", "run/part-2.npy", "run/ids.npy")
    assert expand("run", without=["run/ids.npy", None]) == ["run/part-1.npy", "run/part-2.npy"]


def test_links_are_followed_and_loops_left(files):
    files("far/b.h5", "run/a.h5")
    os.symlink("../far", "run/far")
    os.symlink("..", "run/far/loop")
    assert {os.path.basename(path) for path in expand("run")} == {"a.h5", "b.h5"}
    assert len(expand("run")) == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("mixed", ["files of one kind", "mixed/a.h5", "mixed/b.npy"]),
        ("mixed/*", ["files of one kind", "mixed/a.h5", "mixed/b.npy"]),
        ("none-*.h5", ["none-*.h5: no such file"]),
        ("images/*.png", ["received images/g1.png", "the folder that holds them"]),
    ],
)
def test_what_is_no_set_of_shards_is_refused(files, path, words):
    files("mixed/a.h5", "mixed/b.npy", "images/g1.png", "images/g2.png")
    with pytest.raises(GalvaeError) as caught:
        expand(path)
    assert str(caught.value).startswith(f"dataset.path: {path}: ") and "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_identity_changes_with_any_of_the_files(files):
    files("a.h5", "b.h5")
    first = identity(["a.h5", "b.h5"])
    assert identity(["a.h5", "b.h5"]) == first != identity(["b.h5", "a.h5"])
    with open("b.h5", "wb") as file:
        file.write(b"x")
    assert identity(["a.h5", "b.h5"]) != first
    assert set(identity(["a.h5"])) == {"path", "size", "changed", "file_state"}
    with pytest.raises(GalvaeError, match=r"c.h5: No such file"):
        identity(["a.h5", "c.h5"])


def test_images_follow_each_other_and_one_file_is_open(files):
    shards, images = parts()
    opener = Shards(**shards)
    with opener.joined() as joined:
        assert joined.images.shape == images.shape and len(joined.images) == 16
        for start in range(16):
            for stop in range(start + 1, 18):
                np.testing.assert_array_equal(joined.images[start:stop], images[start:stop])
        opener.times = 0
        for start in range(0, 16, 2):
            joined.images[start : start + 2]
        assert opener.times == 4  # each is opened once by a reader that goes forward
    assert (opener.most, opener.open) == (1, 0)


def test_masks_follow_their_images(files):
    shards, images = parts()
    for part in shards.values():
        part.masks = Aside(part.images[..., :1], "zero")
    opener = Shards(**shards)
    with opener.joined() as joined:
        np.testing.assert_array_equal(joined.images[3:9], images[3:9])
        np.testing.assert_array_equal(joined.masks[3:9], images[3:9, ..., :1] == 0)
    assert opener.most == 1


def test_origins_name_the_file_and_its_row(tmp_path):
    shards, _ = parts()
    named = {str(tmp_path / f"healpix={name}" / "x.h5"): part for name, part in shards.items()}
    with Shards(**named).joined() as joined:
        assert joined.origin(0) == "row 0 of healpix=a/x.h5"
        assert joined.origin(5) == "row 0 of healpix=b/x.h5"
        assert joined.origin(12) == "row 6 of healpix=c/x.h5"
        assert "4 files, healpix=a/x.h5 to healpix=d/x.h5, in natural order: 16 images" in joined.notes


JOINED = {
    "ids": ([OBJIDS[:2], OBJIDS[2:3]], OBJIDS[:3], np.int64),
    "ids and small floats": ([np.array([1, 2]), np.array([0.5])], [1, 2, 0.5], np.float64),
    "ids and floats": ([OBJIDS[:2], np.array([7.0])], [*OBJIDS[:2].astype(str), "7"], str),
    "ids and unknown": ([OBJIDS[:2], None], [*OBJIDS[:2].astype(str), ""], str),
    "ids and text": ([OBJIDS[:2], np.array(["007"])], [*OBJIDS[:2].astype(str), "007"], str),
    "floats and text": ([np.array([np.nan, 3.0, 0.5]), np.array(["x"])], ["", "3", "0.5", "x"], str),
    "integers and unknown": ([np.array([3, 4], np.int32), None], [3, 4, np.nan], np.float64),
    "float32 and unknown": ([np.array([0.1], np.float32), None], [np.float32(0.1), np.nan], np.float32),
    "float32 and float64": (
        [np.array([0.1], np.float32), np.array([0.1])],
        [np.float32(0.1), 0.1],
        np.float64,
    ),
    "text of other lengths": ([np.array(["a"]), np.array(["long", ""])], ["a", "long", ""], str),
    "text and unknown": ([np.array(["a"]), None], ["a", ""], str),
}


@pytest.mark.parametrize("case", JOINED)
def test_columns_are_joined_exactly(case):
    values, expected, dtype = JOINED[case]
    counts = [1 if part is None else len(part) for part in values]
    images = ellipses(sum(counts), SIDE)
    first = shard(images[: counts[0]], columns={} if values[0] is None else {"x": values[0]})
    second = shard(images[counts[0] :], columns={} if values[1] is None else {"x": values[1]})
    with Shards(a=first, b=second).joined() as joined:
        column = joined.columns["x"]
        np.testing.assert_array_equal(column, np.array(expected))
        assert column.dtype == dtype or column.dtype.kind == np.dtype(dtype).kind == "U"
        if values[1] is None:
            assert joined.warnings == ["1 of 2 files, as b, have no column 'x': unknown for their 1 images"]
        elif len({part.dtype.kind == "U" for part in values}) == 2:
            assert joined.warnings == ["column 'x' holds text in b and numbers in a: read as text"]
        else:
            assert joined.warnings == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"images": ellipses(7, SIDE + 1)},
            "expected images as in a, ((8, 8, 3), 'uint8'), received ((9, 9, 3)",
        ),
        ({"images": ellipses(7, SIDE).astype(np.float32)}, "received ((8, 8, 3), 'float32')"),
        ({"band_names": ["r", "g"]}, "expected bands as in a, ['g', 'r'], received ['r', 'g']"),
        ({"class_names": {"kind": ["S", "E"]}}, "expected class names as in a"),
        ({"units": {"ra": "hourangle"}}, "expected units as in a"),
        ({"masks": Aside(ellipses(7, SIDE), "zero")}, "expected masks as in a, None"),
        ({"bottom_up": True}, "expected the first row at the bottom as in a, False"),
    ],
)
def test_shards_that_do_not_agree_are_named(change, words):
    shards, _ = parts()
    for part in shards.values():
        part.band_names, part.class_names, part.units = ["g", "r"], {"kind": ["E", "S"]}, {"ra": "deg"}
    for name, value in change.items():
        setattr(shards["c"], name, value)
    with pytest.raises(GalvaeError) as caught, Shards(**shards).joined():
        pass
    assert str(caught.value).startswith("dataset.path: c: ") and words in str(caught.value)


def test_columns_that_differ_in_case_are_one_unless_a_file_has_both():
    shards, _ = parts()
    first, second, third, fourth = shards.values()
    for part, name in ((first, "ID"), (second, "id"), (third, "ID"), (fourth, "Id")):
        part.columns = {name: np.arange(len(part.images)) + (10 if name == "id" else 0)}
    with Shards(**shards).joined() as joined:
        counts = [len(part.images) for part in shards.values()]
        assert list(joined.columns) == ["ID"] and joined.warnings == []
        assert joined.columns["ID"].tolist() == [
            number + 10 * (k == 1) for k, count in enumerate(counts) for number in range(count)
        ]
    second.columns["ID"] = np.arange(len(second.images))
    with Shards(**shards).joined() as joined:
        assert list(joined.columns) == ["ID", "id", "Id"]


def test_names_of_files_say_the_split_which_is_used_when_asked_for():
    shards, _ = parts()
    names = [
        "data/train-00000.parquet",
        "data/train-00001.parquet",
        "data/validation-0.parquet",
        "data/test.parquet",
    ]
    with Shards(**dict(zip(names, shards.values(), strict=True))).joined() as joined:
        assert joined.columns["split"].tolist() == ["train"] * 6 + ["val"] * 7 + ["test"] * 3
        assert any("dataset.split_from=split" in note for note in joined.notes)
    for others in (["train-0", "train-1", "trainee", "test"], ["train-0", "train-1", "train-2", "train-3"]):
        with Shards(**dict(zip(others, shards.values(), strict=True))).joined() as joined:
            assert "split" not in joined.columns
    for part in shards.values():
        part.columns["split"] = np.full(len(part.images), "own")
    with Shards(**dict(zip(names, shards.values(), strict=True))).joined() as joined:
        assert set(joined.columns["split"]) == {"own"}


def test_names_of_images_are_kept_where_they_differ():
    shards, _ = parts()
    for name, part in shards.items():
        part.names = np.array([f"{name}{number}.png" for number in range(len(part.images))])
    with Shards(**shards).joined() as joined:
        assert joined.names[[0, 5, 6]].tolist() == ["a0.png", "b0.png", "c0.png"]
    shards["b"].names = shards["a"].names[:1]
    with Shards(**shards).joined() as joined:
        assert joined.names is None


def test_hdf5_shards_as_one_dataset(config, tmp_path):
    images, rows = ellipses(20, 24), np.array_split(np.arange(20), 4)
    for number, part in enumerate(rows):
        columns = {"objid": OBJIDS[part], "z": part / 8}
        write_hdf5(tmp_path / f"healpix={number * 7}" / "001-of-001.hdf5", images=images[part], **columns)
    data = load_dataset(config("healpix=*/*.hdf5", condition=["z"]))
    np.testing.assert_array_equal(data.images[:], images)
    np.testing.assert_array_equal(data.catalogue["id"], OBJIDS)
    np.testing.assert_array_equal(data.condition[:, 0], (np.arange(20) / 8).astype(np.float32))


def test_the_split_of_parquet_shards(config, tmp_path):
    images, rows = ellipses(20, 24), np.arange(20)
    for name, part in (("train-0", rows[:12]), ("train-1", rows[12:15]), ("test-0", rows[15:])):
        write_parquet(tmp_path / f"{name}.parquet", {"image": pictures(images[part], part)}, id=OBJIDS[part])
    data = load_dataset(config("*.parquet", split_from="split"))
    by_id = dict(zip(OBJIDS.tolist(), images, strict=True))
    for number, image in zip(data.catalogue["id"].tolist(), data.images, strict=True):
        np.testing.assert_array_equal(image, by_id[number])
    test = data.catalogue["id"][data.splits["test"]]
    assert sorted(test.tolist()) == OBJIDS[15:].tolist()


def test_a_truncated_shard_is_named(config, tmp_path):
    images = ellipses(9, 24)
    for number in range(3):
        path = tmp_path / f"part-{number}.hdf5"
        write_hdf5(path, images=images[3 * number : 3 * number + 3])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(GalvaeError, match=r"part-2.hdf5: truncated, damaged"):
        load_dataset(config("part-*.hdf5"))
