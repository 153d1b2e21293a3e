"""Audit of a model that is conditional on classes: which class an independent judge sees in its generated galaxies."""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from galvae.analysis.condition_audit import verdict
from galvae.analysis.condition_trends import CLEAR, NOISY
from galvae.analysis.distances import bootstrapped, error_text, with_errors
from galvae.analysis.measured import band_labels, measure_galaxies, measure_images
from galvae.analysis.probes import FEW_IN_CLASS, NEIGHBOURS, predict
from galvae.analysis.properties import MIN_GALAXIES, fitted_components, projected
from galvae.analysis.report import UNMEASURED
from galvae.analysis.samples import sampled_condition
from galvae.data.conditions import CLASS, one_hot
from galvae.data.dataset import evenly
from galvae.latent.inference import decoded_batches
from galvae.morphology.measures import compared_names
from galvae.system.threads import one_thread

MOST_TRAINING = 5000  # galaxies among which the judge looks for neighbours
MOST_SWAPPED = 500  # galaxies that are decoded under another class
COMPONENTS = 32  # principal components of the pixels
DRAWN = 6  # generated galaxies of each class in the figure, and real ones
MOST_ROWS = 20  # classes in the figure
NOTED_EMPTY = 0.01  # share of images without a galaxy from which on the command's lines say so
ORIENTED = ("e1", "e2")  # measures that tell classes apart only where images are not rotated at random


class Judge:
    """A nearest-neighbour classifier of galaxies, fitted to real training galaxies and to nothing else.

    Neighbours vote by inverse distance and by the inverse frequency of their class, so that rare classes are seen too.

    Args:
        name: of what it sees.
        of_images: function of images (n, H, W, C) in network units that returns their features.
        of_galaxies: the same of row indices of the dataset's galaxies.
        train: (n,) row indices of the training galaxies.
        classes: (n,) numbers of their classes.

    Attributes:
        accuracy: balanced accuracy on the training galaxies, each judged by the others.
    """

    def __init__(self, name, of_images, of_galaxies, train, classes):
        self.name, self._of_images, self._of_galaxies = name, of_images, of_galaxies
        self._scaled = make_pipeline(
            SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
        )
        self._votes = KNeighborsClassifier(NEIGHBOURS, weights="distance")
        self._votes.fit(self._scaled.fit_transform(of_galaxies(train)), classes)
        self.classes, self._frequency = np.unique(classes, return_counts=True)
        alone = self._winners(None)  # no galaxy is its own neighbour
        self.accuracy = float(np.mean([np.mean(alone[classes == one] == one) for one in self.classes]))

    def see(self, images):
        """Classes of images, (n,)."""
        return self._winners(self._scaled.transform(self._of_images(images)))

    def see_real(self, rows):
        """Classes of the dataset's galaxies, (n,)."""
        return self._winners(self._scaled.transform(self._of_galaxies(rows)))

    def _winners(self, features):
        return self.classes[(self._votes.predict_proba(features) / self._frequency).argmax(axis=1)]


def audit(run, config):
    """Asks for galaxies of each class, and an independent judge which class it sees in them.

    The judge is a nearest-neighbour classifier that has seen real training galaxies alone, by their measures, without
    those that noise changes, or by principal components of their pixels: by what classifies training galaxies better.
    What it sees in real galaxies of the validation and test splits is the most that generated ones can reach.

    Args:
        run: TrainedRun that is conditional on classes.
        config: EvaluateConfig.

    Returns:
        (summary, arrays, lines), see `galvae.analysis.report.Report`. The summary says why there is no audit, or has
        classes (names of those that are judged), left_out (name of a class -> why), judge, chance, training, n,
        generated, empty (share of generated images without a galaxy), accuracy_real and accuracy_generated (balanced:
        the mean over classes of the share that is right), obedience (the latter in units of the former, both above
        chance), verdict, of_class (name -> n, generated, and the shares right_real and right_generated),
        confusion_real and confusion_generated (rows: the class asked for; columns: the class seen), leakage and swap.
        A number's standard error stands beside it, as accuracy_real_error.

    Reference:
        Shmelkov, Schmid & Alahari 2018 (arXiv:1807.09499), section 3: accuracy on generated images of a classifier that
        was trained on real ones; Brodersen et al. 2010, ICPR, 3121 (balanced accuracy).
    """
    dataset = run.dataset
    columns = dataset.condition[:, : len(dataset.condition_classes)]
    known = np.isfinite(dataset.condition).all(axis=1)
    labels = np.where(known, np.nan_to_num(columns).argmax(axis=1), -1)
    train, held_out = (rows[known[rows]] for rows in (dataset.split("train"), dataset.held_out))
    counts = [np.bincount(labels[rows], minlength=columns.shape[1]) for rows in (train, held_out)]
    judged = np.flatnonzero(np.minimum(*counts) >= FEW_IN_CLASS)
    summary = {
        "classes": [dataset.condition_classes[label] for label in judged],
        "left_out": {
            name: f"{counts[0][label]} training galaxies, {counts[1][label]} of validation and test"
            for label, name in enumerate(dataset.condition_classes)
            if label not in judged
        },
    }
    held_out = held_out[np.isin(labels[held_out], judged)]
    if len(judged) < 2:
        reason = (
            f"{len(judged)} classes with {FEW_IN_CLASS} or more training and held-out galaxies, fewer than 2"
        )
    elif len(held_out) < MIN_GALAXIES:
        reason = f"{len(held_out)} galaxies of validation and test, fewer than {MIN_GALAXIES}"
    else:
        return _report(run, config, summary, judged, labels, held_out)
    return {**summary, UNMEASURED: reason}, {}, [f"  {CLASS} asked for: {UNMEASURED}, {reason}"]


def scores(true, seen, classes, resamples, seed):
    """Shares of galaxies in which the right class is seen, with bootstrap errors over galaxies.

    Args:
        true, seen: (n,) class numbers, or pairs of such arrays, of real and of generated galaxies.
        classes: numbers of the classes, (C,).
        resamples, seed: see `galvae.analysis.distances.bootstrapped`.

    Returns:
        dict of (value, standard error): accuracy and its C shares, `shares`; of pairs, accuracy_real, shares_real, ...,
        and obedience.
    """
    kinds = ("_real", "_generated") if isinstance(true, tuple) else ("",)
    pairs = list(zip(true, seen, strict=True)) if isinstance(true, tuple) else [(true, seen)]

    def statistics(*weights):
        result = {}
        for kind, (own, found), counts in zip(kinds, pairs, weights, strict=True):
            members = (own[:, None] == classes).astype(float)
            with np.errstate(invalid="ignore"):  # a class of which no galaxy is drawn
                shares = members.T @ (counts * (own == found)[:, None]) / (members.T @ counts)
            result |= {f"shares{kind}": shares, f"accuracy{kind}": np.nanmean(shares, axis=0)}
        if len(kinds) > 1:
            chance = 1 / len(classes)
            with np.errstate(divide="ignore", invalid="ignore"):
                above = [result[f"accuracy{kind}"] - chance for kind in kinds]
                result["obedience"] = above[1] / above[0]
        return result

    return bootstrapped(statistics, tuple(len(own) for own, _ in pairs), resamples, seed)


def _report(run, config, summary, judged, labels, held_out):
    options, prior = (config.bootstrap, config.seed), run.prior(config.prior)
    train = run.dataset.split("train")
    train = train[np.isin(labels[train], judged)]
    judge = _judge(run, train[evenly(len(train), MOST_TRAINING)], labels, config.seed)
    asked = np.repeat(judged, max(1, config.samples // len(judged)))
    rows = _members(labels, held_out, asked, config.seed)
    condition = run.dataset.condition[rows]
    codes = prior.sample(len(asked), condition, config.seed)
    seen, empty = [], []
    for images in decoded_batches(run.model, codes, condition):
        seen.append(judge.see(images))
        empty.append(measure_images(run.dataset, images).empty)
    seen, empty = np.concatenate(seen), np.concatenate(empty)
    true, seen_real = labels[held_out], judge.see_real(held_out)
    numbers = scores((true, asked), (seen_real, seen), judged, *options)
    shares = {kind: numbers.pop(f"shares_{kind}") for kind in ("real", "generated")}
    summary = {
        **summary,
        "judge": judge.name,
        "chance": 1 / len(judged),
        "training": len(train),
        "n": len(held_out),
        "generated": len(asked),
        "empty": float(empty.mean()),
        **with_errors(numbers),
        "of_class": {
            run.dataset.condition_classes[label]: {
                "n": int((true == label).sum()),
                "generated": int((asked == label).sum()),
                **with_errors(
                    {f"right_{kind}": (value[index], error[index]) for kind, (value, error) in shares.items()}
                ),
            }
            for index, label in enumerate(judged)
        },
        "confusion_real": confusion(true, seen_real, judged).tolist(),
        "confusion_generated": confusion(asked, seen, judged).tolist(),
        "leakage": _leakage(run, labels, held_out, judged, *options),
        "swap": _swap(run, judge, labels, held_out, judged, config.seed),
    }
    accuracy, error = numbers["accuracy_real"]
    if accuracy - summary["chance"] > CLEAR * error:
        summary["verdict"] = verdict(numbers["obedience"][0])
    else:
        summary[UNMEASURED] = "classes cannot be told apart on real galaxies"
    arrays = {
        "class_audit": {"indices": rows, "asked": asked, "seen": seen},
        "class_audit_real": {"indices": held_out, "true": true, "seen": seen_real},
        "class_grid": _grid(run, config, labels),
    }
    return summary, arrays, _lines(summary)


def confusion(asked, seen, classes):
    """Share of the galaxies of each class, in rows, in which each class is seen, in columns, (C, C).

    Args:
        asked, seen: (n,) class numbers.
        classes: (C,) numbers of the classes.
    """
    counts = np.zeros((len(classes),) * 2)
    np.add.at(counts, (np.searchsorted(classes, asked), np.searchsorted(classes, seen)), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@one_thread
def _judge(run, train, labels, seed):
    """The judge that classifies training galaxies better, each by the others: by their measures or by their pixels."""
    dataset = run.dataset
    names = [name for name in compared_names(band_labels(dataset)) if name not in NOISY]
    if not run.config.dataset.augment:
        names += ORIENTED
    components = fitted_components(dataset, COMPONENTS, seed)

    features = {
        "morphology": (
            lambda images: measure_images(dataset, images).matrix(names),
            lambda rows: measure_galaxies(dataset, rows).matrix(names),
        ),
        "pixels": (
            lambda images: components.transform(images.reshape(len(images), -1)),
            lambda rows: projected(components, dataset, rows),
        ),
    }
    judges = [Judge(name, *functions, train, labels[train]) for name, functions in features.items()]
    return max(judges, key=lambda judge: judge.accuracy)


def _members(labels, rows, asked, seed):
    """Row indices of random galaxies of the classes that are asked for, (n,), among given ones."""
    generator = np.random.default_rng(seed)
    members = np.zeros(len(asked), int)
    for label in np.unique(asked):
        members[asked == label] = generator.choice(rows[labels[rows] == label], (asked == label).sum())
    return members


@one_thread
def _seen(run, judge, codes, condition):
    """Classes that a judge sees in galaxies decoded from codes, (n,)."""
    return np.concatenate([judge.see(images) for images in decoded_batches(run.model, codes, condition)])


def _leakage(run, labels, rows, judged, resamples, seed):
    """Balanced accuracy of the class predicted from samples of the codes' posteriors.

    It is at chance where the codes do not know the class, and leave it to the condition.
    """
    values = np.searchsorted(judged, labels[rows])
    predictions = predict(run.codes_at(rows).sample(seed), values, True, seed)
    found = {
        how: scores(values, predicted, np.arange(len(judged)), resamples, seed)["accuracy"]
        for how, predicted in predictions.items()
    }
    return {"n": len(rows), "ideal": 1 / len(judged), **with_errors(found)}


def _swap(run, judge, labels, held_out, judged, seed):
    """What the judge sees where real galaxies are decoded from their codes under their own, and under another class."""
    rows, count = held_out[evenly(len(held_out), MOST_SWAPPED)], len(run.dataset.condition_classes)
    codes, own, numbers = run.codes_at(rows).mean, labels[rows], {}
    step = np.random.default_rng(seed).integers(1, len(judged), len(rows))
    other = judged[(np.searchsorted(judged, own) + step) % len(judged)]
    for kind, asked in (("own", own), ("other", other)):
        condition = run.dataset.condition[rows]
        condition[:, :count] = one_hot(asked, count)
        seen = _seen(run, judge, codes, condition)
        for name, target in (("asked", asked), ("own", own)):
            share = (seen == target).mean()
            numbers[f"{kind}_seen_as_{name}"] = share, np.sqrt(share * (1 - share) / len(rows))
    del numbers["own_seen_as_asked"]
    return {"n": len(rows), **with_errors(numbers)}


def _grid(run, config, labels):
    """Generated galaxies of each class, from the same random numbers in every class, and real ones of it.

    Returns:
        dict of indices (m,), labels (rows,), generated (rows, DRAWN, H, W, C), and real (the same, NaN where there are
        fewer galaxies).
    """
    dataset = run.dataset
    classes = run.conditions.learned[:MOST_ROWS]
    blocks = [{CLASS: label} for label in classes]
    conditions = np.split(sampled_condition(run, blocks, DRAWN, config.seed), len(classes))
    generated = [
        run.sample(DRAWN, prior=config.prior, condition=condition, seed=config.seed)
        for condition in conditions
    ]
    real = np.full((len(classes), DRAWN, *dataset.image_shape), np.nan, np.float32)
    indices = []
    for row, label in enumerate(classes):
        members = dataset.held_out[labels[dataset.held_out] == label]
        members = members[evenly(len(members), DRAWN)] if len(members) else members
        real[row, : len(members)] = dataset.to_unit(dataset.images[members])
        indices.append(members)
    return {
        "indices": np.concatenate(indices),
        "labels": np.array(classes),
        "generated": np.stack(generated),
        "real": real,
    }


def _lines(summary):
    """What the command prints of a summary."""
    leakage, swap = summary["leakage"], summary["swap"]
    result = summary.get("verdict") or f"{UNMEASURED}, {summary[UNMEASURED]}"
    if "verdict" in summary:
        result += f", {error_text(summary, 'obedience')}"
    texts = {
        f"{CLASS} seen by a kNN in its {summary['judge']}": f"right for {error_text(summary, 'accuracy_generated')} of "
        f"generated, {error_text(summary, 'accuracy_real')} of real galaxies, chance {summary['chance']:.2f}: {result}",
        f"{CLASS} in codes": f"balanced accuracy {error_text(leakage, 'knn')} kNN, {error_text(leakage, 'logistic')} "
        f"logistic (ideal {leakage['ideal']:.2f})",
        f"{CLASS} swapped": f"{error_text(swap, 'other_seen_as_asked')} seen as the new class, "
        f"{error_text(swap, 'other_seen_as_own')} as the old one",
    }
    if summary["empty"] > NOTED_EMPTY:
        texts["without a galaxy"] = f"{summary['empty']:.0%} of these generated images"
    if summary["left_out"]:
        texts[f"{CLASS} not judged"] = ", ".join(
            f"{name}: {why}" for name, why in summary["left_out"].items()
        )
    return [f"  {label}: {text}" for label, text in texts.items()]
