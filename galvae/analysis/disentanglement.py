"""How well single latent dimensions correspond to single known factors: MIG, DCI and modularity.

Pure functions of codes and factors. All three are 1 for codes that are the factors in any order, each on any
monotonic scale, and low for a rotated copy of them, which holds the same information. A score is that of all galaxies;
its error is the jackknife's over five folds, since the bootstrap's repeated galaxies would raise mutual information.
"""

import numpy as np
from scipy.stats import rankdata
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.metrics import mutual_info_score, r2_score

BINS = 20  # of codes and factors, for mutual information
FOLDS = 5
MIN_GALAXIES = 5 * BINS  # fewer leave most pairs of bins empty
# Boosted trees, each of half of the galaxies: as accurate as twice as many of all galaxies, in a quarter of the time.
TREES = {"n_estimators": 50, "learning_rate": 0.2, "subsample": 0.5, "max_depth": 3}


def disentanglement(codes, factors, seed):
    """MIG, DCI and modularity with their errors.

    Args:
        codes: (n, latent_dim), finite.
        factors: (n, K) true factors, finite, none of which is constant; n is at least MIN_GALAXIES.
        seed: seed of the folds and of the trees.

    Returns:
        dict of dicts with value and error: mig, modularity, and of DCI disentanglement, completeness and
        informativeness (R² of the factors out of fold, mean over factors).
    """
    information = mutual_information(codes, factors)
    fold = np.random.default_rng(seed).permutation(len(codes)) % FOLDS
    importances, accuracies, jackknife = [], [], []
    for left_out in range(FOLDS):
        train, test = fold != left_out, fold == left_out
        importance, accuracy = _trees(codes[train], factors[train], codes[test], factors[test], seed)
        importances.append(importance)
        accuracies.append(accuracy.mean())
        parts = mutual_information(codes[train], factors[train])
        jackknife.append([mig(parts), modularity(parts), *dci(importance), accuracy.mean()])
    values = [
        mig(information),
        modularity(information),
        *dci(np.mean(importances, axis=0)),
        np.mean(accuracies),
    ]
    deviations = np.array(jackknife) - np.mean(jackknife, axis=0)
    errors = np.sqrt((FOLDS - 1) / FOLDS * (deviations**2).sum(axis=0))
    # Each informativeness is of a fifth of the galaxies that no other is of: their mean's standard error.
    errors[-1] = np.std(accuracies, ddof=1) / np.sqrt(FOLDS)
    names = ("mig", "modularity", "disentanglement", "completeness", "informativeness")
    return {
        name: {"value": float(value), "error": float(error)}
        for name, value, error in zip(names, values, errors, strict=True)
    }


def rotated(codes, seed):
    """The same codes in randomly rotated axes, (n, latent_dim), which a standard normal prior cannot tell from them.

    Args:
        codes: (n, latent_dim).
        seed: seed of the rotation.

    Reference:
        Locatello et al. 2019 (arXiv:1811.12359), theorem 1; Mezzadri 2007 (arXiv:math-ph/0609050), random rotations.
    """
    normal = np.random.default_rng(seed).standard_normal((codes.shape[1],) * 2)
    rotation, triangle = np.linalg.qr(normal)
    return codes @ (rotation * np.sign(np.diag(triangle)))


def mutual_information(codes, factors):
    """Mutual information of each code with each factor, (latent_dim, K), relative to the factor's entropy.

    Codes and factors are put into BINS bins of equal numbers of galaxies, so that their scales do not matter. Chance
    gives (BINS - 1)² / (2 n) nats above the true value, for all pairs alike.

    Args:
        codes: (n, latent_dim).
        factors: (n, K).

    Reference:
        Chen et al. 2018 (arXiv:1802.04942), equation 6; Moddemeijer 1989, Signal Processing 16, 233 (bias).
    """
    codes, factors = _binned(codes), _binned(factors)
    return np.array(
        [
            [mutual_info_score(code, factor) / mutual_info_score(factor, factor) for factor in factors.T]
            for code in codes.T
        ]
    )


def mig(information):
    """Mutual information gap: by how much the best code knows a factor better than the second, mean over factors.

    Args:
        information: (latent_dim, K), see `mutual_information`.

    Returns:
        0 to 1; with a single latent dimension, its mutual information.

    Reference:
        Chen et al. 2018 (arXiv:1802.04942), equation 6.
    """
    first, *others = np.sort(information, axis=0)[::-1]
    return float(np.mean(first - (others[0] if others else 0)))


def modularity(information):
    """How far each code depends on one factor alone, mean over codes.

    Args:
        information: (latent_dim, K), see `mutual_information`.

    Returns:
        0 to 1. A code that knows nothing about any factor counts 0.

    Reference:
        Ridgeway & Mozer 2018 (arXiv:1802.05312), equation 2.
    """
    largest = information.max(axis=1)
    others = (information**2).sum(axis=1) - largest**2
    with np.errstate(invalid="ignore"):
        scores = 1 - others / (largest**2 * (information.shape[1] - 1))
    return float(np.where(largest > 0, scores, 0).mean())


def dci(importance):
    """Disentanglement and completeness of codes, by their importance for predicting the factors.

    Args:
        importance: (latent_dim, K), not negative, how much each code matters for each factor.

    Returns:
        (disentanglement, completeness), 0 to 1: one minus the entropy of each code's importance over factors, weighted
        by the importance of the code; and one minus the entropy of each factor's over codes, mean over factors.

    Reference:
        Eastwood & Williams 2018 (ICLR, openreview.net/forum?id=By-7dz-AZ), section 2.
    """
    codes, factors = importance.shape
    weight = importance.sum(axis=1) / importance.sum()
    disentangled = 1 - _entropy(importance, axis=1) / np.log(factors)
    completed = 1 - _entropy(importance, axis=0) / np.log(codes) if codes > 1 else np.ones(factors)
    return float(weight @ disentangled), float(completed.mean())


def _entropy(importance, axis):
    """Entropy in nats of shares along an axis; 0 where all are zero."""
    total = importance.sum(axis=axis, keepdims=True)
    share = importance / np.where(total > 0, total, 1)
    return -(share * np.log(np.where(share > 0, share, 1))).sum(axis=axis)


def _trees(codes, factors, test_codes, test_factors, seed):
    """Importance of each code for each factor (latent_dim, K), and R² of each factor (K,), by boosted trees."""
    importance, accuracy = [], []
    for factor, test_factor in zip(factors.T, test_factors.T, strict=True):
        trees = GradientBoostingRegressor(**TREES, random_state=seed).fit(codes, factor)
        importance.append(trees.feature_importances_)
        accuracy.append(r2_score(test_factor, trees.predict(test_codes)))
    return np.array(importance).T, np.array(accuracy)


def _binned(values):
    """Columns as numbers of bins, 0 to BINS - 1, which hold equal numbers of galaxies; equal values share a bin."""
    return ((rankdata(values, axis=0) - 0.5) * BINS / len(values)).astype(int)
