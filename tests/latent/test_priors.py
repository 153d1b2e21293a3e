"""One contract for every prior, and known answers of each."""

import numpy as np
import pytest
from builders.models import build
from scipy import stats

from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import PRIORS, prior_of

MEAN, COVARIANCE = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.6, 0], [0.6, 1.0, -0.3], [0, -0.3, 0.5]])


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, 50_000).astype(np.float32)


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_is_repeatable_and_survives_as_arrays(name, codes):
    prior = PRIORS[name].fit(codes)
    again = PRIORS[name].from_arrays(prior.arrays())
    samples = prior.sample(100, seed=3)
    assert samples.shape == (100, 3) and samples.dtype == np.float32
    np.testing.assert_array_equal(samples, again.sample(100, seed=3))
    assert (samples != prior.sample(100, seed=4)).any()
    np.testing.assert_allclose(prior.log_prob(codes[:5]), again.log_prob(codes[:5]))
    np.testing.assert_allclose(prior.sample(10_000, seed=0).mean(axis=0), prior.mean, atol=0.05)
    np.testing.assert_allclose(prior.sample(10_000, seed=0).std(axis=0), prior.std, rtol=0.03)
    cold = prior.sample(100, seed=3, temperature=0.5)
    np.testing.assert_allclose(cold - prior.mean, 0.5 * (samples - prior.mean), atol=1e-5)


@pytest.mark.parametrize("name", PRIORS)
def test_a_density_integrates_to_one(name, codes):
    prior = PRIORS[name].fit(codes[:, :1])
    x = np.linspace(-12, 14, 20_001)
    assert np.trapezoid(np.exp(prior.log_prob(x[:, None])), x) == pytest.approx(1, abs=1e-6)


def test_the_normal_prior_returns_the_noise():
    noise = np.random.default_rng(0).standard_normal((4, 2))
    np.testing.assert_array_equal(NormalPrior(2).sample(4, seed=0), noise.astype(np.float32))
    expected = stats.norm.logpdf(noise).sum(axis=1)
    np.testing.assert_allclose(NormalPrior(2).log_prob(noise), expected)


def test_the_gaussian_has_the_moments_and_the_density_of_the_codes(codes):
    prior = GaussianPrior.fit(codes)
    np.testing.assert_allclose(prior.mean, codes.mean(axis=0, dtype=float))
    np.testing.assert_allclose(prior.covariance, np.cov(codes, rowvar=False, bias=True), atol=1e-4)
    expected = stats.multivariate_normal(prior.mean, prior.covariance).logpdf(codes[:9])
    np.testing.assert_allclose(prior.log_prob(codes[:9]), expected)
    np.testing.assert_allclose(np.cov(prior.sample(50_000, seed=0), rowvar=False), COVARIANCE, atol=0.05)


def test_a_vae_has_the_normal_prior_and_an_autoencoder_the_moments_of_its_training_codes():
    prior = prior_of(build("vae"))
    assert isinstance(prior, NormalPrior) and prior.latent_dim == 2
    model = build("ae")
    codes = np.random.default_rng(0).normal([3, -1], [2, 0.5], (400, 2)).astype(np.float32)
    model.code_moments(codes, training=True)
    prior = prior_of(model)
    np.testing.assert_allclose(prior.mean, codes.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(prior.std, codes.std(axis=0), rtol=1e-4)
    samples = prior.sample(20_000, seed=0)
    np.testing.assert_allclose(samples.mean(axis=0), codes.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(samples.std(axis=0), codes.std(axis=0), rtol=0.03)
