"""Image quality and statistics against analytic cases and against scikit-image."""

import numpy as np
import pytest
from builders.galaxies import ellipses
from skimage.metrics import structural_similarity as skimage_similarity

from galvae.analysis import image_quality, statistics


def test_mean_squared_error_and_psnr_of_a_constant_offset():
    targets = np.full((2, 16, 16, 3), 0.5, np.float32)
    images = targets + np.array([0.1, 0.01], np.float32)[:, None, None, None]
    np.testing.assert_allclose(image_quality.mean_squared_error(images, targets), [1e-2, 1e-4], rtol=1e-4)
    np.testing.assert_allclose(image_quality.peak_signal_to_noise(images, targets), [20, 40], rtol=1e-4)
    np.testing.assert_allclose(image_quality.peak_signal_to_noise(targets, targets), [120, 120], rtol=1e-5)


def test_r_squared_is_one_for_a_copy_zero_for_the_mean_and_undefined_for_a_constant():
    targets = (ellipses(2, 16) / 255).astype(np.float32)
    means = np.broadcast_to(targets.mean(axis=(1, 2, 3), keepdims=True), targets.shape)
    np.testing.assert_allclose(image_quality.r_squared(targets, targets), [1, 1])
    np.testing.assert_allclose(image_quality.r_squared(means, targets), [0, 0], atol=1e-5)
    assert np.isnan(image_quality.r_squared(targets, np.zeros_like(targets))).all()


@pytest.mark.parametrize(("side", "bands"), [(32, 3), ((33, 24), 1), (11, 2)])
def test_structural_similarity_is_scikit_images(side, bands):
    generator = np.random.default_rng(0)
    targets = (ellipses(4, side, bands) / 255).astype(np.float32)
    images = np.clip(targets + generator.normal(0, 0.05, targets.shape), 0, 1).astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        skimage_similarity(image, target, channel_axis=-1, **options)
        for image, target in zip(images, targets, strict=True)
    ]
    np.testing.assert_allclose(image_quality.structural_similarity(images, targets), expected, rtol=1e-4)


def test_structural_similarity_of_small_and_of_equal_images():
    images = (ellipses(2, 8) / 255).astype(np.float32)
    np.testing.assert_allclose(image_quality.structural_similarity(images, images), [1, 1], rtol=1e-5)
    assert (np.asarray(image_quality.structural_similarity(1 - images, images)) < 0.5).all()
    # Of 7 x 7 pixels there is one window, whose weights fall by the distance from its middle.
    x, y = (ellipses(1, 7, 1, seed)[0, ..., 0].astype(np.float32) / 255 for seed in (0, 1))
    offsets = np.arange(-3, 4)
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / 4.5)
    mean_x, mean_y = (np.average(values, weights=weights) for values in (x, y))
    covariance = np.average((x - mean_x) * (y - mean_y), weights=weights)
    variance = sum(np.average((v - m) ** 2, weights=weights) for v, m in ((x, mean_x), (y, mean_y)))
    expected = (2 * mean_x * mean_y + 1e-4) * (2 * covariance + 9e-4)
    expected /= (mean_x**2 + mean_y**2 + 1e-4) * (variance + 9e-4)
    found = image_quality.structural_similarity(x[None, ..., None], y[None, ..., None])
    np.testing.assert_allclose(found, [expected], rtol=1e-4)


def test_a_summarys_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(3, 2, 4000)
    result = statistics.summary(np.concatenate([values, [np.nan, np.inf]]), 2000, seed=0)
    assert result["mean"] == pytest.approx(values.mean())
    assert result["undefined"] == 2
    half = 1.96 * values.std() / np.sqrt(4000)
    assert result["low"] == pytest.approx(values.mean() - half, abs=0.08 * half)  # that of 90 % is 0.16 away
    assert result["high"] == pytest.approx(values.mean() + half, abs=0.08 * half)
    assert result == statistics.summary(np.concatenate([values, [np.nan, np.inf]]), 2000, seed=0)
    assert result["low"] != statistics.summary(values, 2000, seed=1)["low"]


def test_a_summarys_quantiles_are_those_of_one_standard_deviation():
    result = statistics.summary(np.arange(101.0), 100, seed=0)
    assert (result["p16"], result["median"], result["p84"]) == pytest.approx((16, 50, 84))


def test_statistics_that_are_undefined_for_few_values_are_none():
    one = statistics.summary(np.array([2.0]), 100, 0)
    assert (one["mean"], one["median"], one["low"], one["high"]) == (2.0, 2.0, None, None)
    none = statistics.summary(np.array([np.nan]), 100, 0)
    assert none["mean"] is None and none["undefined"] == 1


def test_the_bootstrap_may_be_computed_in_parts(monkeypatch):
    values = np.random.default_rng(0).normal(size=50)
    whole = statistics.summary(values, 200, 0)
    monkeypatch.setattr(statistics, "RESAMPLED_VALUES", 60)
    assert statistics.summary(values, 200, 0)["low"] == pytest.approx(whole["low"], abs=0.05)


def test_prediction_errors_of_a_known_offset():
    true = np.linspace(0.1, 2, 101)
    result = statistics.prediction_errors(true, true + 0.05)
    assert result["bias"] == pytest.approx(0.05 / (1 + np.median(true)))
    assert result["sigma_nmad"] == pytest.approx(0, abs=1e-12)
    assert result["outliers"] == 0
    assert result["correlation"] == pytest.approx(1)
    assert result["mean_absolute_error"] == pytest.approx(0.05)
    far = statistics.prediction_errors(true, np.full_like(true, true.mean()))
    assert far["rmse"] == pytest.approx(true.std())
    assert far["correlation"] is None


def test_scatter_and_outliers_are_relative_to_one_plus_the_redshift():
    true = np.array([0.0, 1, 1, 3, 3])
    error = np.array([-0.05, -0.02, 0.2, 0.58, 0.64])  # whose median is 0.2
    result = statistics.prediction_errors(true, true + error)
    # |error - 0.2| / (1 + true) is 0.25, 0.11, 0, 0.095 and 0.11; |error| / (1 + true) is 0.16 for the last alone.
    assert result["sigma_nmad"] == pytest.approx(1.48 * 0.11)
    assert result["outliers"] == pytest.approx(0.2)
    assert result["bias"] == pytest.approx(0.1)
    assert result["rmse"] == pytest.approx(np.sqrt((0.0025 + 0.0004 + 0.04 + 0.3364 + 0.4096) / 5))


def test_r_squared_of_a_constant_is_undefined_whatever_the_constant():
    targets = np.full((2, 32, 32, 1), 0.3, np.float32)  # whose mean is another number in float32
    assert np.isnan(image_quality.r_squared(targets + 0.1, targets)).all()


def test_statistics_of_photometric_redshifts_are_for_redshifts_only():
    result = statistics.prediction_errors([-1.0, 10, 11], [-0.5, 10, 11], redshift=False)
    assert result.keys() == {"rmse", "mean_absolute_error", "correlation"}
    assert np.isfinite(list(result.values())).all()
