"""Mistakes of the probes, of the search for copies and of the comparison with the prior that the tests must catch."""

from mutating.mutant import Mutant

PROBES = "tests/analysis/test_probes.py::"
COPIES = "tests/analysis/test_memorisation.py::"
PRIOR = "tests/analysis/test_prior_match.py::"
CARDS = "tests/figures/test_latent_cards.py::"

MUTANTS = [
    Mutant(
        "probes of nearest neighbours prefer frequent classes",
        "galvae/analysis/probes.py",
        "nearest.predict_proba(new) / np.bincount(values[fitted])",
        "nearest.predict_proba(new)",
        f"{PROBES}test_a_rare_class_is_recognised_as_well_as_a_frequent_one",
    ),
    Mutant(
        "probes are fitted to the galaxies that they judge",
        "galvae/analysis/probes.py",
        "(scaler.transform(features[rows]) for rows in (fitted, judged))",
        "(scaler.transform(features[rows]) for rows in (fitted, fitted[: len(judged)]))",
        f"{PROBES}test_what_features_hold_is_predicted_and_what_they_do_not_is_not",
    ),
    Mutant(
        "the balanced accuracy is the share of all galaxies that is right",
        "galvae/analysis/probes.py",
        "shares = members.T @ (weights * right) / (members.T @ weights)",
        "shares = np.sum(weights * right, axis=0, keepdims=True) / weights.sum(axis=0)",
        f"{PROBES}test_balanced_accuracy_and_r2_are_those_of_scikit_learn",
    ),
    Mutant(
        "the untrained encoder is that of the run",
        "galvae/analysis/probes.py",
        "averaged_codes(_untrained(run), dataset",
        "averaged_codes(model, dataset",
        f"{PROBES}test_the_untrained_encoder_has_other_weights_and_conditions_are_given_to_it",
    ),
    Mutant(
        "predictions of probes stand beside other galaxies",
        "galvae/analysis/probes.py",
        "column[positions] = predicted",
        "column[: len(positions)] = predicted",
        f"{PROBES}test_codes_that_hold_class_and_redshift_are_told_from_their_baselines",
    ),
    Mutant(
        "probes count galaxies without a class",
        "galvae/analysis/probes.py",
        "dataset.labels >= 0",
        "dataset.labels >= -1",
        f"{PROBES}test_codes_that_hold_class_and_redshift_are_told_from_their_baselines",
    ),
    Mutant(
        "codes are averaged over four of the eight orientations",
        "galvae/latent/orientations.py",
        "for flip in (False, True) for rotations",
        "for flip in (False, False) for rotations",
        f"{PROBES}test_codes_over_orientations_do_not_depend_on_the_orientation",
    ),
    Mutant(
        "copies are sought by absolute distances, by which dense regions pass for copies",
        "galvae/analysis/memorisation.py",
        "np.divide(nearest, others, out=np.ones_like(others), where=np.isfinite(others))",
        "nearest",
        f"{COPIES}test_samples_of_the_densest_region_are_no_copies",
    ),
    Mutant(
        "new galaxies are decoded from the means of their posteriors",
        "galvae/analysis/memorisation.py",
        "codes.at(new).sample(config.seed), run",
        "codes.at(new).mean, run",
        f"{COPIES}test_distances_of_codes_are_in_standard_deviations_of_the_posterior",
    ),
    Mutant(
        "copies are sought among all galaxies",
        "galvae/analysis/memorisation.py",
        'train, new = dataset.split("train"), ',
        'train, new = dataset.split("all"), ',
        f"{COPIES}test_new_galaxies_are_those_of_validation_and_test_as_they_are_decoded",
    ),
    Mutant(
        "the threshold of copies is the tenth percentile",
        "galvae/analysis/memorisation.py",
        "PERCENTILE = 0.01",
        "PERCENTILE = 0.1",
        f"{COPIES}test_the_share_is_that_below_the_first_percentile",
    ),
    Mutant(
        "closest pairs show training galaxies as they are stored",
        "galvae/analysis/memorisation.py",
        "[orientations[position] for position in order]",
        "[(0, False) for position in order]",
        f"{COPIES}test_rotated_copies_are_caught_in_pixels_where_training_rotates",
    ),
    Mutant(
        "the divergence from the prior is that of the fitted codes themselves",
        "galvae/analysis/prior_match.py",
        "new = held_out, held_out_condition",
        "new = fitted[: len(held_out)], held_out_condition",
        f"{PRIOR}test_the_density_is_fitted_to_training_galaxies_and_judged_by_others",
    ),
    Mutant(
        "the divergence from the prior forgets the units of the codes",
        "galvae/latent/priors/mixture.py",
        " - np.log(scale).sum()",
        "",
        f"{PRIOR}test_codes_of_another_gaussian_are_as_far_as_the_closed_form_says",
    ),
    Mutant(
        "the prior is compared with the means of the posteriors",
        "galvae/analysis/prior_match.py",
        "samples = codes.sample(config.seed)",
        "samples = codes.mean",
        f"{PRIOR}test_codes_that_fit_the_prior_raise_no_warning",
    ),
    Mutant(
        "latents that fit the prior best are drawn first",
        "galvae/figures/prior.py",
        "np.argsort(-distance, kind",
        "np.argsort(distance, kind",
        f"{CARDS}test_the_latents_that_fit_the_prior_worst_come_first_and_then_correlated_pairs",
    ),
    Mutant(
        "intervals of probes are those of the other side",
        "galvae/figures/probes.py",
        "[value - low, high - value]",
        "[high - value, value - low]",
        f"{CARDS}test_probes_have_a_panel_for_each_target_with_dots_intervals_and_chance",
    ),
    Mutant(
        "the corner plot shows the means of the posteriors",
        "galvae/figures/cards.py",
        'plots.pairs(arrays["sample"]',
        "plots.pairs(mean",
        "tests/figures/test_cards.py::test_information_is_drawn_as_scatter_bars_and_corner_plot",
    ),
]
