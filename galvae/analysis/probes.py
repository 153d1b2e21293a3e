"""What simple predictors can read off the latent codes of galaxies: their classes and conditions such as redshift."""

import dataclasses
import warnings
from dataclasses import dataclass

import keras
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from galvae.analysis.distances import bootstrapped
from galvae.analysis.held_out import held_out_galaxies
from galvae.analysis.measured import band_labels, measure_galaxies
from galvae.analysis.properties import principal_components
from galvae.analysis.report import UNMEASURED, Report
from galvae.data.area_average import thumbnails
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.latent.inference import encode_dataset
from galvae.latent.orientations import orientations_of
from galvae.models.build import build_model
from galvae.morphology.measures import measure_names

MOST_PROBED = 5_000  # galaxies
ENOUGH_NEW = 500  # held-out galaxies with a known value; of fewer, training galaxies are probed too
FEW = 50  # galaxies
FEW_IN_CLASS = 5  # members, one for each fold
FOLDS = 5
NEIGHBOURS = 15
SIDE = 8  # pixels of the images that are one of the baselines
CLASSES = "class"
INTERVAL = 1.96  # standard errors on either side of a value: 95 %
FEATURES = {
    "codes": "latent codes",
    "pca": "principal components",
    "pixels": "8×8 pixels",
    "untrained": "untrained encoder",
    "morphology": "morphology",
    "chance": "codes of other galaxies",
}


@dataclass(frozen=True)
class Target:
    """What is predicted of each galaxy.

    Attributes:
        name: "class", or the name of a condition.
        rows: (n,) row indices of the galaxies.
        galaxies: of which splits they are, in words.
        values: (n,) class numbers, or numbers.
        class_names: names of the classes that are predicted, in the order of their numbers; None for numbers.
        left_out: name of each class that has too few members -> their number.
    """

    name: str
    rows: np.ndarray
    galaxies: str
    values: np.ndarray
    class_names: list | None = None
    left_out: dict | None = None

    @property
    def chance(self):
        """What a predictor reaches that knows nothing: balanced accuracy, or R²."""
        return 0.0 if self.class_names is None else 1 / len(self.class_names)

    @property
    def reason(self):
        """Why it cannot be predicted, in one line; None if it can."""
        if len(self.rows) < FEW:
            return f"{len(self.rows)} galaxies with a known value are too few; {FEW} are needed"
        if self.class_names is not None and len(self.class_names) < 2:
            return f"fewer than two classes have {FEW_IN_CLASS} members"
        return None if np.ptp(self.values) > 0 else "constant"


def measure(run, indices, config, columns):
    """Measures how well classes and conditions can be predicted from latent codes, and from what else.

    Galaxies are those of validation and test split together if ENOUGH_NEW of them have a known value, else of all
    splits, whatever split the command evaluates; at most MOST_PROBED, evenly chosen. Features are standardised. Each
    galaxy is predicted by a probe that was fitted to four fifths of the others, stratified by class or by rank.

    Beside the codes (posterior means) stand as many principal components of the pixels, fitted to training galaxies as
    the codes are; the pixels averaged to 8x8; the codes of the same encoder before training, by another seed; the
    measures of morphology, where a failed one is replaced by the median; and, for chance, codes that are shuffled among
    galaxies. With `invariant=true`, codes, trained and untrained, are averaged over the orientations of an image.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report.

    Reference:
        Alain & Bengio 2016 (arXiv:1610.01644), linear probes.
    """
    targets, summary, lines = _targets(run.dataset), {}, []
    measured = [target for target in targets if target.reason is None]
    arrays = {}
    if measured:
        rows = np.unique(np.concatenate([target.rows for target in measured]))
        features, failed = _features(run, rows, config)
        arrays["indices"] = rows
    for target in targets:
        if target.reason is not None:
            summary[target.name] = {UNMEASURED: target.reason}
            lines.append(f"  probes           {target.name} not measured: {target.reason}")
            continue
        positions = np.searchsorted(rows, target.rows)
        result = {
            "galaxies": target.galaxies,
            "n": len(target.rows),
            "chance_level": target.chance,
            "given_to_encoder": bool(run.model.condition_dim)
            and (target.class_names is None or bool(run.dataset.condition_classes)),
            "invariant": config.invariant,
            "failed_measurements": int(failed[positions].sum()),
        }
        if target.class_names is not None:
            result |= {"classes": target.class_names, "left_out": target.left_out}
        for name, values in features.items():
            predictions = predict(
                values[positions], target.values, target.class_names is not None, config.seed
            )
            result[name] = {}
            for probe, predicted in predictions.items():
                result[name][probe] = score(target, predicted, config.bootstrap, config.seed)
                column = np.full(len(rows), np.nan)
                column[positions] = predicted
                arrays[f"{target.name}_{name}_{probe}".replace("/", "_")] = column
        summary[target.name] = result
        lines.append(_line(target, result))
    if not targets:
        reason = "the dataset has neither classes nor conditions"
        summary, lines = {UNMEASURED: reason}, [f"  probes           not measured: {reason}"]
    return Report(
        question="How well can the class or redshift of a galaxy be predicted from its code?",
        perfect="balanced accuracy or R² of 1; at least those of as many principal components",
        chance="those of the codes of other galaxies: one over the number of classes, or R² of 0",
        summary={"probes": summary},
        arrays={"probes": arrays} if arrays else {},
        facts={"features": FEATURES, "invariant": config.invariant, "latent_dim": run.model.latent_dim},
        lines=lines,
    )


def _targets(dataset):
    """The classes and the conditions of a dataset, each as a Target."""
    targets = []
    if dataset.labels is not None:
        targets.append(_class_target(dataset))
    for name, index in dataset.condition_numbers.items():
        values = dataset.condition[:, index].astype(np.float64)
        rows, galaxies = _probed(dataset, np.isfinite(values))
        targets.append(Target(name, rows, galaxies, values[rows]))
    return targets


def _class_target(dataset):
    """The classes that have enough members, and which have not."""
    rows, galaxies = _probed(dataset, dataset.labels >= 0)
    labels = dataset.labels[rows]
    counts = np.bincount(labels, minlength=len(dataset.class_names))
    few = counts < FEW_IN_CLASS
    names = [str(name) for name in dataset.class_names]
    left_out = {names[number]: int(counts[number]) for number in np.flatnonzero(few & (counts > 0))}
    kept = ~few[labels]
    _, values = np.unique(labels[kept], return_inverse=True)
    return Target(
        CLASSES, rows[kept], galaxies, values, [names[number] for number in np.flatnonzero(~few)], left_out
    )


def _probed(dataset, known):
    """Row indices of the galaxies that are probed, of those whose value is known, and of which splits they are."""
    rows, splits = held_out_galaxies(dataset, ENOUGH_NEW, known)
    return rows[evenly(len(rows), MOST_PROBED)], splits


def _features(run, rows, config):
    """The features of galaxies, by the names of FEATURES, (n, k) each; how many measurements of each failed, (n,)."""
    dataset, model = run.dataset, run.model
    invariant = config.invariant
    measured = measure_galaxies(dataset, rows).matrix(measure_names(band_labels(dataset)))
    failed = ~np.isfinite(measured)
    codes = averaged_codes(model, dataset, rows) if invariant else run.codes("all").at(rows).mean
    pixels = [
        thumbnails(dataset.to_unit(part["images"]), SIDE) for part in batches(dataset, rows, "averaging")
    ]
    shuffled = np.random.default_rng(config.seed).permutation(len(rows))
    features = {
        "codes": codes,
        "pca": principal_components(dataset, rows, model.latent_dim, config.seed),
        "pixels": np.concatenate(pixels).reshape(len(rows), -1),
        "untrained": averaged_codes(_untrained(run), dataset, rows, invariant),
        "morphology": imputed(measured),
        "chance": codes[shuffled],
    }
    return features, failed.sum(axis=1)


def imputed(measured):
    """Measures (n, k) with the median of a measure in place of its failures, 0 where it fails for all galaxies."""
    median = np.ma.median(np.ma.masked_invalid(measured), axis=0)
    return np.where(np.isfinite(measured), measured, np.ma.filled(median, 0.0))


def _untrained(run):
    """The model of a run as it was before training, with initial weights of another seed."""
    dataset, seed = run.dataset, run.config.seed + 1
    keras.utils.set_random_seed(seed)  # of initial weights
    model = build_model(
        dataclasses.replace(run.config, seed=seed),
        dataset.image_shape,
        dataset.pixel_range,
        dataset.stretch,
        len(dataset.condition_names),
    )
    if model.condition_dim:
        train = dataset.condition[dataset.split("train")]
        model.set_condition_scale(train, len(dataset.condition_classes))
    return model


def averaged_codes(model, dataset, indices, averaged=True):
    """Posterior means of galaxies, averaged over the flips and 90-degree rotations of their images.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        averaged: whether to average; else the images are encoded in their stored orientation alone.

    Returns:
        (n, latent_dim) float32; images that are not square are not rotated by 90 degrees.
    """
    count = len(orientations_of(dataset.image_shape, averaged))
    rows, rotated = np.repeat(indices, count), np.tile(np.arange(count), len(indices))
    return encode_dataset(model, dataset, rows, rotated).mean.reshape(len(indices), count, -1).mean(axis=1)


def predict(features, values, are_classes, seed):
    """Predictions of each galaxy's value by probes that were fitted to others.

    Args:
        features: (n, k).
        values: (n,) class numbers from 0 on, or numbers.
        are_classes: whether they are classes.
        seed: seed of the folds.

    Returns:
        dict of (n,) predictions: `knn`, of the nearest galaxies weighted by inverse distance, for classes also by the
        inverse frequency of a class; and `logistic`, with classes weighted by inverse frequency, or `linear` (ridge).
    """
    strata = values if are_classes else np.argsort(np.argsort(values)) * FOLDS // len(values)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    predictions = {
        name: np.full(len(values), np.nan) for name in ("knn", "logistic" if are_classes else "linear")
    }
    with threadpool_limits(1), warnings.catch_warnings():  # one thread, as the matrices are small
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe need not be the best one
        for fitted, judged in folds.split(features, strata):
            scaler = StandardScaler().fit(features[fitted])
            known, new = (scaler.transform(features[rows]) for rows in (fitted, judged))
            neighbours = {"n_neighbors": min(NEIGHBOURS, len(fitted)), "weights": "distance"}
            if are_classes:
                nearest = KNeighborsClassifier(**neighbours).fit(known, values[fitted])
                votes = nearest.predict_proba(new) / np.bincount(values[fitted])
                predictions["knn"][judged] = votes.argmax(axis=1)
                linear = LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-3)
                predictions["logistic"][judged] = linear.fit(known, values[fitted]).predict(new)
            else:
                nearest = KNeighborsRegressor(**neighbours).fit(known, values[fitted])
                predictions["knn"][judged] = nearest.predict(new)
                predictions["linear"][judged] = Ridge().fit(known, values[fitted]).predict(new)
    return predictions


def score(target, predicted, resamples, seed):
    """Balanced accuracy of predicted classes, or R² of predicted numbers, with its interval.

    Args:
        target: Target.
        predicted: (n,) classes or numbers.
        resamples: number of bootstrap resamples.
        seed: seed of the bootstrap.

    Returns:
        dict of value, low and high: 95 %, from the standard error of resampling galaxies after they are predicted.

    Reference:
        Brodersen et al. 2010, ICPR, 3121 (balanced accuracy: the mean over classes of the share that is right).
    """

    def balanced_accuracy(weights):
        with np.errstate(invalid="ignore"):  # a class of which no galaxy is drawn
            shares = members.T @ (weights * right) / (members.T @ weights)
        return {"score": np.nanmean(shares, axis=0)}

    def r_squared(weights):
        count = weights.sum(axis=0)
        variance = centred**2 @ weights - (centred @ weights) ** 2 / count
        with np.errstate(divide="ignore", invalid="ignore"):  # galaxies that are all alike
            return {"score": 1 - (predicted - target.values) ** 2 @ weights / variance}

    if target.class_names is None:
        centred, statistic = target.values - target.values.mean(), r_squared
    else:
        right = (predicted == target.values)[:, None]
        members = (target.values[:, None] == np.arange(len(target.class_names))).astype(float)
        statistic = balanced_accuracy
    value, error = (
        float(number) for number in bootstrapped(statistic, (len(predicted),), resamples, seed)["score"]
    )
    return {"value": value, "low": value - INTERVAL * error, "high": value + INTERVAL * error}


def _line(target, result):
    kind = "R²" if target.class_names is None else "balanced accuracy"
    scores = [
        f"{name} " + " / ".join(f"{round(probe['value'], 2) + 0:.2f}" for probe in result[name].values())
        for name in FEATURES
    ]
    given = "; the encoder is given it" if result["given_to_encoder"] else ""
    if target.left_out:
        given = "; too few: " + ", ".join(f"{name} {count}" for name, count in target.left_out.items())
    return (
        f"  probes           {target.name}, {kind}, {' / '.join(result['codes'])}: {', '.join(scores)} "
        f"({len(target.rows)} galaxies: {target.galaxies}{given})"
    )
