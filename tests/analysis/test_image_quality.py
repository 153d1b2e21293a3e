"""Image quality and statistics against analytic cases and against scikit-image."""

import numpy as np
import pytest
from builders.galaxies import blobs
from skimage.metrics import structural_similarity as skimage_similarity

from galvae.analysis import image_quality, statistics


def test_mean_squared_error_and_psnr_of_a_constant_offset():
    targets = np.full((2, 16, 16, 3), 0.5, np.float32)
    images = targets + np.array([0.1, 0.01], np.float32)[:, None, None, None]
    np.testing.assert_allclose(image_quality.mean_squared_error(images, targets), [1e-2, 1e-4], rtol=1e-4)
    np.testing.assert_allclose(image_quality.peak_signal_to_noise(images, targets), [20, 40], rtol=1e-4)
    np.testing.assert_allclose(image_quality.peak_signal_to_noise(targets, targets), [120, 120], rtol=1e-5)


def test_r_squared_is_one_for_a_copy_zero_for_the_mean_and_undefined_for_a_constant():
    targets = (blobs(2, 16) / 255).astype(np.float32)
    means = np.broadcast_to(targets.mean(axis=(1, 2, 3), keepdims=True), targets.shape)
    np.testing.assert_allclose(image_quality.r_squared(targets, targets), [1, 1])
    np.testing.assert_allclose(image_quality.r_squared(means, targets), [0, 0], atol=1e-5)
    assert np.isnan(image_quality.r_squared(targets, np.zeros_like(targets))).all()


@pytest.mark.parametrize(("side", "bands"), [(32, 3), (33, 1), (11, 2)])
def test_structural_similarity_is_scikit_images(side, bands):
    generator = np.random.default_rng(0)
    targets = (blobs(4, side, bands) / 255).astype(np.float32)
    images = np.clip(targets + generator.normal(0, 0.05, targets.shape), 0, 1).astype(np.float32)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [
        skimage_similarity(image, target, channel_axis=-1, **options)
        for image, target in zip(images, targets, strict=True)
    ]
    np.testing.assert_allclose(image_quality.structural_similarity(images, targets), expected, rtol=1e-4)


def test_structural_similarity_of_small_and_of_equal_images():
    images = (blobs(2, 8) / 255).astype(np.float32)
    np.testing.assert_allclose(image_quality.structural_similarity(images, images), [1, 1], rtol=1e-5)
    assert (np.asarray(image_quality.structural_similarity(1 - images, images)) < 0.5).all()


def test_a_summarys_interval_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(3, 2, 4000)
    result = statistics.summary(np.concatenate([values, [np.nan, np.inf]]), 1000, seed=0)
    assert result["mean"] == pytest.approx(values.mean())
    assert result["undefined"] == 2
    half = 1.96 * values.std() / np.sqrt(4000)
    assert result["low"] == pytest.approx(values.mean() - half, abs=0.2 * half)
    assert result["high"] == pytest.approx(values.mean() + half, abs=0.2 * half)
    assert (result["p16"], result["p84"]) == pytest.approx((1, 5), abs=0.2)
    assert result == statistics.summary(np.concatenate([values, [np.nan, np.inf]]), 1000, seed=0)


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
    scattered = true + (1 + true) * np.random.default_rng(0).normal(0, 0.02, 101)
    assert statistics.prediction_errors(true, scattered)["sigma_nmad"] == pytest.approx(0.02, rel=0.2)


def test_r_squared_of_a_constant_is_undefined_whatever_the_constant():
    targets = np.full((2, 32, 32, 1), 0.3, np.float32)  # whose mean is another number in float32
    assert np.isnan(image_quality.r_squared(targets + 0.1, targets)).all()


def test_statistics_of_photometric_redshifts_are_for_redshifts_only():
    result = statistics.prediction_errors([-1.0, 10, 11], [-0.5, 10, 11], redshift=False)
    assert result.keys() == {"rmse", "mean_absolute_error", "correlation"}
    assert np.isfinite(list(result.values())).all()
