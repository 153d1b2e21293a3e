"""Random galaxies of the page: its random numbers, and its codes against those of the run's own priors."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
from builders.javascript import context, put, take
from builders.mixtures import COVARIANCES, MEANS, SCALE, SHIFT, WEIGHTS
from scipy import stats

from galvae.explorer.generation import prior_of_run
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.mixture import MixturePrior
from galvae.runs import fitted

COUNT = 20_000


@pytest.fixture(scope="module")
def page():
    page = context("latent/prior.js", "latent/random.js")
    page.eval(
        "const draw = (prior, count, seed, condition, temperature) => { const { uniform, normal } = generator(seed);"
        " const random = { uniform, normal: () => temperature * normal() };"
        " return Array.from({ length: count }, () => [...prior.sample(random, condition)]).flat(); };"
    )
    return page


def known(latent_dim):
    """A mixture of three columns, of which the first are codes and the others a condition."""
    return MixturePrior(WEIGHTS, MEANS, COVARIANCES, SHIFT, SCALE, latent_dim)


def with_classes():
    """Two codes, three classes of which one has two components, and the redshift, as joint fits describe them."""
    one_hot = np.eye(3)[[0, 1, 1, 2]]
    means = np.column_stack([[[-3, 0], [0, 2], [0, 6], [4, -1]], one_hot, [0.1, 0.2, 0.8, 0.5]])
    roots = np.tile(np.diag([0.6, 0.9, 0.01, 0.01, 0.01, 0.2]), (4, 1, 1))
    roots[:, 5, 0], roots[:, 0, 1] = 0.15, 0.3
    covariances = roots @ roots.swapaxes(1, 2)
    return MixturePrior(np.array([0.1, 0.3, 0.2, 0.4]), means, covariances, np.zeros(6), np.ones(6), 2)


def run_with(path, latent_dim, condition_dim=0, chosen=None, has_posterior=True, **priors):
    """What `prior_of_run` reads of a run, with fitted priors by their names."""
    state = SimpleNamespace(dataset_sha256="data")
    run = SimpleNamespace(
        path=path,
        latent_dim=latent_dim,
        condition_dim=condition_dim,
        has_posterior=has_posterior,
        state=state,
    )
    run.weights_digest = "weights"
    for name, prior in priors.items():
        (path / "priors" / name).mkdir(parents=True)
        fitted.save(path / "priors" / name / "prior.safetensors", prior.arrays(), fitted.identity(run), {})
    if chosen:
        (path / "priors").mkdir(parents=True, exist_ok=True)
        (path / "priors" / "chosen.json").write_text(json.dumps({"chosen": chosen}))
    return run


def drawn(page, spec, arrays, count=COUNT, seed=3, condition=None, temperature=1):
    """Codes that the page draws, (count, latent_dim)."""
    json.dumps(spec)
    put(page, "spec", spec)
    put(page, "arrays", arrays)
    put(page, "condition", condition)
    codes = take(page, f"draw(new PriorSampler(spec, arrays), {count}, {seed}, condition, {temperature})")
    return codes.reshape(count, spec["latent_dim"])


def assert_same_distribution(codes, expected):
    """Means and covariances agree within 5 standard errors, and each dimension by a Kolmogorov-Smirnov test."""
    centred = [samples - samples.mean(axis=0) for samples in (codes, expected)]
    products = [np.einsum("ni,nj->nij", samples, samples) for samples in centred]
    for own, other in ((codes, expected), products):
        error = np.sqrt(own.var(axis=0) / len(own) + other.var(axis=0) / len(other))
        np.testing.assert_array_less(np.abs(own.mean(axis=0) - other.mean(axis=0)), 5 * error + 1e-6)
    for column in range(codes.shape[1]):
        assert stats.ks_2samp(codes[:, column], expected[:, column]).pvalue > 1e-4


def test_random_numbers_are_uniform_normal_and_those_of_their_seed(page):
    page.eval("const many = (seed, kind) => { const random = generator(seed);"
              " return Array.from({ length: 50000 }, () => random[kind]()); };")  # fmt: skip
    uniform, normal, other = (
        take(page, call) for call in ("many(1, 'uniform')", "many(1, 'normal')", "many(2, 'normal')")
    )
    assert stats.kstest(uniform, "uniform").pvalue > 0.01 and uniform.min() >= 0 and uniform.max() < 1
    assert stats.kstest(normal, "norm").pvalue > 0.01 and np.abs(normal).max() > 3.5
    np.testing.assert_array_equal(take(page, "many(1, 'normal')"), normal)
    for first, second in ((normal, other), (normal[:-1], normal[1:]), (uniform[:-1], uniform[1:])):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / np.sqrt(len(first))


def test_a_run_without_a_fitted_prior_has_that_of_its_training(page, tmp_path):
    spec, arrays = prior_of_run(run_with(tmp_path, 4), np.zeros((9, 4), np.float32))
    assert spec == {"kind": "normal", "label": "N(0, I)", "latent_dim": 4, "condition_dim": 0}
    codes = drawn(page, spec, arrays)
    assert_same_distribution(codes, np.random.default_rng(0).normal(size=(COUNT, 4)))
    warm = drawn(page, spec, arrays, temperature=0.5)
    np.testing.assert_allclose(warm, codes / 2, rtol=1e-6)


def test_a_plain_autoencoder_has_the_moments_of_its_codes(page, tmp_path):
    codes = np.float32([5, -3]) + np.random.default_rng(0).normal(size=(400, 2)) @ [[2, 0], [1.5, 0.4]]
    spec, arrays = prior_of_run(run_with(tmp_path, 2, has_posterior=False), codes.astype(np.float16))
    assert spec["label"] == "Gaussian with the mean and covariance of this run's codes"
    expected = np.random.default_rng(1).multivariate_normal(
        codes.mean(axis=0), np.cov(codes.T, bias=True), COUNT
    )
    assert_same_distribution(drawn(page, spec, arrays), expected)
    alone, arrays = prior_of_run(run_with(tmp_path, 2, has_posterior=False), codes[:1])
    np.testing.assert_allclose(drawn(page, alone, arrays, 3), np.tile(codes[0], (3, 1)), rtol=1e-3)


def test_codes_of_a_mixture_are_those_of_the_run(page, tmp_path):
    spec, arrays = prior_of_run(run_with(tmp_path, 3, chosen="mixture", mixture=known(3)), None)
    assert spec["label"] == "mixture of 3 Gaussians" and spec["condition_dim"] == 0
    codes = drawn(page, spec, arrays)
    assert_same_distribution(codes, known(3).sample(COUNT, seed=1))
    np.testing.assert_array_equal(drawn(page, spec, arrays), codes)
    assert (drawn(page, spec, arrays, seed=4) != codes).all()
    # Without normal numbers only the choice of the component is random.
    centres = (SHIFT + SCALE * MEANS).astype(np.float32)
    which = np.abs(drawn(page, spec, arrays, temperature=0)[:, None] - centres).max(axis=2) < 1e-5
    assert which.any(axis=1).all()
    np.testing.assert_allclose(which.mean(axis=0), WEIGHTS, atol=5 * np.sqrt(0.25 / COUNT))


@pytest.mark.parametrize(
    ("latent_dim", "condition"), [(2, [0.55]), (2, [0.9]), (1, [-1.5, 0.75]), (1, [2.0, 0.62])]
)
def test_codes_at_a_condition_are_those_of_the_run(page, tmp_path, latent_dim, condition):
    prior = known(latent_dim)
    run = run_with(tmp_path, latent_dim, 3 - latent_dim, "mixture", mixture=prior)
    codes = drawn(page, *prior_of_run(run, None), condition=condition)
    assert_same_distribution(codes, prior.sample(COUNT, np.tile(condition, (COUNT, 1)), 1))


@pytest.mark.parametrize("condition", [[1, 0, 0, 0.3], [0, 1, 0, 0.3], [0, 1, 0, 0.6], [0, 0, 1, 1.5]])
def test_codes_of_a_class_are_those_of_the_run(page, tmp_path, condition):
    prior = with_classes()
    spec, arrays = prior_of_run(run_with(tmp_path, 2, 4, "mixture", mixture=prior), None)
    codes = drawn(page, spec, arrays, condition=condition)
    assert_same_distribution(codes, prior.sample(COUNT, np.tile(condition, (COUNT, 1)), 1))


def test_a_gaussian_may_be_singular(page, tmp_path):
    latent = np.random.default_rng(2).normal(size=(500, 3))
    codes = np.column_stack([latent[:, 0], 2 * latent[:, 0], latent[:, 1], np.full(500, 4.0)])
    prior = GaussianPrior.fit(codes, latent[:, :1] + 0.5 * latent[:, 2:])
    spec, arrays = prior_of_run(run_with(tmp_path, 4, 1, "gaussian", gaussian=prior), None)
    assert spec["label"] == GaussianPrior.label
    own = drawn(page, spec, arrays, condition=[1.2])
    np.testing.assert_allclose(own[:, 1], 2 * own[:, 0], atol=0.01)
    np.testing.assert_allclose(own[:, 3], 4, atol=1e-3)
    assert_same_distribution(own[:, [0, 2]], prior.sample(COUNT, np.tile([1.2], (COUNT, 1)), 1)[:, [0, 2]])


def test_the_same_seed_moves_along_with_the_condition(page, tmp_path):
    one = MixturePrior(np.ones(1), MEANS[1:2], COVARIANCES[1:2], SHIFT, SCALE, 2)
    spec, arrays = prior_of_run(run_with(tmp_path, 2, 1, "mixture", mixture=one), None)
    low, high = (drawn(page, spec, arrays, 50, condition=[value]) for value in (0.6, 0.9))
    gain = SCALE[:2] * COVARIANCES[1][:2, 2] / COVARIANCES[1][2, 2] / SCALE[2]
    np.testing.assert_allclose(high - low, np.tile(0.3 * gain, (50, 1)), rtol=1e-4)


def test_another_prior_stands_in_for_a_flow_and_says_so(tmp_path):
    gaussian = GaussianPrior(MEANS[0], COVARIANCES[1])
    codes = np.random.default_rng(0).normal(size=(50, 3))
    left_out = "; the run's flow is not in this page"
    for folder, priors, label in (
        ("both", {"mixture": known(3), "gaussian": gaussian}, "mixture of 3 Gaussians"),
        ("one", {"gaussian": gaussian}, GaussianPrior.label),
        ("none", {}, "Gaussian with the mean and covariance of this run's codes"),
    ):
        spec, _ = prior_of_run(run_with(tmp_path / folder, 3, chosen="flow", **priors), codes)
        assert spec["label"] == label + left_out and spec["kind"] == "mixture"


@pytest.mark.parametrize("damage", ["cut", "other weights", "choice"])
def test_a_damaged_prior_is_one_line_and_the_page_has_another(tmp_path, caplog, damage):
    run = run_with(tmp_path, 3, chosen="mixture", mixture=known(3))
    path = tmp_path / "priors" / "mixture" / "prior.safetensors"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "other weights":
        run.weights_digest = "others"
    else:
        (tmp_path / "priors" / "chosen.json").write_text('{"chosen": "../../etc"}')
    with caplog.at_level(logging.WARNING):
        spec, arrays = prior_of_run(run, None)
    assert spec["label"] == "N(0, I)" and not arrays
    (line,) = caplog.messages
    assert line.startswith("random galaxies of the page are drawn from another prior, N(0, I): ")
    assert "fit again: " in line and "\n" not in line
