"""One contract for every model in MODELS, and what is particular to each."""

import math
import re

import builders.models
import keras
import numpy as np
import pytest
import tensorflow as tf
from builders.configs import train_config
from builders.galaxies import ellipses
from builders.source_tree import MODULES, imports, within

from galvae.config.registry import GROUPS
from galvae.errors import GalvaeError
from galvae.latent.priors.of_model import prior_of
from galvae.models.build import MODELS, build_model, outline
from galvae.models.conditional_vae import ConditionalVAE

SHAPE = (12, 16, 3)
LATENT_DIM = 3


def build(name, **changes):
    arguments = {"latent_dim": LATENT_DIM, "augment": True, **changes}
    if issubclass(MODELS[name], ConditionalVAE):
        arguments = {"condition_dim": 2, **arguments}
    return builders.models.build(name, SHAPE, **arguments)


def condition(model, count):
    """Two columns in physical units for a conditional model, None for the others."""
    if not model.condition_dim:
        return None
    return np.random.default_rng(9).uniform(0, 2, (count, model.condition_dim)).astype(np.float32)


def inputs(model, images):
    """What `call` and `fit` take."""
    arrays = {"images": images, "condition": condition(model, len(images))}
    return {name: array for name, array in arrays.items() if array is not None}


def views(image):
    """The four flips of an image that is not square."""
    return [image[::down, ::right] for down in (1, -1) for right in (1, -1)]


def terms_by_numpy(name, outputs, images, loss, scaled):
    """Terms of the objective per image, from what the model computed and what it was given."""
    logits, target = np.asarray(outputs["logits"], np.float64), images / 255
    decoded = 1 / (1 + np.exp(-logits))
    pixels = (decoded - target) ** 2
    if loss == "bce":
        pixels = -target * np.log(decoded) - (1 - target) * np.log(1 - decoded)
    terms = {"reconstruction": pixels.sum(axis=(1, 2, 3)) / SHAPE[-1]}
    if name != "ae":
        mean, log_variance = (np.asarray(outputs[key], np.float64) for key in ("mean", "log_variance"))
        terms["kl"] = (mean**2 + np.exp(log_variance) - log_variance - 1).sum(axis=1) / 2
    if name == "fancy_cvae":
        # Predicted from the decoded and from the real image: the term is the mean of both errors.
        errors = ((np.asarray(outputs["predicted"]) - scaled[:, None]) ** 2).sum(axis=2)
        assert errors.shape == (len(images), 2)
        terms["condition_error"] = (errors[:, 0] + errors[:, 1]) / 2
    return terms


def test_every_configurable_model_exists():
    assert set(MODELS) == set(GROUPS["model"])


@pytest.fixture(params=sorted(GROUPS["model"]))
def name(request):
    return request.param


@pytest.mark.parametrize("network", ["conv", "dcgan", "slim"])
def test_shapes_are_known_without_a_model(name, network):
    config = train_config(f"model={name}", f"network={network}", "latent_dim=3")
    model = build_model(config, (16, 16, 3), (0, 255), "none", 2)
    assert outline(config, (16, 16, 3), 2).variables == {
        v.path: (tuple(v.shape), v.dtype) for v in model.variables
    }


def test_shapes_of_a_model_for_which_no_memory_would_do():
    config = train_config("network.dense=65536", "network.filters=[4096]", "latent_dim=65536")
    shapes = outline(config, (4096, 4096, 3), 0).variables
    assert sum(4 * math.prod(shape) for shape, _ in shapes.values()) > 40e9


def test_encode_decode_and_sample(name):
    model = build(name)
    images = ellipses(5, SHAPE[:2])
    mean, log_variance = model.encode(images, condition(model, 5))
    assert mean.shape == (5, LATENT_DIM)
    assert (log_variance is None) == (name == "ae")
    decoded = np.asarray(model.decode(mean, condition(model, 5)))
    assert decoded.shape == images.shape
    assert decoded.dtype == np.float32
    assert 0 <= decoded.min() <= decoded.max() <= 1
    first, again, other = (
        np.asarray(model.decode(prior_of(model).sample(4, seed=seed), condition(model, 4)))
        for seed in (1, 1, 2)
    )
    assert first.shape == (4, *SHAPE)
    np.testing.assert_array_equal(first, again)
    assert model.latent_dim == LATENT_DIM
    assert model.condition_dim == (2 if "cvae" in name else 0)
    if name != "ae":  # an untrained autoencoder has no variance of codes to sample from
        assert not np.array_equal(first, other)


def test_temperature_scales_the_codes(name):
    model = build(name)
    model(inputs(model, ellipses(20, SHAPE[:2])), training=True)
    centre, warm, hot = (prior_of(model).sample(50, seed=3, temperature=t) for t in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(hot - centre, 2 * (warm - centre), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(centre, np.broadcast_to(centre[0], centre.shape))


def test_codes_are_drawn_from_noise(name):
    model = build(name)
    model(inputs(model, ellipses(20, SHAPE[:2])), training=True)
    noise = np.random.default_rng(3).standard_normal((50, LATENT_DIM))
    prior = prior_of(model)
    np.testing.assert_array_equal(prior.sample(50, seed=3, temperature=2.0), prior.from_noise(2 * noise))
    if name != "ae":
        np.testing.assert_array_equal(prior.from_noise(noise), noise.astype(np.float32))


def test_a_known_posterior_needs_no_encoder(name, monkeypatch):
    model = build(name)
    model(inputs(model, ellipses(20, SHAPE[:2])), training=True)
    batch = inputs(model, ellipses(5, SHAPE[:2], seed=1))
    expected = model.infer(batch, training=False)
    mean, log_variance = model.encode(batch["images"], batch.get("condition"))
    monkeypatch.setattr(type(model), "features", None)
    received = model.with_posterior(batch, mean, log_variance)
    assert received.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(received[key], array, err_msg=key)


def test_no_model_is_concerned_with_devices():
    texts = {module: MODULES[module].read_text() for module in within(MODULES, "galvae.models")}
    business = re.compile(r"\b(resident|positions|replicas|rows)\b|\"weight\"")
    assert not {module: business.findall(text) for module, text in texts.items() if business.search(text)}
    ways = {"galvae.backend.model", "galvae.backend.random_numbers", "galvae.backend.fused_ops"}
    ways |= {"galvae.backend.transposed", "galvae.backend.shares", "galvae.backend.remat"}
    for module in texts:
        assert within(imports(module), "galvae.backend", "tensorflow", "jax") <= ways, module


def test_stored_integers_and_their_floats_encode_alike(name):
    integers = build(name)
    floats = build(name, pixel_range=(0, 1))
    for target, source in zip(floats.variables, integers.variables, strict=True):
        target.assign(source)
    images = ellipses(4, SHAPE[:2])
    redshift = condition(integers, 4)
    expected = np.asarray(integers.encode(images, redshift)[0])
    received = floats.encode((images / 255).astype(np.float32), redshift)[0]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_variable_paths_are_unique_and_the_same_in_every_model_of_a_process(name):
    first, second = (sorted(v.path for v in build(name).variables) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)


def test_seeds_are_variables_of_numbers_that_nothing_else_draws(name):
    states = []
    for seed in (3, 9):
        variables = [v for v in build(name, seed=seed).variables if "seed" in v.path]
        seeds = {
            v.path: int(np.asarray(v)[0]) for v in variables
        }  # the first number, the second counts the draws
        assert len(seeds) == (1 if name == "ae" else 2)
        assert any("augmentation_seed" in path for path in seeds)
        assert any("sampling_seed" in path for path in seeds) == (name != "ae")
        states += seeds.values()
    assert len(set(states)) == len(states)


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_objective_and_its_terms_are_those_of_numpy(name, loss):
    extra = {"prediction_weight": 7.0} if name == "fancy_cvae" else {}
    model = build(name, reconstruction=loss, reconstruction_weight=3.0, augment=False, **extra)
    images = ellipses(6, SHAPE[:2])
    batch, scaled = inputs(model, images), None
    if name != "ae":
        model.beta.assign(0.5)
        model.final_beta = 2.0
        model.log_variance_head.bias.assign([-1.0, 0.3, 0.8])
    if model.condition_dim:
        model.set_condition_scale(batch["condition"])
        scaled = (batch["condition"] - batch["condition"].mean(0)) / batch["condition"].std(0)
    outputs = model(batch, training=True)
    terms = terms_by_numpy(name, outputs, images, loss, scaled)
    assert list(terms) == model.terms
    received = model.loss_terms(outputs)
    assert list(received) == model.terms
    for term, values in terms.items():
        np.testing.assert_allclose(received[term], values, rtol=1e-4, err_msg=term)
    for training, beta in ((True, 0.5), (False, 2.0)):
        for tracker in model.trackers:
            tracker.reset_state()
        objective = 3 * terms["reconstruction"] + beta * terms.get("kl", 0)
        objective = (objective + 7 * terms.get("condition_error", 0)).mean()
        assert float(model.compute_loss(x=batch, y_pred=outputs, training=training)) == pytest.approx(
            objective, rel=1e-4
        )
        logged = {tracker.name: float(tracker.result()) for tracker in model.trackers}
        expected = {"loss": objective, **{term: values.mean() for term, values in terms.items()}}
        assert logged == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("augment", [True, False])
def test_encoder_and_target_share_the_augmentation_of_a_training_image(name, augment):
    model = build(name, augment=augment)
    images = ellipses(32, SHAPE[:2])
    batch = inputs(model, images)
    trained, plain = model(batch, training=True), model(batch, training=False)
    np.testing.assert_allclose(plain["target"], images / 255, rtol=1e-6)
    seen = np.round(np.asarray(trained["target"]) * 255).astype(np.uint8)
    orders = [
        [np.array_equal(one, view) for view in views(image)] for one, image in zip(seen, images, strict=True)
    ]
    assert (np.sum(orders, axis=1) == 1).all()  # each is a flip of its own image
    assert np.any(orders, axis=0).all() if augment else np.all(orders, axis=0)[0]
    # What the encoder was given is what the decoded image is compared with.
    np.testing.assert_allclose(
        trained["mean"], model.encode(seen, batch.get("condition"))[0], rtol=1e-4, atol=1e-5
    )


def test_the_objective_is_that_of_a_draw_from_the_posterior(name):
    model = build(name)
    batch = inputs(model, ellipses(5, SHAPE[:2]))
    drawn = []
    for _ in range(2):
        noise, deviation = np.zeros((5, LATENT_DIM)), np.ones(LATENT_DIM)
        if name != "ae":
            model.log_variance_head.bias.assign([-1.0, 0.3, 0.8])
            deviation = np.exp([-0.5, 0.15, 0.4])
            generator = keras.random.SeedGenerator(0)
            generator.state.assign(model.sampling.seed_generator.state)
            noise = np.asarray(keras.random.normal((5, LATENT_DIM), seed=generator))
        outputs = model(batch, training=False)
        codes = (np.asarray(outputs["mean"]) + deviation * noise).astype(np.float32)
        drawn.append(np.asarray(model.decode(codes, batch.get("condition"))))
        received = 1 / (1 + np.exp(-np.asarray(outputs["logits"])))
        np.testing.assert_allclose(received, drawn[-1], rtol=1e-2, atol=1e-4)
    assert np.array_equal(*drawn) == (name == "ae")  # each time with other noise


def test_output_bias_starts_the_decoder_at_the_given_pixel(name):
    model = build(name)
    model.decoder.get_layer("decoder_image").kernel.assign(
        np.zeros(model.decoder.get_layer("decoder_image").kernel.shape)
    )
    model.set_output_bias(np.array([0.1, 0.5, 0.0]))
    decoded = np.asarray(model.decode(np.zeros((1, LATENT_DIM), np.float32), condition(model, 1)))
    np.testing.assert_allclose(decoded[0, 3, 4], [0.1, 0.5, 0.01], rtol=1e-5)


def test_every_variable_is_trained(name):
    model = build(name, reconstruction="mse", augment=False)
    batch = inputs(model, ellipses(16, SHAPE[:2]))
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=batch, y_pred=model(batch, training=True), training=True)
    variables = model.trainable_variables
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    for variable, gradient in zip(variables, gradients, strict=True):
        assert np.abs(gradient).max() > 0, variable.path
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(1e-4 * gradient)
    assert model.compute_loss(x=batch, y_pred=model(batch, training=True), training=True) < loss


def test_posterior_starts_at_unit_variance_and_stays_bounded():
    model = build("vae")
    images = ellipses(4, SHAPE[:2])
    np.testing.assert_array_equal(model.encode(images)[1], np.zeros((4, LATENT_DIM)))
    model.log_variance_head.bias.assign([-1e6, 0.0, 1e6])
    np.testing.assert_allclose(model.encode(images)[1], np.tile([-10.0, 0.0, 10.0], (4, 1)))


def test_autoencoder_samples_like_its_training_codes():
    model = build("ae", augment=False)
    images = ellipses(200, SHAPE[:2])
    for _ in range(2):
        model({"images": images}, training=True)
    codes = np.asarray(model.encode(images)[0])
    drawn = prior_of(model).sample(20_000, seed=0)
    spread = codes.std(axis=0).max()
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.05 * spread)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.05 * spread**2)


def test_relu_codes_are_not_negative():
    model = build("ae", code_activation="relu")
    assert np.asarray(model.encode(ellipses(20, SHAPE[:2]))[0]).min() >= 0


def test_conditions_change_codes_and_images_and_are_needed():
    for name in ("cvae", "cvae2", "fancy_cvae"):
        model = build(name)
        images, low, high = ellipses(3, SHAPE[:2]), np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
        assert np.abs(model.encode(images, low)[0] - np.asarray(model.encode(images, high)[0])).max() > 1e-4
        codes = np.zeros((3, LATENT_DIM), np.float32)
        assert np.abs(model.decode(codes, low) - np.asarray(model.decode(codes, high))).max() > 1e-4
        for wrong in (None, low[:, :1], low[:, 0]):
            with pytest.raises(GalvaeError, match=rf"model {name}: expected a condition of shape \(B, 2\)"):
                model.decode(codes, wrong)


CONDITIONAL = ["cvae", "cvae2", "fancy_cvae"]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditions_are_scaled_wherever_they_come_in(name):
    scaled_inside, scaled_before = build(name), build(name)
    for target, source in zip(scaled_before.variables, scaled_inside.variables, strict=True):
        target.assign(source)
    images, physical = ellipses(7, SHAPE[:2]), condition(scaled_inside, 7) * [1, 40] + [3, -9]
    scaled_inside.set_condition_scale(physical.astype(np.float32))
    scaled = ((physical - physical.mean(0)) / physical.std(0)).astype(np.float32)
    close = {"rtol": 1e-3, "atol": 1e-4}
    np.testing.assert_allclose(scaled_inside.physical_condition(scaled), physical, rtol=1e-4)
    codes = scaled_inside.encode(images, physical)[0]
    np.testing.assert_allclose(codes, scaled_before.encode(images, scaled)[0], **close)
    np.testing.assert_allclose(
        scaled_inside.decode(codes, physical), scaled_before.decode(codes, scaled), **close
    )
    one, other = (
        model({"images": images, "condition": values}, training=False)
        for model, values in ((scaled_inside, physical), (scaled_before, scaled))
    )
    assert one.keys() == other.keys()
    for key, array in one.items():
        np.testing.assert_allclose(array, other[key], **close, err_msg=key)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_an_image_may_be_encoded_under_the_condition_of_another(name):
    model = build(name)
    images, own = ellipses(5, SHAPE[:2]), condition(model, 5)
    model.set_condition_scale(own)
    prepared = model.prepare({"images": images, "condition": own}, training=False)
    given = model.scaled_condition(own[::-1])
    received = model.encode_with_condition(given, prepared, model.image_features(prepared["target"]))
    expected = model.infer({"images": images, "condition": own[::-1]}, training=False)
    assert received.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(received[key], array, rtol=1e-5, err_msg=key)


def test_conditions_are_scaled_by_statistics_that_are_variables():
    model = build("cvae2")
    conditions = np.random.default_rng(0).normal([3, -1], [0.5, 2], size=(5000, 2)).astype(np.float32)
    model.set_condition_scale(conditions)
    scaled = np.asarray(model.scaled_condition(conditions))
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, rtol=1e-4)
    paths = [variable.path for variable in model.non_trainable_variables]
    assert "condition_mean" in " ".join(paths)
    assert "condition_spread" in " ".join(paths)
    rare = np.eye(2, dtype=np.float32)[
        np.arange(5000) % 50 // 49
    ]  # of which one in 50 is of the second class
    model.set_condition_scale(rare, 2)
    np.testing.assert_array_equal(model.scaled_condition(rare), rare)
    model.set_condition_scale(np.stack([rare[:, 1], conditions[:, 1]], axis=1), 1)
    np.testing.assert_allclose(model.scaled_condition(conditions)[:, 1], scaled[:, 1], atol=1e-5)
    model.set_condition_scale(np.ones((4, 2), np.float32))  # a constant condition divides by no zero
    assert np.isfinite(model.scaled_condition(conditions)).all()


def test_cvae_repeats_the_condition_over_channels_and_rows():
    model = build("cvae")
    assert model.encoder_shape == (12, 16, 5)
    assert model.decoder_dim == LATENT_DIM * 3
    codes, scaled = np.array([[1, 2, 3]], np.float32), np.array([[7, 8]], np.float32)
    np.testing.assert_array_equal(model.decoder_input(codes, scaled), [[1, 2, 3, 7, 7, 7, 8, 8, 8]])
    assert build("cvae2").decoder_dim == LATENT_DIM + 2


def test_published_fancy_cvae_can_copy_the_condition_and_the_default_cannot():
    # With the weights of a copy, the published prediction is exact whatever the image shows.
    published = build("fancy_cvae", prediction="published", condition_dim=1)
    kernel = np.zeros((2 * LATENT_DIM, 1), np.float32)
    kernel[LATENT_DIM:] = 1 / LATENT_DIM
    published.prediction_head.kernel.assign(kernel)
    images, redshift = ellipses(6, SHAPE[:2]), np.linspace(0, 1, 6, dtype=np.float32)[:, None]
    outputs = published({"images": images, "condition": redshift}, training=False)
    np.testing.assert_allclose(published.loss_terms(outputs)["condition_error"], 0, atol=1e-10)
    codes = np.asarray(outputs["mean"])
    np.testing.assert_allclose(published.predict_condition(images, codes, redshift), redshift, atol=1e-6)

    honest = build("fancy_cvae", condition_dim=1)
    honest.set_condition_scale(redshift)
    outputs = honest({"images": images, "condition": redshift}, training=False)
    decoded = np.asarray(honest.decode(outputs["mean"], redshift))
    # Two galaxies with one image have one prediction, whatever redshift they claim.
    twins = np.repeat(decoded[:1], 2, axis=0) * 255
    predicted = honest.predict_condition(twins, np.zeros((2, LATENT_DIM), np.float32), redshift[:2])
    np.testing.assert_allclose(*np.asarray(predicted), rtol=1e-5)
    shown = 1 / (1 + np.exp(-np.asarray(outputs["logits"]))), images.astype(np.float32) / 255
    expected = np.stack([honest.predict_from_image(image) for image in shown], axis=1)
    np.testing.assert_allclose(outputs["predicted"], expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected[:, 0] - expected[:, 1]).max() > 1e-2


def test_a_prediction_is_in_physical_units_and_from_what_its_form_says():
    images, redshift = ellipses(6, SHAPE[:2]), np.linspace(0.5, 3, 6, dtype=np.float32)[:, None]
    codes = np.random.default_rng(0).normal(size=(6, LATENT_DIM)).astype(np.float32)
    for prediction in ("image", "published"):
        model = build("fancy_cvae", prediction=prediction, condition_dim=1)
        model.set_condition_scale(redshift)
        received = np.asarray(model.predict_condition(images, codes, redshift))
        if prediction == "image":
            scaled = model.predict_from_image(images.astype(np.float32) / 255)
            same = model.predict_condition(images, codes + 1, redshift + 1)
            other = model.predict_condition(255 - images, codes, redshift)
        else:
            vectors = np.concatenate([codes, np.repeat(model.scaled_condition(redshift), LATENT_DIM, 1)], 1)
            scaled = model.prediction_head(vectors)
            same = model.predict_condition(255 - images, codes, redshift)
            other = model.predict_condition(images, codes + 1, redshift)
        expected = np.asarray(scaled) * redshift.std() + redshift.mean()
        np.testing.assert_allclose(received, expected, rtol=1e-5)
        np.testing.assert_array_equal(same, received)
        assert not np.allclose(other, received)
