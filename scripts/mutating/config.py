"""Mistakes of the configuration and its checks that the tests must catch."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "the largest value of a key is refused",
        "galvae/config/check.py",
        'or value <= limits["at_most',
        'or value < limits["at_most',
        "tests/config/test_check.py::test_the_bounds_of_a_range_belong_to_it",
    ),
    Mutant(
        "a bound that a value must exceed may be reached",
        "galvae/config/check.py",
        'or value > limits["above',
        'or value >= limits["above',
        "tests/config/test_check.py::test_mistakes_name_key_expectation_and_value",
    ),
    Mutant(
        "the smallest value of a key is refused",
        "galvae/config/check.py",
        'or value >= limits["at_least',
        'or value > limits["at_least',
        "tests/config/test_check.py::test_the_bounds_of_a_range_belong_to_it",
    ),
    Mutant(
        "true counts as the integer 1",
        "galvae/config/check.py",
        "if type(value) is not kind ",
        "if not isinstance(value, kind) ",
        "tests/config/test_check.py::test_mistakes_name_key_expectation_and_value",
    ),
    Mutant(
        "keys that came later are digested at their defaults, too",
        "galvae/config/check.py",
        'getattr(config, f.name) != f.metadata["added"]',
        "True",
        "tests/runs/test_binding.py::test_runs_of_0_1_have_the_digest_that_they_recorded",
    ),
    Mutant(
        "a later key of a run of galvae 0.1 has no value of its own",
        "galvae/config/dataset.py",
        "\n        at_least=1,\n        at_most=READING,\n        added=1,",
        "\n        at_least=1,\n        at_most=READING,\n        added=READING,",
        "tests/runs/test_reading.py::test_other_images_are_refused_by_what_has_changed",
    ),
    Mutant(
        "fractions of a split need not sum to one",
        "galvae/config/dataset.py",
        "math.isclose(sum(self.split), 1, abs_tol=1e-6)",
        "True",
        "tests/config/test_check.py::test_mistakes_name_key_expectation_and_value",
    ),
    Mutant(
        "relative paths of a run stay relative",
        "galvae/config/fields.py",
        "abspath(os.path.expanduser(path)",
        "expanduser(path",
        "tests/config/test_check.py::test_paths_are_absolute",
    ),
    Mutant(
        "two cycles of one epoch are accepted",
        "galvae/config/train.py",
        'cyclical" and 2 * self.beta.',
        'cyclical" and self.beta.',
        "tests/config/test_check.py::test_a_cycle_of_beta_has_two_epochs_or_more",
    ),
    Mutant(
        "more latent dimensions than a network is wide are accepted",
        "galvae/config/train.py",
        "latent_dim > self.network",
        "latent_dim > 2 * self.network",
        "tests/config/test_check.py::test_mistakes_name_key_expectation_and_value",
    ),
]
