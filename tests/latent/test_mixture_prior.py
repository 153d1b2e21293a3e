"""Mixtures of Gaussians as priors: against the joint density of codes and condition, and fitted to known codes."""

import numpy as np
import pytest
from builders.mixtures import COVARIANCES, MEANS, SCALE, SHIFT, WEIGHTS
from scipy import stats

from galvae.latent.priors import mixture
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.mixture import MixturePrior


def known(latent_dim):
    """The mixture above, of which the first columns are codes and the others a condition."""
    return MixturePrior(WEIGHTS, MEANS, COVARIANCES, SHIFT, SCALE, latent_dim)


def joint_density(points):
    """Density of the mixture above in physical units, by scipy, of (n, 3) codes and conditions."""
    parts = zip(WEIGHTS, MEANS * SCALE + SHIFT, COVARIANCES * SCALE * SCALE[:, None], strict=True)
    return sum(weight * stats.multivariate_normal(mean, cov).pdf(points) for weight, mean, cov in parts)


def test_the_density_without_a_condition_is_that_of_the_mixture():
    points = SHIFT + SCALE * np.random.default_rng(0).normal(0, 2, (50, 3))
    np.testing.assert_allclose(known(3).log_prob(points), np.log(joint_density(points)))
    # The moments of a mixture by drawing from it.
    samples = known(3).sample(200_000, seed=1)
    np.testing.assert_allclose(samples.mean(axis=0), known(3).mean, atol=0.02)
    np.testing.assert_allclose(np.cov(samples.T), known(3).covariance, rtol=0.03, atol=0.02)
    np.testing.assert_allclose(known(2).mean, known(3).mean[:2])
    np.testing.assert_allclose(known(2).std, known(3).std[:2])


@pytest.mark.parametrize("condition", [(-1.5, 0.75), (2.0, 0.62), (30.0, 0.9)])
def test_codes_given_a_condition_are_those_of_the_joint_density(condition):
    """One code and two conditions; the joint density, divided by its integral over the code, is the conditional one."""
    prior = known(1)
    x = np.linspace(-40, 60, 40_001)
    density = joint_density(np.column_stack([x, np.tile(condition, (len(x), 1))]))
    if condition[0] < 10:  # else the density underflows, and only that it stays finite can be seen
        density /= np.trapezoid(density, x)
        shown = slice(14_000, 24_000, 1_000)
        np.testing.assert_allclose(
            np.exp(prior.log_prob(x[shown, None], np.array(condition))), density[shown], rtol=1e-6, atol=1e-12
        )
    own = np.exp(prior.log_prob(x[:, None], np.array(condition)))
    assert np.trapezoid(own, x) == pytest.approx(1, abs=1e-6)
    samples = prior.sample(50_000, np.tile(condition, (50_000, 1)), 2)[:, 0]
    mean = np.trapezoid(x * own, x)
    std = np.sqrt(np.trapezoid((x - mean) ** 2 * own, x))
    assert samples.mean() == pytest.approx(mean, abs=0.02 * std)
    assert samples.std() == pytest.approx(std, rel=0.02)
    assert (
        stats.kstest(samples[:5000], lambda value: np.interp(value, x, np.cumsum(own) * (x[1] - x[0]))).pvalue
        > 0.01
    )


def test_the_same_seed_gives_the_same_noise_under_every_condition():
    one = MixturePrior(np.ones(1), MEANS[1:2], COVARIANCES[1:2], SHIFT, SCALE, 2)
    low, high = (one.sample(100, np.full((100, 1), value), 4) for value in (0.6, 0.9))
    # S_zc / S_cc times the difference, for every galaxy.
    gain = SCALE[:2] * COVARIANCES[1][:2, 2] / COVARIANCES[1][2, 2] / SCALE[2]
    np.testing.assert_allclose(high - low, np.tile(0.3 * gain, (100, 1)), rtol=1e-4)
    # Nor does the temperature change of which component a galaxy is.
    centres = SHIFT + SCALE * MEANS
    frozen, cold = (known(3).sample(500, seed=5, temperature=factor) for factor in (0, 1e-3))
    assert set(map(tuple, frozen.round(3))) == set(map(tuple, centres.astype(np.float32).round(3)))
    np.testing.assert_allclose(cold, frozen, atol=0.02)
    shares = (np.abs(frozen[:, None] - centres).max(axis=2) < 1e-3).mean(axis=0)
    np.testing.assert_allclose(shares, WEIGHTS, atol=0.06)


def clumps(count, seed):
    """Codes (n, 2) in three clumps, and a condition that rises with the first code."""
    generator = np.random.default_rng(seed)
    centres = np.array([[0, 0], [6, 0], [0, 6]])[generator.integers(3, size=count)]
    codes = centres + generator.normal(size=(count, 2)) @ np.array([[1, 0.8], [0, 0.4]])
    return codes, 0.1 * codes[:, :1] + 0.02 * generator.normal(size=(count, 1))


def test_other_codes_choose_the_number_of_components():
    codes, condition = clumps(3000, 0)
    new = clumps(1000, 1)
    prior = MixturePrior.fit(codes, validation=(new[0], None))
    assert len(prior.weights) == 3 and prior.label == "mixture of 3 Gaussians"
    truth = sum(
        stats.multivariate_normal(mean, [[1, 0.8], [0.8, 0.8]]).pdf(new[0]) / 3
        for mean in ([0, 0], [6, 0], [0, 6])
    )
    assert prior.log_prob(new[0]).mean() == pytest.approx(np.log(truth).mean(), abs=0.02)
    given = MixturePrior.fit(codes, condition, validation=new)
    assert given.log_prob(*new).mean() > prior.log_prob(new[0]).mean() + 1
    # In any unit, and without other codes, a part of the codes decides.
    units = np.array([1e-6, 1e4])
    scaled = MixturePrior.fit(codes * units, condition * 1e5, validation=(new[0] * units, new[1] * 1e5))
    expected = given.log_prob(*new) - np.log(units).sum()
    np.testing.assert_allclose(scaled.log_prob(new[0] * units, new[1] * 1e5), expected, atol=1e-3)
    assert len(MixturePrior.fit(codes).weights) == 3


@pytest.mark.parametrize("prior", [GaussianPrior, MixturePrior])
def test_a_class_gives_the_codes_of_its_galaxies(prior):
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 4000, p=[0.6, 0.3, 0.1])
    mean, std = np.array([[0, 0], [3, 1], [-2, 4]]), np.array([[1, 1], [1, 1], [1, 1]])
    if prior is MixturePrior:  # classes may differ in more than their means
        std = np.array([[1, 0.3], [0.2, 1], [0.5, 2]])
    codes = mean[labels] + std[labels] * generator.normal(size=(4000, 2))
    redshift = generator.uniform(0.2, 1, 4000)
    codes[:, 1] += 2 * redshift
    condition = np.column_stack([np.eye(3)[labels], redshift])
    fitted = prior.fit(codes, condition)
    for label in range(3):
        asked = np.tile([*np.eye(3)[label], 0.5], (20_000, 1))
        samples = fitted.sample(20_000, asked, 1)
        np.testing.assert_allclose(samples.mean(axis=0), mean[label] + [0, 1], atol=0.15)
        np.testing.assert_allclose(samples.std(axis=0), std[label], rtol=0.12)


@pytest.mark.parametrize("prior", [GaussianPrior, MixturePrior])
def test_constant_codes_and_conditions_break_nothing(prior):
    codes = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    codes[:, 1] = 0.1
    condition = np.full((200, 1), 0.7, np.float32)
    fitted = prior.fit(codes, condition)
    assert np.isfinite(fitted.log_prob(codes, condition)).all()
    samples = fitted.sample(50, condition[:50], 1)
    np.testing.assert_allclose(samples[:, 1], 0.1, atol=1e-4)
    np.testing.assert_allclose(samples, fitted.sample(50, np.full((50, 1), 0.9), 1), atol=1e-5)
    np.testing.assert_allclose(fitted.std, [*codes.std(axis=0)], rtol=0.1, atol=1e-4)


@pytest.mark.parametrize("prior", [GaussianPrior, MixturePrior])
@pytest.mark.parametrize(("count", "latent_dim"), [(2, 4), (12, 1), (30, 16)])
def test_few_codes_and_one_latent_give_a_prior(prior, count, latent_dim):
    codes = np.random.default_rng(0).normal(size=(count, latent_dim))
    fitted = prior.fit(codes, None, 0, (codes, None))
    assert 2 * len(fitted.weights) * (latent_dim + 1) <= max(count, 2 * (latent_dim + 1))
    assert fitted.sample(5, seed=0).shape == (5, latent_dim) and np.isfinite(fitted.log_prob(codes)).all()


def test_no_more_components_are_tried_than_there_are_codes_for(monkeypatch):
    tried = []
    log_prob = MixturePrior.log_prob
    monkeypatch.setattr(mixture, "COMPONENTS", (1, 2, 3, 5))
    monkeypatch.setattr(
        MixturePrior,
        "log_prob",
        lambda self, *given: tried.append(len(self.weights)) or log_prob(self, *given) + 1e3 * len(tried),
    )
    codes = clumps(18, 3)[0]  # six for each of three components of two latents
    MixturePrior.fit(codes, validation=(codes, None))
    assert tried == [1, 2, 3]
