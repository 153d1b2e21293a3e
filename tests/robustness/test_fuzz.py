"""A few of the fuzzer's cases (scripts/fuzz.py runs thousands), the same ones in every run."""

import sys

import pytest
from fuzzing import configs, damage, headers, links, overrides, swaps
from fuzzing.runs import READ, Runs
from hypothesis import HealthCheck, given, settings

from galvae.backend.setup import setup
from galvae.config.registry import COMMANDS
from galvae.runs import trained_run

GOOD = ("clean", "refused", "failed")
FEW = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def check(module, case):
    """Runs a case, which must not end in a traceback nor be wrong."""
    outcome, text = module.check(case)
    assert outcome in GOOD, text


@pytest.fixture
def command_lines(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("here"))
        patch.setenv("GALVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        for command in COMMANDS:
            patch.setitem(sys.modules, f"galvae.commands.{command}", None)
        overrides.prepare(tmp_path_factory.mktemp("overrides"))
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The damaged copy of a run, for all families that need one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALVAE_CACHE", "set anew by the fuzzer")
        for name in ("build_model", "outline"):
            patch.setattr(trained_run, name, getattr(trained_run, name))
        folder = tmp_path_factory.mktemp("runs") / "worker"
        folder.mkdir()
        found = Runs(folder)
        for module in (damage, swaps, headers):
            module.State["runs"] = found
        configs.prepare_with(found)
        yield found
    setup("tensorflow", "float32", 0)


@pytest.mark.slow
@FEW
@given(case=overrides.lines())
def test_command_lines(command_lines, case):
    check(overrides, case)


@pytest.mark.slow
@FEW
@given(case=configs.strategy)
def test_configurations_of_runs(runs, case):
    check(configs, case)


@pytest.mark.slow
@FEW
@given(case=headers.targets)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_forged_headers(runs, case):
    check(headers, case)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bit", "page", "cut"])
@pytest.mark.parametrize("name", READ)
def test_damaged_files(runs, name, kind):
    for place in (0.01, 0.3, 0.5, 0.77, 0.99):
        check(damage, (name, kind, place))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (("train", "train.log", "hard"), "refused"),
        (("train", "evaluate", "link"), "clean"),
        (("umap", "codes", "link"), "clean"),
    ],
)
def test_links_in_a_run(runs, case, expected, tmp_path):
    links.State.update(folder=tmp_path, run=runs.a)
    outcome, text = links.check(case)
    assert outcome == expected, text


@pytest.mark.slow
@pytest.mark.parametrize("name", swaps.PARTS)
def test_files_of_another_run(runs, name):
    outcome, text = swaps.check((name,))
    assert outcome in GOOD, text
    binding = ("config.yaml", "environment.json", "split.npz", "checkpoints", "checkpoints/epoch-0002")
    if name in binding:
        assert outcome == "refused", text
