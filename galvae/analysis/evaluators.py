"""Registry of the evaluators that `galvae evaluate` runs, in this order.

An evaluator is a function `measure(run, indices, config, columns)`: a TrainedRun, the row indices (n,) of the
galaxies to evaluate, the EvaluateConfig, and the columns that the evaluators before it returned, name -> (values,
unit). It returns a `Report`. `galvae.figures.cards` draws its figures in a function of the same name.
"""

from typing import NamedTuple

from galvae.analysis import (
    axes,
    conditions,
    information,
    memorisation,
    morphology,
    physics_card,
    prior_match,
    probes,
    reconstructions,
    scores,
)
from galvae.config.defaults import command_config
from galvae.data.catalogue import galaxy_table

EVALUATORS = {
    "scores": scores.measure,
    "conditions": conditions.measure,
    "information": information.measure,
    "reconstructions": reconstructions.measure,
    "morphology": morphology.measure,
    "card": physics_card.measure,
    "axes": axes.measure,
    "probes": probes.measure,
    "memorisation": memorisation.measure,
    "prior": prior_match.measure,
}
# Of those that return columns: a function of a TrainedRun, which returns the names that these may have.
COLUMNS = {
    "scores": scores.column_names,
    "conditions": conditions.column_names,
    "information": information.column_names,
    "morphology": morphology.column_names,
}


def chosen(names):
    """The names of the evaluators to run, in their order, with those whose columns others need.

    Args:
        names: requested names; None for all.
    """
    requested = set(EVALUATORS if names is None else names)
    if "reconstructions" in requested:  # which are sorted by the error of each galaxy
        requested.add("scores")
    return [name for name in EVALUATORS if name in requested]


class Evaluation(NamedTuple):
    """What evaluators have measured.

    Attributes:
        summary: their entries of metrics.json, JSON-able.
        columns: columns of the table with a row per galaxy, name -> (values, unit).
        reports: name of the evaluator -> Report, in their order.
    """

    summary: dict
    columns: dict
    reports: dict


def evaluate(run, indices, config):
    """Runs the evaluators of a configuration.

    Args:
        run: TrainedRun.
        indices: (n,) row indices of the galaxies.
        config: EvaluateConfig.

    Returns:
        Evaluation.
    """
    result = Evaluation({}, {}, {})
    for name in chosen(config.cards):
        report = result.reports[name] = EVALUATORS[name](run, indices, config, result.columns)
        result.columns.update(report.columns)
        result.summary.update(report.summary)
    return result


def card(run, **keys):
    """Measures how real a run's galaxies are, and what it has learned, as `galvae evaluate` does, without figures.

    Args:
        run: TrainedRun.
        keys: of the command, such as samples=500, prior="flow" or split="val"; cards=["scores", "axes"] measures these
            instead of the physics card alone.

    Returns:
        (summary, table): the entries of metrics.json, a dict; and an astropy Table with a row for each galaxy of the
        split, its catalogue and what the cards say of each.

    Raises:
        GalvaeError: if there is no such key or value.
    """
    config = command_config("evaluate", run.path, {"cards": ["card"], **keys})
    indices = run.dataset.split(config.split)
    result = evaluate(run, indices, config)
    return result.summary, galaxy_table(run.dataset, indices, result.columns)


def column_names(run, names):
    """Names of the columns that evaluators may add to the table of galaxies, before they are run.

    Args:
        run: TrainedRun.
        names: requested evaluators; None for all.
    """
    return [column for name in chosen(names) if name in COLUMNS for column in COLUMNS[name](run)]
