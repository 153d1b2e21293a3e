"""Tables beside the images, in CSV, ECSV and FITS, whose rows follow the images or name them."""

import numpy as np
import pytest
from astropy.table import Table
from builders.user_files import N, pixels, store, write_image

from galvae.data.load import load_dataset


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


def test_masked_labels_are_unlabelled(tmp_path, config):
    table = Table({"kind": list("abcabc"), "count": np.arange(N)}, masked=True)
    table["kind"].mask[3] = table["count"].mask[2] = True
    table.write(tmp_path / "t.ecsv")
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    assert load_dataset(config("a.npy", table="t.ecsv", labels="kind")).labels.tolist() == [0, 1, 2, -1, 1, 2]
    assert load_dataset(config("a.npy", table="t.ecsv", labels="count")).labels.tolist() == [
        0,
        1,
        -1,
        3,
        4,
        5,
    ]


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
        ("t.csv", b"", ["dataset.table", "t.csv", "empty file"]),
        ("t.csv", b"a,b\n1,2,3\n", ["dataset.table", "t.csv: line 2", "received 3"]),
        ("t.fits", b"no table", ["dataset.table", "t.fits"]),
        ("t.xlsx", b"z\n1\n", ["dataset.table", ".csv .tsv", "t.xlsx"]),
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


def test_a_missing_column_names_both_files(tmp_path, refused):
    store(tmp_path, "a.npy", pixels(N, 8, 8))
    Table({"z": np.arange(N), "q": np.arange(N)}).write(tmp_path / "t.csv")
    words = ["dataset.labels: no column 'foo' in", "t.csv or", "a.npy; expected one of z, q"]
    refused(words, "a.npy", table="t.csv", labels="foo")


NAMES = ["0012.png", "deep/b.v2.png", "deep/c.PNG", "x/d.png", "y/e.png", "y/f.png"]


@pytest.fixture
def numbered(tmp_path):
    """Six images in sub-folders, the k-th one of value k."""
    for value, name in enumerate(NAMES):
        write_image(tmp_path, name, np.full((8, 8), value, "u1"))


def test_rows_are_matched_by_file_name(tmp_path, config, numbered):
    rows = ["e", "nothing", "deep/b.v2", "0012", "x/d.png", "f.png", "deep/c.PNG"]
    values = [4, -1, 1, 0, 3, 5, 2]
    (tmp_path / "t.csv").write_text(
        "\ufefffile,z\n" + "".join(f"{row},{value}\n" for row, value in zip(rows, values, strict=True)),
        encoding="utf-8",
    )
    dataset = load_dataset(config("images", table="t.csv", ids="file", condition=["z"]))
    assert dataset.condition[:, 0].tolist() == dataset.images[:, 0, 0, 0].tolist() == list(range(N))
    assert dataset.catalogue["id"].tolist() == ["0012", "deep/b.v2", "deep/c.PNG", "x/d.png", "e", "f.png"]


def test_images_without_a_row_and_rows_without_an_image_are_counted(tmp_path, config, numbered):
    Table({"file": ["e", "0012", "nothing", "b.v2", "c"], "z": [4.0, 0, -1, 1, 2]}).write(tmp_path / "t.ecsv")
    dataset = load_dataset(config("images", table="t.ecsv", condition=["z"]))
    assert dataset.condition[:, 0].tolist() == dataset.images[:, 0, 0, 0].tolist() == [0, 1, 2, 4]
    assert dataset.catalogue["id"].tolist() == [NAMES[k] for k in (0, 1, 2, 4)]
    text = " ".join(dataset.report["warnings"])
    assert "2 of 6 images have no row in" in text and "x/d.png, y/f.png" in text
    assert "1 of 5 rows of" in text and "row 2 (file nothing)" in text


def test_rows_in_doubt_and_missing_columns(tmp_path, refused, numbered):
    Table({"file": ["0012", "b.v2", "c", "d", "x/d", "e", "f"]}).write(tmp_path / "t.ecsv")
    refused(
        ["dataset.ids", "one row for image x/d.png", "rows 3 and 4"], "images", table="t.ecsv", ids="file"
    )
    refused(["dataset.ids: no column 'name'", "expected one of file"], "images", table="t.ecsv", ids="name")
    refused(["dataset.ids: no column 'file'"], "images", ids="file")
    write_image(tmp_path, "z/e.png", pixels(8, 8))
    Table({"file": ["0012", "b.v2", "c", "d", "e", "f"]}).write(tmp_path / "u.ecsv")
    words = ["dataset.ids", "expected one image for row 4 (file e)", "y/e.png and z/e.png"]
    refused(words, "images", table="u.ecsv", ids="file")


@pytest.mark.parametrize("ids", [None, "objid"])
def test_ids_of_arrays_find_their_rows(tmp_path, config, ids):
    objid = 1237648720142532814 + np.arange(N)
    order = np.array([3, 1, 5, 0, 4])  # image 2 has no row
    store(tmp_path, "a.h5", pixels(N, 8, 8), objid=objid)
    Table({"objid": objid[order], "z": order / 8}).write(tmp_path / "t.csv")
    dataset = load_dataset(config("a.h5", table="t.csv", condition=["z"], ids=ids))
    np.testing.assert_array_equal(dataset.images[..., 0], pixels(N, 8, 8)[[0, 1, 3, 4, 5]])
    assert dataset.catalogue["id"].tolist() == objid[[0, 1, 3, 4, 5]].tolist()
    assert dataset.condition[:, 0].tolist() == [0, 1 / 8, 3 / 8, 4 / 8, 5 / 8]


def test_rows_in_order_of_the_images(tmp_path, config, refused, numbered):
    Table({"z": np.arange(N)}).write(tmp_path / "t.csv")
    dataset = load_dataset(config("images", table="t.csv", condition=["z"]))
    assert dataset.condition[:, 0].tolist() == list(range(N))
    assert dataset.catalogue["id"].tolist() == NAMES
    Table({"z": np.arange(N - 1)}).write(tmp_path / "u.csv")
    refused(["dataset.table", "expected 6 rows", "received 5"], "images", table="u.csv")


def test_a_column_of_the_table_replaces_the_files_own_in_any_case_but_for_the_ids(tmp_path, config):
    ids, order = np.arange(N) + 7, [3, 0, 5, 1, 4, 2]
    store(tmp_path, "a.h5", pixels(N, 8, 8), id=ids, redshift=np.full(N, 9.0))
    rows = [f"{ids[row]},{row / 10}\n" for row in order]
    (tmp_path / "t.csv").write_text("".join(["ID,REDSHIFT\n", *rows, ",5\n"]))  # one without an id: floats
    dataset = load_dataset(config("a.h5", table="t.csv", condition=["redshift"]))
    assert dataset.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(dataset.condition[:, 0], np.arange(N) / 10, rtol=1e-6)
    assert "redshift" not in dataset.catalogue
    assert any(
        "instead of the images' own of the same name: redshift" in note for note in dataset.report["notes"]
    )


def test_ids_stay_as_they_stand_beside_the_images(tmp_path, config):
    store(tmp_path, "a.h5", pixels(N, 8, 8), objid=np.array(["7", "12", "3", "4", "5", "6"]))
    Table({"OBJID": [12, 3, 4, 7, 6, 5], "z": np.arange(N) / 8}).write(tmp_path / "t.csv")
    dataset = load_dataset(config("a.h5", table="t.csv", condition=["z"]))
    assert dataset.ids.tolist() == ["7", "12", "3", "4", "5", "6"]
    assert (dataset.condition[:, 0] * 8).tolist() == [3, 0, 1, 2, 5, 4]
    assert "OBJID" not in dataset.catalogue and "objid" in dataset.catalogue


@pytest.mark.parametrize("name", ["objid", "mine"])
def test_a_table_is_not_joined_by_position_beside_ids_of_another_length(tmp_path, config, refused, name):
    ids = np.arange(N) + 7
    store(tmp_path, "a.h5", pixels(N, 8, 8), **{name: ids[:-1]})
    (tmp_path / "t.csv").write_text("".join([f"{name},z\n", *(f"{one},0.5\n" for one in ids[::-1])]))
    keys = {"table": "t.csv", "ids": name if name == "mine" else None}
    refused(["dataset.ids", f"expected 6 numbers or short texts in '{name}'", "(5,)"], "a.h5", **keys)
    assert len(load_dataset(config("a.h5", join="order", **keys))) == N
