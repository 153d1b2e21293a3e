"""Joins of images and rows of a table: by ids and file names, never by position without a word, never a wrong pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from galvae.data.tables import id_matching
from galvae.data.tables.joins import Identity, join
from galvae.errors import GalvaeError


def side(where, count=None, names=None, ids=None, **columns):
    columns = {name: np.array(values) for name, values in columns.items()}
    arrays = [values for values in (*columns.values(), names, ids) if values is not None]
    names, ids = (None if values is None else np.array(values) for values in (names, ids))
    return Identity(where=where, count=count or len(arrays[0]), columns=columns, names=names, ids=ids)


def refused(images, table, words, **options):
    with pytest.raises(GalvaeError) as caught:
        join(images, table, **options)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


@pytest.mark.parametrize(
    ("images", "table", "ids", "rows", "by"),
    [
        ({"objid": [5, 6, 7]}, {"objid": [7, 5, 6]}, None, [1, 2, 0], ("objid", "objid")),
        ({"cat/OBJID": [5, 6]}, {"objid": [6, 5], "number": [5, 6]}, None, [1, 0], ("cat/OBJID", "objid")),
        ({"objid": [5, 6]}, {"dr7objid": [6, 5], "z": [5, 6]}, None, [1, 0], ("objid", "dr7objid")),
        ({"objid": [5, 6]}, {"id": ["6", "5"]}, None, [1, 0], ("objid", "id")),
        ({"id": [b"a", b"b"]}, {"id": ["b ", " a"]}, None, [1, 0], ("id", "id")),
        ({"mine": [5, 6]}, {"Mine": [6, 5], "id": [5, 6]}, "mine", [1, 0], ("mine", "Mine")),
        ({"objid": [5, 6], "id": [0, 1]}, {"gal": [6, 5], "id": [0, 1]}, "gal", None, None),
        ({"id": [5, 6]}, {"gal": [6, 5]}, "gal", [1, 0], ("id", "gal")),
        ({"gal": [5, 6]}, {"id": [6, 5]}, "gal", [1, 0], ("gal", "id")),
        ({"id": [5.0, 6.0]}, {"id": [6, 5]}, None, [1, 0], ("id", "id")),
        ({"id": np.array([5, 6], "u8")}, {"id": np.array([6, 5], "i4")}, None, [1, 0], ("id", "id")),
        ({"id": np.array([2**64 - 1, 6], "u8")}, {"id": np.array([-1, 6])}, None, [-1, 1], ("id", "id")),
        ({"id": np.array([2**60 + 1, 6], "u8")}, {"id": np.array([2**60, 6])}, None, [-1, 1], ("id", "id")),
        (
            {"id": [1237648720142532814, 1237648720142532815]},
            {"id": [1237648720142532815, 1237648720142532814]},
            None,
            [1, 0],
            ("id", "id"),
        ),
        ({"id": ["0012", "12"]}, {"id": ["12", "0012"]}, None, [1, 0], ("id", "id")),
        ({"id": ["0012", "12"]}, {"id": [13, 12]}, None, [-1, 1], ("id", "id")),
        (
            {"objid": [5, 6]},
            {"objid": [6, 5], "filename": ["a.png", "b.png"]},
            None,
            [1, 0],
            ("objid", "objid"),
        ),
        ({"objid": [5, 6]}, {"id": [6, 5], "filename": ["a.png", "b.png"]}, None, [1, 0], ("objid", "id")),
        ({"objid": [5, 6], "id": [1, 2]}, {"objid": [6, 5], "id": [2, 1]}, None, [1, 0], ("objid", "objid")),
        ({"file": ["a/1.png", "2.png"]}, {"path": ["2", "x/a/1.png"]}, None, [1, 0], ("file", "path")),
    ],
)
def test_arrays_are_joined_by_ids(images, table, ids, rows, by):
    images, table = side("a.h5", **images), side("t.csv", **table)
    images.columns.update({k: v.astype(str) for k, v in images.columns.items() if v.dtype.kind == "S"})
    if rows is None:
        return refused(
            images, table, ["one way to join", "objid and gal (2 of 2 found); id and gal (0"], ids=ids
        )
    joined = join(images, table, ids=ids)
    expected = np.array(rows)
    assert joined.images.tolist() == np.flatnonzero(expected >= 0).tolist()
    assert joined.rows.tolist() == expected[expected >= 0].tolist() and joined.by == by
    assert "joined with rows of t.csv by" in joined.notes[0]
    assert len(joined.warnings) == 2 * (expected < 0).any()
    return None


FILES = ["g0.png", "g1.png", "g10.png", "g2.png"]  # in the order of a listing


@pytest.mark.parametrize(
    ("entries", "rows"),
    [
        (["g0", "g1", "g2", "g10"], [0, 1, 3, 2]),
        (["g2.png", "g10.png", "g1.png", "g0.png"], [3, 2, 1, 0]),
        (["/data/x/g2.png", "/data/y/g10.png", "y/g1.png", "y/g0"], [3, 2, 1, 0]),
        (["C:\\images\\g0.png", "C:\\images\\g1.png", "g10", "g2"], [0, 1, 2, 3]),
        (["g0", "g1", "g10", "other", "g2"], [0, 1, 2, 4]),
        (["g1", "g2"], [-1, 0, -1, 1]),
    ],
)
@pytest.mark.parametrize(("column", "ids"), [("filename", None), ("id", None), ("mine", "MINE")])
def test_files_are_joined_by_name(entries, rows, column, ids):
    joined = join(
        side("folder", names=FILES), side("t.csv", **{column: entries}, z=range(len(entries))), ids=ids
    )
    expected = np.array(rows)
    assert joined.images.tolist() == np.flatnonzero(expected >= 0).tolist()
    assert joined.rows.tolist() == expected[expected >= 0].tolist() and joined.by == (None, column)
    assert f"file name and {column}: first image" in joined.notes[0]
    unused = len(entries) - (expected >= 0).sum()
    words = [f"{(expected < 0).sum()} of 4 images have no row"] * bool((expected < 0).any())
    words += [f"{unused} of {len(entries)} rows of t.csv belong to no image: row 3"] * bool(unused > 0)
    assert len(joined.warnings) == len(words) and all(map(str.startswith, joined.warnings, words))


def test_folders_of_files():
    names = ["a/1.png", "a/2.fits.gz", "b/1.png"]
    table = side("t.csv", file=["b/1", "x/a/2.fits.gz", "x/a/1.png"])
    assert join(side("d", names=names), table).rows.tolist() == [2, 1, 0]
    # The folders are those of the table, so that 1 of c is not 1 of b, although it has no row of its own.
    joined = join(side("d", names=["a/2.png", "c/1.png"]), side("t.csv", file=["a/2.png", "b/1.png"]))
    assert joined.images.tolist() == [0] and "c/1.png" in joined.warnings[0]
    refused(
        side("d", names=["a/1.png", "b/1.png"]),
        side("t.csv", file=["x/1.png", "x/2.png"]),
        ["nothing matches"],
    )
    # Files are packed, which the table does not say.
    joined = join(side("d", names=["1.fits.gz", "2.fits.fz"]), side("t.csv", file=["x/2.fits", "x/1.fits"]))
    assert joined.rows.tolist() == [1, 0]
    # Of several columns, only one names the files.
    table = side("t.csv", objid=[7, 8], iauname=["J1.0+2", "J2.0-1"], name=["x", "y"])
    joined = join(side("d", names=["J2.0-1.jpg", "J1.0+2.jpg"]), table)
    assert joined.rows.tolist() == [1, 0] and joined.by == (None, "iauname")


def test_files_and_numbers():
    joined = join(side("d", names=["12.png", "0012.png"]), side("t.csv", id=[12, 13]))
    assert joined.images.tolist() == [0] and joined.rows.tolist() == [0] and "0012.png" in joined.warnings[0]
    refused(
        side("d", names=["0012.png", "0013.png"]),
        side("t.csv", id=[12, 13]),
        [
            "without leading zeros, all would match",
            "0012.png",
            "12, 13",
            "dataset.ids=",
            "dataset.join=order",
        ],
    )


def test_ids_from_a_file_of_their_own():
    joined = join(side("a.npy", ids=[5, 6, 7]), side("t.csv", number=[7, 5, 6]))
    assert joined.rows.tolist() == [1, 2, 0] and joined.by == (None, "number")
    assert "image row 0 (dataset.ids 5) with row 1 (number 5)" in joined.notes[0]
    refused(
        side("a.npy", ids=[5, 6]),
        side("t.csv", id=[6, 5], number=[5, 6]),
        ["one way", "id (2 of 2", "number"],
    )


@pytest.mark.parametrize(
    ("images", "table", "ids", "words"),
    [
        (
            {"id": [1, 2, 3]},
            {"id": [2, 1, 2, 3, 3]},
            None,
            ["image row 1 (id 2)", "rows 0 and 2 (and 1 more"],
        ),
        ({"id": ["b", "a"]}, {"id": ["a", "b", "a"]}, None, ["image row 1 (id a)", "rows 0 and 2"]),
        ({"id": [1, 2]}, {"id": [3, 4]}, None, ["1, 2", "3, 4", "nothing matches", "dataset.join=order"]),
        ({"id": [1, 2]}, {"id": ["", ""]}, None, ["received none", "nothing matches"]),
        (
            {"id": [1, 2], "objid": [3, 4]},
            {"id": [2, 1], "objid": [3, 4]},
            None,
            ["one way", "id (2 of 2", "objid (2"],
        ),
        (
            {"id": [1, 2]},
            {"objid": [2, 1], "number": [1, 2]},
            None,
            ["id and objid", "id and number", "dataset.ids="],
        ),
        (
            {"q": [1, 2]},
            {"z": [1, 2]},
            "name",
            ["dataset.ids: no column 'name' in t.csv or a.h5", "one of z, q"],
        ),
        ({"q": [1, 2]}, {"z": [1.5, 2]}, "z", None),
        ({"z": [1.5, 2]}, {"z": [1.5, 2]}, "z", ["dataset.ids", "integers or text", "1.5 in row 0"]),
        ({"id": [1, 2]}, {"id": [True, False]}, "id", ["integers or text in id of t.csv", "True"]),
        ({"id": [1, 2]}, {"NR": [1, 2], "nr": [1, 2]}, "Nr", ["dataset.ids", "received NR, nr"]),
    ],
)
def test_joins_in_doubt_are_refused(images, table, ids, words):
    images, table = side("a.h5", **images), side("t.csv", **table)
    if words is None:
        assert join(images, table, ids=ids).by is None
    else:
        refused(images, table, words, ids=ids)


@pytest.mark.parametrize(
    ("names", "entries", "words"),
    [
        (["x/d.png", "e.png"], ["d", "x/d.png", "e"], ["one row for image x/d.png", "rows 0 and 1"]),
        (
            ["y/e.png", "z/e.png"],
            ["e", "f"],
            ["one image for row 0 (file e) of t.csv", "y/e.png and z/e.png"],
        ),
        (["a.png", "a.fits"], ["a", "b"], ["one image for row 0", "a.png and a.fits"]),
    ],
)
def test_files_in_doubt_are_refused(names, entries, words):
    refused(side("d", names=names), side("t.csv", file=entries), words)


def test_repeated_ids_of_images_are_counted():
    joined = join(side("a.h5", id=[5, 6, 5, 5]), side("t.csv", id=[6, 5]))
    assert joined.rows.tolist() == [1, 0, 1, 1] and joined.images.tolist() == [0, 1, 2, 3]
    assert joined.warnings == [
        "ids that several images of a.h5 share, 1: each image takes the row of its id, as row 0 (id 5) and row 2 (id 5)"
    ]


def test_entries_without_an_id_belong_to_nothing():
    joined = join(side("a.h5", id=["a", "", "b"]), side("t.csv", id=["", "b", "", "a"]))
    assert joined.images.tolist() == [0, 2] and joined.rows.tolist() == [3, 1]
    joined = join(side("a.h5", id=[np.nan, 3, 4]), side("t.csv", id=[4, np.nan, np.nan]))
    assert joined.images.tolist() == [2] and joined.rows.tolist() == [0]
    assert "2 of 3 images" in joined.warnings[0] and "2 of 3 rows" in joined.warnings[1]


def test_position_is_said():
    joined = join(side("a.h5", z=[0.5, 1.5]), side("t.csv", id=[5, 6], mass=[1, 2]))
    assert (
        joined.by is None and joined.rows.tolist() == joined.images.tolist() == [0, 1] and not joined.warnings
    )
    assert joined.notes == [
        "images of a.h5 joined with rows of t.csv by position, without ids or file names in a.h5: "
        "first image row 0 with row 0 (id 5), last image row 1 with row 1 (id 6)"
    ]
    joined = join(side("d", names=["a.png", "b.png"]), side("t.csv", mass=[1, 2]))
    assert "in t.csv: first image a.png with row 0, last image b.png" in joined.notes[0]
    joined = join(side("a.h5", count=1, q=[1.5]), side("t.csv", id=[1.5], mass=[1]))
    assert "in a.h5 and t.csv" in joined.notes[0]
    refused(side("a.h5", z=[1.5]), side("t.csv", mass=[1, 2]), ["expected 1 rows", "received 2", "position"])


@pytest.mark.parametrize(
    ("images", "table"),
    [
        ({"id": [5, 6, 7]}, {"galaxy": [6, 5, 7]}),
        ({"galaxy": [5, 6, 7]}, {"id": ["6", "7", "8"]}),
        ({"galaxy": [5, 6, 7]}, {"Galaxy": [7, 6, 5]}),
        ({"names": ["a.png", "b.png", "c.png"]}, {"galaxy": ["b", "c", "a"]}),
        ({"ids": ["a", "b", "c"]}, {"galaxy": ["b", "c", "a"]}),
    ],
)
def test_position_is_refused_where_a_column_without_a_telling_name_says_otherwise(images, table):
    words = ["holds the", "in another order", f"dataset.ids={list(table)[0]}", "dataset.join=order"]
    refused(side("a.h5", **images), side("t.csv", **table), words)
    assert join(side("a.h5", **images), side("t.csv", **table), how="order").rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize("inexact", ["a.h5", "t.csv"])
def test_position_is_refused_where_ids_have_lost_digits(inexact):
    ids = np.array([1237648720142532814, 1237648720142532815])
    sides = {"a.h5": ids, "t.csv": ids[::-1]}
    sides[inexact] = sides[inexact].astype(float)
    images, table = (side(name, objid=values) for name, values in sides.items())
    refused(
        images, table, [inexact, "expected integers or text in objid", "lost digits", "dataset.join=order"]
    )
    assert join(images, table, how="order").by is None
    assert join(side("a.h5", objid=ids.astype(float)), side("t.csv", z=[1.5, 2.5])).by is None


def test_position_is_not_refused_for_columns_that_are_no_ids():
    images = side("a.h5", id=[5, 6, 7, 8], kind=[0, 1, 2, 3])
    for table in (
        {"galaxy": [5, 6, 7, 8]},
        {"kind": [5, 5, 6, 6]},
        {"rank": [8, 1, 2, 3]},
        {"mass": [8.5, 5, 6, 7]},
    ):
        assert join(images, side("t.csv", **table)).by is None


def test_position_on_request():
    images, table = side("a.h5", id=[5, 6, 7]), side("t.csv", id=[5, 7, 6])
    joined = join(images, table, how="order")
    assert (
        joined.by is None
        and joined.rows.tolist() == [0, 1, 2]
        and "dataset.join=order asks" in joined.notes[0]
    )
    assert joined.warnings == [
        "dataset.join=order gives 2 of 3 images another row than id does: row 1 (id 6), row 2 (id 7)"
    ]
    assert not join(images, side("t.csv", id=[8, 9, 10]), how="order").warnings
    refused(images, side("t.csv", id=[5, 6]), ["expected 3 rows", "received 2"], how="order")


def test_texts_of_one_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(id_matching, "_hashes", lambda values: np.strings.str_len(values).astype(np.uint64))
    joined = join(side("a.h5", id=["b", "cc", "x", "a"]), side("t.csv", id=["a", "dd", "b", "cc"]))
    assert joined.images.tolist() == [0, 1, 3] and joined.rows.tolist() == [2, 3, 0]


def spelled(galaxy, style):
    return {
        "int": galaxy,
        "text": str(galaxy),
        "zeros": f"{galaxy:04d}",
        "name": f"g{galaxy}",
        "long": galaxy + 2**60,
    }[style]


@settings(max_examples=150, deadline=None)
@given(
    images=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    table=st.lists(st.integers(0, 12), min_size=1, max_size=8),
    style=st.sampled_from(["int", "text", "zeros", "name", "long"]),
    layout=st.sampled_from(["array", "array and number", "files", "paths", "folders"]),
    how=st.sampled_from([{}, {}, {"ids": "mine"}]),
)
def test_never_a_wrong_pair(images, table, style, layout, how):
    """Galaxies shuffled, dropped and repeated on both sides: each pair is of one galaxy, or the join is refused."""
    own, rows = [spelled(galaxy, style) for galaxy in images], [spelled(galaxy, style) for galaxy in table]
    name = "mine" if how else "objid"
    if layout.startswith("array"):
        left = side("a.h5", **{name: own}, z=np.zeros(len(own)))
        right = side("t.csv", **{name: rows})
        if layout == "array and number":  # counted anew in each file
            left.columns["number"], right.columns["number"] = np.arange(len(own)), np.arange(len(rows))
    else:
        folder = {"files": "", "paths": "", "folders": "x/"}[layout]
        left = side("d", names=sorted({f"{folder}{one}.png" for one in own}))
        right = side(
            "t.csv",
            **{
                "mine" if how else "file": [
                    f"/data/y/{one}.png" if layout == "paths" else one for one in rows
                ]
            },
        )
        images = [own_of(text, images, style) for text in left.names]
    try:
        joined = join(left, right, **how)
    except GalvaeError:
        # Refused for a reason: a row twice, nothing in common, or a second way to join.
        shared = [galaxy for galaxy in images if galaxy in table]
        assert not shared or any(table.count(galaxy) > 1 for galaxy in shared) or layout == "array and number"
        return
    assert joined.by is not None
    assert [images[k] for k in joined.images] == [table[k] for k in joined.rows]
    assert len(joined.images) == sum(galaxy in table for galaxy in images)


def own_of(name, images, style):
    """The galaxy that a file belongs to."""
    return next(galaxy for galaxy in images if name.rpartition("/")[2] == f"{spelled(galaxy, style)}.png")
