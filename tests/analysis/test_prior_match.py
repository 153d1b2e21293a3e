"""Divergence of codes from a prior: distributions whose divergence is known, and runs whose codes are chosen."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset
from builders.runs import run_of

from galvae.analysis import prior_match
from galvae.analysis.prior_match import divergence, measure, wasserstein
from galvae.data.splits import make_splits
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.normal import NormalPrior

CONFIG = SimpleNamespace(seed=0, bootstrap=200, prior=None)


def normal(n, seed, mean=0.0, std=1.0, latent_dim=3):
    return mean + std * np.random.default_rng(seed).standard_normal((n, latent_dim))


def test_codes_of_the_prior_are_no_nats_from_it():
    nats, _ = divergence(normal(4000, 0), normal(2000, 1), NormalPrior(3), 200, 0)
    assert -0.02 < nats["value"] < 0.005 and nats["low"] <= 0  # a bound, from below


def test_codes_of_another_gaussian_are_as_far_as_the_closed_form_says():
    mean, std = np.array([2.0, 0.0, -1.0]), np.array([0.3, 1.0, 0.5])
    expected = 0.5 * np.sum(std**2 + mean**2 - 1 - np.log(std**2))
    codes = normal(4000, 0, mean, std), normal(2000, 1, mean, std)
    nats, density = divergence(*codes, NormalPrior(3), 200, 0)
    assert nats["low"] < expected < nats["high"] and nats["high"] - nats["low"] < 0.3
    assert density == "a mixture of one Gaussian"
    # The same codes and prior in other units.
    scale = np.array([1e3, 1.0, 0.1])
    again, _ = divergence(
        *(scale * part for part in codes), GaussianPrior(np.zeros(3), np.diag(scale**2)), 200, 0
    )
    assert again["value"] == pytest.approx(nats["value"], rel=1e-3)


def test_codes_in_two_clumps_need_a_mixture():
    def clumps(n, seed):
        signs = np.random.default_rng(seed + 10).choice([-1.0, 1.0], (n, 1))
        return normal(n, seed, std=0.3, latent_dim=1) + 2 * signs

    x = np.linspace(-6, 6, 100_001)[:, None]
    density = 0.5 * sum(np.exp(-0.5 * ((x - m) / 0.3) ** 2) for m in (-2, 2)) / (0.3 * np.sqrt(2 * np.pi))
    prior = GaussianPrior(np.zeros(1), np.array([[4.09]]))  # of the same moments
    logs = np.log(np.maximum(density[:, 0], 1e-300)) - prior.log_prob(x)
    expected = np.trapezoid(density[:, 0] * logs, x[:, 0])
    nats, name = divergence(clumps(4000, 0), clumps(2000, 1), prior, 200, 0)
    assert nats["low"] < expected < nats["high"] and expected > 1
    assert name == "a mixture of 2 Gaussians"


def test_distance_of_a_shifted_and_of_a_wider_distribution():
    codes = normal(20_000, 0)
    reference = normal(100_000, 1) * [1, 1, 10]
    distance = wasserstein(codes * [1, 2, 10] + [0.5, 0, 0], reference)
    np.testing.assert_allclose(distance / [1, 1, 10], [0.5, np.sqrt(2 / np.pi), 0], atol=0.02)


def galaxies(count=600):
    return dataset(
        count, images=np.zeros((count, 8, 8, 3), np.uint8), splits=make_splits(count, [0.5, 0.25, 0.25], 0)
    )


def entry(report):
    return json.loads(json.dumps(report.summary["prior"], allow_nan=False))


def test_posteriors_are_sampled_and_latents_have_their_moments():
    data = galaxies()
    mean = normal(600, 5, std=0.6, latent_dim=2) + [0, 3.5]
    report = measure(run_of(data, mean, 0.8), np.arange(3), CONFIG, {})
    found = entry(report)
    assert found["nats"]["value"] == pytest.approx(0.5 * 3.5**2, abs=0.7)
    assert found["nats"]["n"] == 300 and found["latents"]["n"] == 600
    np.testing.assert_allclose(found["latents"]["mean"], [0, 3.5], atol=0.15)
    np.testing.assert_allclose(found["latents"]["std"], 1, atol=0.1)
    np.testing.assert_allclose(found["latents"]["w1"], [0, 3.5], atol=0.15)
    assert 0.01 < found["latents"]["w1_floor"] < 0.1
    (line,) = report.lines
    assert line.startswith(
        f"  prior            codes lie at least {found['nats']['value']:.3g} nats from N(0, I): "
    )
    assert "samples will not look like galaxies; fit a prior (95 %" in line
    np.testing.assert_allclose(
        report.arrays["prior"]["sample"].std(axis=0), found["latents"]["std"], rtol=1e-5
    )


def test_the_warning_is_milder_for_fewer_nats():
    mean = normal(600, 5, std=0.6, latent_dim=2) + [0, 2]
    report = measure(run_of(galaxies(), mean, 0.8), np.arange(3), CONFIG, {})
    assert 1 < entry(report)["nats"]["low"] < 4
    assert "from N(0, I): samples will be worse than decoded galaxies; fit a prior (" in report.lines[0]


def test_codes_that_fit_the_prior_raise_no_warning():
    report = measure(run_of(galaxies(), normal(600, 5, std=0.6, latent_dim=2), 0.8), np.arange(3), CONFIG, {})
    assert entry(report)["nats"]["high"] < 0.3
    assert "fit a prior" not in report.lines[0]


def test_the_density_is_fitted_to_training_galaxies_and_judged_by_others():
    data, mean = galaxies(), normal(600, 5, std=0.6, latent_dim=2)
    mean[data.split("train")] += 3
    found = entry(measure(run_of(data, mean, 0.8), np.arange(3), CONFIG, {}))
    assert found["nats"]["value"] == pytest.approx(-9, abs=1)


def test_a_plain_autoencoder_is_compared_with_its_gaussian():
    mean = normal(600, 5, latent_dim=2) * [5, 0.1]
    run = run_of(galaxies(), mean, prior=GaussianPrior(np.zeros(2), np.diag([25, 0.01])), model="ae")
    report = measure(run, np.arange(3), CONFIG, {})
    found = entry(report)
    assert (found["prior"], found["posterior"]) == ("Gaussian fitted to training codes", False)
    assert abs(found["nats"]["value"]) < 0.1
    assert "a plain autoencoder has no posterior" in report.lines[0]


def test_a_prior_without_scatter_is_not_measured():
    mean = normal(600, 0, latent_dim=2) * [1, 0]  # a dead dimension
    run = run_of(galaxies(), mean, prior=GaussianPrior(np.zeros(2), np.diag([1.0, 0.0])), model="ae")
    report = measure(run, np.arange(3), CONFIG, {})
    assert report.lines == [
        "  prior            not measured: the prior has no scatter in 1 of 2 latent dimensions"
    ]


def test_many_dimensions_and_few_galaxies_give_a_bound_and_fewer_none():
    data = dataset(60, splits=make_splits(60, [0.4, 0.3, 0.3], 0))
    found = entry(measure(run_of(data, normal(60, 0, latent_dim=12), 0.01, latent_dim=12), [0], CONFIG, {}))
    assert found["nats"]["value"] == 0 and found["density"] == "the prior itself"
    few = measure(run_of(dataset(25), normal(25, 0, latent_dim=2), 0.8), np.arange(3), CONFIG, {})
    assert list(entry(few)) == ["not measured"] and "15 training galaxies and 10" in few.lines[0]
    assert not few.arrays


def test_codes_as_large_as_are_accepted_are_measured():
    mean = 1e11 * normal(600, 5, latent_dim=2)
    assert entry(measure(run_of(galaxies(), mean, 1.0), np.arange(3), CONFIG, {}))["nats"]["value"] > 1e20


def test_no_more_galaxies_are_fitted_than_the_largest_number(monkeypatch):
    monkeypatch.setattr(prior_match, "MOST_FITTED", 50)
    monkeypatch.setattr(prior_match, "MOST_HELD_OUT", 40)
    run = run_of(galaxies(), normal(600, 5, latent_dim=2), 0.8)
    report = measure(run, np.arange(3), CONFIG, {})
    assert (entry(report)["latents"]["n"], entry(report)["nats"]["n"]) == (90, 40)
    held_out = report.arrays["prior"]["indices"][50:]
    assert np.isin(held_out, np.concatenate([run.dataset.split("val"), run.dataset.split("test")])).all()
