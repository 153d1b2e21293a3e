"""galvae evaluate: score every galaxy of a split."""

import logging

import numpy as np

from galvae import figures
from galvae.data.catalogue import code_columns, galaxy_table, write_table
from galvae.data.dataset import evenly
from galvae.runs import trained_run
from galvae.system.atomic import save_arrays, save_json

FEW = 20  # galaxies, below which variances of codes are noise
PREDICTED = 2000  # galaxies whose condition is predicted by trying a grid, at most

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Writes metrics.json, a table with a row per galaxy, and the figures of a run.

    Args:
        config: EvaluateConfig.
        output_dir: where the files go.
    """
    run, model, state = trained_run.load(config.run, config.backend)
    from galvae.analysis.scores import UNITS, score_dataset  # after load: Keras takes its backend on import
    from galvae.analysis.statistics import summary
    from galvae.latent.information import active_units, information, information_unit

    dataset = run.load_dataset(config.dataset)
    indices = dataset.split(config.split)
    column = dataset.column(config.colour, indices)  # first, so that a wrong name costs no time
    style = figures.Style.of(config)
    scores = score_dataset(model, dataset, indices)
    mean, log_variance = scores.pop("mean"), scores.pop("log_variance", None)
    predicted, how = predictions(model, dataset, indices, scores.pop("predicted", None), config)
    told, unit = information(mean, log_variance), information_unit(model)
    active = active_units(mean)
    if len(indices) < FEW:
        log.warning("%d galaxies tell little of active units; split=all has more", len(indices))

    report = {
        "run": str(run.path),
        "epoch": state["best_epoch"],
        "split": config.split,
        "galaxies": len(indices),
        "scores": {name: summary(values, config.bootstrap, config.seed) for name, values in scores.items()},
        f"{'kl' if unit == 'nats' else unit}_per_dimension": told.tolist(),
        "active_units": int(active.sum()),
    }
    if predicted is not None:
        report["predictions"] = {
            "how": how,
            **draw_predictions(dataset, indices, predicted, output_dir, style),
        }
    save_json(output_dir / "metrics.json", report)

    columns = {name: (values, UNITS.get(name)) for name, values in scores.items()}
    for name, values, unit_of in condition_columns(dataset, predicted):
        columns[f"predicted_{name}"] = values, unit_of
    columns.update(code_columns(mean))
    if log_variance is not None:
        columns.update(code_columns(np.exp(0.5 * log_variance), "code_error"))
    write_table(galaxy_table(dataset, indices, columns), output_dir / "galaxies")

    figures.save(figures.loss_curves(state["history"]), output_dir / "loss", style)
    figures.save(figures.latent_scatter(mean, told, column, unit, style), output_dir / "latent", style)
    figures.save(figures.information_bars(told, unit, active), output_dir / "information", style)
    if model.latent_dim > 1:
        pairs = figures.pairs(mean, told, unit, config.latents, style, prior=log_variance is not None)
        figures.save(pairs, output_dir / "pairs", style)
    draw_reconstructions(model, dataset, indices, mean, scores["mse"], predicted, config, output_dir)
    print("\n".join(lines(report)))


def predictions(model, dataset, indices, predicted, config):
    """Conditions that a conditional model sees in galaxies, (n, K) with NaN where it was not asked, and how.

    Args:
        model: the model.
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        predicted: (n, K), of a model that predicts; else None.
        config: EvaluateConfig.

    Returns:
        (predicted, how): None and None for a model without a condition.
    """
    from galvae.analysis.conditions import most_likely_condition

    if predicted is not None:
        published = model.prediction == "published"
        return predicted, "a copy of the condition that was given" if published else "from the image"
    if not model.condition_dim or not config.condition_grid:
        return None, None
    train = dataset.condition[dataset.split("train"), 0]
    grid = np.linspace(train.min(), train.max(), max(3, config.condition_grid))
    # Evenly spread over the split: each galaxy costs as much as the whole grid.
    asked = evenly(len(indices), PREDICTED)
    predicted = np.full((len(indices), 1), np.nan, np.float32)
    predicted[asked, 0] = most_likely_condition(model, dataset, indices[asked], grid)
    return predicted, f"the objective's minimum over {len(grid)} values from {grid[0]:.4g} to {grid[-1]:.4g}"


def condition_columns(dataset, predicted):
    """Name, values and unit of each predicted condition."""
    if predicted is None:
        return
    for column in range(predicted.shape[1]):
        yield dataset.condition_names[column], predicted[:, column], dataset.condition_units[column]


def draw_predictions(dataset, indices, predicted, output_dir, style):
    """Draws predicted against true conditions, a figure each; returns their errors by name."""
    from galvae.analysis.conditions import REDSHIFTS
    from galvae.analysis.statistics import prediction_errors

    errors = {}
    for column, (name, values, unit) in enumerate(condition_columns(dataset, predicted)):
        asked, is_redshift = np.isfinite(values), name.lower() in REDSHIFTS
        true = dataset.condition[indices[asked], column]
        errors[name] = {"galaxies": int(asked.sum()), **prediction_errors(true, values[asked], is_redshift)}
        found = errors[name]
        text = f"rmse = {found['rmse']:.3g}"
        if is_redshift:
            text = f"$\\sigma_{{\\rm NMAD}}$ = {found['sigma_nmad']:.3f}, bias = {found['bias']:+.3f}"
        label = f"{name} ({unit})" if unit else name
        figure = figures.predictions(true, values[asked], label, text)
        figures.save(figure, output_dir / f"predicted_{name.replace('/', '_')}", style)
    return errors


def draw_reconstructions(model, dataset, indices, mean, error, predicted, config, output_dir):
    """Draws the best, some typical and the worst reconstructions by squared error, in a group each."""
    from galvae.latent.codes import decode_codes

    order, columns = np.argsort(error, kind="stable"), min(config.n, len(indices)) // 3
    groups = None
    if columns:
        typical = np.random.default_rng(config.seed).permutation(order[columns:-columns])[:columns]
        order = np.concatenate([order[:columns], typical, order[-columns:]])
        groups = ["best", "typical", "worst"] if len(order) == 3 * columns else None
    shown = indices[order]
    originals = dataset.to_unit(dataset.images[shown])
    decoded = decode_codes(model, mean[order], trained_run.condition_of(model, dataset, shown))
    captions = None
    if dataset.condition is not None and np.isfinite(dataset.condition[shown, 0]).any():
        name = trained_run.short_name(dataset.condition_names[0])
        true = dataset.condition[shown, 0]
        captions = [f"{name} {value:.2f}" if np.isfinite(value) else "" for value in true]
        if predicted is not None:
            guesses = [f"\npred. {value:.2f}" if np.isfinite(value) else "" for value in predicted[order, 0]]
            captions = [caption + guess for caption, guess in zip(captions, guesses, strict=True)]
    style = figures.Style.of(config)
    figure = figures.reconstructions(originals, decoded, columns or len(order), captions, groups, style)
    figures.save(figure, output_dir / "reconstructions", style)
    arrays = {"indices": shown, "originals": originals, "decoded": decoded, "mse": error[order]}
    save_arrays(output_dir / "reconstructions.npz", **arrays)


def lines(report):
    """Lines that say what was found."""
    yield f"{report['galaxies']:,} galaxies of the split {report['split']}, weights of epoch {report['epoch']}"
    for name, found in report["scores"].items():
        if found["mean"] is not None:
            interval = "" if found["low"] is None else f"  (95 %: {found['low']:.5g} to {found['high']:.5g})"
            yield f"  {name:16} {found['mean']:.5g}{interval}"
    yield f"  active units     {report['active_units']}"
    found = report.get("predictions", {"how": None})
    for name in [name for name in found if name != "how"]:
        errors = f"rmse {found[name]['rmse']:.3g}"
        if "sigma_nmad" in found[name]:
            errors += f", sigma_nmad {found[name]['sigma_nmad']:.3g}"
        yield f"  predicted {name}: {errors}; {found['how']}"
