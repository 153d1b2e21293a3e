"""The flow as a prior: exact inverse and density, the Gaussian at its start, and known distributions."""

import numpy as np
import pytest
from scipy import stats

from galvae.errors import GalvaeError
from galvae.latent.priors import flow as module
from galvae.latent.priors import flow_training
from galvae.latent.priors.flow import FlowPrior
from galvae.latent.priors.gaussian import GaussianPrior


def galaxies(count, latent_dim=3, seed=0):
    """Correlated codes (count, latent_dim) that depend on a condition (count, 2)."""
    generator = np.random.default_rng(seed)
    condition = generator.normal([0.6, 20], [0.3, 4], (count, 2))
    codes = generator.standard_normal((count, latent_dim)) @ generator.normal(0, 1, (latent_dim, latent_dim))
    return codes + condition @ generator.normal(0, 0.3, (2, latent_dim)) + 4, condition


def random_flow(latent_dim=3, given=True, seed=0, strength=0.3):
    """A flow with all of its weights random, which is far from a Gaussian, but was fitted to nothing."""
    codes, condition = galaxies(500, latent_dim)
    arrays = module._start(codes, condition if given else None, seed)
    generator = np.random.default_rng(seed)
    for name in module.NETWORK:
        arrays[name] = arrays[name] + generator.normal(0, strength / 8, arrays[name].shape)
    return FlowPrior({**arrays, "centre": generator.normal(size=latent_dim)}), codes, condition


@pytest.mark.parametrize("latent_dim", [1, 2, 3, 7])
def test_codes_become_the_noise_that_they_came_from(latent_dim):
    prior, codes, condition = random_flow(latent_dim)
    noise = np.random.default_rng(1).standard_normal(codes.shape)
    np.testing.assert_allclose(prior.to_noise(prior._codes(noise, condition), condition), noise, atol=1e-8)
    np.testing.assert_array_equal(
        prior.from_noise(noise, condition), prior._codes(noise, condition).astype(np.float32)
    )


@pytest.mark.parametrize("latent_dim", [1, 4])
def test_the_density_is_that_of_the_noise_times_the_jacobian(latent_dim):
    prior, codes, condition = random_flow(latent_dim)
    codes, condition, step = codes[:20], condition[:20], 1e-6
    moved = [prior.to_noise(codes + step * axis, condition) for axis in np.eye(latent_dim)]
    back = [prior.to_noise(codes - step * axis, condition) for axis in np.eye(latent_dim)]
    jacobian = (np.stack(moved, axis=1) - np.stack(back, axis=1)) / (2 * step)
    expected = stats.norm.logpdf(prior.to_noise(codes, condition)).sum(axis=1)
    expected += np.log(np.abs(np.linalg.det(jacobian)))
    np.testing.assert_allclose(prior.log_prob(codes, condition), expected, atol=1e-5)


def test_the_density_that_is_trained_is_that_of_the_prior():
    prior, codes, condition = random_flow()
    joint, arrays = prior._white(codes, condition), prior.arrays()
    training = flow_training._Couplings(FlowPrior(arrays), 0.1, seed=0)
    expected = module._log_density(np, arrays, joint, 3)
    np.testing.assert_allclose(training(joint.astype(np.float32)), expected, rtol=1e-4)
    loss = training.compute_loss(y_pred=training(joint.astype(np.float32)))
    assert float(loss) == pytest.approx(-expected.mean(), rel=1e-5)
    # The rest, from white codes to codes, is one linear map for all of them.
    rest = prior.log_prob(codes, condition) - expected
    scale, root = arrays["scale"][:3], arrays["root"]
    np.testing.assert_allclose(rest, -np.log(np.abs(np.linalg.det(root * scale))), rtol=1e-9)


@pytest.mark.parametrize("latent_dim", [2, 3, 8])
def test_couplings_reach_every_latent_from_every_side(latent_dim):
    kept = random_flow(latent_dim)[0].arrays()["kept"]
    assert (kept[:, latent_dim:] == 1).all()  # the condition
    kept = kept[:, :latent_dim]
    assert (kept.max(axis=0) == 1).all() and (kept.min(axis=0) == 0).all()
    np.testing.assert_array_equal(kept[::2], 1 - kept[1::2])
    assert len(np.unique(kept[::2], axis=0)) > 1  # not always the same halves


@pytest.mark.parametrize("given", [False, True])
def test_the_fit_starts_at_the_gaussian(given):
    codes, condition = galaxies(300)
    condition = condition if given else None
    start = FlowPrior(module._start(codes, condition, seed=0))
    expected = GaussianPrior.fit(codes, condition).log_prob(codes, condition)
    np.testing.assert_allclose(start.log_prob(codes, condition), expected, rtol=1e-8)
    noise = start.to_noise(codes, condition)
    np.testing.assert_allclose(np.cov(noise, rowvar=False, bias=True), np.eye(3), atol=1e-9)


def test_constant_latents_and_conditions_and_classes_give_finite_densities():
    codes, condition = galaxies(200)
    codes[:, 1] = 2.5
    classes = np.eye(3)[np.arange(200) % 3]  # whose columns add up to one
    condition = np.column_stack([np.full(200, 7.0), classes])
    prior = FlowPrior(module._start(codes, condition, seed=0))
    assert np.isfinite(prior.log_prob(codes, condition)).all()
    samples = prior.sample(200, condition, seed=0)
    assert np.isfinite(samples).all() and np.ptp(samples[:, 1]) < 0.1


def test_samples_in_empty_space_are_drawn_again_and_the_others_stay():
    prior, _, condition = random_flow()
    condition = np.tile(condition, (4, 1))
    before = prior.sample(2000, condition, seed=5)
    noise = np.random.default_rng(5).standard_normal((2000, 3))
    np.testing.assert_array_equal(before, prior.from_noise(noise, condition))  # nowhere is empty yet
    density = prior.log_prob(before, condition)
    lowest = np.quantile(density, 0.1)
    bounded = FlowPrior({**prior.arrays(), "lowest": np.array([lowest])})
    after = bounded.sample(2000, condition, seed=5)
    assert bounded.log_prob(after, condition).min() >= lowest
    changed = (before != after).any(axis=1)
    np.testing.assert_array_equal(changed, density < lowest)
    # Where all is empty, sampling ends all the same.
    nowhere = FlowPrior({**prior.arrays(), "lowest": np.array([1e6])})
    assert np.isfinite(nowhere.sample(5, condition[:5], seed=0)).all()


def test_the_codes_of_two_conditions_share_their_random_numbers():
    prior, _, condition = random_flow()
    lowest = np.quantile(prior.log_prob(prior.sample(500, condition, seed=5), condition), 0.3)
    prior = FlowPrior({**prior.arrays(), "lowest": np.array([lowest])})
    at = [condition, condition + 0.1]  # where other codes are drawn again, and then more than once
    first, second = (prior.to_noise(prior.sample(500, one, seed=5), one) for one in at)
    same = np.abs(first - second).max(axis=1) < 1e-2
    assert 0.8 < same.mean() < 1


def test_samples_get_the_mean_and_covariance_of_the_codes(monkeypatch):
    monkeypatch.setattr(module, "MOMENTS", 6000)
    prior, codes, condition = random_flow()
    start = FlowPrior(module._start(codes, condition, seed=0))  # in whose frame the codes are white
    rows = np.random.default_rng(0).integers(len(codes), size=module.MOMENTS)
    for flow, agree in ((prior, False), (prior._with_moments_of_codes(condition[rows], seed=0), True)):
        samples = flow.sample(module.MOMENTS, condition[rows], seed=1)
        white = start._white(samples, condition[rows])[:, :3]
        assert (np.abs(white.mean(axis=0)) < 0.1).all() == agree
        assert (np.abs(np.cov(white, rowvar=False) - np.eye(3)) < 0.15).all() == agree


def test_a_flow_that_depends_on_a_condition_asks_for_it():
    prior, codes, condition = random_flow()
    with pytest.raises(GalvaeError, match="condition: expected 2 values"):
        prior.log_prob(codes)
    one = prior.sample(5, condition[0], seed=0)  # the same for all
    np.testing.assert_array_equal(one, prior.sample(5, np.tile(condition[0], (5, 1)), seed=0))
    without, _, _ = random_flow(given=False)
    np.testing.assert_array_equal(without.sample(5, condition[:5], seed=0), without.sample(5, seed=0))


def bananas(count, seed):
    """Codes (count, 2) bent along a parabola whose height is a condition (count, 1), and their log-density."""
    generator = np.random.default_rng(seed)
    condition = generator.uniform(-2, 2, (count, 1))
    x, error = generator.standard_normal((2, count))
    codes = np.column_stack([x, x**2 + 2 * condition[:, 0] + 0.3 * error])
    return codes, condition, stats.norm.logpdf(x) + stats.norm.logpdf(0.3 * error, scale=0.3)


def fit_bananas(count, **options):
    (codes, condition, _), (new, at, density) = bananas(count, 0), bananas(2000, 1)
    prior = FlowPrior.fit(codes, condition, validation=bananas(1000, 2)[:2], **options)
    gain = prior.log_prob(new, at).mean() - GaussianPrior.fit(codes, condition).log_prob(new, at).mean()
    return prior, gain, density.mean() - prior.log_prob(new, at).mean()


def test_a_short_fit_gains_on_the_gaussian_and_keeps_its_best_weights(monkeypatch):
    monkeypatch.setattr(module, "COUPLINGS", 2)
    prior, gain, _ = fit_bananas(10_000, looks=2)
    assert gain > 0.3
    codes, condition, _ = bananas(10_000, 0)
    assert prior.arrays()["lowest"] == prior.log_prob(codes, condition).min()


def test_a_fit_that_only_gets_worse_stays_the_gaussian(monkeypatch):
    monkeypatch.setattr(module, "COUPLINGS", 2)
    generator = np.random.default_rng(0)
    codes, validation = generator.standard_normal((30, 6)), generator.standard_normal((200, 6))
    prior = FlowPrior.fit(codes, validation=(validation, None), looks=2)
    expected = FlowPrior(module._start(codes, None, seed=0))
    np.testing.assert_array_equal(prior.arrays()["kernel_2"], 0)
    np.testing.assert_allclose(prior.log_prob(validation), expected.log_prob(validation), atol=0.5)


@pytest.mark.slow
def test_a_fit_finds_the_density_of_bananas_at_their_condition():
    prior, gain, missing = fit_bananas(20_000, looks=12)
    assert gain > 1.4 and missing < 0.1
    samples = prior.sample(4000, np.repeat([[-1.5], [1.5]], 2000, axis=0), seed=0)
    rest = samples[:, 1] - samples[:, 0] ** 2 - np.repeat([-3, 3], 2000)
    assert abs(np.median(rest[:2000])) < 0.1 and abs(np.median(rest[2000:])) < 0.1
    again, _, _ = fit_bananas(20_000, looks=12)
    np.testing.assert_array_equal(again.sample(10, [0.0], seed=0), prior.sample(10, [0.0], seed=0))


@pytest.mark.slow
def test_few_codes_are_not_learned_by_heart():
    generator = np.random.default_rng(0)
    codes, validation, new = (generator.standard_normal((count, 16)) for count in (300, 100, 4000))
    prior = FlowPrior.fit(codes, validation=(validation, None))
    gaussian = GaussianPrior.fit(codes).log_prob(new).mean()
    assert prior.log_prob(new).mean() > gaussian - 0.2
