"""Mistakes of the scores, walks and comparisons that the tests must catch."""

from mutating.mutant import Mutant

AUDIT = "tests/analysis/test_condition_audit.py"

MUTANTS = [
    Mutant(
        "samples of compared runs ignore the temperature",
        "galvae/analysis/compared_runs.py",
        "config.seed, config.temperature)",
        "config.seed)",
        "tests/analysis/test_compared_runs.py::"
        "test_a_run_is_measured_on_its_first_validation_galaxies_and_drawn_with_the_keys_of_the_command",
    ),
    Mutant(
        "compared runs do not share their random numbers",
        "galvae/analysis/compared_runs.py",
        "sample(config.n, condition, config.seed,",
        "sample(config.n, condition, None,",
        "tests/analysis/test_compared_runs.py::"
        "test_a_run_is_measured_on_its_first_validation_galaxies_and_drawn_with_the_keys_of_the_command",
    ),
    Mutant(
        "compare counts active dimensions on all validation galaxies, whatever galaxies= says",
        "galvae/analysis/compared_runs.py",
        'split("val")[: config.galaxies]',
        'split("val")[:]',
        "tests/analysis/test_compared_runs.py::"
        "test_a_run_is_measured_on_its_first_validation_galaxies_and_drawn_with_the_keys_of_the_command",
    ),
    Mutant(
        "compared conditional runs get the same conditions by any seed",
        "galvae/analysis/compared_runs.py",
        "run.random_condition(config.n, config.seed)",
        "run.random_condition(config.n, 0)",
        "tests/analysis/test_compared_runs.py::"
        "test_a_run_is_measured_on_its_first_validation_galaxies_and_drawn_with_the_keys_of_the_command",
    ),
    Mutant(
        "points of the rate-distortion curve have their axes swapped",
        "galvae/analysis/compared_runs.py",
        'for name in ("val_kl", "val_reconstruction"))',
        'for name in ("val_reconstruction", "val_kl"))',
        "tests/analysis/test_compared_runs.py::"
        "test_rate_and_distortion_are_those_of_runs_with_a_kl_divergence",
    ),
    Mutant(
        "losses of different image sizes share an axis",
        "galvae/analysis/comparison.py",
        '*("dataset.augment", ',
        '*("dataset.image_size", "dataset.augment", ',
        "tests/analysis/test_compared_runs.py::test_other_galaxies_or_units_have_panels_of_their_own",
    ),
    Mutant(
        "panels of compared runs stand in another order than their titles",
        "galvae/analysis/comparison.py",
        "[titles[name] for name in order]",
        "[titles[name] for name in names]",
        "tests/analysis/test_comparison.py::test_panels_of_one_model_stand_in_a_row_by_latent_dim",
    ),
    Mutant(
        "predicted redshifts of other galaxies",
        "galvae/analysis/conditions.py",
        "predicted[name][queried] = values",
        "predicted[name][: len(queried)] = values",
        "tests/analysis/test_conditions.py::"
        "test_each_galaxy_has_the_prediction_of_its_own_image_and_some_have_none",
    ),
    Mutant(
        "predictions are compared with the redshifts of other galaxies",
        "galvae/analysis/conditions.py",
        "dataset.condition[indices[queried], index]",
        "dataset.condition[np.flatnonzero(queried), index]",
        "tests/analysis/test_conditions.py::"
        "test_each_galaxy_has_the_prediction_of_its_own_image_and_some_have_none",
    ),
    Mutant(
        "trial conditions span those of the test galaxies too",
        "galvae/analysis/conditions.py",
        'train = dataset.condition[dataset.split("train"), column]',
        'train = dataset.condition[dataset.split("all"), column]',
        "tests/analysis/test_conditions.py::"
        "test_each_galaxy_has_the_prediction_of_its_own_image_and_some_have_none",
    ),
    Mutant(
        "predictions of a second condition are compared with the first",
        "galvae/analysis/conditions.py",
        "index = dataset.condition_numbers[name]",
        "index = 0",
        "tests/analysis/test_conditions.py::test_each_of_several_conditions_has_its_own_values_and_unit",
    ),
    Mutant(
        "trial values replace the other conditions of a galaxy",
        "galvae/analysis/conditions.py",
        "condition[:, columns] = trial",
        "condition[:] = trial",
        "tests/analysis/test_conditions.py::test_the_other_conditions_of_a_galaxy_are_its_own_at_every_trial_value",
    ),
    Mutant(
        "predicted redshifts in scaled units",
        "galvae/analysis/conditions.py",
        "return np.concatenate(predicted)\n\n\ndef most_likely",
        "return np.asarray(model.scaled_condition(np.concatenate(predicted)))\n\n\ndef most_likely",
        "tests/analysis/test_conditions.py::test_predictions_are_in_the_units_of_the_condition",
    ),
    Mutant(
        "predictions see the codes of the first batch",
        "galvae/analysis/conditions.py",
        "codes.mean[part]",
        'codes.mean[: len(inputs["images"])]',
        "tests/analysis/test_scores.py::test_the_published_prediction_is_read_from_the_decoders_input",
    ),
    Mutant(
        "the minimum over trial conditions is refined in steps instead of redshifts",
        "galvae/analysis/conditions.py",
        "np.clip(shift, -1, 1) * (grid[1] - grid[0])",
        "np.clip(shift, -1, 1)",
        "tests/analysis/test_scores.py::test_the_most_likely_condition_minimises_the_objective",
    ),
    Mutant(
        "the parabola through a minimum opens to the wrong side",
        "galvae/analysis/conditions.py",
        "0.5 * (left - right)",
        "0.5 * (right - left)",
        "tests/analysis/test_scores.py::test_the_most_likely_condition_minimises_the_objective",
    ),
    Mutant(
        "audit: slopes with a condition are those through the origin",
        "galvae/analysis/condition_trends.py",
        "slope = (xy - x_mean * y_mean) / (xx - x_mean**2)",
        "slope = xy / xx",
        f"{AUDIT}::test_lines_are_those_of_least_squares",
    ),
    Mutant(
        "audit: a reversed trend counts as right",
        "galvae/analysis/condition_trends.py",
        'return "right" if real[0] * generated[0] > 0 else "reversed"',
        'return "right"',
        f"{AUDIT}::test_directions_and_verdicts",
    ),
    Mutant(
        "audit: differences of a bin are in standard deviations of that bin alone",
        "galvae/analysis/condition_trends.py",
        "(mean - mean_real) / std[usable, None]",
        "(mean - mean_real) / scatter_real",
        f"{AUDIT}::test_bins_hold_equal_numbers_of_real_galaxies_and_their_own_means",
    ),
    Mutant(
        "audit: real galaxies are those of the test split alone",
        "galvae/analysis/condition_audit.py",
        "held_out_galaxies(dataset, ENOUGH, known)",
        "(np.flatnonzero(known), 'validation and test splits')",
        f"{AUDIT}::test_an_obedient_model_has_the_trends_and_the_scatter_of_real_galaxies",
    ),
    Mutant(
        "audit: the regressor is trained on the galaxies on which it is tested",
        "galvae/analysis/condition_audit.py",
        'dataset.split("train"), dataset.held_out))',
        'dataset.split("all"), dataset.held_out))',
        f"{AUDIT}::test_an_obedient_model_has_the_trends_and_the_scatter_of_real_galaxies",
    ),
    Mutant(
        "audit: bias of what is read off has the opposite sign",
        "galvae/analysis/condition_audit.py",
        "moments((y - own)[:, None], counts)",
        "moments((own - y)[:, None], counts)",
        f"{AUDIT}::test_arrays_and_figure_show_what_the_summary_says",
    ),
    Mutant(
        "audit: leakage of posterior means, which nobody decodes",
        "galvae/analysis/condition_audit.py",
        "run.codes_at(indices).sample(seed)[complete]",
        "run.codes_at(indices).mean[complete]",
        f"{AUDIT}::test_an_obedient_model_has_the_trends_and_the_scatter_of_real_galaxies",
    ),
    Mutant(
        "audit: a swap replaces a galaxy's other conditions too",
        "galvae/analysis/condition_audit.py",
        "condition[:, column] = values",
        "condition[:] = np.reshape(values, (-1, 1))",
        f"{AUDIT}::test_a_swapped_redshift_changes_what_it_should_and_leaves_other_conditions",
    ),
    Mutant(
        "audit: a swap from the low to the high condition starts at a galaxy's own",
        "galvae/analysis/condition_audit.py",
        "under[3] - under[2]",
        "under[3] - under[0]",
        f"{AUDIT}::test_a_swapped_redshift_changes_what_it_should_and_leaves_other_conditions",
    ),
    Mutant(
        "PSNR of the root of the error",
        "galvae/analysis/image_quality.py",
        "-10.0 * ops.log(error)",
        "-20.0 * ops.log(error)",
        "tests/analysis/test_image_quality.py::test_mean_squared_error_and_psnr_of_a_constant_offset",
    ),
    Mutant(
        "a constant of SSIM is changed",
        "galvae/analysis/image_quality.py",
        "(0.01**2, 0.03**2)",
        "(0.01**2, 0.02**2)",
        "tests/analysis/test_image_quality.py::test_structural_similarity_is_scikit_images",
    ),
    Mutant(
        "SSIM of small images is measured in smaller windows than fit",
        "galvae/analysis/image_quality.py",
        "(min(height, width) - 1) // 2",
        "(min(height, width) - 2) // 2",
        "tests/analysis/test_image_quality.py::test_structural_similarity_of_small_and_of_equal_images",
    ),
    Mutant(
        "R squared compares with zero instead of the mean",
        "galvae/analysis/image_quality.py",
        "ops.square(targets - mean)",
        "ops.square(targets)",
        "tests/analysis/test_image_quality.py::"
        "test_r_squared_is_one_for_a_copy_zero_for_the_mean_and_undefined_for_a_constant",
    ),
    Mutant(
        "the corner plot of an evaluation ignores the key latents",
        "galvae/analysis/information.py",
        '"latents": config.latents',
        '"latents": 5',
        "tests/analysis/test_evaluators.py::test_reports_follow_the_keys_of_the_command",
    ),
    Mutant(
        "nearest galaxies are rows of the training set instead of the dataset",
        "galvae/analysis/memorisation.py",
        "return indices[nearest.positions], distance",
        "return nearest.positions, distance",
        "tests/analysis/test_memorisation.py::test_only_the_requested_galaxies_are_compared",
    ),
    Mutant(
        "nearest galaxies are shown turned the wrong way",
        "galvae/analysis/memorisation.py",
        "np.rot90(image, -rotations)",
        "np.rot90(image, rotations)",
        "tests/analysis/test_memorisation.py::test_a_rotated_copy_is_found_and_returned_in_its_orientation",
    ),
    Mutant(
        "neighbours of embedded galaxies are named by their row in the embedding",
        "galvae/analysis/plane.py",
        "ids = dataset.ids[embedding.indices]",
        "ids = dataset.ids[np.arange(len(embedding.indices))]",
        "tests/analysis/test_plane.py::test_columns_of_the_table_are_those_of_each_galaxy",
    ),
    Mutant(
        "the mosaic shows other galaxies of the dataset",
        "galvae/analysis/plane.py",
        "indices = embedding.indices[positions[positions >= 0]]",
        "indices = positions[positions >= 0]",
        "tests/analysis/test_plane.py::test_a_mosaic_has_the_real_galaxy_of_each_cell",
    ),
    Mutant(
        "positions are decoded with the conditions of other galaxies",
        "galvae/analysis/plane.py",
        "run.condition(embedding.indices[nearest[:, 0]])",
        "run.condition(nearest[:, 0])",
        "tests/analysis/test_plane.py::"
        "test_decoded_galaxies_have_the_condition_of_the_galaxy_with_the_nearest_code",
    ),
    Mutant(
        "montages measure distances between codes as the crow flies, whatever metric= says",
        "galvae/analysis/plane.py",
        "nearest_codes(embedding.codes, 1, metric, codes)",
        'nearest_codes(embedding.codes, 1, "euclidean", codes)',
        "tests/analysis/test_plane.py::test_decoded_galaxies_have_the_condition_of_the_galaxy_with_the_nearest_code",
    ),
    Mutant(
        "a layout of another metric is reused",
        "galvae/analysis/plane.py",
        '("n_neighbors", "min_dist", "metric", ',
        '("n_neighbors", "min_dist", ',
        "tests/analysis/test_plane.py::"
        "test_a_new_layout_is_fitted_to_the_codes_of_its_galaxies_with_the_keys_of_the_command",
    ),
    Mutant(
        "reconstructions drawn from other galaxies' codes",
        "galvae/analysis/reconstructions.py",
        "run.codes_at(indices).mean[order]",
        "run.codes_at(indices).mean[: len(order)]",
        "tests/analysis/test_reconstructions.py::"
        "test_the_best_some_typical_and_the_worst_are_shown_with_what_belongs_to_each",
    ),
    Mutant(
        "captions of reconstructions have other galaxies' predictions",
        "galvae/analysis/reconstructions.py",
        "predicted[0][order]",
        "predicted[0][: len(order)]",
        "tests/analysis/test_reconstructions.py::"
        "test_the_best_some_typical_and_the_worst_are_shown_with_what_belongs_to_each",
    ),
    Mutant(
        "typical reconstructions are the same by any seed",
        "galvae/analysis/reconstructions.py",
        "np.random.default_rng(config.seed)",
        "np.random.default_rng(0)",
        "tests/analysis/test_reconstructions.py::"
        "test_the_best_some_typical_and_the_worst_are_shown_with_what_belongs_to_each",
    ),
    Mutant(
        "the speed of a run is the mean over epochs",
        "galvae/analysis/run_table.py",
        'statistics.median(row["images_per_second"]',
        'statistics.mean(row["images_per_second"]',
        "tests/analysis/test_comparison.py::test_results_of_an_unfinished_run_come_from_its_history",
    ),
    Mutant(
        "generated galaxies are compared with galaxies of every split",
        "galvae/analysis/samples.py",
        'train, rotated = run.dataset.split("train"), run',
        'train, rotated = run.dataset.split("all"), run',
        "tests/analysis/test_samples.py::"
        "test_generated_galaxies_are_compared_with_training_galaxies_turned_if_training_turned_them",
    ),
    Mutant(
        "every block of samples has codes of its own",
        "galvae/analysis/samples.py",
        "sample(config.n, block, config.seed, ",
        "sample(config.n, block, None, ",
        "tests/analysis/test_samples.py::test_every_block_has_the_same_codes_at_its_own_condition",
    ),
    Mutant(
        "all blocks of samples are drawn at the first condition",
        "galvae/analysis/samples.py",
        "sample(config.n, block, config.seed, ",
        "sample(config.n, blocks[0], config.seed, ",
        "tests/analysis/test_samples.py::"
        "test_a_prior_that_knows_the_condition_draws_each_block_at_its_own_from_the_same_numbers",
    ),
    Mutant(
        "the objective of the mean instead of a draw",
        "galvae/analysis/scores.py",
        "model.sample_posterior(posterior, noise=noise)",
        'posterior["mean"]',
        "tests/analysis/test_scores.py::test_scores_are_those_of_each_image_alone",
    ),
    Mutant(
        "scores are weighted by the beta of training",
        "galvae/analysis/scores.py",
        "total_loss(terms, training=False), **terms",
        "total_loss(terms, training=True), **terms",
        "tests/analysis/test_scores.py::test_scores_are_those_of_each_image_alone",
    ),
    Mutant(
        "images are scored with the codes of the first batch",
        "galvae/analysis/scores.py",
        "score(inputs, codes.mean[part], ",
        'score(inputs, codes.mean[: len(inputs["images"])], ',
        "tests/analysis/test_scores.py::test_scores_are_those_of_each_image_alone",
    ),
    Mutant(
        "intervals of scores ignore the key bootstrap",
        "galvae/analysis/scores.py",
        "summary(values, config.bootstrap, config.seed)",
        "summary(values, 1000, config.seed)",
        "tests/analysis/test_evaluators.py::test_reports_follow_the_keys_of_the_command",
    ),
    Mutant(
        "intervals of 90 instead of 95 percent",
        "galvae/analysis/statistics.py",
        "CONFIDENCE = 0.95",
        "CONFIDENCE = 0.90",
        "tests/analysis/test_image_quality.py::test_a_summarys_interval_is_that_of_the_mean",
    ),
    Mutant(
        "the scatter of photometric redshifts has another constant",
        "galvae/analysis/statistics.py",
        "1.48 * np.median",
        "1.35 * np.median",
        "tests/analysis/test_image_quality.py::"
        "test_scatter_and_outliers_are_relative_to_one_plus_the_redshift",
    ),
    Mutant(
        "outliers are counted from another threshold",
        "galvae/analysis/statistics.py",
        "np.abs(relative) > 0.15",
        "np.abs(relative) > 0.1",
        "tests/analysis/test_image_quality.py::"
        "test_scatter_and_outliers_are_relative_to_one_plus_the_redshift",
    ),
    Mutant(
        "walks along the condition span that of the test galaxies too",
        "galvae/analysis/traversal.py",
        'train = galaxies.condition[galaxies.split("train"), conditions',
        'train = galaxies.condition[galaxies.split("all"), conditions',
        "tests/analysis/test_traversal.py::"
        "test_the_condition_is_walked_over_the_range_of_the_training_galaxies",
    ),
    Mutant(
        "walks along the condition start from the same codes by any seed",
        "galvae/analysis/traversal.py",
        "sample(RANDOM_STARTS, given, config.seed)",
        "sample(RANDOM_STARTS, given, 0)",
        "tests/analysis/test_traversal.py::"
        "test_the_condition_is_walked_over_the_range_of_the_training_galaxies",
    ),
    Mutant(
        "the condition runs backwards on a path between galaxies",
        "galvae/analysis/traversal.py",
        "first, last = galaxies.condition[self.ends]",
        "last, first = galaxies.condition[self.ends]",
        "tests/analysis/test_traversal.py::test_codes_and_conditions_change_together_from_galaxy_to_galaxy",
    ),
    Mutant(
        "the galaxy at the origin is shown after its reconstruction",
        "galvae/analysis/traversal.py",
        "self.originals([self.at]), self.decode(self.origin[None, None])[0]",
        "self.decode(self.origin[None, None])[0], self.originals([self.at])",
        "tests/analysis/test_traversal.py::test_axes_are_walked_from_the_galaxy_at_its_own_condition",
    ),
    Mutant(
        "walks decode a galaxy at the mean condition",
        "galvae/analysis/traversal.py",
        "condition = galaxies.condition[self.at]",
        "pass",
        "tests/analysis/test_traversal.py::test_axes_are_walked_from_the_galaxy_at_its_own_condition",
    ),
]
