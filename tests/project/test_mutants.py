"""The lists of mistakes in scripts/mutating fit the code, and scripts/mutants.py tells a caught one from a survivor."""

import ast
from collections import Counter

import mutants
import pytest
from builders.source_tree import ROOT
from mutating.mutant import Mutant

MUTANTS = [mutant for name in mutants.LISTS for mutant in mutants.mutants_of(name)]


def test_every_subject_has_a_list_and_they_are_120_or_more():
    assert set(mutants.LISTS) >= {"models", "training", "data", "analysis", "latent", "figures"}
    assert len(MUTANTS) >= 120
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    assert sum(bool(mutant.survives) for mutant in MUTANTS) <= 0.03 * len(MUTANTS)


def test_every_mutant_changes_one_place_of_a_file_that_still_can_be_read():
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.old) == 1, mutant
        assert mutant.new != mutant.old, mutant
        if mutant.file.endswith(".py"):
            ast.parse(text.replace(mutant.old, mutant.new))


def test_every_mutants_tests_exist():
    names = {}  # of the functions in each file of tests
    for mutant in MUTANTS:
        for test in mutant.tests.split():
            path, _, name = test.partition("::")
            if path not in names:
                nodes = ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
                names[path] = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
            assert not name or name.partition("[")[0] in names[path], mutant


@pytest.fixture
def repository(tmp_path):
    """A repository of one module and one test, and three mutants of it."""
    (tmp_path / "galvae").mkdir()
    (tmp_path / "galvae" / "__init__.py").touch()
    (tmp_path / "galvae" / "area.py").write_text("def area(height, width):\n    return height * width\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_area.py").write_text(
        "from galvae.area import area\n\n\ndef test_area():\n    assert area(2, 3) == 6\n"
    )
    return tmp_path


def mutant(name, new, **changes):
    values = {"file": "galvae/area.py", "old": "height * width", "tests": "tests/test_area.py::test_area"}
    return Mutant(name=name, new=new, **{**values, **changes})


@pytest.mark.slow
def test_a_mutant_is_caught_survives_or_cannot_be_run_and_the_rest_is_continued(repository, tmp_path, capsys):
    found = [
        mutant("a sum", "height + width"),
        mutant("swapped", "width * height", survives="a product knows no order"),
        mutant("no such name", "def (", old="def area("),
    ]
    results = tmp_path / "outputs" / "mutants.jsonl"
    outcomes = mutants.run(found[:1], repository, results, 1)
    assert list(outcomes.values()) == ["caught"]
    capsys.readouterr()
    outcomes = mutants.run(found, repository, results, 2)
    assert [outcomes[one.key] for one in found] == ["caught", "survived", "broken"]
    assert "a sum" not in capsys.readouterr().out  # known from the call before
    assert (repository / "galvae" / "area.py").read_text().endswith("return height * width\n")
    assert mutants.verdict(found[:1], outcomes) == 0
    assert mutants.verdict(found[:2], outcomes) == 1  # a score of one half
    assert mutants.verdict([found[0]] * 40 + [found[1]], outcomes) == 0
    assert mutants.verdict([found[0]] * 40 + [found[2]], outcomes) == 1
    # Other files, other outcomes.
    (repository / "tests" / "test_area.py").write_text(
        "from galvae.area import area\n\n\ndef test_area():\n    assert area(2, 2) == 4\n"
    )
    assert mutants.run(found[:1], repository, results, 1)[found[0].key] == "survived"


@pytest.mark.slow
def test_tests_that_fail_without_a_mutant_catch_nothing(repository, tmp_path):
    (repository / "tests" / "test_area.py").write_text("def test_area():\n    assert False\n")
    with pytest.raises(SystemExit, match="expected tests that pass without a mutant"):
        mutants.run([mutant("a sum", "height + width")], repository, tmp_path / "results", 1)
