"""Conditions of a conditional model, such as redshift: inferred from galaxies' images, and asked of generated ones."""

import logging

import numpy as np

from galvae.analysis.condition_audit import audit
from galvae.analysis.report import Report
from galvae.analysis.statistics import prediction_errors
from galvae.data.column_names import is_redshift
from galvae.data.dataset import evenly
from galvae.latent.codes import batch_size, batches, compiled_for
from galvae.morphology.measures import measure_of

MAX_PREDICTED = 2000  # maximum number of galaxies whose condition is predicted by trying a grid

log = logging.getLogger(__name__)


def measure(run, indices, config, columns):
    """Measures whether a conditional model infers a galaxy's condition, and generates galaxies that obey theirs.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`.

    Returns:
        Report; without predictions for a model without a condition, or if condition_grid is 0 and the model does not
        predict the condition itself. The summary's `conditions` is that of `galvae.analysis.condition_audit.audit`.
    """
    summary, arrays, lines = audit(run, config)
    report = {
        "question": "Do generated galaxies look like real ones of the condition, such as the redshift, that is asked "
        "for, and can the model infer a galaxy's condition from its image?",
        "perfect": "the trends and the scatter of real galaxies; as much read off generated galaxies as off real ones; "
        "R² 0 from the codes; predictions with the errors of the catalogue",
        "chance": "slope 0: the condition is ignored; correlation 0 of the predictions",
        "arrays": arrays,
    }
    facts = {"audit": summary, "labels": {name: _label(name) for name in summary.get("trend", {})}}
    predicted, how = predict(run, indices, config.condition_grid)
    if predicted is None:
        return Report(**report, summary={"conditions": summary}, facts=facts, lines=lines)
    dataset, columns, predictions = run.dataset, {}, []
    for index in range(predicted.shape[1]):
        name, unit = dataset.condition_names[index], dataset.condition_units[index]
        values = predicted[:, index]
        columns[f"predicted_{name}"] = values, unit
        queried = np.isfinite(values)
        if not queried.any():
            continue
        true = dataset.condition[indices[queried], index]
        errors = prediction_errors(true, values[queried], is_redshift(name))
        predictions.append(
            {"name": name, "unit": unit, "true": true, "predicted": values[queried], "errors": errors}
        )
    results = {p["name"]: {"galaxies": len(p["true"]), **p["errors"]} for p in predictions}
    return Report(
        **report,
        summary={"predictions": {"how": how, **results}, "conditions": summary},
        columns=columns,
        facts={"predictions": predictions, **facts},
        lines=[*(_line(name, result, how) for name, result in results.items()), *lines],
    )


def predict(run, indices, grid_size):
    """Infers the conditions of galaxies from their images.

    Args:
        run: TrainedRun.
        indices: (n,) row indices of the galaxies.
        grid_size: number of trial conditions for a model that does not predict one itself; 0 to skip.

    Returns:
        (predicted, how): conditions (n, K) in physical units, NaN where none was predicted, and how they were
        predicted, as text; (None, None) if nothing was predicted.
    """
    model, dataset = run.model, run.dataset
    if hasattr(model, "predict_condition"):
        copied = model.prediction == "published"
        how = "copied from the given condition" if copied else "from the image"
        predicted = predicted_condition(model, dataset, run.codes_at(indices))
        _count_undefined(predicted)
        return predicted, how
    if not model.condition_dim or not grid_size:
        return None, None
    train = dataset.condition[dataset.split("train"), 0]
    grid = np.linspace(train.min(), train.max(), max(3, grid_size))
    # Not all galaxies, because each needs a pass for every trial condition.
    queried = evenly(len(indices), MAX_PREDICTED)
    predicted = np.full((len(indices), 1), np.nan, np.float32)
    predicted[queried, 0] = most_likely_condition(model, dataset, indices[queried], grid)
    _count_undefined(predicted[queried])
    return predicted, f"the objective's minimum over {len(grid)} values from {grid[0]:.4g} to {grid[-1]:.4g}"


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
    predict_batch = compiled_for(model.predict_condition, len(codes.indices))
    predicted, start = [], 0
    for inputs in batches(dataset, codes.indices, "predicting", batch_size(model)):
        part = slice(start, start + len(inputs["images"]))
        predicted.append(np.asarray(predict_batch(inputs["images"], codes.mean[part], inputs["condition"])))
        start = part.stop
    return np.concatenate(predicted)


def most_likely_condition(model, dataset, indices, grid):
    """First condition of each galaxy that minimises the model's objective.

    Each galaxy's posterior mean is computed, and decoded, under every trial condition, with the other columns of
    the condition unchanged. A parabola through the smallest value and its neighbours refines the minimum.

    Args:
        model: a conditional VAE.
        dataset: GalaxyDataset.
        indices: (n,) row indices of the galaxies.
        grid: (g,) trial conditions, evenly spaced, in physical units.

    Returns:
        (n,) in physical units.
    """

    def prepare(inputs):
        prepared = model.prepare(inputs, training=False)
        return prepared, model.image_features(prepared["target"])

    def objective(condition, prepared, image_features):
        posterior = model.encode_with_condition(model.scaled_condition(condition), prepared, image_features)
        outputs = model.reconstruct(posterior, posterior["mean"])
        return model.total_loss(model.loss_terms(outputs), training=False)

    prepare = compiled_for(prepare, len(indices))
    objective = compiled_for(objective, len(indices) * len(grid))
    predicted = []
    for inputs in batches(dataset, indices, "predicting", batch_size(model)):
        (prepared, features), losses = prepare(inputs), []
        for value in grid:
            condition = inputs["condition"].copy()
            condition[:, 0] = value
            losses.append(np.asarray(objective(condition, prepared, features)))
        predicted.append(_minimum(grid, np.stack(losses, axis=1)))
    return np.concatenate(predicted)


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
    errors = f"rmse {result['rmse']:.3g}"
    if "sigma_nmad" in result:
        errors += f", sigma_nmad {result['sigma_nmad']:.3g}"
    return f"  predicted {name}: {errors}; {how}"
