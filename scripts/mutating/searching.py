"""Mistakes of what finds galaxies like others, and unlike all others, that the tests must catch."""

from mutating.mutant import Mutant

REFERENCE, NEAREST, ANOMALY = (
    "tests/runs/test_reference.py",
    "tests/analysis/test_nearest.py",
    "tests/analysis/test_anomaly.py",
)

MUTANTS = [
    Mutant(
        "collapsed latents count as their tiny scatter",
        "galvae/latent/aggregate.py",
        "if codes.std is not None:",
        "if codes.std is None:",
        f"{REFERENCE}::test_collapsed_latents_count_as_their_noise_and_correlations_are_those_of_the_codes",
    ),
    Mutant(
        "the reference is that of training galaxies",
        "galvae/runs/reference.py",
        'dataset.split("val")',
        'dataset.split("train")',
        f"{REFERENCE}::"
        "test_the_reference_holds_the_errors_of_decoded_validation_galaxies_and_is_bound_to_its_weights",
    ),
    Mutant(
        "p-values may be zero",
        "galvae/analysis/novelty.py",
        "(1 + larger) / (1 + len(reference))",
        "larger / (1 + len(reference))",
        f"{REFERENCE}::test_p_values_are_ranks_among_validation_galaxies",
    ),
    Mutant(
        "the warning's test counts one validation galaxy too few",
        "galvae/analysis/novelty.py",
        "beyond + rank - 1)",
        "beyond + rank - 2)",
        f"{REFERENCE}::test_fishers_exact_test_is_that_of_scipy",
    ),
    Mutant(
        "a galaxy is its own neighbour",
        "galvae/analysis/nearest.py",
        "first[found != own[query]]",
        "first",
        f"{NEAREST}::test_distances_are_those_of_the_definition",
    ),
    Mutant(
        "cosine distances about the origin instead of the mean code",
        "galvae/analysis/nearest.py",
        "np.asarray(codes, np.float64) - self._aggregate.mean",
        "np.asarray(codes, np.float64)",
        f"{NEAREST}::test_distances_are_those_of_the_definition",
    ),
    Mutant(
        "oddities bend the relation of error, flux and size",
        "galvae/analysis/anomaly.py",
        "weights = np.minimum(1, HUBER * scale / np.maximum(np.abs(residuals), 1e-12))",
        "weights = np.ones(len(y))",
        f"{ANOMALY}::test_residuals_are_the_scatter_about_the_relation_in_robust_standard_deviations",
    ),
    Mutant(
        "common codes rank first",
        "galvae/analysis/anomaly.py",
        "code = -self._prior.log_prob",
        "code = self._prior.log_prob",
        f"{ANOMALY}::test_rare_codes_rank_first",
    ),
]
