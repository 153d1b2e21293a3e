"""Mistakes in splits by a column, and in what opens ten million galaxies."""

from mutating.mutant import Mutant

MUTANTS = [
    Mutant(
        "the width of an array of texts changes their hashes",
        "galvae/data/value_hash.py",
        ".T[::-1]:",
        ".T:",
        "tests/data/test_value_hash.py::test_hashes_do_not_depend_on_the_array_that_holds_the_texts",
    ),
    Mutant(
        "neighbouring ids have neighbouring hashes",
        "galvae/data/value_hash.py",
        "_mixed(_mixed(_of_texts(values[part])) ^ salt)",
        "_of_texts(values[part])",
        "tests/data/test_value_hash.py::test_neighbouring_values_and_seeds_are_independent",
    ),
    Mutant(
        "images that are cut by hash have the hashes of others",
        "galvae/data/splits.py",
        "fractions(hashed[pool])",
        "fractions(hashed[: len(pool)])",
        "tests/data/test_split_by.py::test_a_group_is_in_one_split",
    ),
    Mutant(
        "splits by a column ignore dataset.split_seed",
        "galvae/data/split_by.py",
        "hashes(values, config.split_seed)",
        "hashes(values)",
        "tests/data/test_split_by.py::test_splits_by_id_are_the_same_for_ever",
    ),
    Mutant(
        "numbers of rows decide splits as if they were ids",
        "galvae/data/split_by.py",
        "is None and are_rows:",
        "is None and False:",
        "tests/data/test_split_by.py::test_what_cannot_decide_a_split_is_refused",
    ),
    Mutant(
        "numbers of rows are taken for ids where most images were left out",
        "galvae/data/readers/user_columns.py",
        "merged.ids_are_rows = ids is merged.images",
        "pass",
        "tests/data/test_split_by.py::test_numbers_of_rows_decide_no_split_however_many_are_left_out",
    ),
    Mutant(
        "small increasing ids are taken for numbers of rows though they are known to be ids",
        "galvae/data/split_by.py",
        "_may_be_rows(values) if ids_are_rows is None else ids_are_rows",
        "_may_be_rows(values)",
        "tests/data/test_split_by.py::test_numbers_of_rows_decide_no_split_however_many_are_left_out",
    ),
    Mutant(
        "a column is mapped from a place before its own",
        "galvae/data/store/mapped_columns.py",
        "+ sum(lengths) + start",
        "+ lengths[0] + start",
        "tests/data/test_mapped_columns.py::test_columns_are_the_same_mapped_or_read",
    ),
    Mutant(
        "galaxies at the same position are sought in the farther neighbouring cube",
        "galvae/data/coincidences.py",
        "cube + side * shift",
        "cube - side * shift",
        "tests/data/test_quality.py::test_close_positions_are_those_that_astropy_matches",
    ),
]
