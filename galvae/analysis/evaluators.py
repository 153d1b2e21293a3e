"""Registry of the evaluators that `galvae evaluate` runs, in this order.

An evaluator is a function `measure(run, indices, config, columns)`: a TrainedRun, the row indices (n,) of the
galaxies to evaluate, the EvaluateConfig, and the columns that the evaluators before it returned, name -> (values,
unit). It returns a `Report`. `galvae.figures.cards` draws its figures in a function of the same name.
"""

from galvae.analysis import conditions, information, reconstructions, scores

EVALUATORS = {
    "scores": scores.measure,
    "conditions": conditions.measure,
    "information": information.measure,
    "reconstructions": reconstructions.measure,
}
