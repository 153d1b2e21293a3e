"""Conditions of a conditional model, such as redshift: inferred from galaxies' images, and asked of generated ones."""

import logging

import numpy as np

from galvae.analysis import class_audit
from galvae.analysis.condition_audit import audit
from galvae.analysis.distances import with_errors
from galvae.analysis.report import Report
from galvae.analysis.statistics import prediction_errors
from galvae.data.batches import batches
from galvae.data.column_names import is_redshift
from galvae.data.conditions import CLASS
from galvae.data.dataset import evenly
from galvae.latent.inference import batch_size, compiled_for
from galvae.morphology.measures import measure_of

MAX_PREDICTED = 2000  # maximum number of galaxies whose condition is predicted by trying a grid

log = logging.getLogger(__name__)


def measure(run, indices, config, columns):
    """Measures whether a conditional model infers a galaxy's condition, and generates galaxies that obey theirs.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report; without predictions for a model without a condition, or if condition_grid is 0 and the model does not
        predict the condition itself. The summary's `conditions` is that of `galvae.analysis.condition_audit.audit`, and
        its `class_audit`, of a model that is conditional on classes, that of `galvae.analysis.class_audit.audit`.
    """
    summary, arrays, lines = audit(run, config)
    summary = {"conditions": summary}
    if run.dataset.condition_classes and run.model.condition_dim:
        summary["class_audit"], of_classes, class_lines = class_audit.audit(run, config)
        arrays, lines = arrays | of_classes, [*class_lines, *lines]
    report = {
        "question": "Do generated galaxies look like real ones of the condition, such as the redshift, that is asked "
        "for, and can the model infer a galaxy's condition from its image?",
        "perfect": "the trends and the scatter of real galaxies; as much read off generated galaxies as off real ones; "
        "R² 0 from the codes; predictions with the errors of the catalogue",
        "chance": "slope 0: the condition is ignored; correlation 0 of the predictions",
        "arrays": arrays,
    }
    trends = summary["conditions"].get("trend", {})
    facts = {
        "audit": summary["conditions"],
        "labels": {name: _label(name) for name in trends},
        "class_audit": summary.get("class_audit", {}),
        "class_names": run.dataset.condition_classes,
    }
    predicted, how = predict(run, indices, config.condition_grid)
    if not predicted:
        return Report(**report, summary=summary, facts=facts, lines=lines)
    dataset, columns, predictions, results = run.dataset, {}, [], {}
    for name, values in predicted.items():
        queried = np.isfinite(values)
        if name == CLASS:
            named = np.array([*dataset.condition_classes, ""])
            columns[f"predicted_{name}"] = named[np.where(queried, values, -1).astype(int)], None
        else:
            index = dataset.condition_numbers[name]
            columns[f"predicted_{name}"] = values, dataset.condition_units[index]
        if not queried.any():
            continue
        if name == CLASS:
            true = dataset.condition[indices[queried], : len(dataset.condition_classes)].argmax(axis=1)
            results[name] = _class_errors(true, values[queried], config)
            continue
        true, unit = dataset.condition[indices[queried], index], dataset.condition_units[index]
        errors = prediction_errors(true, values[queried], is_redshift(name))
        predictions.append(
            {"name": name, "unit": unit, "true": true, "predicted": values[queried], "errors": errors}
        )
        results[name] = {"galaxies": len(true), **errors}
    return Report(
        **report,
        summary={"predictions": {"how": how, **results}, **summary},
        columns=columns,
        facts={"predictions": predictions, **facts},
        lines=[*(_line(name, result, how) for name, result in results.items()), *lines],
    )


def column_names(run):
    """Names of the columns that `measure` may return."""
    names = [*([CLASS] if run.dataset.condition_classes else []), *run.dataset.condition_numbers]
    return [f"predicted_{name}" for name in names if run.model.condition_dim]


def predict(run, indices, grid_size):
    """Infers the conditions of galaxies from their images.

    Args:
        run: TrainedRun.
        indices: (n,) row indices of the galaxies.
        grid_size: number of trial conditions for a model that does not predict one itself; 0 to skip.

    Returns:
        (predicted, how): name of a condition -> (n,) values in physical units, or numbers of classes, NaN where none
        was predicted, and how they were predicted, as text; ({}, None) if nothing was predicted.
    """
    model, dataset = run.model, run.dataset
    count, numbers = len(dataset.condition_classes), dataset.condition_numbers
    if hasattr(model, "predict_condition"):
        copied = model.prediction == "published"
        how = "copied from the given condition" if copied else "from the image"
        values = predicted_condition(model, dataset, run.codes_at(indices))
        _count_undefined(values)
        likely = np.where(np.isfinite(values).all(axis=1), values[:, : count or 1].argmax(axis=1), np.nan)
        return ({CLASS: likely} if count else {}) | {name: values[:, at] for name, at in numbers.items()}, how
    if not model.condition_dim or not grid_size:
        return {}, None
    # Not all galaxies, because each needs a pass for every trial condition.
    queried, predicted, over = evenly(len(indices), MAX_PREDICTED), {}, []
    if count:
        classes = run.conditions.learned
        predicted[CLASS] = most_likely_class(model, dataset, indices[queried], classes)
        over.append(f"{len(classes)} classes")
    for name, column in list(numbers.items())[:1]:
        train = dataset.condition[dataset.split("train"), column]
        grid = np.linspace(train.min(), train.max(), max(3, grid_size))
        predicted[name] = most_likely_condition(model, dataset, indices[queried], grid)
        over.append(f"{len(grid)} values from {grid[0]:.4g} to {grid[-1]:.4g}")
    _count_undefined(np.stack(list(predicted.values()), axis=1))
    for name, values in predicted.items():
        predicted[name] = np.full(len(indices), np.nan, np.float32)
        predicted[name][queried] = values
    return predicted, f"the objective's minimum over {', and over '.join(over)}"


def _class_errors(true, predicted, config):
    """Accuracy of predicted classes, all galaxies alike and balanced, with bootstrap errors."""
    right = {"accuracy": (np.mean(true == predicted), np.std(true == predicted) / np.sqrt(len(true)))}
    classes = np.unique(true)
    found = class_audit.scores(true, predicted, classes, config.bootstrap, config.seed)
    right["balanced_accuracy"] = found["accuracy"]
    return {"galaxies": len(true), "classes": len(classes), **with_errors(right)}


def _count_undefined(predicted):
    """Logs how many predicted conditions, (n, K), are no numbers."""
    count = (~np.isfinite(predicted)).any(axis=1).sum()
    if count:
        log.warning(
            "%d of %d galaxies have no predicted condition, as the model gives NaN or infinity; they are left out",
            *(count, len(predicted)),
        )


def predicted_condition(model, dataset, codes):
    """Conditions of galaxies from the model's own prediction.

    Args:
        model: a model with `predict_condition`, such as `FancyCVAE`.
        dataset: GalaxyDataset.
        codes: Codes of the galaxies.

    Returns:
        (n, K) in physical units.
    """
    predict_batch = compiled_for(model.predict_condition, model, len(codes.indices))
    predicted, start = [], 0
    for inputs in batches(dataset, codes.indices, "predicting", batch_size(model)):
        part = slice(start, start + len(inputs["images"]))
        predicted.append(np.asarray(predict_batch(inputs["images"], codes.mean[part], inputs["condition"])))
        start = part.stop
    return np.concatenate(predicted)


def most_likely_condition(model, dataset, indices, grid):
    """First condition of each galaxy that is a number, and that minimises the model's objective.

    A parabola through the smallest value and its neighbours refines the minimum.

    Args:
        model: a conditional VAE.
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        grid: (g,) trial conditions, evenly spaced, in physical units.

    Returns:
        (n,) in physical units.
    """
    column = len(dataset.condition_classes)
    return _minimum(grid, _objectives(model, dataset, indices, slice(column, column + 1), grid[:, None]))


def most_likely_class(model, dataset, indices, classes):
    """Class of each galaxy that minimises the model's objective, (n,) float, NaN where it is no number.

    Args:
        model: a conditional VAE.
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        classes: numbers of the classes that are tried.
    """
    count = len(dataset.condition_classes)
    values = _objectives(model, dataset, indices, slice(count), np.eye(count, dtype=np.float32)[classes])
    return np.where(np.isfinite(values).all(axis=1), np.array(classes)[values.argmin(axis=1)], np.nan)


def _objectives(model, dataset, indices, columns, trials):
    """The model's objective of galaxies under trial conditions, (n, trials).

    Each galaxy's posterior mean is computed, and decoded, under every one, with the other columns of its condition
    unchanged.

    Args:
        model, dataset, indices: see `most_likely_condition`.
        columns: slice of the condition's columns that are tried.
        trials: (trials, k) values of these columns, in physical units.
    """

    def prepare(inputs):
        prepared = model.prepare(inputs, training=False)
        return prepared, model.image_features(prepared["target"])

    def objective(condition, prepared, image_features):
        posterior = model.encode_with_condition(model.scaled_condition(condition), prepared, image_features)
        outputs = model.reconstruct(posterior, posterior["mean"])
        return model.total_loss(model.loss_terms(outputs), training=False)

    prepare = compiled_for(prepare, model, len(indices))
    objective = compiled_for(objective, model, len(indices) * len(trials))
    found = []
    for inputs in batches(dataset, indices, "predicting", batch_size(model)):
        (prepared, features), losses = prepare(inputs), []
        for trial in trials:
            condition = inputs["condition"].copy()
            condition[:, columns] = trial
            losses.append(np.asarray(objective(condition, prepared, features)))
        found.append(np.stack(losses, axis=1))
    return np.concatenate(found)


def _minimum(grid, values):
    """Position of the minimum of each row, (n,), refined by a parabola unless it lies at an end of the grid.

    NaN for a row whose values are not all finite, or so large that the parabola's are not.
    """
    undefined = ~np.isfinite(values).all(axis=1)
    best = values.argmin(axis=1)
    inner = np.clip(best, 1, len(grid) - 2)
    left, middle, right = (
        np.take_along_axis(values, (inner + step)[:, None], 1)[:, 0] for step in (-1, 0, 1)
    )
    with np.errstate(over="ignore", invalid="ignore"):
        curvature = left - 2 * middle + right
        shift = np.where(curvature > 0, 0.5 * (left - right) / np.where(curvature > 0, curvature, 1), 0)
    refined = grid[inner] + np.clip(shift, -1, 1) * (grid[1] - grid[0])
    return np.where(undefined, np.nan, np.where(best == inner, refined, grid[best]))


def _label(name):
    """Label of an axis that shows a measure as it is compared, with its unit."""
    measure = measure_of(name)
    return f"{'log ' if measure.log else ''}{measure.label}{f' ({measure.unit})' if measure.unit else ''}"


def _line(name, result, how):
    if name == CLASS:
        return (
            f"  predicted {name}: right for {result['accuracy']:.2f} ± {result['accuracy_error']:.2f}, balanced over "
            f"{result['classes']} classes {result['balanced_accuracy']:.2f}; {how}"
        )
    errors = f"rmse {result['rmse']:.3g}"
    if "sigma_nmad" in result:
        errors += f", sigma_nmad {result['sigma_nmad']:.3g}"
    return f"  predicted {name}: {errors}; {how}"
