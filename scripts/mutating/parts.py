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
        '"rows": None if file.rows is None else file.rows.tolist()}',
        '"rows": None}',
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
    Mutant(
        "a part is used though its file was overwritten under its old time",
        "galvae/data/readers/user_files.py",
        '{"source": file_identity(path), **',
        '{"source": {**file_identity(path), "file_state": 0}, **',
        f"{TESTS}::test_a_file_that_is_overwritten_under_its_old_time_is_prepared_again_alone",
    ),
    Mutant(
        "a table may change while parts are prepared",
        "galvae/data/prepared_parts.py",
        "        check()  #",
        "        #",
        f"{TESTS}::test_what_changes_while_other_files_are_read_is_noticed",
    ),
    Mutant(
        "parts that are there but must be prepared again are not announced",
        "galvae/data/prepared_parts.py",
        "if part is None]",
        "if not paths[number].is_dir()]",
        f"{TESTS}::test_parts_that_are_prepared_again_are_announced_and_prepared_at_once",
    ),
    Mutant(
        "a plan is removed while its columns are mapped",
        "galvae/data/prepared_parts.py",
        "        del plan  #",
        "        #",
        f"{TESTS}::test_a_plan_is_not_mapped_any_more_when_it_is_removed",
    ),
    Mutant(
        "each thread that waits has ten seconds to end",
        "galvae/data/prepared_parts.py",
        "thread.join(max(0, deadline - time.monotonic()))",
        "thread.join(PATIENCE)",
        f"{TESTS}::test_all_threads_together_have_some_seconds_to_end",
    ),
    Mutant(
        "the first of several files is named where another has changed",
        "galvae/data/store/cache.py",
        'states[several or value["path"]]',
        'states[value["path"]]',
        f"{TESTS}::test_a_file_that_is_overwritten_under_its_old_time_is_prepared_again_alone",
    ),
    *(
        Mutant(
            f"prepared images of a file are those of any dataset.{name}",
            "galvae/data/readers/user_files.py",
            f'    "{name}",\n',
            "",
            f"{TESTS}::test_no_setting_has_the_prepared_images_of_another",
        )
        for name in ("images", "image_size", "channels", "axes", "row_0", "mask", "mask_where", "nan", "drop")
    ),
]
