"""Mistakes of galaxies that are put through a run trained on others, which the tests must catch."""

from mutating.mutant import Mutant

ALIGNMENT = "tests/runs/test_alignment.py"
ENCODED = "tests/analysis/test_encoded.py"
PARTS = "tests/runs/test_encoding.py"

MUTANTS = [
    Mutant(
        "the last batch is cut from the front",
        "galvae/analysis/encoded.py",
        "np.asarray(values)[:count] for",
        "np.asarray(values)[-count:] for",
        f"{ENCODED}::test_codes_and_scores_are_those_of_evaluate",
    ),
    Mutant(
        "a batch is encoded with the images of the next one",
        "galvae/analysis/encoded.py",
        "rows, inputs = batches.step(step), following.result()",
        "rows, inputs = batches.step(step), batches.gather(batches.step((step + 1) % len(batches)))",
        f"{ENCODED}::test_codes_and_scores_are_those_of_evaluate",
    ),
    Mutant(
        "errors of codes are variances",
        "galvae/analysis/encoded_table.py",
        "np.multiply(log_variance, 0.5, out=log_variance)",
        "np.multiply(log_variance, 1.0, out=log_variance)",
        f"{ENCODED}::test_the_table_has_codes_errors_catalogue_and_units_in_the_order_of_the_rows",
    ),
    Mutant(
        "embedded galaxies get the places of others",
        "galvae/analysis/plane.py",
        "places[known] = embedding.plane[found]",
        "places[known] = embedding.plane[: known.sum()]",
        "tests/analysis/test_plane_addition.py",
    ),
    Mutant(
        "bands are not reordered",
        "galvae/data/changed_images.py",
        "images = images[..., self._order]",
        "images = images[..., : len(self._order)]",
        f"{ALIGNMENT}::test_bands_of_the_same_names_come_in_the_order_of_the_run_and_so_do_their_masks",
    ),
    Mutant(
        "a pixel is set aside only where all of it is",
        "galvae/data/changed_images.py",
        "self._size) > 0",
        "self._size) == 1",
        f"{ALIGNMENT}::test_masks_of_averaged_images_set_aside_every_pixel_of_which_a_part_is",
    ),
    Mutant(
        "pixel scales are those of the files, whatever images were reduced to",
        "galvae/data/pixel_scale.py",
        "* factor * galaxies.reduction",
        "* factor",
        "tests/data/test_pixel_scale.py",
    ),
    Mutant(
        "bands are reordered the other way round",
        "galvae/runs/alignment.py",
        "[theirs.index(name) for name in ours]",
        "[ours.index(name) for name in theirs]",
        f"{ALIGNMENT}::test_bands_of_the_same_names_come_in_the_order_of_the_run_and_so_do_their_masks",
    ),
    Mutant(
        "any larger image is averaged",
        "galvae/runs/alignment.py",
        "or abs(fields - 1) > SAME_FIELD",
        "or fields < 0",
        f"{ALIGNMENT}::test_larger_images_are_averaged_only_where_their_field_of_view_is_that_of_the_run",
    ),
    Mutant(
        "values are scaled, but not shifted to the run's range",
        "galvae/runs/alignment.py",
        "(factor, ours[0] - factor * theirs[0])",
        "(factor, 0.0)",
        f"{ALIGNMENT}::test_another_pixel_range_is_rescaled_to_that_of_the_run_and_the_same_is_left_as_it_is",
    ),
    Mutant(
        "classes are matched by their order",
        "galvae/runs/aligned_conditions.py",
        "result[members, classes.index(name)] = 1",
        "result[members, column] = 1",
        f"{ALIGNMENT}::test_classes_are_matched_by_name_and_others_are_refused",
    ),
    Mutant(
        "unknown redshifts get the mean of their own dataset",
        "galvae/runs/aligned_conditions.py",
        'mean = known.condition[known.split("train"), count:].mean(axis=0)',
        "mean = np.nanmean(condition[:, count:], axis=0)",
        f"{ALIGNMENT}::test_unknown_conditions_are_left_out_or_get_the_mean_of_the_training_galaxies_of_the_run",
    ),
    Mutant(
        "parts of any command are taken",
        "galvae/runs/encoding.py",
        "if not different:",
        "if True:",
        f"{PARTS}::test_parts_and_results_of_something_else_are_refused",
    ),
    Mutant(
        "parts leave out the galaxies of the remainder",
        "galvae/runs/encoding.py",
        "self.count * number // self.shards for",
        "self.count // self.shards * number for",
        f"{PARTS}::test_parts_have_each_galaxy_once_in_order_and_nearly_equal_numbers",
    ),
]
