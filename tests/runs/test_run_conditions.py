"""Conditions as users ask for them: classes by number and name, numbers, mappings, and what is refused."""

import numpy as np
import pytest

from galvae.errors import GalvaeError
from galvae.runs.conditions import Conditions

CLASSES = ["class=Merging", "class=Edge-on", "class=Round"]
RUN = Conditions([*CLASSES, "redshift", "mass"], [[0, 1], [0, 1], [0, 0], [0.0, 2.0], [None, None]], "cvae2")
DIGITS = Conditions(["class=7", "class=9", "class=1"], [[0, 1]] * 3, "cvae")
NUMBERS = Conditions(["z_phot", "mass"], [[0.0, 1.0], [8.0, 12.0]], "cvae2")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, [{}]),
        (1.0, [{"class": 1}]),
        ("Edge-on", [{"class": 1}]),
        (["Edge-on", 0.0], [{"class": 1}, {"class": 0}]),
        ("all", [{"class": 0}, {"class": 1}]),  # of the third one there are no training galaxies
        ({"redshift": 0.5}, [{"redshift": 0.5}]),
        ({"Class": "Merging", "redshift": 0.5}, [{"class": 0, "redshift": 0.5}]),
        (
            {"class": "all", "redshift": [0.1, 0.2]},
            [{"class": label, "redshift": z} for label in (0, 1) for z in (0.1, 0.2)],
        ),
    ],
)
def test_what_is_asked_for_is_a_block_for_each_combination(asked, expected):
    assert RUN.requests(asked) == expected


def test_the_first_condition_may_be_a_number_and_a_class_may_be_named_like_one():
    assert NUMBERS.requests([0.5, 1.0]) == [{"z_phot": 0.5}, {"z_phot": 1.0}]
    assert NUMBERS.requests({"redshift": 0.5}) == [{"z_phot": 0.5}]  # the key redshift= asks so
    # A name is meant before a number: class 1 is the one called 1, not the second one.
    assert DIGITS.requests([7.0, 1.0, "9", 2.0]) == [{"class": label} for label in (0, 2, 1, 2)]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            "Edge",
            "class by number or name, 0 Merging, 1 Edge-on, or all, received Edge; did you mean Edge-on?",
        ),
        (1.5, "expected a class by number or name, 0 Merging, 1 Edge-on, or all, received 1.5"),
        (-1.0, "received -1"),
        (3.0, "received 3"),
        (
            2.0,
            "expected a class of which the run has training galaxies, received 2 (Round), of which it has none",
        ),
        ({"clas": 1.0}, "expected class or redshift or mass, received 'clas'; did you mean class?"),
        (
            {"class": 1.0, "CLASS": 0.0},
            "values of class or redshift or mass, each once, received class, CLASS",
        ),
        ({"redshift": "Edge-on"}, "expected numbers of redshift, received 'Edge-on'"),
        ({"redshift": "all"}, "expected numbers of redshift, received 'all'"),
        ({"mass": float("nan")}, "expected numbers of mass, received nan"),
    ],
)
def test_what_a_run_does_not_have_is_refused_in_one_line(asked, words):
    for ask in (RUN.requests, RUN.resolved):
        with pytest.raises(GalvaeError) as caught:
            ask(asked)
        assert str(caught.value).startswith("condition: expected ") and str(caught.value).endswith(words)


def test_a_model_without_a_condition_takes_none():
    run = Conditions([], [], "vae")
    assert run.requests(None) == [{}]
    for asked, text in ((0.5, "0.5"), ([2.0, 1.0, 2.0], "1, 2"), ("Round", "Round"), ({"class": 3}, "class")):
        with pytest.raises(GalvaeError, match=f"^condition: expected none, because vae .* received {text}$"):
            run.requests(asked)


def test_columns_of_what_is_asked_for(caplog):
    like = np.array([0, 1, 0, 0.25, 9.5], np.float32)
    given = RUN.filled(RUN.resolved({"redshift": [0.5, 1.5, 2], "class": "Merging"}), like)
    np.testing.assert_allclose(given, [[1, 0, 0, z, 9.5] for z in (0.5, 1.5, 2)])
    assert given.dtype == np.float32 and not caplog.records
    own = RUN.filled(RUN.resolved(["Edge-on", 0]), np.stack([like, like + 1]))
    np.testing.assert_allclose(own, [[0, 1, 0, 0.25, 9.5], [1, 0, 0, 1.25, 10.5]])
    RUN.filled(RUN.resolved({"redshift": [0.5, 2.5], "mass": 1e9}), like)
    assert (
        "redshift 0.5 to 2.5 is outside of the dataset's range, 0 to 2: the model extrapolates" in caplog.text
    )
    assert "mass" not in caplog.text  # whose range is not known
    assert DIGITS.determined_by(["class"]) and not RUN.determined_by(["class"])


def test_the_typical_condition_has_the_means_and_the_most_frequent_class():
    conditions = np.array([[1, 0, 0, 0.5, 8], [0, 1, 0, 1.0, 9], [0, 1, 0, 1.5, 13]], np.float32)
    np.testing.assert_allclose(RUN.typical(conditions), [0, 1, 0, 1, 10])
    np.testing.assert_allclose(NUMBERS.typical(conditions[:, 3:]), [1, 10])


def test_names_in_tables_titles_and_captions():
    conditions = np.array([[1, 0, 0, 0.5, 8], [0, 1, 0, 1.0, 9]])
    table = RUN.table(conditions)
    assert {name: values.tolist() for name, values in table.items()} == {
        "class": ["Merging", "Edge-on"],
        "redshift": [0.5, 1.0],
        "mass": [8.0, 9.0],
    }
    assert RUN.title({"class": 1, "redshift": 0.5, "mass": 9.0}) == "Edge-on, z = 0.5, mass = 9"
    assert DIGITS.title({"class": 1}) == "class 9" and RUN.title({}) == ""
    assert [run.symbol for run in (RUN, DIGITS, NUMBERS)] == ["z", "class", "z_phot"]
    assert (RUN.names, RUN.learned, NUMBERS.classes) == (["class", "redshift", "mass"], [0, 1], [])
