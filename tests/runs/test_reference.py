"""What a run keeps of its validation galaxies, and the warning that other galaxies are unlike them."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.runs import run_of

from galvae.analysis import image_quality
from galvae.analysis.novelty import Novelty
from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.latent.aggregate import Aggregate
from galvae.latent.codes import Codes
from galvae.runs.reference import keep_reference, stored_reference


@pytest.fixture
def run(tmp_path):
    """A run whose weights have not been trained, of 200 galaxies, 80 of them for validation."""
    data = dataset(200, images=ellipses(200, 16), splits=make_splits(200, [0.4, 0.4, 0.2], 0))
    run = run_of(data)
    run.directory.path, run.weights_digest, run.state.dataset_sha256 = tmp_path, "w", "d"
    return run


def test_collapsed_latents_count_as_their_noise_and_correlations_are_those_of_the_codes():
    generator = np.random.default_rng(0)
    mean = np.stack([generator.normal(3, 2, 50_000), np.zeros(50_000)], axis=1)
    mean = np.column_stack([mean, mean[:, 0] / 2]).astype(np.float32)
    variance = np.array([0.1, 1, 0.2])
    codes = Codes(np.arange(50_000), mean, np.log(np.tile(variance, (50_000, 1))).astype(np.float32))
    found = Aggregate.of(codes)
    np.testing.assert_allclose(found.covariance, [[4.1, 0, 2], [0, 1, 0], [2, 0, 1.2]], atol=0.06)
    away = np.array([[3, 2, 1.5], [5, 0, 1.5]])
    offset = away - found.mean
    expected = np.sqrt(np.einsum("ni,ij,nj->n", offset, np.linalg.inv(found.covariance), offset))
    np.testing.assert_allclose(found.distances(away), expected, rtol=1e-9)
    assert found.distances(away[:1])[0] == pytest.approx(2, rel=0.02)


def test_codes_without_posterior_that_do_not_differ_have_finite_distances():
    found = Aggregate.of(Codes(np.arange(5), np.ones((5, 3), np.float32), None))
    assert np.isfinite(found.distances(np.ones((2, 3)))).all()


def test_the_reference_holds_the_errors_of_decoded_validation_galaxies_and_is_bound_to_its_weights(run):
    assert stored_reference(run) is None
    kept, data = keep_reference(run), run.dataset
    found = stored_reference(run)
    val = data.split("val")
    codes = run.codes_at(val)
    decoded = run.decode(codes.mean)
    expected = image_quality.mean_squared_error(decoded, data.to_unit(data.images[val]))
    np.testing.assert_allclose(found.mse, expected, rtol=1e-4)
    np.testing.assert_allclose(found.distance, kept.distance)
    aggregate = Aggregate.of(run.codes_at(data.split("train")))
    np.testing.assert_allclose(found.distance, aggregate.distances(codes.mean), rtol=1e-6)
    run.weights_digest = "other"
    with pytest.raises(GalvaeError, match="fitted to the run's present weights.*galvae prior run="):
        stored_reference(run)


def novelty(distance, mse):
    """A Novelty of a run of two latents whose codes are like N(0, I), with chosen validation galaxies."""
    made = Novelty.__new__(Novelty)
    aggregate = Aggregate(np.zeros(2), np.eye(2))
    made.reference = SimpleNamespace(aggregate=aggregate, distance=np.asarray(distance), mse=np.asarray(mse))
    return made


def test_p_values_are_ranks_among_validation_galaxies():
    found = novelty([1, 2, 3, 4], [0.1, 0.2, 0.2, 0.4])
    columns = found.columns(np.array([[2.5, 0], [0, 0], [9, 0]]), [0.2, np.nan, 0.5])
    np.testing.assert_allclose(columns["p_code"], [3 / 5, 5 / 5, 1 / 5])
    np.testing.assert_allclose(columns["p_reconstruction"], [4 / 5, np.nan, 1 / 5])


def test_false_alarms_are_as_rare_as_stated_and_a_shift_is_found():
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(1000):
        found = novelty(generator.random(200), generator.random(200))
        columns = {"p_code": found.columns(generator.random((100, 1)) * [1, 0])["p_code"]}
        p_values.append(found.report(columns, np.arange(100))[0]["p_code"]["p_value"])
    # At most these shares, and nearly as many: the test is exact, but for the steps of its counts.
    assert 0.015 < np.mean(np.array(p_values) <= 0.05) <= 0.065
    assert np.mean(np.array(p_values) <= 0.001) <= 0.004
    found = novelty(generator.random(200), generator.random(200))
    columns = found.columns(np.full((100, 2), 0.3), np.where(np.arange(100) < 80, 0.5, 2 + np.arange(100)))
    report, warning = found.report(columns, [f"g{row}" for row in range(100)])
    assert report["p_reconstruction"]["share"] == 0.2 and report["p_code"]["p_value"] > 0.5
    assert "20 % are reconstructed worse than 95 % of validation galaxies" in warning
    assert "such as g80, g81, g82;" in warning and "codes farther" not in warning


def test_fishers_exact_test_is_that_of_scipy():
    from scipy.stats import fisher_exact

    generator = np.random.default_rng(1)
    reference = np.arange(100) + generator.random(100)
    found = novelty(reference, reference)
    mean = np.stack([generator.uniform(0, 130, 60), np.zeros(60)], axis=1)
    report, _ = found.report({"p_code": found.columns(mean)["p_code"]}, np.arange(60))
    limit = np.sort(reference)[-5]
    beyond, reference_beyond = np.sum(mean[:, 0] > limit), np.sum(reference > limit)
    table = [[beyond, 60 - beyond], [reference_beyond, 100 - reference_beyond]]
    assert report["p_code"]["p_value"] == pytest.approx(fisher_exact(table, alternative="greater").pvalue)
