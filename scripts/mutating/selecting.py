"""Mistakes of what selects galaxies and of runs that start from others, which the tests must catch."""

from mutating.mutant import Mutant

EXPRESSIONS = "tests/data/test_selection.py"
ROWS = "tests/data/test_selected_rows.py"
START = "tests/runs/test_start.py"

MUTANTS = [
    Mutant(
        "& binds before comparisons, as Python's does",
        "galvae/data/selection.py",
        '"&": "and", ',
        '"&": "&", ',
        f"{EXPRESSIONS}::test_an_expression_selects_what_one_reads",
    ),
    Mutant(
        "an unknown number differs from every other",
        "galvae/data/selection.py",
        "return compare(*values) & known[0] & known[1]",
        "return compare(*values)",
        f"{EXPRESSIONS}::test_nothing_unknown_satisfies_a_comparison",
    ),
    Mutant(
        "sums of small integers wrap around",
        "galvae/data/selection.py",
        "return value.astype(float)",
        "return value",
        f"{EXPRESSIONS}::test_an_expression_selects_what_one_reads",
    ),
    Mutant(
        "whole numbers of an expression lose digits",
        "galvae/data/selection.py",
        "return int(text) if text.isdecimal() and int(text) < LARGEST_EXACT else float(text)",
        "return float(text)",
        f"{EXPRESSIONS}::test_an_expression_selects_what_one_reads",
    ),
    Mutant(
        "galaxies that are not selected stay in the splits",
        "galvae/data/load.py",
        "if not rows.all():",
        "if False:",
        f"{ROWS}::test_splits_are_made_among_the_selected",
    ),
    Mutant(
        "a selection forgets the split that the data come with",
        "galvae/data/load.py",
        "np.where(rows, 0 if own is None else own, -1)",
        "np.where(rows, 0, -1)",
        f"{ROWS}::test_the_selected_keep_the_split_of_the_dataset",
    ),
    Mutant(
        "the range of a condition is that of all galaxies",
        "galvae/data/load.py",
        "names[index], condition[rows, index]",
        "names[index], condition[:, index]",
        f"{ROWS}::test_splits_are_made_among_the_selected",
    ),
    Mutant(
        "one of two images with a selected id is taken",
        "galvae/data/selected_rows.py",
        "if (first != last).any():",
        "if False:",
        f"{ROWS}::test_a_wrong_table_is_one_line",
    ),
    Mutant(
        "a run that starts from another draws its random numbers",
        "galvae/runs/start.py",
        'if "float" in variable.dtype]',
        "]",
        f"{START}::test_the_weights_are_those_of_the_run_and_the_random_numbers_its_own",
    ),
    Mutant(
        "a run that starts from another scales conditions by its own data",
        "galvae/training/fit.py",
        "        start.restore(model)",
        "        start.restore(model)\n        set_from_data(model, dataset, config)",
        "tests/training/test_keys.py::"
        "test_a_run_that_starts_from_another_has_its_weights_and_nothing_of_its_data",
    ),
    Mutant(
        "a run starts from weights of other images",
        "galvae/runs/start.py",
        'self._check_equal("images of shape ", state.image_shape, list(dataset.image_shape))',
        "pass",
        f"{START}::test_other_images_and_conditions_are_refused",
    ),
]
