"""Galaxies through a model part by part: the codes and scores of evaluate, whatever the parts and batches."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses, redshift_dataset
from builders.runs import run_of

from galvae.analysis import encoded
from galvae.analysis.additions import ADDITIONS
from galvae.analysis.encoded import Encoder
from galvae.analysis.encoded_table import encoded_table, repeated_ids
from galvae.analysis.measured import measure_galaxies
from galvae.analysis.scores import score_dataset
from galvae.config.encode import ADDITIONS as NAMES
from galvae.latent import inference


def encoded_in_parts(run, data, names=(), shards=3):
    """The parts of a dataset, and its rows."""
    additions = {name: ADDITIONS[name](run, SimpleNamespace(dataset=None)) for name in names}
    rows = data.split("all")
    ends = np.linspace(0, len(rows), shards + 1).astype(int)
    encoder = Encoder(run, data, additions, int(np.diff(ends).max()))
    return [encoder.encode(rows[start:stop]) for start, stop in zip(ends[:-1], ends[1:], strict=True)], rows


def joined(parts, name):
    return np.concatenate([part.arrays[name] for part in parts])


@pytest.fixture(scope="module")
def images():
    return dataset(40, images=ellipses(40, 16))


@pytest.mark.parametrize("model", ["ae", "vae", "cvae2"])
@pytest.mark.parametrize("compiled", [False, True])
def test_codes_and_scores_are_those_of_evaluate(images, model, compiled, monkeypatch):
    data = redshift_dataset() if model == "cvae2" else images
    run = run_of(data, model=model)
    monkeypatch.setattr(inference, "MIN_COMPILED", 0 if compiled else 10**9)
    monkeypatch.setattr(encoded, "batch_size", lambda model: 6)
    parts, rows = encoded_in_parts(run, data, ["scores"])
    codes = run.codes("all")
    np.testing.assert_allclose(joined(parts, "mean"), codes.mean, atol=1e-6)
    if codes.log_variance is None:
        assert "log_variance" not in parts[0].arrays
    else:
        np.testing.assert_allclose(joined(parts, "log_variance"), codes.log_variance, atol=1e-6)
    scores = score_dataset(run.model, data, codes)
    for name in ("mse", "psnr", "r2"):
        np.testing.assert_allclose(joined(parts, f"column.{name}"), scores[name], rtol=1e-4)
    np.testing.assert_array_equal(joined(parts, "mse"), joined(parts, "column.mse"))
    assert parts[0].units == {"column.psnr": "dB"}
    assert len(rows) == len(codes.mean)


def test_pixels_that_are_set_aside_count_in_no_score(images):
    masks = np.zeros(images.images.shape, np.uint8)
    masks[:, :4] = 1
    data = dataset(40, images=images.images, masks=masks)
    run = run_of(data)
    parts, _ = encoded_in_parts(run, data, ["scores"])
    scores = score_dataset(run.model, data, run.codes("all"))
    np.testing.assert_allclose(joined(parts, "column.mse"), scores["mse"], rtol=1e-4)


def test_without_additions_nothing_is_decoded(images):
    run = run_of(images)
    parts, _ = encoded_in_parts(run, images)
    assert list(parts[0].arrays) == ["mean", "log_variance"]


def test_morphology_is_that_of_the_galaxies_own_dataset_as_evaluate_measures_it():
    data = dataset(12, images=ellipses(12, 32))
    parts, rows = encoded_in_parts(run_of(data), data, ["morphology"])
    measured = measure_galaxies(data, rows)
    for name in ("flux", "r50", "log10_0/1" if "log10_0/1" in measured.values else "gini"):
        np.testing.assert_array_equal(joined(parts, f"column.{name}"), measured.values[name])
    assert parts[0].units["column.r50"] == "pix"


def test_every_name_of_the_key_has_its_addition():
    assert tuple(ADDITIONS) == NAMES


def test_the_table_has_codes_errors_catalogue_and_units_in_the_order_of_the_rows(images):
    data = dataset(
        40,
        images=images.images,
        catalogue={"id": np.arange(40) + 100, "ra": np.linspace(0, 1, 40)},
        catalogue_units={"ra": "deg"},
        splits={"all": np.array([3, 9, 20, 30])},
    )
    run = run_of(images)
    parts, rows = encoded_in_parts(run, data, ["scores"], shards=2)
    novelty = SimpleNamespace(columns=lambda mean, mse: {"p_code": mean[:, 0], "p_reconstruction": mse})
    means = joined(parts, "mean")
    for part in parts:
        part.arrays["log_variance"] = np.full((2, 2), 2 * np.log([3, 0.5]), np.float32)
    table, unusual = encoded_table(data, rows, parts, novelty, own=False)
    names = [
        "index",
        "id",
        "ra",
        "code_0",
        "code_1",
        "code_error_0",
        "code_error_1",
        "p_code",
        "p_reconstruction",
    ]
    assert table.colnames == [*names, "mse", "psnr", "r2"]
    np.testing.assert_array_equal(table["id"], [103, 109, 120, 130])
    np.testing.assert_array_equal(table["code_1"], means[:, 1])
    np.testing.assert_allclose(table["code_error_0"], 3, rtol=1e-6)
    np.testing.assert_allclose(table["code_error_1"], 0.5, rtol=1e-6)
    np.testing.assert_array_equal(table["p_reconstruction"], unusual["p_reconstruction"])
    assert (table["ra"].unit, table["psnr"].unit) == ("deg", "dB")


def test_repeated_ids_are_counted_and_named():
    assert repeated_ids(np.array(["b", "a", "b", "c", "a", "b"])) == (5, ["a", "b"])
    assert repeated_ids(np.arange(5)) == (0, [])
