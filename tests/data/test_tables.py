"""Tables in every format: exact ids, text, masked values, names in any case, several tables in a file, and damage."""

import gzip
import io

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table as AstropyTable

from galvae.data.tables.table import find, plain, read_table
from galvae.errors import GalvaeError

# Three rows: ids that floats cannot hold, ids with zeros in front, names that differ by case only, and missing values.
OBJID = [1237648720142532814, 1237648720142532815, -7]
COLUMNS = {
    "objid": np.array(OBJID),
    "cosmos": np.array(["0012", "12", "012"]),
    "kind": np.array(["Spirale barrée", "", "odd, or not"]),
    "z": np.array([0.125, np.nan, 2.5]),
    "Z": np.array([7, 8, 9]),
}
HAS_MASKED = {"count": [5, None, 7], "masked_id": [1237648720142532814, None, 3]}
FORMATS = (
    *("t.csv", "t.tsv", "t.txt", "t.dat", "semicolons.csv", "t.csv.gz", "t.ecsv", "t.ecsv.gz"),
    *(
        "t.fits",
        "t.fits.gz",
        "t.vot",
        "binary.vot",
        "t.xml.gz",
        "t.parquet",
        "t.h5",
        "arrays.hdf5",
        "astropy.h5",
    ),
)


def masked(values):
    return np.ma.array([0 if v is None else v for v in values], mask=[v is None for v in values])


def text_rows(delimiter, quote='"'):
    rows = [list(COLUMNS) + list(HAS_MASKED)]
    for k in range(3):
        rows.append(
            [values[k] for values in COLUMNS.values()] + [values[k] for values in HAS_MASKED.values()]
        )
    texts = [["" if v is None or v != v else str(v) for v in row] for row in rows]
    return "".join(
        delimiter.join(f"{quote}{v}{quote}" if " " in v or not v else v for v in row) + "\n" for row in texts
    )


def write(folder, name):
    path = folder / name
    table = AstropyTable(COLUMNS | {key: masked(values) for key, values in HAS_MASKED.items()})
    table["z"].unit = "km/s"
    if ".h5" in name or ".hdf5" in name:
        if name == "astropy.h5":
            table.write(path, path="catalogue", serialize_meta=True)
            return path
        text = {"cosmos": COLUMNS["cosmos"].astype("S"), "kind": np.strings.encode(COLUMNS["kind"], "utf-8")}
        with h5py.File(path, "w") as file:
            if name == "t.h5":
                file["catalogue"] = np.rec.fromarrays(list((COLUMNS | text).values()), names=list(COLUMNS))
            else:
                for key, values in COLUMNS.items():
                    file[f"catalogue/{key}"] = values.astype(object) if values.dtype.kind == "U" else values
        return path
    if "parquet" in name:
        arrays = {key: values.tolist() for key, values in COLUMNS.items()} | HAS_MASKED
        arrays["z"] = [None if v != v else v for v in arrays["z"]]
        pq.write_table(pa.table(arrays), path)
        return path
    content = io.BytesIO()
    if any(ending in name for ending in (".csv", ".tsv", ".txt", ".dat")):
        delimiter = {"t.tsv": "\t", "t.txt": " ", "t.dat": "   ", "semicolons.csv": ";"}.get(name, ",")
        start = "\ufeff" if name == "t.csv" else "# a survey's, first; comment\n\n"
        content.write((start + text_rows(delimiter)).encode())
    elif ".ecsv" in name:
        text = io.StringIO()
        table.write(text, format="ascii.ecsv")
        content.write(text.getvalue().encode())
    elif ".fits" in name:
        table["kind"] = np.strings.encode(COLUMNS["kind"], "utf-8")  # FITS has no other way
        table.write(content, format="fits")
    else:
        table.write(
            content, format="votable", tabledata_format="binary2" if "binary" in name else "tabledata"
        )
    path.write_bytes(
        gzip.compress(content.getvalue(), mtime=0) if name.endswith(".gz") else content.getvalue()
    )
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_is_exact(tmp_path, name):
    table = read_table(write(tmp_path, name))
    columns = table.columns
    assert table.rows == 3 and set(COLUMNS) <= set(columns) <= {*COLUMNS, *HAS_MASKED}
    assert columns["objid"].tolist() == OBJID and columns["objid"].dtype == np.int64
    assert columns["cosmos"].tolist() == ["0012", "12", "012"]
    assert columns["kind"].tolist() == ["Spirale barrée", "", "odd, or not"]
    np.testing.assert_array_equal(columns["z"], COLUMNS["z"])
    assert columns["Z"].tolist() == [7, 8, 9]
    assert find(columns, "OBJID", "t", "ids") == "objid" and find(columns, "Z", "t", "labels") == "Z"
    if "count" in columns:
        np.testing.assert_array_equal(columns["count"], [5, np.nan, 7])
        assert columns["masked_id"].tolist() == ["1237648720142532814", "", "3"]
    else:
        assert name in ("t.h5", "arrays.hdf5")
    has_units = any(word in name for word in ("ecsv", "fits", "vot", "xml"))
    assert table.units == ({"z": table.units.get("z")} if has_units else {})
    assert not has_units or table.units["z"].replace(" ", "") in ("km/s", "kms-1", "km.s-1")


@pytest.mark.parametrize(
    ("entries", "expected", "kind"),
    [
        (["1", "2"], [1, 2], "i"),
        (["1", "+2", "-3"], [1, 2, -3], "i"),
        (["18446744073709551615", "1"], [2**64 - 1, 1], "u"),
        (["18446744073709551616", "1"], ["18446744073709551616", "1"], "U"),
        (["1", "", "3"], [1, np.nan, 3], "f"),
        (["1", "NaN", "n/a", "-3.5e-2", ".5", "inf"], [1, np.nan, np.nan, -0.035, 0.5, np.inf], "f"),
        (["1_1", "1"], ["1_1", "1"], "U"),
        (["007", "0.5"], ["007", "0.5"], "U"),
        (["0", "-0.5"], [0, -0.5], "f"),
        (["none", "none"], ["none", "none"], "U"),
        (["", "nan"], [np.nan, np.nan], "f"),
        (["1e999", "1"], [np.inf, 1], "f"),
        (["1 2", "3"], ["1 2", "3"], "U"),
        (["٣", "4"], ["٣", "4"], "U"),
    ],
)
def test_numbers_and_texts(tmp_path, entries, expected, kind):
    (tmp_path / "t.csv").write_text(
        "flux,b\n" + "".join(f"{entry},1\n" for entry in entries), encoding="utf-8"
    )
    values = read_table(tmp_path / "t.csv").columns["flux"]
    assert values.dtype.kind == kind
    np.testing.assert_array_equal(values, expected)


def test_ids_stay_as_they_are_written(tmp_path):
    (tmp_path / "t.csv").write_text("ID,mine,b\n587e12,10.10,10.10\n10.10,3,3\n+5,-0,-0\n")
    columns = read_table(tmp_path / "t.csv", text_columns=["Mine"]).columns
    assert columns["ID"].tolist() == ["587e12", "10.10", "+5"]
    assert columns["mine"].tolist() == ["10.10", "3", "-0"]
    assert columns["b"].tolist() == [10.1, 3, 0]
    (tmp_path / "t.csv").write_text("id,b\n1.0,1\n,2\n12.0,3\n")
    np.testing.assert_array_equal(read_table(tmp_path / "t.csv").columns["id"], [1, np.nan, 12])
    (tmp_path / "t.csv").write_text("id,b\n1237648720142532814.0,1\n1.0,2\n")
    assert read_table(tmp_path / "t.csv").columns["id"].tolist() == ["1237648720142532814.0", "1.0"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "# made by hand\n# id z\n1 0.5\n2 0.25\n", {"id": [1, 2], "z": [0.5, 0.25]}),
        ("a.dat", "#id,z\n1,0.5\n2,0.25\n", {"id": [1, 2], "z": [0.5, 0.25]}),
        (
            "a.csv",
            'id,note\n1,"a, ""b""\n# no comment"\n# late\n2,c\n',
            {"id": [1, 2], "note": ['a, "b" # no comment', "c"]},
        ),
        ("a.csv", "file name\na b.png\nc.png\n", {"file name": ["a b.png", "c.png"]}),
        ("a.csv", ",id\n0,5\n1,6\n", {"id": [5, 6]}),
        ("a.csv", "a;b [x,y];c\r\n1;2;3\r\n4;5;6\r\n", {"a": [1, 4], "b [x,y]": [2, 5], "c": [3, 6]}),
        ("a.txt", "id\tname\n1\tNGC 1300\n2\tM 31\n", {"id": [1, 2], "name": ["NGC 1300", "M 31"]}),
        (
            "a.cat",
            "#   1 NUMBER    Running number\n#   2 MAG_APER  Magnitudes [mag]\n#   4 Z\n 1 20.5 21.5 0.5\n 2 19 18 1\n",
            {"NUMBER": [1, 2], "MAG_APER": [20.5, 19], "MAG_APER_1": [21.5, 18], "Z": [0.5, 1]},
        ),
    ],
)
def test_layouts_of_text(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content.encode())
    columns = read_table(tmp_path / name).columns
    assert {key: values.tolist() for key, values in columns.items()} == expected


def test_text_of_spreadsheets_and_ecsv_under_another_name(tmp_path):
    (tmp_path / "a.txt").write_bytes("id\tname\n1\té\n".encode("utf-16"))
    assert read_table(tmp_path / "a.txt").columns["name"].tolist() == ["é"]
    AstropyTable({"z": [1.5]}, units={"z": "m"}).write(tmp_path / "t.ecsv")
    (tmp_path / "t.ecsv").rename(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").units == {"z": "m"}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"a,b\n1,2\n3\n", ["line 3", "expected 2 entries", "received 1"]),
        ("a.csv", b"# c\n\na,b\n1,2,3\n", ["line 4", "expected 2 entries", "received 3"]),
        ("a.csv", b'a,b\n1,"2\n3,4\n', ["line 3"]),
        ("a.csv", b"a,b\n1,2\n\xff,3\n", ["line 3", "UTF-8"]),
        ("a.csv", b"a,b\n1,2\n\0,3\n", ["line 3", "binary"]),
        ("a.csv", b"a,b,a\n1,2,3\n", ["'a' 2 times"]),
        ("a.csv", b"1,2\n3,4\n", ["line 1", "column names"]),
        ("a.csv", b"a,b\n", ["no rows"]),
        ("a.csv", b"", ["empty"]),
        ("a.csv", b"# only a comment\n", ["empty"]),
        ("a.csv", b"a,b;c\n1,2;3\n", ["commas and semicolons"]),
        ("a.csv.gz", gzip.compress(b"a,b\n1,2\n", mtime=0)[:-5], ["damaged"]),
        (
            "a.ecsv",
            b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int64}\na a\n1 2\n",
            ["'a' 2 times"],
        ),
        ("a.parquet", b"PAR1 is not all", ["damaged"]),
        ("a.parquet.gz", b"", [".csv .tsv", "a.parquet.gz"]),
        ("a.h5", b"\x89HDF", ["not an HDF5 file"]),
        ("a.vot", b"<VOTABLE><RESOURCE>", ["damaged"]),
        ("a.xml", b"<html></html>", ["a.xml"]),
        ("a.xlsx", b"PK", ["dataset.table", "a.xlsx", ".vot"]),
        ("a.fits", b"SIMPLE  = ", ["a.fits"]),
    ],
)
def test_bad_tables(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GalvaeError) as caught:
        read_table(tmp_path / name)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("dataset.table") and message.count(str(tmp_path)) == 1
    assert all(word in message for word in words), message


@pytest.mark.parametrize("name", ["t.fits", "t.vot", "t.parquet", "t.h5", "astropy.h5", "t.csv.gz"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_truncated_tables(tmp_path, name, part):
    path = write(tmp_path, name)
    path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
    with pytest.raises(GalvaeError):
        read_table(path)


def test_two_columns_of_one_name(tmp_path):
    columns = [fits.Column(name, "K", array=[1, 2]) for name in ("id", "zz")]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    raw = (tmp_path / "t.fits").read_bytes()
    (tmp_path / "t.fits").write_bytes(raw.replace(b"'zz      '", b"'id      '"))
    fields = "".join(f'<FIELD name="id" datatype="{kind}"/>' for kind in ("long", "int"))
    data = "<DATA><TABLEDATA><TR><TD>1</TD><TD>2</TD></TR></TABLEDATA></DATA>"
    (tmp_path / "t.vot").write_text(
        f'<VOTABLE version="1.3"><RESOURCE><TABLE>{fields}{data}</TABLE></RESOURCE></VOTABLE>'
    )
    pq.write_table(
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["id", "id"]), tmp_path / "t.parquet"
    )
    for name in ("t.fits", "t.vot", "t.parquet"):
        with pytest.raises(GalvaeError, match="'id' 2 times"):
            read_table(tmp_path / name)


def several(folder, name):
    """A file with a table of observations and one of galaxies."""
    tables = {
        "LDAC_IMHEAD": {"seeing": [1.5]},
        "Objects": {"ID": [3, 4], "z": [0.5, 0.25]},
        "Extra": {"id": [9]},
    }
    if name == "a.h5":
        with h5py.File(folder / name, "w") as file:
            for group, columns in tables.items():
                for key, values in columns.items():
                    file[f"{group}/{key}"] = values
    elif name == "a.vot":
        from astropy.io.votable.tree import Resource, TableElement, VOTableFile

        votable = VOTableFile()
        votable.resources.append(Resource())
        for key, columns in tables.items():
            element = VOTableFile.from_table(AstropyTable(columns)).get_first_table()
            assert isinstance(element, TableElement)
            element.name = key
            votable.resources[0].tables.append(element)
        votable.to_xml(str(folder / name))
    else:
        hdus = [fits.BinTableHDU(AstropyTable(columns), name=key) for key, columns in tables.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / name)
    return folder / name


@pytest.mark.parametrize("file", ["a.fits", "a.cat", "a.vot", "a.h5"])
def test_several_tables(tmp_path, file):
    path = several(tmp_path, file)
    table = read_table(path, wanted=["id", "Z"])
    assert table.columns["ID"].tolist() == [3, 4]
    assert (
        "bjects" in table.notes[0].lower() and "id, Z" in table.notes[0] and "bjects" in table.source.lower()
    )
    assert read_table(path, name="objects").rows == 2 and read_table(path, name="Extra").columns[
        "id"
    ].tolist() == [9]
    number = {"a.fits": 3, "a.cat": 3, "a.vot": 2, "a.h5": 0}[file]
    assert read_table(path, name=number).columns["id"].tolist() == [9]
    for options, words in (
        ({}, "null"),
        ({"wanted": ["id"]}, "with the columns id"),
        ({"name": "x"}, "received x"),
    ):
        with pytest.raises(GalvaeError, match="dataset.table_name") as caught:
            read_table(path, **options)
        assert (
            words in str(caught.value) and "(ID, z)" in str(caught.value) and "(seeing)" in str(caught.value)
        )


def test_what_is_no_number_or_text_is_left_out_and_named(tmp_path):
    AstropyTable({"z": [1.0, 2.0], "vector": np.zeros((2, 3)), "phase": [1j, 2j]}).write(tmp_path / "a.fits")
    arrays = {"z": [1.0, 2.0], "vector": [[1], [2]], "image": [{"bytes": b"x"}] * 2, "png": [b"x" * 5000] * 2}
    pq.write_table(pa.table(arrays), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("z,remark\n1,a\n2," + 1001 * "b" + "\n")
    for name, words in (("a.fits", "2 columns"), ("a.parquet", "3 columns"), ("a.csv", "remark")):
        table = read_table(tmp_path / name)
        assert list(table.columns) == ["z"] and words in table.notes[-1]


def test_pandas_in_hdf5(tmp_path):
    with h5py.File(tmp_path / "fixed.h5", "w") as file:
        file["df/axis0"] = np.array([b"z", b"mag", b"n", b"name"])
        file["df/axis1"] = np.array(OBJID)
        file["df/block0_items"] = np.array([b"z", b"mag"])
        file["df/block0_values"] = np.array([[0.5, 20], [1.5, 21], [2.5, 22]])
        file["df/block1_items"], file["df/block1_values"] = np.array([b"n"]), np.array([[1], [2], [3]])
        file["df/block2_items"] = np.array([b"name"])
        file.create_dataset("df/block2_values", (1,), h5py.vlen_dtype(np.uint8))
    table = read_table(tmp_path / "fixed.h5")
    assert {key: values.tolist() for key, values in table.columns.items()} == {
        "index": OBJID,
        "z": [0.5, 1.5, 2.5],
        "mag": [20, 21, 22],
        "n": [1, 2, 3],
    }
    assert "1 columns of text" in table.notes[0]
    with h5py.File(tmp_path / "table.h5", "w") as file:
        kinds = [("index", "i8"), ("values_block_0", "f8", (2,)), ("name", "S3")]
        file["df/table"] = np.array([(4, (1, 2), b"a"), (5, (3, 4), b"bc")], kinds)
    table = read_table(tmp_path / "table.h5")
    assert list(table.columns) == ["index", "name"] and "data_columns=True" in table.notes[0]


def test_arrays_of_another_length_are_no_columns(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["z"], file["id"], file["bands"], file["images"] = (
            [1.5, 2.5],
            [1, 2],
            [b"g", b"r", b"i"],
            np.zeros((2, 8, 8)),
        )
    assert list(read_table(tmp_path / "a.h5", wanted=["z"]).columns) == ["id", "z"]
    with pytest.raises(GalvaeError, match=r"/ \(2 rows\)"):
        read_table(tmp_path / "a.h5")


def test_fits_without_values(tmp_path):
    columns = [
        fits.Column("n", "K", array=[1237648720142532814, -1, 3], null=-1),
        fits.Column("u", "K", array=np.array([2**64 - 1, 2, 3], "u8"), bzero=2**63),
        fits.Column("ok", "L", array=[True, False, True]),
        fits.Column("name", "8A", array=["0012", "12   ", ""]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    columns = read_table(tmp_path / "t.fits").columns
    assert columns["n"].tolist() == ["1237648720142532814", "", "3"]
    assert columns["u"].tolist() == [2**64 - 1, 2, 3]
    assert columns["ok"].tolist() == [True, False, True] and columns["ok"].dtype == bool
    assert columns["name"].tolist() == ["0012", "12", ""]


def test_parquet_types(tmp_path):
    arrays = {
        "u": pa.array([2**64 - 1, None], pa.uint64()),
        "small": pa.array([1, None], pa.uint8()),
        "half": pa.array(np.array([0.5, 2], "f2")),
        "kind": pa.array(["a", None]).dictionary_encode(),
        "raw": pa.array([b"0012 ", b"x"]),
        "ok": pa.array([True, False]),
        "when": pa.array([1, 2], pa.timestamp("s")),
    }
    pq.write_table(pa.table(arrays), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns["u"].tolist() == [str(2**64 - 1), ""]
    np.testing.assert_array_equal(table.columns["small"], [1, np.nan])
    assert table.columns["half"].tolist() == [0.5, 2] and table.columns["kind"].tolist() == ["a", ""]
    assert table.columns["raw"].tolist() == ["0012", "x"] and table.columns["ok"].dtype == bool
    assert "when" not in table.columns


def test_parquet_needs_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    path = write(tmp_path, "t.csv").rename(tmp_path / "t.parquet")
    with pytest.raises(GalvaeError, match=r"pip install -e '.\[parquet\]'"):
        read_table(path)


ENTITIES = '<!DOCTYPE v [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
ELSEWHERE = '<DATA><BINARY><STREAM href="file:///etc/hostname"/></BINARY></DATA>'


@pytest.mark.parametrize(
    ("start", "data", "words"), [(ENTITIES, "", "entities"), ("", ELSEWHERE, "reference")]
)
def test_votables_reach_for_nothing(tmp_path, start, data, words):
    table = f'<TABLE><FIELD name="a" datatype="int"/>{data}</TABLE>'
    (tmp_path / "t.vot").write_text(f'{start}<VOTABLE version="1.3"><RESOURCE>{table}</RESOURCE></VOTABLE>')
    with pytest.raises(GalvaeError, match=words):
        read_table(tmp_path / "t.vot")


def test_packed_and_declared_sizes_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("galvae.data.formats.fits.LARGEST_UNPACKED", 1000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 1000, mtime=0))
    with pytest.raises(GalvaeError, match="at most 1000 bytes"):
        read_table(tmp_path / "t.csv.gz")
    path = write(tmp_path, "t.fits")
    path.write_bytes(
        path.read_bytes().replace(b"NAXIS2  =                    3", b"NAXIS2  =          30000000000")
    )
    with pytest.raises(GalvaeError, match="truncated"):
        read_table(path)
    monkeypatch.setattr("galvae.data.tables.table.MOST_ROWS", 2)
    with pytest.raises(GalvaeError, match=r"t.parquet: expected at most 2 rows, received 3"):
        read_table(write(tmp_path, "t.parquet"))


def test_find():
    columns = ["cat/RA", "aux/dec", "cat/dec", "z", "Z", "photoz"]
    assert (
        find(columns, "ra", "a.h5", "ids") == "cat/RA"
        and find(columns, "CAT/dec", "a.h5", "ids") == "cat/dec"
    )
    assert find(columns, "z", "a.h5", "ids") == "z"
    with pytest.raises(
        GalvaeError, match="dataset.ids: expected one column 'dec' in a.h5, received aux/dec, cat/dec"
    ):
        find(columns, "dec", "a.h5", "ids")
    with pytest.raises(GalvaeError, match="received ids, IDS"):
        find(["ids", "IDS"], "Ids", "a.csv", "ids")
    with pytest.raises(
        GalvaeError, match="no column 'foto_z' in a.h5; expected one of .*; did you mean photoz"
    ):
        find(columns, "foto_z", "a.h5", "condition")


def test_plain():
    assert plain(np.array([[1], [2]])).tolist() == [1, 2]
    assert plain(np.array([1, 2], ">i8")).dtype.isnative
    assert plain(np.array([b"a ", "ö".encode()])).tolist() == ["a", "ö"]
    assert plain(np.array(["a", None, b"b", np.nan], object)).tolist() == ["a", "", "b", ""]
    assert plain(np.ma.array([2**53 + 1, 0], mask=[False, True])).tolist() == [str(2**53 + 1), ""]
    np.testing.assert_array_equal(plain(np.ma.array([2**53, 0], mask=[False, True])), [2**53, np.nan])
    for other in (
        np.zeros((2, 2)),
        np.array([1j]),
        np.array([{}, "a"], object),
        np.array(5),
        np.array([5, "a"], object),
    ):
        assert plain(other) is None
