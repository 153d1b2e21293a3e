"""Registry of the evaluators that `galvae evaluate` runs, in this order.

An evaluator is a function `measure(run, indices, config, columns)`: a TrainedRun, the row indices (n,) of the
galaxies to evaluate, the EvaluateConfig, and the columns that the evaluators before it returned, name -> (values,
unit). It returns a `Report`. `galvae.figures.cards` draws its figures in a function of the same name.
"""

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


def chosen(names):
    """The names of the evaluators to run, in their order, with those whose columns others need.

    Args:
        names: requested names; None for all.
    """
    requested = set(EVALUATORS if names is None else names)
    if "reconstructions" in requested:  # which are sorted by the error of each galaxy
        requested.add("scores")
    return [name for name in EVALUATORS if name in requested]
