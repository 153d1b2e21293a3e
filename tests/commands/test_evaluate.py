"""galvae evaluate: what it leaves, against the run's own history and a second way of computing."""

import json

import numpy as np
import pytest
from astropy.table import Table
from builders.drawn import image_at, places, rendered

from galvae.analysis.conditions import most_likely_condition
from galvae.runs.trained_run import TrainedRun

BASIC = (
    "cards=[scores,conditions,information,reconstructions]"  # the other evaluators have tests of their own
)


def evaluate(galvae, run, folder, *overrides, cards=BASIC):
    options = "bootstrap=100", "samples=60", cards, *overrides
    status, out, err = galvae("evaluate", f"run={run}", f"hydra.run.dir={folder}", *options)
    assert status == 0, err
    assert out.splitlines()[-1] == str(folder)
    report = json.loads((folder / "metrics.json").read_text())
    return report, Table.read(folder / "galaxies.ecsv"), out


def test_every_galaxy_of_a_split_is_scored(galvae, trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    report, table, out = evaluate(galvae, run.path, tmp_path / "e", "split=val")
    data = run.dataset
    indices = data.split("val")
    np.testing.assert_array_equal(table["index"], indices)
    assert set(table["split"]) == {"val"}
    assert list(table["id"]) == [f"G{index:03d}" for index in indices]
    np.testing.assert_array_equal(table["ra"], data.catalogue["ra"][indices])
    assert list(table["class"]) == [["spiral", "merger", "elliptical"][index % 3] for index in indices]
    np.testing.assert_array_equal(table["redshift"], data.condition[indices, 0])
    # Scores and codes are the model's own.
    model = run.model
    mean, log_variance = (np.asarray(part) for part in model.encode(data.images[indices]))
    np.testing.assert_allclose([table[f"code_{axis}"] for axis in range(3)], mean.T, atol=1e-5)
    np.testing.assert_allclose(table["code_error_1"], np.exp(0.5 * log_variance[:, 1]), rtol=1e-4)
    decoded = np.asarray(model.decode(mean))
    error = ((decoded - data.to_unit(data.images[indices])) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(table["mse"], error, rtol=1e-4)
    # The summary is that of the table, the divergence that of training's validation but for its rounding, where
    # training multiplied in bfloat16.
    scores = report["scores"]
    assert scores["mse"]["mean"] == pytest.approx(error.mean(), rel=1e-4)
    assert scores["mse"]["low"] <= scores["mse"]["mean"] <= scores["mse"]["high"]
    history = json.loads((run.path / "metrics.json").read_text())
    np.testing.assert_allclose(table["loss"], 15 * table["reconstruction"] + table["kl"], rtol=1e-5)
    noise = np.random.default_rng(model.seed).standard_normal(mean.shape, np.float32)
    decoded = np.asarray(model.decode(mean + np.exp(0.5 * log_variance) * noise))
    error = ((decoded - data.to_unit(data.images[indices])) ** 2).sum(axis=(1, 2, 3)) / 3
    np.testing.assert_allclose(table["reconstruction"], error, rtol=1e-4)  # of one code drawn for each
    assert scores["kl"]["mean"] == pytest.approx(history["val_kl"], rel=0.03)
    assert sum(report["kl_per_dimension"]) == pytest.approx(scores["kl"]["mean"], rel=1e-5)
    assert report["active_units"] == (mean.var(axis=0) > 0.01).sum()
    assert (report["galaxies"], report["split"], report["epoch"]) == (6, "val", history["best_epoch"])
    assert report["weights_sha256"] == run.weights_digest
    assert "6 galaxies of the split val" in out


def test_galaxies_are_selected_by_what_the_cards_say(galvae, trained, tmp_path):
    run, options = trained("vae"), ["split=train", "select=mse>0.02 & class=='merger'"]
    _, table, _ = evaluate(galvae, run, tmp_path / "e", *options, cards="cards=[scores]")
    chosen = (table["mse"] > 0.02) & (table["class"] == "merger")
    assert 0 < chosen.sum() < len(table) / 3
    assert list(Table.read(tmp_path / "e" / "selected.ecsv")["id"]) == list(table["id"][chosen])
    status, _, err = galvae("evaluate", f"run={run}", "cards=[scores]", "select=r50<4")
    assert status == 2 and "galvae: select: no column 'r50'; expected one of index, split, id" in err


@pytest.mark.slow
def test_figures_show_each_galaxy_with_its_own_value_in_the_colours_and_the_format_asked_for(
    galvae, trained, tmp_path, drawn, reversed_bands
):
    overrides = ["format=pdf", "value_map=plasma", "colour=redshift", "n=9", "latents=2", "split=val"]
    _, table, _ = evaluate(galvae, trained("vae"), tmp_path / "e", *overrides, cards="cards=null")
    found = {path.name for path in (tmp_path / "e").iterdir() if path.suffix == ".pdf"}
    names = ("loss", "latent", "information", "pairs", "reconstructions", "axes", "probes")
    assert found == {f"{name}.pdf" for name in names}
    for name in found:
        assert (tmp_path / "e" / name).read_bytes().startswith(b"%PDF")
    axes, bar = drawn["latent"].axes
    assert bar.get_ylabel() == "redshift"
    known = axes.collections[1]
    assert known.cmap.name == "plasma"
    first, second = (int(label.split()[1]) for label in (axes.get_xlabel(), axes.get_ylabel()))
    points = np.column_stack([known.get_offsets(), known.get_array()])
    expected = np.column_stack([table[f"code_{first}"], table[f"code_{second}"], table["redshift"]])
    assert len(points) == 6
    for point in expected:
        assert np.isclose(points, point, rtol=1e-4, atol=1e-5).all(axis=1).sum() == 1
    assert sum(axes.get_visible() for axes in drawn["pairs"].axes) == 3  # of two dimensions
    # The galaxy with the smallest error stands on the upper left, over its own reconstruction.
    data = TrainedRun.open(trained("vae")).dataset
    with np.load(tmp_path / "e" / "reconstructions.npz") as shown:
        rows, decoded = shown["indices"], reversed_bands(shown["decoded"])
        originals = reversed_bands(data.to_unit(data.images[rows]))
    dots, zoom = rendered(drawn["reconstructions"]), 21  # 700 dots for two galaxies of 16 pixels
    assert rows[0] == table["index"][np.argmin(table["mse"])]
    ((left, top),) = places(dots, originals[0], zoom)
    ((right, level),) = places(dots, originals[1], zoom)
    assert (right - left, level) == (17 * zoom, top)
    for image, x in zip(decoded, (left, right), strict=False):
        below = image_at(dots, (x, top + 17 * zoom), (16, 16), zoom)
        np.testing.assert_array_equal(below, image)


def test_the_best_and_the_worst_are_among_those_drawn(galvae, trained, tmp_path):
    _, table, _ = evaluate(galvae, trained("vae"), tmp_path / "e", "split=all", "n=12")
    with np.load(tmp_path / "e" / "reconstructions.npz") as shown:
        error = shown["mse"]
        rows = shown["indices"]
        assert len(rows) == len(set(rows)) == 12
        np.testing.assert_allclose(
            ((shown["originals"] - shown["decoded"]) ** 2).mean(axis=(1, 2, 3)), error, rtol=1e-3
        )
    ordered = table[np.argsort(table["mse"])]
    np.testing.assert_array_equal(rows[:4], ordered["index"][:4])
    np.testing.assert_array_equal(rows[-4:], ordered["index"][-4:])
    assert (error[4:8] > ordered["mse"][3]).all() and (error[4:8] < ordered["mse"][-4]).all()


@pytest.mark.parametrize("model", ["cvae2", pytest.param("fancy_cvae", marks=pytest.mark.slow)])
def test_conditional_models_are_asked_what_redshift_they_see(model, galvae, trained, tmp_path):
    report, table, out = evaluate(galvae, trained(model), tmp_path / "e", "split=all", "condition_grid=5")
    assert len(table) == 58  # two galaxies have no redshift
    predicted = report["predictions"]["redshift"]
    assert predicted["galaxies"] == 58
    error = table["predicted_redshift"] - table["redshift"]
    assert predicted["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert (tmp_path / "e" / "predicted_redshift.png").is_file()
    if model == "cvae2":
        run = TrainedRun.open(trained(model))
        train = run.dataset.condition[run.dataset.split("train"), 0]
        grid = np.linspace(train.min(), train.max(), 5)
        how = f"the objective's minimum over 5 values from {grid[0]:.4g} to {grid[-1]:.4g}"
        assert report["predictions"]["how"] == how
        likely = most_likely_condition(run.model, run.dataset, np.asarray(table["index"]), grid)
        np.testing.assert_allclose(table["predicted_redshift"], likely, atol=1e-4)
        report, table, _ = evaluate(galvae, trained(model), tmp_path / "none", "condition_grid=0")
        assert "predictions" not in report and "predicted_redshift" not in table.colnames
    else:
        assert report["predictions"]["how"] == "from the image"
    assert "predicted redshift: rmse" in out


def test_a_plain_autoencoder_has_variances_in_place_of_divergences(galvae, trained, tmp_path):
    report, table, out = evaluate(galvae, trained("ae"), tmp_path / "e", "split=all")
    assert report["active_units"] is None and "active units" not in out
    assert json.loads((trained("ae") / "metrics.json").read_text())["active_units"] is None
    codes = np.array([table[f"code_{axis}"] for axis in range(3)])
    np.testing.assert_allclose(report["variance_per_dimension"], codes.var(axis=1), rtol=1e-3)
    assert "kl" not in report["scores"] and "code_error_0" not in table.colnames


@pytest.mark.slow
def test_one_latent_dimension_and_few_galaxies_without_classes(galvae, small_files, tmp_path):
    galvae("train", *small_files, "latent_dim=1", "dataset.split=[0.94,0.03,0.03]", "hydra.run.dir=run")
    report, table, _ = evaluate(galvae, tmp_path / "run", tmp_path / "e")
    assert len(table) == 2 and "class" not in table.colnames
    assert not (tmp_path / "e" / "pairs.png").exists()
    assert (tmp_path / "e" / "reconstructions.png").is_file()


BAD = {
    "no such split": (["split=both"], "split: expected train or val or test or all, received 'both'"),
    "no such colour": (["colour=mass"], "colour: expected class or redshift or"),
    "too many different texts": (["colour=id"], "at most 30 different texts, received"),
    "a key of another dataset": (["dataset.archive=/tmp"], "dataset.archive: expected none"),
    "a format": (["format=jpg"], "format: expected png or pdf or svg"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line_and_leaves_nothing(case, galvae, trained, tmp_path):
    overrides, message = BAD[case]
    status, _, err = galvae(
        "evaluate", f"run={trained('vae')}", f"hydra.run.dir={tmp_path / 'e'}", "split=all", *overrides
    )
    assert status == 2
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "e").exists()


@pytest.mark.slow
def test_a_dataset_that_has_moved_is_named_and_can_be_pointed_at(galvae, small_files, tmp_path):
    galvae("train", *small_files, "hydra.run.dir=run")
    (tmp_path / "galaxies.npy").rename(tmp_path / "moved.npy")
    status, _, err = galvae("evaluate", "run=run")
    assert status == 2
    assert f"dataset.path: {tmp_path}/galaxies.npy: does not exist" in err
    assert "give its new path as dataset.path=" in err
    report, _, _ = evaluate(galvae, tmp_path / "run", tmp_path / "e", "dataset.path=moved.npy")
    assert report["galaxies"] == 6
    np.save(tmp_path / "other.npy", np.load(tmp_path / "moved.npy")[:50])
    status, _, err = galvae("evaluate", "run=run", "dataset.path=other.npy")
    assert status == 2
    assert "expected the images and the split" in err and ", 50 of shape [16, 16, 3]; has the source" in err


@pytest.mark.slow
def test_the_same_seed_gives_the_same_files(galvae, trained, tmp_path):
    for name in ("a", "b"):
        evaluate(galvae, trained("vae"), tmp_path / name, "split=all", "format=svg", cards="cards=null")
    for path in (tmp_path / "a").iterdir():
        if path.suffix in (".svg", ".ecsv", ".json"):
            assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_sweeps_of_evaluate(galvae, small_files, tmp_path):
    galvae("train", *small_files, "hydra.run.dir=run")
    (tmp_path / "run" / "evaluate").mkdir()
    (tmp_path / "run" / "evaluate" / "metrics.json").write_text(
        '{"epoch": 1, "weights_sha256": "of epoch 1"}'
    )
    status, _, err = galvae("evaluate", "-m", "run=run", "split=val,test", "cards=[scores]")
    assert status == 0, err
    assert (
        "old: evaluate (epoch 1), since the run has been trained further and its weights are now of epoch 2"
        in err
    )
    for job, split in (("0", "val"), ("1", "test")):
        report = json.loads((tmp_path / "run" / "evaluate-2" / job / "metrics.json").read_text())
        assert report["split"] == split
