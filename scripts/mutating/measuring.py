"""Mistakes of the measures of real and generated galaxies, and of their comparison, that the tests must catch."""

from mutating.mutant import Mutant

DISTANCES = "tests/analysis/test_distances.py::"
NOISE = "tests/analysis/test_border_noise.py::"
CARD = "tests/analysis/test_physics_card.py::"
LEARNED = "tests/noise/test_residual_noise.py::"
MOCKS = "tests/analysis/test_mock_catalogue.py::"

MUTANTS = [
    Mutant(
        "border noise is laid side by side with weights that do not keep its variance",
        "galvae/analysis/border_noise.py",
        "weight = np.sin(np.pi * (np.arange(side) + 0.5) / side)",
        "weight = np.square(np.sin(np.pi * (np.arange(side) + 0.5) / side))",
        f"{NOISE}test_noise_has_the_variance_and_the_correlations_of_real_borders",
    ),
    Mutant(
        "patches of border noise are turned over the diagonal",
        "galvae/analysis/border_noise.py",
        "patch = self._patches[chosen]",
        "patch = self._patches[chosen].swapaxes(1, 2)",
        f"{NOISE}test_noise_has_the_variance_and_the_correlations_of_real_borders",
    ),
    Mutant(
        "neighbours belong to the noise of the border",
        "galvae/analysis/border_noise.py",
        "unusable = (smooth > level + SIGNIFICANCE * sigma) | excluded",
        "unusable = excluded",
        f"{NOISE}test_neighbours_are_no_noise",
    ),
    Mutant(
        "paired galaxies are resampled apart",
        "galvae/analysis/distances.py",
        "(sizes[:1] if paired else sizes)",
        "sizes[:2]",
        f"{DISTANCES}test_the_same_galaxies_are_resampled_together_in_paired_sets",
    ),
    Mutant(
        "W1 is in standard deviations of the generated galaxies",
        "galvae/analysis/distances.py",
        '"w1": w1 / std_real',
        '"w1": w1 / std',
        f"{DISTANCES}test_a_wider_normal_distribution_has_its_ratio_as_scatter",
    ),
    Mutant(
        "a copy of a galaxy is judged by a classifier that knows the galaxy",
        "galvae/analysis/distances.py",
        "folds[0] if paired else ",
        "",
        f"{DISTANCES}test_a_perfect_copy_of_each_galaxy_cannot_be_told_from_it",
    ),
    Mutant(
        "classifiers judge the galaxies that they were trained on",
        "galvae/analysis/distances.py",
        "fitted, judged = complete & (folds != fold), ",
        "fitted, judged = complete, ",
        f"{DISTANCES}test_classifiers_separate_what_can_be_separated_and_nothing_else",
    ),
    Mutant(
        "equal scores do not count half in the area under the curve",
        "galvae/analysis/distances.py",
        "np.cumsum(below, axis=0) - below / 2",
        "np.cumsum(below, axis=0)",
        f"{DISTANCES}test_area_under_the_curve_is_scikit_learns_with_equal_scores",
    ),
    Mutant(
        "the Kolmogorov-Smirnov statistic is taken between equal values",
        "galvae/analysis/distances.py",
        "difference[gaps > 0].max(",
        "difference.max(",
        f"{DISTANCES}test_w1_and_ks_are_scipys_without_failures_and_with_equal_values",
    ),
    Mutant(
        "sky, sky noise and neighbours enter the mean W1",
        "galvae/analysis/galaxy_sets.py",
        "compared = np.isin(names, compared_names(bands))",
        "compared = np.ones(len(names), bool)",
        f"{CARD}test_log_measures_are_compared_as_logarithms_and_biased_in_percent",
    ),
    Mutant(
        "the bias of a flux is that of its logarithm",
        "galvae/analysis/galaxy_sets.py",
        "means(*as_measured, *options)",
        "means(*as_compared, *options)",
        f"{CARD}test_log_measures_are_compared_as_logarithms_and_biased_in_percent",
    ),
    Mutant(
        "galaxies with noise are measured without it",
        "galvae/analysis/galaxy_sets.py",
        "np.clip(images + noise(images, generator), 0, 1)",
        "images",
        f"{CARD}test_a_perfect_model_reaches_the_floor_once_its_images_have_noise",
    ),
    Mutant(
        "the real galaxies of the card are training galaxies",
        "galvae/analysis/physics_card.py",
        "reference = dataset.held_out",
        'reference = dataset.split("train")',
        f"{CARD}test_numbers_behind_the_card_are_those_of_the_galaxies_that_it_names",
    ),
    Mutant(
        "galaxies of unknown redshift are in the last bin",
        "galvae/analysis/physics_card.py",
        "np.digitize(values[own], edges[1:-1]), -1)",
        "np.digitize(values[own], edges[1:-1]), len(edges) - 2)",
        f"{CARD}test_bins_need_enough_known_redshifts",
    ),
    Mutant(
        "the power spectrum is not tapered towards the edges",
        "galvae/analysis/power_spectrum.py",
        "window = np.outer(_hann(height), _hann(width))",
        "window = np.ones((height, width))",
        "tests/analysis/test_power_spectrum.py::"
        "test_the_level_of_the_sky_and_a_step_between_opposite_edges_have_no_power",
    ),
    Mutant(
        "failed galaxies make the others' histograms higher",
        "galvae/figures/physics_card.py",
        "np.histogram(column, edges)[0] / len(values[name])",
        "np.histogram(column, edges)[0] / max(1, len(column))",
        "tests/figures/test_card_figure.py::"
        "test_each_measure_has_a_histogram_of_every_set_in_shares_of_all_its_galaxies",
    ),
    Mutant(
        "old physics cards are compared",
        "galvae/runs/evaluations.py",
        "if numbers and not evaluation.old:",
        "if numbers:",
        "tests/runs/test_evaluations.py::"
        "test_numbers_of_the_card_are_those_of_the_last_one_of_the_present_weights",
    ),
    Mutant(
        "bands of learned noise are correlated in the opposite direction",
        "galvae/noise/covariances.py",
        "spectrum = np.fft.rfft2(laid, axes=(0, 1)).conj()",
        "spectrum = np.fft.rfft2(laid, axes=(0, 1))",
        f"{LEARNED}test_pixels_and_bands_are_correlated_in_the_directions_of_the_residuals",
    ),
    Mutant(
        "learned noise is the same in the sky and on galaxies",
        "galvae/noise/residual_noise.py",
        "return amplitudes[:, 0] * sky, excess * galaxy",
        "return amplitudes[:, 0] * sky, 0 * galaxy",
        f"{LEARNED}test_it_is_stronger_on_galaxies_and_in_images_like_noisy_ones",
    ),
    Mutant(
        "learned noise is not calibrated",
        "galvae/noise/residual_noise.py",
        "for _ in range(ROUNDS):",
        "for _ in range(0):",
        f"{LEARNED}test_its_power_is_that_of_the_residuals_at_every_frequency",
    ),
    Mutant(
        "pixels that are set aside teach noise",
        "galvae/noise/residual_noise.py",
        "residuals = np.where(used, residuals, 0).astype(np.float32)",
        "residuals = residuals.astype(np.float32)",
        f"{LEARNED}test_pixels_that_are_set_aside_teach_nothing",
    ),
    Mutant(
        "every block of conditions has noise of its own",
        "galvae/analysis/mock_catalogue.py",
        "if first == 0:",
        "if start == 0:",
        f"{MOCKS}test_every_block_has_the_same_noise_and_the_figure_shows_it",
    ),
    Mutant(
        "mocks in FITS files are upside down",
        "galvae/data/fits_output.py",
        "np.transpose(block[:, ::-1], (0, 3, 1, 2))",
        "np.transpose(block, (0, 3, 1, 2))",
        f"{MOCKS}test_fits_files_are_read_back_the_same_way_up",
    ),
]
