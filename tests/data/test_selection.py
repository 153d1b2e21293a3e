"""Expressions over the columns of a table: what they select, in which order they bind, and what they refuse."""

import logging

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table
from builders.galaxies import dataset

from galvae.data import catalogue
from galvae.data.selection import Selection, check_selection, write_selected
from galvae.errors import GalvaeError

BIG = 1237648720693755918  # floats cannot tell it from the next integer
TABLE = Table(
    {
        "id": [BIG, BIG + 1, 3, 4],
        "umap_x": [-1.0, 1.0, 2.0, np.nan],
        "r50": np.array([1, 5, 3, 2], np.float32),
        "class": ["Merging", "", "Spiral", "Merging"],
        "flagged": [True, False, True, False],
        "mag (AB)": MaskedColumn([1, 2, 3, 4], mask=[False, True, False, False]),
        "counts": np.array([200, 1, 2, 3], np.uint8),
    }
)


def rows(text):
    return np.flatnonzero(Selection(text).rows(TABLE)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("umap_x>0 & r50<4", [2]),
        ("umap_x > 0 and r50 < 4", [2]),
        ("r50>4 | r50<2 & umap_x>0", [1]),  # & before |
        ("(r50>4 | r50<2) & umap_x>0", [1]),
        ("(r50>4 | r50<2) & umap_x<0", [0]),
        ("r50>4 or r50<2 and umap_x<0", [0, 1]),
        ("~r50>4 & umap_x>0", [2]),  # comparisons before ~, this before &
        ("not (r50>4 | umap_x>0)", [0, 3]),
        ("1 < r50 <= 3", [2, 3]),
        ("class == 'Merging'", [0, 3]),
        ('class != "Merging"', [1, 2]),
        ("class == ''", [1]),
        ("class >= 'N'", [2]),
        ("flagged & ~(class == 'Merging')", [2]),
        ("flagged == False", [1, 3]),
        (f"id == {BIG}", [0]),
        ("`mag (AB)` > 1", [2, 3]),
        ("2*r50 - 1 >= 9 / 1 ** 3", [1]),
        ("-umap_x > -2 & r50 ** 2 > 4", [1]),
        ("counts * counts > 300", [0]),  # of bytes, 64
        ("counts - 3 < 0", [1, 2]),
        ("abs(umap_x) == 1", [0, 1]),
        ("log10(umap_x) >= 0", [1, 2]),
        ("sqrt(r50) < 1.5", [0, 3]),
        ("r50 < .25e1", [0, 3]),
    ],
)
def test_an_expression_selects_what_one_reads(text, expected):
    assert rows(text) == expected


def test_nothing_unknown_satisfies_a_comparison():
    for sign in ("<", "<=", ">", ">=", "==", "!="):
        assert 3 not in rows(f"umap_x {sign} 1") and 1 not in rows(f"`mag (AB)` {sign} 1")
        assert 3 not in rows(f"0 {sign} log10(umap_x)")
    # A negation holds wherever the comparison does not.
    assert rows("~(umap_x > 0)") == [0, 3] and rows("~isfinite(umap_x)") == [3]
    assert rows("umap_x <= 0") == [0]
    assert rows("isfinite(`mag (AB)`) & ~(`mag (AB)` > 1)") == [0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("r51 < 4", r"no column 'r51'; expected one of id, umap_x, .*; did you mean r50\?"),
        ("class == 3", "class is a text, but 3 a number"),
        ("id == '3'", "'3' is a text, but id a number"),
        ("class + 1 > 2", "class is a text, and a number is needed"),
        ("log10(class) > 1", "class is a text, and a number is needed"),
        ("r50", "r50 is neither true nor false"),
        ("umap_x > 0 & 2 * r50", r"2 \* r50 is neither true nor false"),
        ("class = 'Merging'", "cannot be read from \"= 'Merging'\" on; equal is =="),
        ("r50 <", "cannot be read"),
        ("(r50 < 4", "cannot be read"),
        ("", "cannot be read"),
        ("1 < 2", "names no column"),
        ("class == 'Merging", "cannot be read from"),
        ("r50.min() > 1", "cannot be read from"),
        ("r50[0] > 1", "cannot be read from"),
        ("__import__('os')", "none of the functions abs, log10, sqrt, isfinite"),
        ("abs(*r50) > 1", "cannot be read"),
        ("abs() > 1", "none of the functions"),
        ("(r50)(umap_x) > 1", "none of the functions"),
        ("'abs'(r50) > 1", "none of the functions"),
        ("lambda: r50", "cannot be read from"),
        ("r50 if r50 else r50", "cannot be read"),
        ("r50 in class", "cannot be read"),
        ("r50 >> 1", "cannot be read"),
        ("-" * 60 + "r50 > 1", "more than 50 expressions"),
        ("(" * 300 + "r50 > 1" + ")" * 300, "cannot be read"),
        ("r50 > 1" + " " * 1000, "at most 1000 characters, received 1007"),
    ],
)
def test_what_is_no_such_expression_is_one_line(text, problem):
    with pytest.raises(GalvaeError, match=problem) as error:
        Selection(text).rows(TABLE)
    assert str(error.value).startswith("select: ") and "\n" not in str(error.value)


def test_large_powers_cost_no_time():
    assert rows("r50 < 10 ** 10 ** 10 ** 10") == [0, 1, 2, 3]


def test_columns_of_several_values_are_refused():
    with pytest.raises(
        GalvaeError, match="select: expected columns of one number or text in a row, received code"
    ):
        Selection("code > 1").rows(Table({"code": np.zeros((3, 2))}))


def test_the_selected_rows_are_written_with_all_columns(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    path = write_selected(TABLE, "umap_x>0", tmp_path)
    assert path == tmp_path / "selected.ecsv"
    written = Table.read(path)
    assert written.colnames == TABLE.colnames and list(written["id"]) == [BIG + 1, 3]
    assert [record.getMessage() for record in caplog.records] == [
        f"select: 2 of 4 galaxies satisfy umap_x>0: {path}"
    ]
    monkeypatch.setattr(catalogue, "LARGEST_ECSV", 1)
    assert write_selected(TABLE, "umap_x>0", tmp_path).name == "selected.fits"
    with pytest.raises(GalvaeError, match="select: no galaxy satisfies umap_x>9; expected one or more of 4"):
        write_selected(TABLE, "umap_x>9", tmp_path)
    assert write_selected(TABLE, None, tmp_path) is None


def test_names_are_checked_before_their_columns_exist():
    data = dataset(5, catalogue={"area": np.arange(5.0)}, labels=np.zeros(5, int), class_names=["a"])
    for text in ("area > 1 & class == 'a'", "mse < 1", "split == 'val' & id > 2", None):
        check_selection(text, data, ["mse", "area"])
    check_selection("area_ > 1", data, ["mse", "area"])  # the added one, as the table calls it
    with pytest.raises(GalvaeError, match="select: no column 'mze'.*did you mean mse"):
        check_selection("mze < 1", data, ["mse"])
    with pytest.raises(GalvaeError, match="select: .*cannot be read"):
        check_selection("mse < ", data, ["mse"])
