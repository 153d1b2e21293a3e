"""Labels, conditions and ids from the columns of the images' own file."""

import numpy as np
import pytest
from astropy.table import Table
from builders.user_files import N, pixels, store

from galvae.data.load import load_dataset


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


@pytest.mark.parametrize(
    ("labels", "class_names", "expected", "names"),
    [
        ([0, 2, 2, 0, 0, 2], None, [0, 2, 2, 0, 0, 2], ["0", "1", "2"]),
        ([0.0, 1.0, 1.0, 0.0, 0.0, 1.0], ["a", "b"], [0, 1, 1, 0, 0, 1], ["a", "b"]),
        (["x", "y", "y", "x", "x", "y"], ["y", "x", "w"], [1, 0, 0, 1, 1, 0], ["y", "x", "w"]),
        ([0, -1, 1, 0, 0, -1], None, [0, -1, 1, 0, 0, -1], ["0", "1"]),
        ([0.0, np.nan, 1.0, 0.0, 0.0, -1.0], None, [0, -1, 1, 0, 0, -1], ["0", "1"]),
        (["a", "b", "", "a", "a", "a"], None, [0, 1, -1, 0, 0, 0], ["a", "b"]),
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
        ([0, 1, 2, 3, 4], None, ["dataset.labels", "expected 6 numbers or short texts in 'kind'", "(5,)"]),
        ([0, 1, 2, -2, 0, 0], None, ["expected 0 to 2, or -1", "received -2 for row 3 of a.npz"]),
        ([0, 1, 2, 1, 0, 0], ["a", "b"], ["expected 0 to 1", "received 2 for row 2 of a.npz"]),
        ([0, 1, 2000, 1, 0, 0], None, ["expected 1 to 1000 classes"]),
        ([-1.0] * N, None, ["expected classes in 'kind', received unlabelled images only"]),
        (
            ["a", "b", "-99", "a", "a", "a"],
            None,
            ["expected names of classes", "received -99 for row 2 of a.npz"],
        ),
        ([0, 1, 0.5, 0, 0, 0], None, ["received 0.5 for row 2 of a.npz"]),
        ([0, 1, np.inf, 0, 0, 0], None, ["received inf for row 2 of a.npz"]),
        (["a", "b", "c", "a", "a", "a"], ["a", "b"], ["expected a b", "received c for row 2 of a.npz"]),
        ([0] * N, ["a", "a"], ["different names"]),
        ([0j] * N, None, ["complex128"]),
    ],
)
def test_bad_labels(tmp_path, refused, labels, class_names, words):
    store(tmp_path, "a.npz", pixels(N, 8, 8), kind=np.array(labels))
    refused(words, "a.npz", labels="kind", class_names=class_names)


@pytest.mark.parametrize("word", ["nan", "None", "N/A", "--", "masked", "-1"])
def test_words_for_no_value_are_no_classes(tmp_path, config, word):
    store(tmp_path, "a.npz", pixels(N, 8, 8), kind=np.array(["spiral", word, "bar", word, "", "bar"]))
    dataset = load_dataset(config("a.npz", labels="kind"))
    assert dataset.class_names == ["bar", "spiral"] and dataset.labels.tolist() == [1, -1, 0, -1, -1, 0]
    assert f"2 of 6 values of 'kind' ({word}) count as unlabelled" in dataset.report["notes"]
    dataset = load_dataset(config("a.npz", labels="kind", class_names=["bar", "spiral", word]))
    assert dataset.labels.tolist() == [1, 2, 0, 2, -1, 0]


@pytest.mark.parametrize("name", ["z", "Z", "cat/z"])
def test_the_redshift_is_the_column_that_the_user_names_beside_another_one(tmp_path, config, name):
    z = np.arange(N) / 10
    columns = {"redshift": z + 5, "cat/z" if "/" in name else "z": z}
    store(tmp_path, "a.h5", pixels(N, 8, 8), **columns)
    dataset = load_dataset(config("a.h5", redshift=name))
    np.testing.assert_allclose(dataset.condition[:, 0], z, rtol=1e-6)


def test_ids_that_are_whole_floats_are_ids_and_several_columns_of_ids_are_said(tmp_path, config):
    store(tmp_path, "a.h5", pixels(N, 8, 8), id=np.arange(N) + 7.0)
    assert load_dataset(config("a.h5")).ids.tolist() == [7, 8, 9, 10, 11, 12]
    ids = np.arange(N) + 7
    store(tmp_path, "b.h5", pixels(N, 8, 8), objid=ids, id_str=np.array(list(map(str, ids))))
    assert load_dataset(config("b.h5")).ids.tolist() == list(map(str, ids))  # of id_str, the first by name
    store(tmp_path, "c.h5", pixels(N, 8, 8), objid=ids, specobjid=ids[::-1])
    dataset = load_dataset(config("c.h5"))
    assert dataset.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert any("objid, specobjid; dataset.ids= names one" in note for note in dataset.report["notes"])


def test_ids_that_do_not_tell_images_apart_are_said(tmp_path, config):
    store(tmp_path, "a.h5", pixels(N, 8, 8), id=np.array([5, 6, 7, 7, 8, 9]))
    dataset = load_dataset(config("a.h5"))
    assert dataset.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert (
        "numbers of images as ids, since 'id' has not an id of its own for each image"
        in dataset.report["notes"]
    )


def test_a_column_that_holds_a_split_is_said_if_it_is_not_used(tmp_path, config):
    subset = np.array(["train", "Val", "test", "train", "train", "train"])
    store(tmp_path, "a.h5", pixels(N, 8, 8), subset=subset, kind=np.array(["test"] * N))
    said = "'subset' holds test, train, val: dataset.split_from=subset uses it as the split"
    assert said in load_dataset(config("a.h5")).report["notes"]
    assert said not in load_dataset(config("a.h5", split_from="subset")).report["notes"]


def test_bad_conditions_and_ids(tmp_path, refused):
    columns = {"short": np.arange(5.0), "text": np.array(list("abcdef")), "half": np.arange(N) / 2}
    store(tmp_path, "a.h5", pixels(N, 8, 8), **columns)
    refused(["dataset.condition", "expected 6", "(5,)"], "a.h5", condition=["half", "short"])
    refused(["dataset.condition", "expected numbers in 'text'"], "a.h5", condition=["text"])
    store(
        tmp_path,
        "b.h5",
        pixels(N, 8, 8),
        z=np.array(["1.5", "nan", "", "2", "-", "3"]),
        w=np.array(["1"] * N),
    )
    for keys in ({"condition": ["z"]}, {"redshift": "z"}):
        refused(["expected numbers in 'z', received text, as - for row 4 of b.h5"], "b.h5", **keys)
    refused(["received text that reads like them, as 1"], "b.h5", condition=["w"])
    refused(
        ["dataset.condition: expected different columns, received half, HALF"],
        "a.h5",
        condition=["half", "HALF"],
    )
    refused(["dataset.condition: no column 'foo'", "half, text"], "a.h5", condition=["foo"])
    refused(["dataset.ids", "received 0.5 for row 1 of a.h5"], "a.h5", ids="half")
    refused(["dataset.labels: expected a folder with a file for each image"], "a.h5", labels="folder")


@pytest.mark.parametrize("name", ["a.h5", "a.npz"])
def test_large_ids_stay_exact(tmp_path, config, name):
    ids = 2**53 + np.arange(N) * 2 + 1
    store(tmp_path, name, pixels(N, 8, 8), number=ids)
    assert load_dataset(config(name, ids="number")).catalogue["id"].tolist() == ids.tolist()
    for table in ("t.csv", "t.ecsv", "t.fits"):
        Table({"number": ids}).write(tmp_path / table)
        dataset = load_dataset(config(name, table=table, ids="number"))
        assert dataset.catalogue["id"].tolist() == ids.tolist()
