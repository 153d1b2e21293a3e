"""Mistakes of the explorer's page that the tests must catch."""

from mutating.mutant import Mutant

GENERATION, PRIORS, NOISE = (
    "galvae/explorer/generation.py",
    "tests/explorer/test_page_priors.py::",
    "tests/explorer/test_page_noise.py::",
)

MUTANTS = [
    Mutant(
        "the page weights the Gaussians of a mixture as if their conditions scattered equally",
        GENERATION,
        " - 0.5 * np.log(values).sum(axis=1)",
        "",
        PRIORS + "test_codes_at_a_condition_are_those_of_the_run",
    ),
    Mutant(
        "the page's roots of covariances have their rows for columns",
        GENERATION,
        "return upper[:, columns, rows]",
        "return upper[:, rows, columns]",
        PRIORS + "test_codes_of_a_mixture_are_those_of_the_run",
    ),
    Mutant(
        "the page does not say that another prior stands in for a flow",
        GENERATION,
        'return prior, f"{prior.label}; the run\'s flow is not in this page"',
        "return prior, prior.label",
        PRIORS + "test_another_prior_stands_in_for_a_flow_and_says_so",
    ),
    Mutant(
        "the page draws N(0, I) for a plain autoencoder",
        GENERATION,
        "if run.has_posterior:",
        "if run.latent_dim:",
        PRIORS + "test_a_plain_autoencoder_has_the_moments_of_its_codes",
    ),
    Mutant(
        "the page has the covariances of noise at the opposite distances",
        GENERATION,
        "return lags[len(lags) // 2 :]",
        "return lags[: len(lags) // 2 + 1][::-1]",
        NOISE + "test_roots_are_those_of_the_spectrum_without_negative_eigenvalues",
    ),
    Mutant(
        "sliders of a page stand in the order of the latents, not of their information",
        "galvae/explorer/contents.py",
        'order = np.argsort(-information(codes.mean, codes.log_variance), kind="stable")',
        "order = np.arange(codes.mean.shape[1])",
        "tests/explorer/test_contents.py::"
        "test_latents_come_most_informative_first_with_their_names_and_percentiles",
    ),
    Mutant(
        "a galaxy is its own nearest neighbour, and every place is far from all",
        "galvae/explorer/contents.py",
        "squared[np.arange(len(part)), part] = np.inf",
        "pass",
        "tests/explorer/test_contents.py::test_far_is_the_99th_percentile_of_distances_between_neighbours",
    ),
    Mutant(
        "integers beyond those of JavaScript are rounded",
        "galvae/explorer/columns.py",
        "if largest < 2**53:",
        "if largest < 2**63:",
        "tests/explorer/test_contents.py::test_columns_of_every_type_are_numbers_classes_or_texts",
    ),
    Mutant(
        "codes of any size are rounded to float16",
        "galvae/explorer/contents.py",
        "return halves if fits else codes.astype(np.float32)",
        "return halves",
        "tests/explorer/test_contents.py::test_codes_are_rounded_only_where_that_changes_no_distance_between_neighbours",
    ),
    Mutant(
        "names of fewer axes than there are latents are taken",
        "galvae/runs/axis_names.py",
        "if len(names) != run.latent_dim:",
        "if False:",
        "tests/runs/test_axis_names.py::test_names_that_are_not_one_for_each_axis_are_not_taken",
    ),
]
