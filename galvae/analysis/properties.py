"""How well measured properties of galaxies can be read off their codes, beside as many principal components."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from galvae.analysis.distances import bootstrapped
from galvae.data.dataset import evenly
from galvae.system.threads import one_thread

FOLDS = 5
MIN_GALAXIES = 50  # fewer give no R² worth its interval
PCA_VALUES = 25_000_000  # pixel values of the training images from which components are computed, 100 MB
PROJECTED = 256  # images at a time

# Smaller trees than scikit-learn's default: the same R² or more, on a few hundred galaxies, in half of the time.
BOOSTING = {"max_leaf_nodes": 8}


@one_thread  # on so few galaxies, more threads than idle cores cost more than they gain
def predict_properties(features, values, seed):
    """Properties of galaxies predicted from features such as codes, each galaxy by a fit without it.

    Ridge regression on standardised features, and boosted trees, both in five folds.

    Args:
        features: (n, k).
        values: (n, M) properties, NaN where one could not be measured.
        seed: seed of the folds.

    Returns:
        dict of linear and boosted -> (n, M) predictions, NaN where `values` is NaN, and for properties that are
        constant or known of fewer than MIN_GALAXIES galaxies.
    """
    folds = KFold(FOLDS, shuffle=True, random_state=seed)
    models = {
        "linear": make_pipeline(StandardScaler(), Ridge()),
        "boosted": HistGradientBoostingRegressor(**BOOSTING, random_state=seed),
    }
    predictions = {}
    for name, model in models.items():
        table = predictions[name] = np.full(values.shape, np.nan)
        for index, column in enumerate(values.T):
            known = np.isfinite(column)
            if is_measured(column):
                table[known, index] = cross_val_predict(model, features[known], column[known], cv=folds)
    return predictions


def is_measured(values):
    """Whether a property (n,) is known of MIN_GALAXIES galaxies or more and differs between them."""
    known = values[np.isfinite(values)]
    return len(known) >= MIN_GALAXIES and np.ptp(known) > 0


def r_squared(values, predictions, resamples, seed):
    """R² of predicted properties with bootstrap errors over galaxies.

    Args:
        values: (n, M) properties, NaN where one could not be measured.
        predictions: (n, M), NaN where there is none.
        resamples: number of bootstrap resamples.
        seed: seed of the bootstrap.

    Returns:
        R² and its standard error, (M,) each, NaN where nothing is predicted: one minus the mean squared error over the
        variance. It is 0 for the mean of the galaxies, and negative for worse predictions.
    """
    known = np.isfinite(values) & np.isfinite(predictions)
    # Moments are taken about the mean, so that small differences of large values keep their digits.
    centre = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - centre, 0)
    errors = np.where(known, values - predictions, 0)

    def statistics(weights):
        with np.errstate(divide="ignore", invalid="ignore"):
            count = known.T.astype(float) @ weights
            variance = (centred**2).T @ weights - (centred.T @ weights) ** 2 / count
            return {"r2": 1 - (errors**2).T @ weights / variance}

    return bootstrapped(statistics, (len(values),), resamples, seed)["r2"]


def principal_components(dataset, indices, count, seed):
    """Principal components of the pixels of galaxies, as training images define them.

    Args:
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        count: largest number of components.
        seed: seed of the randomised decomposition.

    Returns:
        (n, count) or, of fewer training images or pixels, as many as there are.

    Reference:
        Halko, Martinsson & Tropp 2011, SIAM Review 53, 217 (randomised decomposition).
    """
    return projected(fitted_components(dataset, count, seed), dataset, indices)


def fitted_components(dataset, count, seed):
    """Principal components of the pixels of training images, as scikit-learn's PCA; see `principal_components`."""
    train, pixels = dataset.split("train"), int(np.prod(dataset.image_shape))
    train = np.sort(train[evenly(len(train), max(count, PCA_VALUES // pixels))])
    images = dataset.to_unit(dataset.images[train]).reshape(len(train), -1)
    with np.errstate(invalid="ignore"):  # of images that are all alike, whose variance is 0
        return PCA(min(count, *images.shape), copy=False, svd_solver="randomized", random_state=seed).fit(
            images
        )


def projected(analysis, dataset, indices):
    """Galaxies (n,) projected on fitted principal components, (n, count)."""
    result = np.empty((len(indices), analysis.n_components_))
    for start in range(0, len(indices), PROJECTED):
        rows = indices[start : start + PROJECTED]
        result[start : start + len(rows)] = analysis.transform(
            dataset.to_unit(dataset.images[rows]).reshape(len(rows), -1)
        )
    return result
