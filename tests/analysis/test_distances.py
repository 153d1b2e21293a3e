"""Distances between sets of galaxies against analytic cases, SciPy and scikit-learn."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, wasserstein_distance
from sklearn.metrics import roc_auc_score

from galvae.analysis import distances

ALL = np.ones(1, bool)


def normal(count, shift=0.0, scale=1.0):
    """Evenly spaced quantiles of a normal distribution, (count, 1)."""
    return shift + scale * norm.ppf((np.arange(count) + 0.5) / count)[:, None]


def values(result):
    """The values of a result, without their errors."""
    return {name: value for name, (value, _) in result.items()}


def test_a_shifted_normal_distribution_is_its_shift_away():
    found = values(distances.distances(normal(4000), normal(4000, 0.5), ALL, 100, 0))
    for name, expected in {"shift": 0.5, "w1": 0.5, "scatter": 1, "ks": 2 * norm.cdf(0.25) - 1}.items():
        np.testing.assert_allclose(found[name], [expected], atol=2e-3, err_msg=name)
    assert found["mean_w1"] == found["w1"][0]


def test_a_wider_normal_distribution_has_its_ratio_as_scatter():
    found = values(distances.distances(10 + 3 * normal(4000), 10 + 3 * normal(4000, 0, 1.5), ALL, 100, 0))
    # The integral of |F - G| of two centred normal distributions is that of the difference of their quantiles.
    expected = {"scatter": 1.5, "w1": 0.5 * np.sqrt(2 / np.pi), "shift": 0}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], [value], atol=2e-3, err_msg=name)


def test_w1_and_ks_are_scipys_without_failures_and_with_equal_values():
    generator = np.random.default_rng(0)
    real, other = generator.normal(5, 2, (70, 3)), generator.normal(6, 3, (50, 3))
    real[:, 1], other[:, 1] = np.round(real[:, 1]), np.round(other[:, 1])
    real[:9, 2], other[40:, 2] = np.nan, np.nan
    found = values(distances.distances(real, other, np.array([True, False, True]), 100, 0))
    for index in range(3):
        pair = [matrix[np.isfinite(matrix[:, index]), index] for matrix in (real, other)]
        assert found["w1"][index] == pytest.approx(wasserstein_distance(*pair) / pair[0].std())
        assert found["ks"][index] == pytest.approx(ks_2samp(*pair).statistic)
    assert found["mean_w1"] == pytest.approx((found["w1"][0] + found["w1"][2]) / 2)


def test_a_measure_without_values_or_scatter_is_undefined_and_not_in_the_mean():
    generator = np.random.default_rng(0)
    real, other = generator.normal(size=(60, 3)), generator.normal(size=(60, 3))
    real[:, 1], other[:, 2] = 0.1, np.nan
    result = distances.distances(real, other, np.ones(3, bool), 100, 0)
    for name in ("shift", "scatter", "w1", "ks"):
        for numbers in result[name]:
            assert list(np.isfinite(numbers)) == [True, False, False], name
    assert result["mean_w1"][0] == result["w1"][0][0]
    nothing = distances.distances(real[:, 1:], other[:, 1:], np.ones(2, bool), 100, 0)
    assert np.isnan(nothing["mean_w1"]).all()


def test_errors_are_those_of_repeated_surveys():
    generator = np.random.default_rng(1)
    repeated = []
    for _ in range(200):
        real, other = generator.normal(10, 1, (200, 4)), generator.normal(10.4, 1.3, (200, 4))
        other[:, 1:] = other[:, :1]  # measures that agree do not make their mean more certain
        apart = distances.distances(real, other, np.ones(4, bool), 2, 0)
        average = distances.means(real, other, 2, 0)
        repeated.append(
            [apart["w1"][0][0], apart["mean_w1"][0], average["bias"][0][0], apart["scatter"][0][0]]
        )
    apart = distances.distances(real, other, np.ones(4, bool), 1000, 0)
    average = distances.means(real, other, 1000, 0)
    errors = [apart["w1"][1][0], apart["mean_w1"][1], average["bias"][1][0], apart["scatter"][1][0]]
    np.testing.assert_allclose(errors, np.std(repeated, axis=0), rtol=0.2)


def test_bias_is_in_percent_of_the_real_mean():
    found = distances.means(np.array([[1.0], [3.0], [np.nan]]), np.array([[3.0], [2.0]]), 100, 0)
    assert [found[name][0][0] for name in ("mean_real", "mean", "bias")] == pytest.approx([2, 2.5, 25])


def test_the_same_galaxies_are_resampled_together_in_paired_sets():
    real = np.random.default_rng(0).normal(10, 1, (100, 1))
    for paired, error in ((True, 0), (False, np.sqrt(2 / 100))):
        _, found = distances.distances(real, real + 0.5, ALL, 500, 0, paired)["shift"]
        # Exactly 0 but for the standard deviation, in units of which the shift is.
        assert found[0] == pytest.approx(error, abs=0.05)


def test_area_under_the_curve_is_scikit_learns_with_equal_scores():
    generator = np.random.default_rng(0)
    real, other = np.round(generator.normal(size=80), 1), np.round(generator.normal(0.5, 1, 60), 1)
    statistics = distances._area_under_curve("auc", real, other)
    weights = generator.integers(0, 3, (80, 2)), generator.integers(0, 3, (60, 2))
    is_other = np.arange(140) >= 80
    for column, area in enumerate(statistics(*weights)["auc"]):
        counts = np.concatenate([one[:, column] for one in weights])
        expected = roc_auc_score(is_other, np.concatenate([real, other]), sample_weight=counts)
        assert area == pytest.approx(expected)


def test_classifiers_separate_what_can_be_separated_and_nothing_else():
    generator = np.random.default_rng(0)
    real, same = generator.normal(size=(2, 150, 3))
    far = same + [0, 8, 0]
    far[:20, 0] = np.nan  # not judged
    found = distances.classification(real, far, 100, 0)
    assert all(area > 0.999 for area, _ in found.values())
    found = distances.classification(real, same, 100, 0)
    assert all(abs(area - 0.5) < 3 * error and 0.02 < error < 0.05 for area, error in found.values())


def test_boosting_sees_what_no_line_separates():
    generator = np.random.default_rng(0)
    real = generator.normal(size=(200, 2))
    ring = generator.normal(size=(200, 2))
    ring *= 4 / np.linalg.norm(ring, axis=1, keepdims=True)
    found = values(distances.classification(real, ring, 100, 0))
    assert found["auc"] > 0.95 and found["auc_logistic"] < 0.65


def test_a_perfect_copy_of_each_galaxy_cannot_be_told_from_it():
    real = np.random.default_rng(0).normal(size=(100, 3))
    # In folds of their own, the classifier would know each copy's original, and be always wrong.
    assert distances.classification(real, real.copy(), 100, 0, paired=True) == {
        "auc": (0.5, 0),
        "auc_logistic": (0.5, 0),
    }
