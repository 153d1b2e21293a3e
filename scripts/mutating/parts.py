"""Mistakes of datasets of several files, prepared in parts, that the tests must catch."""

from mutating.mutant import Mutant

TESTS = "tests/data/test_parts.py"

MUTANTS = [
    Mutant(
        "images of a batch from several parts are in the order of the parts",
        "galvae/data/store/joined_images.py",
        "images[positions] = array[own]",
        "images[np.sort(positions)] = array[np.sort(own)]",
        f"{TESTS}::test_joined_images_are_indexed_as_one_array",
    ),
    Mutant(
        "the last image of a part is the first of the next one",
        "galvae/data/store/joined_images.py",
        'np.searchsorted(self.starts, rows, side="right") - 1',
        'np.maximum(np.searchsorted(self.starts, rows, side="left") - 1, 0)',
        f"{TESTS}::test_joined_images_are_indexed_as_one_array",
    ),
    Mutant(
        "parts are prepared for all rows of a file, of which a table needs some",
        "galvae/data/prepared_parts.py",
        'work = {"path": file.path, "rows": file.rows}',
        'work = {"path": file.path, "rows": None}',
        f"{TESTS}::test_only_images_with_a_row_of_the_table_are_in_parts",
    ),
    Mutant(
        "a part is that of any rows of its file",
        "galvae/data/prepared_parts.py",
        '"rows": _digest(file.rows)}',
        '"rows": None}',
        f"{TESTS}::test_only_images_with_a_row_of_the_table_are_in_parts",
    ),
    Mutant(
        "columns of a dataset of several files keep the rows of images that are left out",
        "galvae/data/store/parts.py",
        "column if used.all() else column[used] for",
        "column[: used.sum()] for",
        f"{TESTS}::test_images_that_are_left_out_take_their_rows_with_them",
    ),
    Mutant(
        "the content of a dataset of several files does not count its masks",
        "galvae/data/store/parts.py",
        'digest.update(np.ascontiguousarray(facts["mask"], "<u8"))',
        "pass",
        f"{TESTS}::test_content_is_that_of_images_masks_and_ids_however_files_share_them",
    ),
    Mutant(
        "a part that was replaced by another one is used",
        "galvae/data/store/cache_entry.py",
        'verify, part["manifest"])',
        "verify)",
        f"{TESTS}::test_a_part_of_other_images_is_not_used",
    ),
    Mutant(
        "a file that changes while its part is prepared is used",
        "galvae/data/prepared_parts.py",
        "if reader.part_fingerprint(config, file.path) != states[file.path]:",
        "if False:",
        f"{TESTS}::test_a_file_that_changes_while_it_is_read_is_named",
    ),
]
