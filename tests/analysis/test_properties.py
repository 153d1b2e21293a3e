"""R² of properties from codes and principal components, with known answers and second ways of computing them."""

import numpy as np
import pytest
from builders.galaxies import dataset
from sklearn.metrics import r2_score

from galvae.analysis import properties
from galvae.analysis.properties import MIN_GALAXIES, predict_properties, principal_components, r_squared
from galvae.data.dataset import evenly

COUNT = 300


def made_up():
    """Codes, and properties of them: linear with a quarter of noise, a modulus, noise, a constant, one known of few."""
    generator = np.random.default_rng(0)
    codes = generator.normal(size=(COUNT, 3))
    noise = generator.normal(size=(COUNT, 2))
    values = np.full((COUNT, 5), np.nan)
    values[:, 0] = 1e4 + codes @ [1, -1, 1] + noise[:, 0]  # R² of 3/4
    values[:, 1] = np.abs(codes[:, 0])
    values[:, 2] = noise[:, 1]
    values[:, 3] = 7
    values[: MIN_GALAXIES - 1, 4] = codes[: MIN_GALAXIES - 1, 0]
    values[::10, :3] = np.nan
    return codes, values


@pytest.fixture(scope="module")
def predicted():
    codes, values = made_up()
    components = np.stack([codes[:, 0], np.random.default_rng(3).normal(size=COUNT)], axis=1)
    sets = {"": codes, "pca_": components}
    return values, {
        prefix + name: table
        for prefix, features in sets.items()
        for name, table in predict_properties(features, values, seed=0).items()
    }


def test_properties_are_predicted_where_the_features_know_them(predicted):
    values, found = predicted
    assert list(found) == ["linear", "boosted", "pca_linear", "pca_boosted"]
    scores = {name: r_squared(values, table, 50, 0)[0] for name, table in found.items()}
    assert scores["linear"][0] == pytest.approx(0.75, abs=0.06)
    assert scores["pca_linear"][0] == pytest.approx(0.25, abs=0.08)  # one of the three codes
    assert scores["linear"][1] < 0.1 and scores["boosted"][1] > 0.8 and scores["pca_boosted"][1] > 0.8
    # Out of fold, noise cannot be predicted: within the galaxies that trees were fitted to, R² would be near 1.
    assert all(scores[name][2] < 0.05 for name in scores)


def test_what_is_not_measured_is_not_predicted(predicted):
    values, found = predicted
    for table in found.values():
        np.testing.assert_array_equal(np.isfinite(table[:, :3]), np.isfinite(values[:, :3]))
        assert np.isnan(table[:, 3:]).all()
        r2, error = r_squared(values, table, 50, 0)
        assert np.isnan(r2[3:]).all() and np.isnan(error[3:]).all()
        assert np.isfinite(error[:3]).all()


def test_r_squared_and_its_error_are_those_of_resampled_galaxies(predicted):
    values, found = predicted
    r2, error = r_squared(values, found["linear"], 400, 0)
    known = np.isfinite(values[:, 0])
    true, guess = values[known, 0], found["linear"][known, 0]
    assert r2[0] == pytest.approx(r2_score(true, guess), abs=1e-9)
    generator = np.random.default_rng(1)
    rows = generator.integers(len(true), size=(400, len(true)))
    assert error[0] == pytest.approx(np.std([r2_score(true[row], guess[row]) for row in rows]), rel=0.2)


def test_components_are_those_of_the_training_images(monkeypatch):
    data = dataset(40)
    train = data.to_unit(data.images[np.sort(data.split("train"))]).reshape(len(data.split("train")), -1)
    _, _, directions = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)
    indices = np.array([30, 2, 17])
    pixels = data.to_unit(data.images[indices]).reshape(3, -1)
    expected = (pixels - train.mean(axis=0)) @ directions[:4].T
    monkeypatch.setattr(properties, "PROJECTED", 2)  # images at a time
    found = principal_components(data, indices, 4, seed=0)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-4)
    assert principal_components(data, indices, 100, seed=0).shape == (3, len(train))


def test_large_images_are_reduced_in_number_before_components_are_computed(monkeypatch):
    data = dataset(40)
    monkeypatch.setattr(properties, "PCA_VALUES", 6 * 8 * 8 * 3)
    assert principal_components(data, np.arange(3), 4, seed=0).shape == (3, 4)
    train = data.split("train")
    train = data.to_unit(data.images[train[evenly(len(train), 6)]]).reshape(6, -1)
    _, _, directions = np.linalg.svd(train - train.mean(axis=0), full_matrices=False)
    projected = (data.to_unit(data.images[:3]).reshape(3, -1) - train.mean(axis=0)) @ directions[:4].T
    found = principal_components(data, np.arange(3), 4, seed=0)
    np.testing.assert_allclose(np.abs(found), np.abs(projected), rtol=1e-3, atol=1e-4)
