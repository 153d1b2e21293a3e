"""Mistakes of latent axes, their names, and what codes know of properties and factors, which tests must catch."""

from mutating.mutant import Mutant

EFFECTS = "tests/analysis/test_latent_axes.py::"
PROPERTIES = "tests/analysis/test_properties.py::"
SCORES = "tests/analysis/test_disentanglement.py::"
MOVED = EFFECTS + "test_axes_move_around_each_galaxy_by_the_scatter_of_posterior_samples"
RULE = EFFECTS + "test_an_axis_is_named_after_what_it_changes_most"
DEFAULT = "tests/analysis/test_traversal.py::test_by_default_walks_stay_where_the_galaxies_are"

MUTANTS = [
    Mutant(
        "axes are scaled by posterior means",
        "galvae/analysis/axis_effects.py",
        "samples = codes.sample(seed)",
        "samples = codes.mean",
        MOVED,
    ),
    Mutant(
        "axes are moved backwards",
        "galvae/analysis/axis_effects.py",
        "before[:, axis], after[:, axis] = low[axis], high[axis]",
        "before[:, axis], after[:, axis] = high[axis], low[axis]",
        MOVED,
    ),
    Mutant(
        "moved galaxies are decoded under the conditions of others",
        "galvae/analysis/axis_effects.py",
        "np.concatenate([condition, condition])",
        "np.concatenate([condition, condition[::-1]])",
        MOVED,
    ),
    Mutant(
        "measures that reconstructions do not keep name axes",
        "galvae/analysis/axis_effects.py",
        "mean = np.where(self.kept, self.mean, np.nan)",
        "mean = self.mean",
        EFFECTS + "test_a_measure_that_reconstructions_do_not_keep_names_no_axis",
    ),
    Mutant(
        "an effect smaller than its scatter names an axis",
        "galvae/analysis/axis_effects.py",
        "size[index] >= SECOND * largest and size[index] > scatter[index]",
        "size[index] >= SECOND * largest",
        RULE,
    ),
    Mutant(
        "the modulus of the ellipticity names an axis before its components",
        "galvae/analysis/axis_effects.py",
        "(-size[index], measures[index] not in COMPONENTS)",
        "-size[index]",
        RULE,
    ),
    Mutant(
        "R² is that of the galaxies that a model was fitted to",
        "galvae/analysis/properties.py",
        "table[known, index] = cross_val_predict(model, features[known], column[known], cv=folds)",
        "table[known, index] = model.fit(features[known], column[known]).predict(features[known])",
        PROPERTIES + "test_properties_are_predicted_where_the_features_know_them",
    ),
    Mutant(
        "principal components are those of all images",
        "galvae/analysis/properties.py",
        'dataset.split("train"), int(',
        'dataset.split("all"), int(',
        PROPERTIES + "test_components_are_those_of_the_training_images",
    ),
    Mutant(
        "the mutual information gap is that to the last code",
        "galvae/analysis/disentanglement.py",
        "others[0] if others else 0",
        "others[-1] if others else 0",
        SCORES + "test_scores_of_known_tables",
    ),
    Mutant(
        "disentanglement does not weigh codes by their importance",
        "galvae/analysis/disentanglement.py",
        "weight = importance.sum(axis=1) / importance.sum()",
        "weight = np.full(codes, 1 / codes)",
        SCORES + "test_scores_of_known_tables",
    ),
    Mutant(
        "walks span posterior means instead of samples",
        "galvae/analysis/traversal.py",
        "np.percentile(codes.sample(config.seed), PERCENTILES, axis=0)",
        "np.percentile(codes.mean, PERCENTILES, axis=0)",
        DEFAULT,
    ),
    Mutant(
        "walks are around the mean code",
        "galvae/analysis/traversal.py",
        "self.origin = np.median(codes.mean, axis=0)",
        "self.origin = np.mean(codes.mean, axis=0)",
        DEFAULT,
    ),
]
