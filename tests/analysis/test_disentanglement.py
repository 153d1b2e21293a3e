"""MIG, DCI and modularity of codes whose relation to the factors is known."""

import numpy as np
import pytest
from builders.command_line import run_command

from galvae.analysis import disentanglement as scores
from galvae.analysis.axes import true_factors
from galvae.analysis.disentanglement import dci, disentanglement, mig, modularity, mutual_information, rotated
from galvae.runs.trained_run import TrainedRun

COUNT = 600
CHANCE = 19**2 / (2 * COUNT) / np.log(20)  # of mutual information, relative to the entropy of 20 equal bins


def independent_factors(count=COUNT):
    """Factors of three distributions, standardised."""
    generator = np.random.default_rng(0)
    factors = np.stack(
        [generator.uniform(size=count), generator.exponential(size=count), generator.normal(size=count)],
        axis=1,
    )
    return (factors - factors.mean(axis=0)) / factors.std(axis=0)


def values(codes, factors):
    return {name: score["value"] for name, score in disentanglement(codes, factors, seed=0).items()}


def test_codes_that_are_the_factors_in_another_order_and_scale_are_perfect():
    factors = independent_factors()
    found = values(np.stack([factors[:, 2] ** 3, -factors[:, 0], np.exp(factors[:, 1])], axis=1), factors)
    assert found["mig"] == pytest.approx(1 - CHANCE, abs=0.03)
    for name in ("modularity", "disentanglement", "completeness", "informativeness"):
        assert 0.98 < found[name] <= 1, name


def test_rotated_codes_are_as_informative_and_less_disentangled():
    factors = independent_factors()
    codes = rotated(factors, seed=1)
    lengths = [np.linalg.norm(table, axis=1) for table in (codes, factors)]
    np.testing.assert_allclose(*lengths)
    assert np.abs(codes - factors).mean() > 0.5
    found = values(codes, factors)
    assert found["mig"] < 0.25
    assert found["informativeness"] > 0.95
    for name in ("disentanglement", "completeness"):
        assert found[name] < 0.6, name
    assert found["modularity"] < 0.9


def test_random_codes_know_nothing():
    found = values(np.random.default_rng(9).normal(size=(COUNT, 4)), independent_factors())
    assert found["mig"] < 0.03
    assert found["modularity"] < 0.3
    assert found["disentanglement"] < 0.05 and found["completeness"] < 0.05
    assert found["informativeness"] < 0


def test_mutual_information_is_relative_to_the_entropy_of_the_factor():
    factors = independent_factors(10 * COUNT)
    chance = CHANCE / 10
    found = mutual_information(np.stack([factors[:, 0], np.zeros(10 * COUNT)], axis=1), factors)
    np.testing.assert_allclose(found[0], [1, chance, chance], atol=0.3 * chance)
    np.testing.assert_array_equal(found[1], 0)  # equal values share a bin, in whatever order they are stored
    # A code that knows whether a factor is above its median has ln 2 of its ln 20 nats.
    half = mutual_information((factors[:, :1] > np.median(factors[:, 0])).astype(float), factors[:, :1])
    np.testing.assert_allclose(half, np.log(2) / np.log(20), rtol=1e-6)


def test_scores_of_known_tables():
    information = np.array([[0.9, 0.1], [0.2, 0.2], [0.0, 0.5]])
    assert mig(information) == pytest.approx(((0.9 - 0.2) + (0.5 - 0.2)) / 2)
    assert mig(information[:1]) == pytest.approx(0.5)  # a single code
    assert modularity(information) == pytest.approx((1 - 0.1**2 / 0.9**2 + 0 + 1) / 3)
    assert modularity(np.zeros((2, 2))) == 0
    disentangled, completed = dci(np.array([[1.0, 0], [1, 0], [0, 2]]))
    assert disentangled == pytest.approx(1)
    assert completed == pytest.approx((1 - np.log(2) / np.log(3) + 1) / 2)
    # A code that serves two factors alike, with three quarters of the importance, and one that serves one.
    disentangled, completed = dci(np.array([[1.5, 1.5], [0, 1.0]]))
    assert disentangled == pytest.approx(0.25)
    share = np.array([0.6, 0.4])
    assert completed == pytest.approx((1 + 1 + (share * np.log2(share)).sum()) / 2)
    np.testing.assert_allclose(dci(np.ones((3, 4))), 0, atol=1e-12)


def test_the_error_is_the_scatter_over_other_galaxies(monkeypatch):
    monkeypatch.setattr(scores, "_trees", lambda *_: (np.eye(2), np.ones(2)))
    generator, found = np.random.default_rng(5), []
    for _ in range(12):
        factors = generator.normal(size=(400, 2))
        codes = factors + 0.5 * generator.normal(size=(400, 2))
        found.append(disentanglement(codes, factors, seed=0)["mig"])
    scatter = np.std([score["value"] for score in found], ddof=1)
    assert 0.5 < np.mean([score["error"] for score in found]) / scatter < 2


@pytest.mark.slow
def test_a_beta_vae_is_ranked_above_its_rotated_copy(tmp_path):
    # Hardly any redshift, on which radius, flux and colour would depend.
    data = ("dataset=simulated", "dataset.count=3000", "dataset.image_size=32", "dataset.max_redshift=0.01")
    training = ("model=vae", "network=slim", "latent_dim=6", "beta.value=0.5", "epochs=120", "seed=1")
    objective = ("reconstruction.loss=mse", "reconstruction.weight=15", "clip_norm=null", "prior=none")
    objective += ("network.refine=none", "network.padding=zeros")
    assert run_command("train", *data, *training, *objective, f"hydra.run.dir={tmp_path / 'run'}") == 0
    run = TrainedRun.open(tmp_path / "run")
    codes = run.codes("all")
    factors = np.stack(list(true_factors(run.dataset, codes.indices).values()), axis=1)
    found = values(codes.mean, factors)
    for seed in range(3):
        other = values(rotated(codes.mean, seed), factors)
        for name in ("mig", "disentanglement", "completeness"):
            assert found[name] > 1.1 * other[name], (name, seed)
