"""Audit of a conditional model: whether generated galaxies look like real ones of the condition that was asked for."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from galvae.analysis.condition_trends import (
    CLEAR,
    NOISY,
    Compared,
    at,
    bins,
    fitted_line,
    trends,
)
from galvae.analysis.distances import bootstrapped, error_text, moments, with_errors
from galvae.analysis.held_out import held_out_galaxies
from galvae.analysis.measured import band_labels, measure_galaxies, measure_images
from galvae.analysis.properties import BOOSTING, MIN_GALAXIES, is_measured, predict_properties, r_squared
from galvae.analysis.report import UNMEASURED
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError
from galvae.latent.inference import decoded_batches
from galvae.morphology.measures import compared_names
from galvae.system.threads import one_thread

ENOUGH = (
    4 * MIN_GALAXIES
)  # galaxies of validation and test; where there are fewer, those of all splits are taken
MOST_TRAINING = 5000  # galaxies on which the regressor is trained
MOST_SWAPPED = 500  # galaxies that are decoded under other conditions
QUANTILES = 0.1, 0.9  # of the real conditions, between which a galaxy's condition is swapped
EFFECT = (
    0.2  # real standard deviations; a small effect by Cohen 1988, Statistical Power Analysis, section 2.2
)
OBEYED, IGNORED = 0.8, 0.2  # slope of what is read off generated galaxies, in units of that of real ones


def audit(run, config):
    """Compares galaxies that were generated under given conditions with real galaxies of these conditions.

    The real galaxies are those of the validation and the test split, whatever split is evaluated; where they are fewer
    than ENOUGH, those of all splits. `config.samples` galaxies are generated from the run's prior under their
    conditions. The first condition that is a number is examined; others keep the values that they have beside it.
    Classes have an audit of their own, see `galvae.analysis.class_audit`.

    Args:
        run: TrainedRun.
        config: EvaluateConfig.

    Returns:
        (summary, arrays, lines), see `galvae.analysis.report.Report`. The summary says why there is no audit, or has
        condition, unit, galaxies (of which splits), n, generated, empty (shares of images without a galaxy), trend and
        bins (see `galvae.analysis.condition_trends`), read_off, leakage and swap, each of which may say why it was not
        measured. A number's standard error stands beside it, as slope_error.
    """
    if not run.model.condition_dim:
        return {UNMEASURED: "the model takes no condition"}, {}, []
    dataset = run.dataset
    if not dataset.condition_numbers:
        return {UNMEASURED: "no condition is a number"}, {}, []
    name, column = next(iter(dataset.condition_numbers.items()))
    known = np.isfinite(dataset.condition).all(axis=1)
    indices, splits = held_out_galaxies(dataset, ENOUGH, known)
    values = dataset.condition[indices, column]
    if len(indices) < MIN_GALAXIES:
        reason = f"{len(indices)} galaxies with a known {name}, fewer than {MIN_GALAXIES}"
    elif np.ptp(values) == 0:
        reason = f"{name} is {values[0]:.4g} for all {len(indices)} galaxies"
    else:
        try:
            return _report(run, config, indices, splits, column)
        except GalvaeError as error:  # such as codes that decode to NaN
            reason = str(error)
    return {UNMEASURED: reason}, {}, [f"  {name} asked for: {UNMEASURED}, {reason}"]


def verdict(obedience):
    """Whether a condition is obeyed, by the slope of what is read off in units of that of real galaxies."""
    if obedience < -IGNORED:
        return "reversed"
    return "ignored" if obedience < IGNORED else "partly obeyed" if obedience < OBEYED else "obeyed"


def _report(run, config, indices, splits, column):
    dataset, bands = run.dataset, band_labels(run.dataset)
    names = compared_names(bands)
    asked = indices[np.arange(config.samples) * len(indices) // config.samples]
    condition = dataset.condition[asked]
    prior = run.prior(config.prior)
    compared = Compared(
        names,
        real=measure_galaxies(dataset, indices).matrix(names),
        generated=_decoded(run, prior.sample(len(asked), condition, config.seed), condition, names),
        x=dataset.condition[indices, column].astype(float),
        x_asked=condition[:, column].astype(float),
    )
    options = config.bootstrap, config.seed
    trend, (read_off, arrays) = trends(compared, *options), _read_off(run, compared, column, *options)
    summary = {
        "condition": dataset.condition_names[column],
        "unit": dataset.condition_units[column],
        "galaxies": splits,
        "n": len(indices),
        "generated": len(asked),
        "empty": _empty(compared),
        "trend": trend,
        "bins": bins(compared, *options),
        "read_off": read_off,
        "leakage": _leakage(run, compared, indices, *options),
        "swap": _swap(run, compared, trend, indices, column, *options),
    }
    if len(bands) == 1:
        summary["colour"] = {UNMEASURED: "images of one band have no colour"}
    measures = dict(zip(names, compared.generated.T, strict=True))
    generated = {"indices": asked, "asked": compared.x_asked, **measures}
    arrays["condition_audit"] = generated | arrays.get("condition_audit", {})
    return summary, arrays, _lines(summary)


def _empty(compared):
    """Shares of real and of generated images without a galaxy, with their binomial standard errors."""
    numbers = {}
    for kind, values in (("real", compared.real), ("generated", compared.generated)):
        share = np.isnan(values).all(axis=1).mean()
        numbers[kind] = share, np.sqrt(share * (1 - share) / len(values))
    return with_errors(numbers)


def _decoded(run, codes, condition, names):
    """Measures (n, k) of galaxies decoded from codes; all NaN where there is no galaxy."""
    images = decoded_batches(run.model, codes, condition)
    return np.concatenate([measure_images(run.dataset, part).matrix(names) for part in images])


@one_thread
def _read_off(run, compared, column, resamples, seed):
    """The condition that a regressor, trained on real training galaxies, reads off generated and real galaxies.

    It sees measures that hardly depend on noise, which decoded images lack: noise of real borders, added to generated
    galaxies, changes the slope by 0.001 of 0.63 (simulated galaxies of 64 px). Even a perfect model's slope is below
    one, because measures do not determine a redshift: it is that of real galaxies of the validation and test splits.

    Returns:
        Its entry of the summary, and arrays by the names of their files.
    """
    dataset, steady = run.dataset, ~np.isin(compared.names, NOISY)
    known = np.isfinite(dataset.condition).all(axis=1)
    train, held_out = (rows[known[rows]] for rows in (dataset.split("train"), dataset.held_out))
    train = train[evenly(len(train), MOST_TRAINING)]
    features = [measure_galaxies(dataset, rows).matrix(compared.names) for rows in (train, held_out)]
    features = [values[:, steady] for values in (*features, compared.generated)]
    true = [*(dataset.condition[rows, column].astype(float) for rows in (train, held_out)), compared.x_asked]
    found = [np.isfinite(values).any(axis=1) for values in features]
    for kind, rows in zip(("training", "validation and test", "generated"), found, strict=True):
        if rows.sum() < MIN_GALAXIES:
            return {UNMEASURED: f"{rows.sum()} {kind} galaxies with measures, fewer than {MIN_GALAXIES}"}, {}
    regressor = HistGradientBoostingRegressor(**BOOSTING, random_state=seed)
    regressor.fit(features[0][found[0]], true[0][found[0]])
    read = [regressor.predict(values[rows]) for values, rows in zip(features[1:], found[1:], strict=True)]
    x = [values[rows] for values, rows in zip(true[1:], found[1:], strict=True)]

    def statistics(*weights):
        result = {}
        for kind, own, y, counts in zip(("real", "generated"), x, read, weights, strict=True):
            (slope,), (scatter,) = fitted_line(y[:, None], own, counts)
            (bias,), _ = moments((y - own)[:, None], counts)
            result |= {f"slope_{kind}": slope, f"scatter_{kind}": scatter, f"bias_{kind}": bias}
        with np.errstate(divide="ignore", invalid="ignore"):
            return {**result, "obedience": result["slope_generated"] / result["slope_real"]}

    numbers = bootstrapped(statistics, tuple(map(len, read)), resamples, seed)
    summary = {
        "training": int(found[0].sum()),
        "n": len(read[0]),
        "generated": len(read[1]),
        **with_errors(numbers),
    }
    slope, error = numbers["slope_real"]
    if slope > CLEAR * error:
        summary["verdict"] = verdict(numbers["obedience"][0])
    else:
        summary[UNMEASURED] = f"{dataset.condition_names[column]} cannot be read off real galaxies"
    read_off = np.full(len(found[2]), np.nan)
    read_off[found[2]] = read[1]
    real = {"indices": held_out[found[1]], "true": x[0], "read_off": read[0]}
    return summary, {"condition_audit": {"read_off": read_off}, "condition_audit_real": real}


def _leakage(run, compared, indices, resamples, seed):
    """R² of the condition predicted from samples of the codes' posteriors, beside that from the measures.

    Samples, because the decoder receives them: means that move by a hundredth of their posterior's width can be read
    exactly, and tell the decoder nothing.
    """
    measures = compared.real[:, [is_measured(column) for column in compared.real.T]]
    complete = np.isfinite(measures).all(axis=1) & (measures.shape[1] > 0)
    values = compared.x[complete][:, None]
    if not is_measured(values):
        reason = f"{complete.sum()} galaxies with all measures, fewer than {MIN_GALAXIES} or of one condition"
        return {UNMEASURED: reason}
    codes = run.codes_at(indices).sample(seed)[complete]
    summary = {"n": int(complete.sum()), "ideal": 0.0}
    for kind, features in {"codes": codes, "measures": measures[complete]}.items():
        found = predict_properties(features, values, seed)
        r2 = {how: r_squared(values, predicted, resamples, seed) for how, predicted in found.items()}
        summary[kind] = with_errors(at(r2, 0))
    return summary


def _swap(run, compared, trend, indices, column, resamples, seed):
    """What changes where real galaxies are decoded from their codes under another condition, and what does not."""
    low, high = np.quantile(compared.x, QUANTILES)
    usable, std = compared.usable, compared.std
    if not usable.any():
        return {UNMEASURED: "no measure is known of enough real and generated galaxies"}
    if low == high:
        return {UNMEASURED: "80 % of the galaxies have one condition"}
    rows = indices[evenly(len(indices), MOST_SWAPPED)]
    codes, own = run.codes_at(rows).mean, run.dataset.condition[rows]
    under = []
    x = own[:, column]
    for values in (x, np.random.default_rng(seed).permutation(x), low, high):
        condition = own.copy()
        condition[:, column] = values
        under.append(_decoded(run, codes, condition, compared.names)[:, usable] / std[usable])
    change, effect = under[1] - under[0], under[3] - under[2]

    def statistics(weights, _):
        mean, scatter = moments(effect, weights)
        rms = np.sqrt(moments(change**2, weights)[0])
        return {"effect": mean, "scatter": scatter, "permuted_rms": rms}

    numbers = bootstrapped(statistics, (len(rows),) * 2, resamples, seed, paired=True)
    summary = {"n": len(rows), "from": float(low), "to": float(high), "changed": [], "unchanged": []}
    measures = {}
    for position, index in enumerate(np.flatnonzero(usable)):
        name, of_measure = compared.names[index], at(numbers, position)
        slope = trend[name]["real"], trend[name]["real_error"]
        of_measure["real_trend"] = np.array(slope, float) * (high - low) / std[index]
        measures[name] = with_errors(of_measure)
        mean, error = of_measure["effect"]
        summary["changed" if abs(mean) > max(EFFECT, CLEAR * error) else "unchanged"].append(name)
    return {**summary, "measures": measures}


def _lines(summary):
    """What the command prints of a summary."""
    name, read_off, leakage, swap = (summary[key] for key in ("condition", "read_off", "leakage", "swap"))
    ratios = {key: of.get("ratio") for key, of in summary["trend"].items() if key not in NOISY}
    ratios = [f"{key} {ratio:.2f}" for key, ratio in ratios.items() if ratio is not None]
    unmeasured = sum(UNMEASURED in of for of in summary["trend"].values())
    why = f"no clear trend of real galaxies; {unmeasured} of {len(summary['trend'])} measures {UNMEASURED}"
    texts = {f"trends with {name} in units of real ones": ", ".join(ratios) or why}
    texts[f"{name} read off"] = _why(read_off) or (
        f"slope {error_text(read_off, 'slope_generated')}, real galaxies {error_text(read_off, 'slope_real')}: "
        f"{read_off['verdict']}, {error_text(read_off, 'obedience')}"
    )
    texts[f"{name} in codes"] = _why(leakage) or (
        f"R² {error_text(leakage['codes'], 'linear')} linear, {error_text(leakage['codes'], 'boosted')} boosted "
        f"(ideal 0); in measures {error_text(leakage['measures'], 'boosted')}"
    )
    texts[f"{name} swapped"] = _why(swap) or (
        f"{swap['from']:.3g} to {swap['to']:.3g} changes {', '.join(swap['changed']) or 'nothing'}"
        + (f"; not {', '.join(swap['unchanged'])}" if swap["unchanged"] else "")
    )
    return [f"  {label}: {text}" for label, text in texts.items()]


def _why(part):
    """Why a part of the summary was not measured, or None."""
    return f"{UNMEASURED}, {part[UNMEASURED]}" if UNMEASURED in part else None
