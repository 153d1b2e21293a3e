"""One contract for every evaluator of `galvae evaluate`, and what it takes to add one."""

import json

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

from galvae.analysis.evaluators import EVALUATORS, column_names
from galvae.analysis.report import Report
from galvae.analysis.statistics import summary
from galvae.config.analysis import EvaluateConfig, MovedConfig
from galvae.figures.cards import CARDS
from galvae.figures.style import PLAIN
from galvae.runs.trained_run import TrainedRun

MODELS = ("vae", "cvae2", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ae", "fancy_cvae")))
CONFIG = EvaluateConfig(
    dataset=MovedConfig(path=None, table=None, ids=None, select=None, archive=None, cache_dir=None),
    seed=3,
    format="png",
    image_map="gray",
    force=False,
    class_map="muted",
    value_map="viridis",
    backend=None,
    run="",
    split="all",
    cards=None,
    prior=None,
    samples=60,
    morphology="galvae",
    invariant=False,
    n=9,
    tracker=None,
    colour=None,
    select=None,
    latents=2,
    bootstrap=100,
    condition_grid=3,
)


def reports(run, indices, names=tuple(EVALUATORS)):
    """Reports of evaluators, in their order, by name."""
    results, columns = {}, {}
    for name in names:
        results[name] = EVALUATORS[name](run, indices, CONFIG, columns)
        columns |= results[name].columns
    return results


@pytest.fixture(scope="module", params=MODELS)
def measured(request, trained):
    """A run, some of its galaxies in random order, the reports on these, and those with columns in reverse order.

    The posterior is not sampled, so that a galaxy has the same scores wherever it is in the order.
    """
    run = TrainedRun.open(trained(request.param))
    run.model.sample_posterior = lambda posterior, noise: posterior["mean"]
    indices = np.random.default_rng(0).permutation(run.dataset.split("all"))[:40]
    results = reports(run, indices)
    with_columns = [name for name, report in results.items() if report.columns]
    return run, indices, results, reports(run, indices[::-1], with_columns)


@pytest.mark.parametrize("name", EVALUATORS)
def test_a_report_says_what_it_answers_and_can_be_written(name, measured):
    _, _, results, _ = measured
    report = results[name]
    assert isinstance(report, Report)
    for text in (report.question, report.perfect, report.chance):
        assert text.strip() and "\n" not in text
    assert report.question.endswith("?")
    assert json.loads(json.dumps(report.summary, allow_nan=False)).keys() == report.summary.keys()
    assert all(isinstance(line, str) and "\n" not in line for line in report.lines)


@pytest.mark.parametrize("name", EVALUATORS)
def test_the_names_of_its_columns_are_known_before(name, measured):
    run, _, results, _ = measured
    columns = [*results["scores"].columns] * (name == "reconstructions")  # which needs these
    columns += results[name].columns
    assert column_names(run, [name]) == columns or (name, columns) == ("conditions", [])


@pytest.mark.parametrize("name", EVALUATORS)
def test_a_column_has_a_value_per_galaxy_in_their_order(name, measured):
    _, indices, results, reverse = measured
    assert results[name].columns.keys() == (reverse[name].columns.keys() if name in reverse else set())
    for column, (values, unit) in results[name].columns.items():
        assert unit is None or isinstance(unit, str)
        assert np.shape(values) == (len(indices),), column
        # Each galaxy is recognised by its value, which differs from the others' by more than rounding.
        again = reverse[name].columns[column][0]
        same, others = (np.nanmean(np.abs(values - other)) for other in (again[::-1], again))
        assert same <= 0.01 * others, column


@pytest.mark.parametrize("name", EVALUATORS)
def test_arrays_are_of_the_galaxies_that_they_name_or_of_the_latent_dimensions(name, measured):
    run, indices, results, _ = measured
    for file, arrays in results[name].arrays.items():
        rows = arrays["indices"]
        assert len(rows) and np.isin(rows, run.dataset.split("all")).all(), file
        for array in arrays.values():
            assert len(array) in (len(rows), run.model.latent_dim, len(arrays.get("measures", []))), file
        stored, condition = run.dataset.images[rows], run.condition(rows)
        mean, _ = run.model.encode(stored, condition)
        expected = {
            "mean": mean,
            "originals": run.dataset.to_unit(stored),
            "decoded": run.model.decode(mean, condition),
        }
        for array in expected.keys() & arrays.keys():
            np.testing.assert_allclose(arrays[array], expected[array], atol=1e-5, err_msg=f"{file}, {array}")


def test_reports_follow_the_keys_of_the_command(measured):
    run, _, results, _ = measured
    # The intervals are those of so many resamples by this seed.
    expected = summary(results["scores"].columns["mse"][0], 100, 3)
    assert results["scores"].summary["scores"]["mse"] == expected
    assert expected["low"] not in [
        summary(results["scores"].columns["mse"][0], *other)["low"] for other in ((101, 3), (100, 0))
    ]
    assert results["information"].facts["latents"] == 2
    assert len(results["reconstructions"].arrays["reconstructions"]["indices"]) == 9
    if run.config.model.name == "cvae2":
        assert "over 3 values" in results["conditions"].summary["predictions"]["how"]


@pytest.mark.parametrize("name", EVALUATORS)
def test_a_report_has_figures_of_its_name(name, measured):
    run, indices, results, _ = measured
    figures = CARDS[name](results[name], run.dataset.column("class", indices), PLAIN)
    assert all(isinstance(figure, Figure) for figure in figures.values())
    assert all(file and "/" not in file for file in figures)


def brightness(run, indices, config, columns):
    """A made-up evaluator: the mean intensity of each galaxy."""
    values = run.dataset.images[indices].mean(axis=(1, 2, 3))
    return Report(
        question="How bright are the galaxies?",
        perfect="255",
        chance="0",
        summary={"brightness": {"mean": float(values.mean()), "of": sorted(columns)[:1]}},
        columns={"brightness": (values, "mJy")},
        arrays={"brightness": {"indices": indices, "brightness": values}},
        facts={"brightest": int(indices[values.argmax()])},
        tables={"brightness_bands": {"band": ["g", "r"], "mean": [1.5, np.nan]}},
        lines=[f"  brightest        galaxy {indices[values.argmax()]}"],
    )


def draw_brightness(report, column, style):
    """The figure of the made-up evaluator."""
    figure = Figure()
    figure.suptitle(f"{report.facts['brightest']} in {column.name}")
    return {"brightness_card": figure}


@pytest.mark.slow
def test_a_new_evaluator_and_its_card_are_all_that_evaluate_needs(galvae, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(EVALUATORS, "brightness", brightness)
    monkeypatch.setitem(CARDS, "brightness", draw_brightness)
    run, folder = TrainedRun.open(trained("vae")), tmp_path / "e"
    status, out, err = galvae(
        "evaluate", f"run={run.path}", f"hydra.run.dir={folder}", "bootstrap=100", "samples=60"
    )
    assert status == 0, err
    indices = run.dataset.split("test")
    values = run.dataset.images[indices].mean(axis=(1, 2, 3))
    report = json.loads((folder / "metrics.json").read_text())
    assert report["brightness"] == {"mean": pytest.approx(values.mean()), "of": ["asymmetry"]}
    table = Table.read(folder / "galaxies.ecsv")
    np.testing.assert_allclose(table["brightness"], values)
    assert str(table["brightness"].unit) == "mJy"
    with np.load(folder / "brightness.npz") as arrays:
        np.testing.assert_array_equal(arrays["indices"], indices)
    bands = Table.read(folder / "brightness_bands.ecsv")
    assert list(bands["band"]) == ["g", "r"] and bands["mean"][0] == 1.5 and np.isnan(bands["mean"][1])
    assert (folder / "brightness_card.png").is_file()
    assert f"  brightest        galaxy {indices[values.argmax()]}" in out.splitlines()
