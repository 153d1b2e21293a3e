import numpy as np
import pytest

from galvae.models.losses import binary_cross_entropy, kl_divergence, soft_clip, squared_error


def test_binary_cross_entropy_equals_its_definition():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(2, 3, 4, 5)).astype(np.float32)
    targets = generator.uniform(size=(2, 3, 4, 5)).astype(np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    expected = -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean(-1).sum((1, 2))
    np.testing.assert_allclose(binary_cross_entropy(logits, targets), expected, rtol=1e-5)


def test_binary_cross_entropy_stays_finite_where_the_sigmoid_saturates():
    logits = np.array([1000.0, -1000.0], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(binary_cross_entropy(logits, np.ones_like(logits)), [0, 1000])


def test_squared_error_sums_over_pixels_and_averages_over_channels():
    images = np.zeros((1, 4, 5, 2), np.float32)
    targets = np.stack([np.full((1, 4, 5), 1.0), np.full((1, 4, 5), 3.0)], axis=-1).astype(np.float32)
    np.testing.assert_allclose(squared_error(images, targets), [4 * 5 * (1 + 9) / 2])


def test_kl_divergence_is_zero_for_the_prior_and_matches_an_integral():
    assert float(kl_divergence(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))[0, 0]) == 0
    mean, log_variance = 0.7, -0.9
    x = np.linspace(-12, 12, 200_001)
    q = np.exp(-((x - mean) ** 2) / (2 * np.exp(log_variance))) / np.sqrt(2 * np.pi * np.exp(log_variance))
    p = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    inside = q > 1e-30
    integral = np.trapezoid(q[inside] * np.log(q[inside] / p[inside]), x[inside])
    received = kl_divergence(np.array([[mean]], np.float32), np.array([[log_variance]], np.float32))
    np.testing.assert_allclose(received, [[integral]], rtol=1e-5)


def test_soft_clip_keeps_small_values_and_limits_large_ones():
    bounded = np.asarray(soft_clip(np.array([-1e9, -0.1, 0.0, 0.1, 1e9], np.float32), 10.0))
    np.testing.assert_allclose(bounded, [-10, -0.1, 0, 0.1, 10], rtol=1e-4)
    with pytest.raises(ValueError, match="positive"):
        soft_clip(bounded, 0)
