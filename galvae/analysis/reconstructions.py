"""Examples of reconstructed galaxies: the best, some typical and the worst ones by squared error."""

import numpy as np

from galvae.analysis.report import Report


def measure(run, indices, config, columns):
    """Selects examples of the best, typical and worst reconstructions.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`; the columns hold "mse".

    Returns:
        Report.
    """
    dataset, error = run.dataset, columns["mse"][0]
    order = np.argsort(error, kind="stable")
    # An image whose pixels are all set aside has no error: last in order, it would pass for the worst.
    order = order[: max(1, np.isfinite(error).sum())]
    per_group = min(config.n, len(order)) // 3
    groups = None
    if per_group:
        typical = np.random.default_rng(config.seed).permutation(order[per_group:-per_group])[:per_group]
        order = np.concatenate([order[:per_group], typical, order[-per_group:]])
        groups = ["best", "typical", "worst"] if len(order) == 3 * per_group else None
    examples = indices[order]
    arrays = {
        "indices": examples,
        "originals": dataset.to_unit(dataset.images[examples]),
        "decoded": run.decode(run.codes_at(indices).mean[order], run.condition(examples)),
        "mse": error[order],
    }
    masks = dataset.masks_of(examples)
    if masks is not None:
        arrays["mask"] = masks
    captions = None
    name, column = next(iter(dataset.condition_numbers.items()), (None, None))
    if name is not None and np.isfinite(dataset.condition[examples, column]).any():
        predicted = columns.get(f"predicted_{name}")
        captions = condition_captions(
            run.condition_symbol,
            dataset.condition[examples, column],
            None if predicted is None else predicted[0][order],
        )
    return Report(
        question="Which galaxies are reconstructed well, and which badly?",
        perfect="residuals that look like the noise of the sky",
        chance="every reconstruction is the same smooth galaxy",
        arrays={"reconstructions": arrays},
        facts={
            "columns": per_group or len(order),
            "captions": captions,
            "groups": groups,
            "band_names": dataset.band_names,
        },
    )


def condition_captions(symbol, true, predicted=None):
    """A caption for each galaxy with its condition and, if available, the predicted one.

    Args:
        symbol: short name of the condition.
        true: (n,) conditions, NaN where missing.
        predicted: (n,) predicted conditions, NaN where none was predicted; or None.

    Returns:
        list of n texts.
    """
    captions = [f"{symbol} {value:.2f}" if np.isfinite(value) else "" for value in true]
    if predicted is None:
        return captions
    below = [f"\npred. {value:.2f}" if np.isfinite(value) else "" for value in predicted]
    return [caption + text for caption, text in zip(captions, below, strict=True)]
