"""Wasserstein distances of codes from samples of priors, and their bootstrap errors, with known answers."""

import numpy as np
import pytest

from galvae.latent.prior_distance import wasserstein, wasserstein_resampled


def normal(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_shift_is_its_size_and_a_wider_distribution_the_mean_of_what_it_is_wider_by():
    codes, reference = normal((20_000, 3), 0), normal((100_000, 3), 1)
    distance = wasserstein(codes * [1, 2, 1] + [0.5, 0, 0], reference)
    np.testing.assert_allclose(distance, [0.5, np.sqrt(2 / np.pi), 0], atol=0.02)


def test_the_mean_over_latents_is_in_their_units_and_leaves_out_constant_ones():
    codes, reference = normal((2_000, 1, 3), 0), normal((50_000, 3), 1)
    scale = np.array([1.0, 10.0, 0.0])
    references = [(reference + shift) * scale for shift in (0, [1, 2, 9], [1, 2, 0])]
    w1, resampled = wasserstein_resampled(codes * scale, references, scale, 20, 0)
    np.testing.assert_allclose(w1, [0, 1.5, 1.5], atol=0.05)
    assert resampled.shape == (3, 20)
    np.testing.assert_array_equal(resampled[1], resampled[2])


@pytest.mark.parametrize("repeated", [1, 8])
def test_galaxies_are_resampled_with_all_their_codes(repeated):
    """The distance to a reference that is far away is the difference of the means, whose error is known."""
    codes = np.repeat(normal((400, 1, 1), 2), repeated, axis=1)
    references = [normal((50_000, 1), 3) + 6, normal((50_000, 1), 3) + 7]
    w1, resampled = wasserstein_resampled(codes, references, np.ones(1), 300, 0)
    assert w1[0] == pytest.approx(6 - codes.mean(), abs=0.02)
    assert resampled[0].std() == pytest.approx(codes.std() / 20, rel=0.15)
    # All references are compared with the same galaxies.
    np.testing.assert_allclose(resampled[1] - resampled[0], 1, atol=1e-6)
