"""The page's histograms, counted by JavaScript, against NumPy's."""

import numpy as np
import pytest
from builders.javascript import context, put, take


@pytest.fixture(scope="module")
def page():
    return context("histogram.js")


@pytest.mark.parametrize(("low", "high", "bins"), [(-1, 2, 12), (-4.5, 4.5, 60), (0.25, 0.26, 1)])
def test_counts_are_those_of_numpy(page, low, high, bins):
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    put(page, "values", values)
    expected, _ = np.histogram(values, bins, (low, high))
    np.testing.assert_array_equal(take(page, f"counts(values, {low}, {high}, {bins})"), expected)


def test_edges_count_and_unknown_values_do_not(page):
    put(page, "values", np.array([0, 1, 2, 3, np.nan, -0.1, 3.1, np.inf]))
    assert take(page, "counts(values, 0, 3, 3)").tolist() == [1, 1, 2]
    assert take(page, "counts(values, 2, 2, 3)").tolist() == [1, 0, 0]  # all alike
    assert take(page, "counts(values, NaN, NaN, 2)").tolist() == [0, 0]
