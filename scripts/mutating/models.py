"""Mistakes in the models, their layers and objective, and in the intensity scale."""

from mutating.mutant import Mutant

MODELS = "tests/models/test_models.py"
LAYERS = "tests/models/test_layers.py"
LOSSES = "tests/models/test_losses.py"
OBJECTIVE = f"{MODELS}::test_the_objective_and_its_terms_are_those_of_numpy"
AUGMENTED = f"{MODELS}::test_encoder_and_target_share_the_augmentation_of_a_training_image"
SCALED = f"{MODELS}::test_conditions_are_scaled_wherever_they_come_in"
KEYS = "tests/training/test_keys.py::test_the_key_reaches_what_it_is_for"
DEVICE = "tests/training/test_keys.py::test_device_and_model_are_those_of_the_configuration_and_its_data"


def key(*names):
    """The tests of some keys."""
    return " ".join(f"{KEYS}[{name}]" for name in names)


MUTANTS = [
    Mutant(
        "the encoder and the target of the loss see different augmentations",
        "galvae/models/autoencoder.py",
        "self.posterior(self.features(prepared), training)}",
        "self.posterior(self.features(self.prepare(inputs, training)), training)}",
        AUGMENTED,
    ),
    Mutant(
        "training images are not augmented",
        "galvae/models/autoencoder.py",
        "if training and self.augmentation is not None",
        "if not training and self.augmentation is not None",
        AUGMENTED,
    ),
    Mutant(
        "validation images are augmented",
        "galvae/models/autoencoder.py",
        "if training and self.augmentation is not None",
        "if self.augmentation is not None",
        AUGMENTED,
    ),
    Mutant(
        "a model augments although it should not",
        "galvae/models/autoencoder.py",
        'RandomDihedral(seed, name="augmentation") if augment else None',
        'RandomDihedral(seed, name="augmentation")',
        AUGMENTED,
    ),
    Mutant(
        "a mask is not flipped with its image",
        "galvae/models/autoencoder.py",
        "images, mask = ops.split(",
        "images, _ = ops.split(",
        "tests/models/test_masked_loss.py::test_a_mask_is_flipped_and_rotated_as_its_image",
    ),
    Mutant(
        "the activation of the latent code is ignored",
        "galvae/models/autoencoder.py",
        '{"code_activation": config.model.code_activation}',
        "{}",
        key("model.code_activation"),
    ),
    Mutant(
        "validation changes the moments of the training codes",
        "galvae/models/autoencoder.py",
        "self.mean_head(features), training=training",
        "self.mean_head(features), training=True",
        f"{MODELS}::test_autoencoder_samples_like_its_training_codes",
    ),
    Mutant(
        "the two reconstruction losses are swapped",
        "galvae/models/autoencoder.py",
        'if self.reconstruction == "bce"',
        'if self.reconstruction == "mse"',
        OBJECTIVE,
    ),
    Mutant(
        "the squared error is that of logits",
        "galvae/models/autoencoder.py",
        "losses.squared_error(ops.sigmoid(logits), target, mask)",
        "losses.squared_error(logits, target, mask)",
        OBJECTIVE,
    ),
    Mutant(
        "the reconstruction term has no weight",
        "galvae/models/autoencoder.py",
        "return self.reconstruction_weight * terms",
        "return terms",
        OBJECTIVE,
    ),
    Mutant(
        "the output bias is repeated instead of tiled",
        "galvae/models/autoencoder.py",
        "np.tile(np.log",
        "np.repeat(np.log",
        key("network.output_bias"),
    ),
    Mutant(
        "the output bias is an intensity instead of its logit",
        "galvae/models/autoencoder.py",
        "np.log(pixels / (1 - pixels))",
        "pixels",
        key("network.output_bias"),
    ),
    Mutant(
        "dataset.augment does not reach the model",
        "galvae/models/build.py",
        "augment=config.dataset.augment",
        "augment=True",
        key("dataset.augment"),
    ),
    Mutant(
        "reconstruction.weight does not reach the model",
        "galvae/models/build.py",
        "reconstruction_weight=config.reconstruction.weight",
        "reconstruction_weight=15.0",
        key("reconstruction.weight"),
    ),
    Mutant(
        "the stretch of the images does not reach the model",
        "galvae/models/build.py",
        "stretch=stretch,\n        augment",
        'stretch="none",\n        augment',
        DEVICE,
    ),
    Mutant(
        "the pixel range does not reach the model",
        "galvae/models/build.py",
        "pixel_range=pixel_range",
        "pixel_range=(0, 255)",
        DEVICE,
    ),
    Mutant(
        "decoded galaxies receive a condition in physical units",
        "galvae/models/conditional_vae.py",
        "self.decoder_input(codes, self.scaled_condition(condition))",
        "self.decoder_input(codes, condition)",
        SCALED,
    ),
    Mutant(
        "conditions are divided by their variance",
        "galvae/models/conditional_vae.py",
        "conditions.std(axis=0)",
        "conditions.var(axis=0)",
        SCALED,
    ),
    Mutant(
        "a predicted condition has no mean added",
        "galvae/models/conditional_vae.py",
        "scaled * self.condition_std + self.condition_mean",
        "scaled * self.condition_std",
        SCALED,
    ),
    Mutant(
        "images are encoded under their own condition instead of the given one",
        "galvae/models/conditional_vae.py",
        "self.encoder_features(image_features, condition))",
        'self.encoder_features(image_features, prepared["condition"]))',
        f"{MODELS}::test_an_image_may_be_encoded_under_the_condition_of_another",
    ),
    Mutant(
        "the columns of a condition alternate in the decoder's input",
        "galvae/models/cvae.py",
        "ops.repeat(condition, self.latent_dim, axis=-1)",
        "ops.tile(condition, (1, self.latent_dim))",
        f"{MODELS}::test_cvae_repeats_the_condition_over_channels_and_rows",
    ),
    Mutant(
        "the condition is predicted from the original instead of the decoded image",
        "galvae/models/fancy_cvae.py",
        'ops.sigmoid(outputs["logits"])',
        'outputs["target"]',
        f"{MODELS}::test_published_fancy_cvae_can_copy_the_condition_and_the_default_cannot",
    ),
    Mutant(
        "the error of a predicted condition is its mean over columns",
        "galvae/models/fancy_cvae.py",
        'ops.sum(ops.square(outputs["predicted"]',
        'ops.mean(ops.square(outputs["predicted"]',
        OBJECTIVE,
    ),
    Mutant(
        "model.prediction_weight does not reach the model",
        "galvae/models/fancy_cvae.py",
        '"prediction_weight": config.model.prediction_weight',
        '"prediction_weight": 1.0',
        key("model.prediction_weight"),
    ),
    Mutant(
        "augmentation transposes no image",
        "galvae/models/layers.py",
        "if images.shape[1] == images.shape[2]",
        "if images.shape[1] != images.shape[1]",
        f"{LAYERS}::test_augmentation_reaches_the_whole_group_equally_often",
    ),
    Mutant(
        "one coin decides about both flips",
        "galvae/models/layers.py",
        "ops.flip(images, axis=1), coins[:, 1]",
        "ops.flip(images, axis=1), coins[:, 0]",
        f"{LAYERS}::test_augmentation_reaches_the_whole_group_equally_often",
    ),
    Mutant(
        "pixels of a patch and bands are swapped",
        "galvae/models/layers.py",
        "(-1, height, width, f, f, depth // f**2)",
        "(-1, height, width, depth // f**2, f, f)",
        f"{LAYERS}::test_patches_become_channels_and_pixels_again",
    ),
    Mutant(
        "latent codes are drawn with the variance as standard deviation",
        "galvae/models/layers.py",
        "ops.exp(0.5 * log_variance)",
        "ops.exp(log_variance)",
        f"{LAYERS}::test_sampling_has_the_mean_and_the_variance_that_it_was_given",
    ),
    Mutant(
        "the moments of codes forget ten times as fast",
        "galvae/models/layers.py",
        "momentum=0.99",
        "momentum=0.9",
        f"{LAYERS}::test_each_batch_reduces_the_weight_of_all_earlier_codes_by_one_percent",
    ),
    Mutant(
        "the covariance of codes is their second moment",
        "galvae/models/layers.py",
        "second / count - np.outer(mean, mean)",
        "second / count",
        f"{LAYERS}::test_code_moments_are_those_of_the_codes",
    ),
    Mutant(
        "the cross-entropy ignores the targets' sign",
        "galvae/models/losses.py",
        "ops.softplus(logits) - logits * targets",
        "ops.softplus(logits) + logits * targets",
        f"{LOSSES}::test_binary_cross_entropy_equals_its_definition",
    ),
    Mutant(
        "errors are summed over bands instead of averaged",
        "galvae/models/losses.py",
        "ops.sum(values, axis=(1, 2, 3)) / values.shape[-1]",
        "ops.sum(values, axis=(1, 2, 3))",
        f"{LOSSES}::test_squared_error_sums_over_pixels_and_averages_over_channels",
    ),
    Mutant(
        "the loss counts the pixels that are set aside, and no others",
        "galvae/models/losses.py",
        "(1.0 - ops.cast(mask, values.dtype))",
        "ops.cast(mask, values.dtype)",
        "tests/models/test_masked_loss.py::test_the_loss_of_a_masked_image_is_numpys_over_the_other_pixels",
    ),
    Mutant(
        "the KL divergence loses its factor of one half",
        "galvae/models/losses.py",
        "return 0.5 * (ops.square(mean)",
        "return (ops.square(mean)",
        f"{LOSSES}::test_kl_divergence_is_zero_for_the_prior_and_matches_an_integral",
    ),
    Mutant(
        "the log-variance of a new model is not zero",
        "galvae/models/vae.py",
        'kernel_initializer="zeros", ',
        "",
        f"{MODELS}::test_posterior_starts_at_unit_variance_and_stays_bounded",
    ),
    Mutant(
        "the log-variance has another bound",
        "galvae/models/vae.py",
        "LOG_VARIANCE_BOUND = 10.0",
        "LOG_VARIANCE_BOUND = 8.0",
        f"{MODELS}::test_posterior_starts_at_unit_variance_and_stays_bounded",
    ),
    Mutant(
        "the noise of codes repeats the coins of the augmentation",
        "galvae/models/vae.py",
        "self.seed + 1",
        "self.seed",
        f"{MODELS}::test_seeds_are_variables_of_numbers_that_nothing_else_draws",
    ),
    Mutant(
        "the objective is that of the posterior's mean instead of a draw",
        "galvae/models/vae.py",
        'return self.sampling(inferred["mean"], inferred["log_variance"], noise)',
        'return inferred["mean"]',
        f"{MODELS}::test_the_objective_is_that_of_a_draw_from_the_posterior",
    ),
    Mutant(
        "the KL term is the mean over latent dimensions",
        "galvae/models/vae.py",
        "ops.sum(losses.kl_divergence",
        "ops.mean(losses.kl_divergence",
        OBJECTIVE,
    ),
    Mutant(
        "validation uses the beta of its epoch",
        "galvae/models/vae.py",
        "self.beta if training else self.final_beta",
        "self.beta",
        OBJECTIVE,
    ),
    Mutant(
        "training ignores the schedule of beta",
        "galvae/models/vae.py",
        "self.beta if training else self.final_beta",
        "self.final_beta",
        OBJECTIVE,
    ),
    Mutant(
        "asinh has another softening",
        "galvae/stretch.py",
        "SOFTENING = 0.05",
        "SOFTENING = 0.04",
        "tests/test_stretch.py",
    ),
    Mutant(
        "asinh does not clip what is brighter than the range",
        "galvae/stretch.py",
        "ops.clip(unit, 0.0, 1.0)",
        "ops.clip(unit, 0.0, np.inf)",
        "tests/test_stretch.py",
    ),
    Mutant(
        "the darkest value is not subtracted",
        "galvae/stretch.py",
        "(values - low) / (high - low)",
        "values / (high - low)",
        "tests/test_stretch.py",
    ),
]
