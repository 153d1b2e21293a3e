"""What each latent axis does to galaxies, and how much the codes know of measured properties and known factors."""

import numpy as np

from galvae.analysis.axis_effects import (
    NO_EFFECTS,
    UNNAMED,
    WALKED,
    keep_effects,
    measure_effects,
    reference_codes,
)
from galvae.analysis.disentanglement import MIN_GALAXIES as MIN_KNOWN
from galvae.analysis.disentanglement import disentanglement, rotated
from galvae.analysis.held_out import held_out_galaxies
from galvae.analysis.measured import measure_galaxies
from galvae.analysis.properties import (
    MIN_GALAXIES,
    is_measured,
    predict_properties,
    principal_components,
    r_squared,
)
from galvae.analysis.report import Report
from galvae.data.dataset import evenly
from galvae.latent.information import information, information_unit
from galvae.morphology.measures import measure_of

MOST_PREDICTED = 2_000  # galaxies whose properties are predicted
ENOUGH = 500  # held-out galaxies; of fewer, properties of training galaxies are predicted too
MOST_LISTED = 8  # names in the line that the command prints
# Columns of the catalogue of simulated galaxies that are their true factors.
FACTORS = (
    *("redshift", "half_light_radius", "ellipticity", "position_angle"),
    *("bulge_fraction", "colour", "flux"),
)


def measure(run, indices, config, columns):
    """Measures what each latent axis does, and how much the codes know of measured properties and known factors.

    Axes are moved around held-out galaxies, those of the validation and test splits, and properties are predicted of
    them; where they are fewer than WALKED or ENOUGH, of galaxies of all splits.

    Args:
        run, indices, config, columns: see `galvae.analysis.evaluators`; `indices` and `columns` play no part.

    Returns:
        Report.
    """
    codes = reference_codes(run)
    amounts = information(codes.mean, codes.log_variance)
    around, _ = held_out_galaxies(run.dataset, WALKED)
    effects = measure_effects(run, around, codes, range(run.model.latent_dim), config.seed)
    keep_effects(run, effects)
    errors = effects.errors(config.bootstrap, config.seed)
    rows, splits = held_out_galaxies(run.dataset, ENOUGH)
    rows = rows[evenly(len(rows), MOST_PREDICTED)]
    properties, predicted = _properties(run, rows, effects.measures, config)
    summary = {"galaxies": len(effects.indices), **_named_effects(effects, errors)}
    summary |= {"properties": properties, "properties_of": splits}
    lines = [_line_of_names(effects, amounts), _line_of_properties(properties, run.model.latent_dim)]
    if run.dataset.name == "simulated":
        summary["factors"], line = _factors(run, rows, config.seed)
        lines.append(line)
    return Report(
        question="What does each latent axis change in a galaxy, and what do the codes know of measured properties?",
        perfect="every axis changes a property by more than its scatter; R² of 1 for every property",
        chance="no axis changes a property; R² of 0",
        summary={"axes": summary},
        arrays={
            "axes": {
                **vars(effects),
                "mean_change": effects.mean,
                "error": errors,
                "scatter": effects.scatter,
                "count": effects.count,
                "information": amounts,
            },
            "axes_properties": predicted,
        },
        facts={
            "names": effects.names,
            "labels": [f"{'log ' * one.log}{one.label}" for one in map(measure_of, effects.measures)],
            "properties": properties,
            "unit": information_unit(codes.log_variance),
        },
        lines=lines,
    )


def true_factors(dataset, rows):
    """The factors from which simulated galaxies were drawn, as far as they differ.

    The position angle counts as the components of the ellipticity, since a round galaxy has none.

    Args:
        dataset: GalaxyDataset of simulated galaxies.
        rows: (n,) row indices of galaxies.

    Returns:
        dict of name -> (n,).
    """
    factors = {name: dataset.catalogue[name][rows] for name in FACTORS}
    angle, ellipticity = 2 * np.deg2rad(factors.pop("position_angle")), factors["ellipticity"]
    factors |= {"e1": ellipticity * np.cos(angle), "e2": ellipticity * np.sin(angle)}
    return {name: values for name, values in factors.items() if np.ptp(values) > 0}


def _named_effects(effects, errors):
    """The entries names, effects (in the order of the latent dimensions) and not_kept (measures that name no axis)."""
    if effects.names is None:
        return dict.fromkeys(("names", "effects", "not_kept"), {"not measured": NO_EFFECTS})
    numbers = {"mean": effects.mean, "error": errors, "scatter": effects.scatter, "n": effects.count}
    rows = [
        {
            measure: {name: _number(values[axis, index]) for name, values in numbers.items()}
            for index, measure in enumerate(effects.measures)
        }
        for axis in range(len(effects.mean))
    ]
    not_kept = [name for name, kept in zip(effects.measures, effects.kept, strict=True) if not kept]
    return {"names": effects.names, "effects": rows, "not_kept": not_kept}


def _properties(run, rows, measures, config):
    """R² of each property from codes and from as many principal components, and the arrays behind it.

    Returns:
        dict of measure -> dict of linear, boosted, pca_linear and pca_boosted, each with r2 and its error, n and failed
        (galaxies without the measure), or "not measured" and why; and a dict of arrays.
    """
    values = measure_galaxies(run.dataset, rows).matrix(measures)
    components = principal_components(run.dataset, rows, run.model.latent_dim, config.seed)
    predictions = {
        prefix + name: predicted
        for prefix, features in (("", run.codes_at(rows).mean), ("pca_", components))
        for name, predicted in predict_properties(features, values, config.seed).items()
    }
    scores = {
        name: r_squared(values, table, config.bootstrap, config.seed) for name, table in predictions.items()
    }
    summary = {}
    for index, measure in enumerate(measures):
        known = int(np.isfinite(values[:, index]).sum())
        if is_measured(values[:, index]):
            summary[measure] = {
                name: {"r2": _number(r2[index]), "error": _number(error[index])}
                for name, (r2, error) in scores.items()
            }
        elif known < MIN_GALAXIES:
            summary[measure] = {
                "not measured": f"known of {known} galaxies; at least {MIN_GALAXIES} are needed"
            }
        else:
            summary[measure] = {"not measured": "the same in all galaxies"}
        summary[measure] |= {"n": known, "failed": len(values) - known}
    return summary, {"indices": rows, "measures": measures, "real": values, **predictions}


def _factors(run, rows, seed):
    """Disentanglement of the codes and of a rotated copy by the factors of simulated galaxies, and a line on it."""
    if len(rows) < MIN_KNOWN:
        reason = f"{len(rows)} galaxies; at least {MIN_KNOWN} are needed"
        return {"not measured": reason}, f"  disentanglement  not measured: {reason}"
    factors = true_factors(run.dataset, rows)
    codes, table = run.codes_at(rows).mean, np.stack(list(factors.values()), axis=1)
    scores = {
        "codes": disentanglement(codes, table, seed),
        "rotated": disentanglement(rotated(codes, seed), table, seed),
    }
    texts = [
        f"{label} {scores['codes'][name]['value']:.3f} ± {scores['codes'][name]['error']:.3f} "
        f"({scores['rotated'][name]['value']:.3f})"
        for label, name in (("MIG", "mig"), ("DCI", "disentanglement"), ("modularity", "modularity"))
    ]
    line = f"  disentanglement  {', '.join(texts)}; in brackets, of rotated codes"
    return {"factors": list(factors), "n": len(rows), **scores}, line


def _line_of_names(effects, amounts):
    """The line about the names of the axes, the most informative first."""
    names = effects.names
    if names is None:
        return f"  latent axes      not measured: {NO_EFFECTS}"
    named = [axis for axis in np.argsort(-amounts, kind="stable") if names[axis] != UNNAMED]
    texts = [f"z{axis} {names[axis]}" for axis in named[:MOST_LISTED]]
    if len(named) > MOST_LISTED:
        texts.append("...")
    return "; ".join([f"  latent axes      {len(named)} of {len(names)} change a measured property", *texts])


def _line_of_properties(properties, latent_dim):
    """The line about the median R² of the properties."""
    measured = [entry for entry in properties.values() if "linear" in entry]
    if not measured:
        return f"  properties       not measured: fewer than {MIN_GALAXIES} galaxies, or all alike"
    codes, components = (
        " / ".join(f"{np.median([entry[name]['r2'] for entry in measured]):.2f}" for name in pair)
        for pair in (("linear", "boosted"), ("pca_linear", "pca_boosted"))
    )
    return (
        f"  properties       median R² of {len(measured)}, linear / boosted: {codes} from the codes, {components} "
        f"from {latent_dim} principal components"
    )


def _number(value):
    """A number for metrics.json: None if it is undefined."""
    return value.item() if np.isfinite(value) else None
