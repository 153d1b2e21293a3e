"""Mistakes in classes as conditions: their columns, what is asked of a run, and the audit of what it generates."""

from mutating.mutant import Mutant

COLUMNS = "tests/data/test_condition_columns.py::"
ASKED = "tests/runs/test_run_conditions.py::"
AUDIT = "tests/analysis/test_class_audit.py::"

MUTANTS = [
    Mutant(
        "audit: the judge of classes is fitted to the galaxies that it judges",
        "galvae/analysis/class_audit.py",
        'train = run.dataset.split("train")',
        'train = run.dataset.split("all")',
        f"{AUDIT}test_the_judge_sees_the_classes_that_an_obedient_model_is_asked_for",
    ),
    Mutant(
        "audit: galaxies of a swapped class keep their own",
        "galvae/analysis/class_audit.py",
        "condition[:, :count] = one_hot(asked, count)",
        "pass",
        f"{AUDIT}test_the_judge_sees_the_classes_that_an_obedient_model_is_asked_for",
    ),
    Mutant(
        "audit: obedience is not measured from chance",
        "galvae/analysis/class_audit.py",
        'result[f"accuracy{kind}"] - chance for kind',
        'result[f"accuracy{kind}"] for kind',
        f"{AUDIT}test_shares_and_confusions_are_those_of_the_arrays "
        f"{AUDIT}test_permuted_classes_and_codes_that_hold_the_class_are_caught",
    ),
    Mutant(
        "audit: rows of a confusion matrix are the classes seen",
        "galvae/analysis/class_audit.py",
        "(np.searchsorted(classes, asked), np.searchsorted(classes, seen))",
        "(np.searchsorted(classes, seen), np.searchsorted(classes, asked))",
        f"{AUDIT}test_rows_of_a_confusion_matrix_are_the_classes_asked_for",
    ),
    Mutant(
        "a class is a continuum halfway between galaxies",
        "galvae/analysis/traversal.py",
        "np.where(fraction < 0.5, first, last)[:, :count]",
        "((1 - fraction) * first + fraction * last)[:, :count]",
        "tests/analysis/test_traversal.py::test_between_galaxies_of_two_classes_there_is_no_third_one",
    ),
    Mutant(
        "unlabelled galaxies are of the last class",
        "galvae/data/conditions.py",
        "columns[labels < 0] = np.nan",
        "pass",
        f"{COLUMNS}test_a_class_is_a_one_among_zeros",
    ),
    Mutant(
        "galaxies without a class are filled in",
        "galvae/data/conditions.py",
        "known = np.isfinite(condition).all(axis=1)\n            log.warning(",
        "known[:] = True\n            log.warning(",
        f"{COLUMNS}test_galaxies_without_a_class_are_left_out_even_where_the_mean_redshift_is_filled_in",
    ),
    Mutant(
        "columns of rare classes are huge",
        "galvae/models/conditional_vae.py",
        "mean[:classes], std[:classes] = 0, 1",
        "pass",
        "tests/models/test_models.py::test_conditions_are_scaled_by_statistics_that_are_variables",
    ),
    Mutant(
        "a class is its number before it is its name",
        "galvae/runs/conditions.py",
        "if text in self.classes:",
        "if text in self.classes and not text.isdigit():",
        f"{ASKED}test_the_first_condition_may_be_a_number_and_a_class_may_be_named_like_one",
    ),
    Mutant(
        "classes without training galaxies are generated",
        "galvae/runs/conditions.py",
        "if self.ranges[number] != [0, 0]",
        "if True",
        f"{ASKED}test_what_is_asked_for_is_a_block_for_each_combination",
    ),
    Mutant(
        "the other conditions of a class are those of any galaxies",
        "galvae/analysis/samples.py",
        "run.random_condition(n, seed, block.get(CLASS))",
        "run.random_condition(n, seed, None)",
        "tests/analysis/test_samples.py::"
        "test_the_other_conditions_of_a_class_are_those_of_its_own_training_galaxies",
    ),
]
