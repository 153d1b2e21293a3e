"""One contract for every prior, and known answers of each."""

import numpy as np
import pytest
from builders.models import build
from scipy import stats

from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import PRIORS, prior_of

# Training a flow takes seconds; test_flow_prior.py has faster tests of it.
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name == "flow" else name for name in PRIORS]
MEAN, COVARIANCE = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.6, 0], [0.6, 1.0, -0.3], [0, -0.3, 0.5]])


def fitted(name, *given):
    """A prior that is fitted to codes, the flow not for long: what is tested here holds for any flow."""
    return PRIORS[name].fit(*given, **({"looks": 1} if name == "flow" else {}))


@pytest.fixture(scope="module")
def codes():
    return np.random.default_rng(1).multivariate_normal(MEAN, COVARIANCE, 50_000).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_prior_is_repeatable_and_survives_as_arrays(name, codes):
    prior = fitted(name, codes)
    again = PRIORS[name].from_arrays(prior.arrays())
    samples = prior.sample(100, seed=3)
    assert samples.shape == (100, 3) and samples.dtype == np.float32
    np.testing.assert_array_equal(samples, again.sample(100, seed=3))
    assert (samples != prior.sample(100, seed=4)).any()
    np.testing.assert_allclose(prior.log_prob(codes[:5]), again.log_prob(codes[:5]))
    np.testing.assert_allclose(prior.sample(10_000, seed=0).mean(axis=0), prior.mean, atol=0.05)
    np.testing.assert_allclose(prior.sample(10_000, seed=0).std(axis=0), prior.std, rtol=0.03)


@pytest.mark.parametrize("name", ["normal", "gaussian", "mixture"])
def test_the_temperature_scales_the_noise(name, codes):
    prior = PRIORS[name].fit(codes)
    frozen, cold, warm = (prior.sample(100, seed=3, temperature=factor) for factor in (0, 0.5, 1))
    np.testing.assert_allclose(cold - frozen, 0.5 * (warm - frozen), atol=1e-5)
    assert (warm != frozen).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_prior_takes_a_condition_and_one_that_was_fitted_without_ignores_it(name, codes):
    condition = codes[:300, :1] + 5
    prior = fitted(name, codes[:300], condition)
    again = PRIORS[name].from_arrays(prior.arrays())
    samples = prior.sample(300, condition, 3)
    np.testing.assert_array_equal(samples, again.sample(300, condition, 3))
    assert np.isfinite(prior.log_prob(codes[:300], condition)).all()
    without = fitted(name, codes[:300])
    np.testing.assert_array_equal(without.sample(9, condition[:9], 3), without.sample(9, seed=3))


@pytest.mark.parametrize("name", NAMES)
def test_a_density_integrates_to_one(name, codes):
    prior = fitted(name, codes[:, :1])
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
