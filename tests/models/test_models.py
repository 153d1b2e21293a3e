"""One contract for every model in MODELS, and what is particular to each."""

import math
import re

import builders.models
import keras
import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import blobs
from builders.source_tree import MODULES, imports, within

from galvae.config.registry import GROUPS
from galvae.errors import GalvaeError
from galvae.latent.priors.of_model import prior_of
from galvae.models.build import MODELS, build_model, variable_shapes
from galvae.models.conditional_vae import ConditionalVAE

SHAPE = (16, 16, 3)
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


def loss_of(name, terms, beta, weight):
    """The objective from its terms, as the docstrings state it."""
    loss = weight * terms["reconstruction"]
    if name != "ae":
        loss = loss + beta * terms["kl"]
    return loss + terms.get("condition_error", 0)


def test_every_configurable_model_exists():
    assert set(MODELS) == set(GROUPS["model"])


@pytest.fixture(params=sorted(GROUPS["model"]))
def name(request):
    return request.param


@pytest.mark.parametrize("network", ["conv", "dcgan", "slim"])
def test_shapes_are_known_without_a_model(name, network):
    config = train_config(f"model={name}", f"network={network}", "latent_dim=3")
    model = build_model(config, SHAPE, (0, 255), "none", 2)
    assert variable_shapes(config, SHAPE, 2) == {v.path: (tuple(v.shape), v.dtype) for v in model.variables}


def test_shapes_of_a_model_for_which_no_memory_would_do():
    config = train_config("network.dense=65536", "network.filters=[4096]", "latent_dim=65536")
    shapes = variable_shapes(config, (4096, 4096, 3), 0)
    assert sum(4 * math.prod(shape) for shape, _ in shapes.values()) > 40e9


def test_encode_decode_and_sample(name):
    model = build(name)
    images = blobs(5, 16)
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
    model(inputs(model, blobs(20, 16)), training=True)
    centre, warm, hot = (prior_of(model).sample(50, seed=3, temperature=t) for t in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(hot - centre, 2 * (warm - centre), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(centre, np.broadcast_to(centre[0], centre.shape))


def test_codes_are_drawn_from_noise(name):
    model = build(name)
    model(inputs(model, blobs(20, 16)), training=True)
    noise = np.random.default_rng(3).standard_normal((50, LATENT_DIM))
    prior = prior_of(model)
    np.testing.assert_array_equal(prior.sample(50, seed=3, temperature=2.0), prior.from_noise(2 * noise))
    if name != "ae":
        np.testing.assert_array_equal(prior.from_noise(noise), noise.astype(np.float32))


def test_a_known_posterior_needs_no_encoder(name, monkeypatch):
    model = build(name)
    model(inputs(model, blobs(20, 16)), training=True)
    batch = inputs(model, blobs(5, 16, seed=1))
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
    for module in texts:
        assert within(imports(module), "galvae.backend", "tensorflow", "jax") <= ways, module


def test_stored_integers_and_their_floats_encode_alike(name):
    integers = build(name)
    floats = build(name, pixel_range=(0, 1))
    for target, source in zip(floats.variables, integers.variables, strict=True):
        target.assign(source)
    images = blobs(4, 16)
    redshift = condition(integers, 4)
    expected = np.asarray(integers.encode(images, redshift)[0])
    received = floats.encode((images / 255).astype(np.float32), redshift)[0]
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_variable_paths_are_unique_and_the_same_in_every_model_of_a_process(name):
    first, second = (sorted(v.path for v in build(name).variables) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)


def test_seeds_are_variables(name):
    paths = [v.path for v in build(name).variables]
    assert any("augmentation_seed" in path for path in paths)
    assert any("sampling_seed" in path for path in paths) == (name != "ae")


def test_loss_is_the_weighted_sum_of_its_logged_terms(name):
    model = build(name, reconstruction="mse", reconstruction_weight=3.0, augment=False)
    if name != "ae":
        model.beta.assign(0.5)
        model.final_beta = 2.0
    model.compile(optimizer=keras.optimizers.Adam(0.0, name="adam"))
    images = blobs(8, 16)
    logs = model.fit(inputs(model, images), batch_size=8, epochs=1, verbose=0).history
    logs = {term: values[0] for term, values in logs.items()}
    assert logs["loss"] == pytest.approx(loss_of(name, logs, beta=0.5, weight=3.0), rel=1e-5)
    assert set(logs) == {"loss", *model.terms}
    logs = model.evaluate(inputs(model, images), batch_size=8, verbose=0, return_dict=True)
    assert logs["loss"] == pytest.approx(loss_of(name, logs, beta=2.0, weight=3.0), rel=1e-5)


def test_terms_are_those_of_numpy(name):
    model = build(name, reconstruction="mse", augment=False)
    images = blobs(6, 16)
    outputs = model(inputs(model, images), training=False)
    terms = {term: np.asarray(values) for term, values in model.loss_terms(outputs).items()}
    decoded = 1 / (1 + np.exp(-np.asarray(outputs["logits"], np.float64)))
    expected = ((decoded - images / 255) ** 2).mean(-1).sum((1, 2))
    np.testing.assert_allclose(terms["reconstruction"], expected, rtol=1e-4)
    if name != "ae":
        mean, log_variance = (np.asarray(outputs[key], np.float64) for key in ("mean", "log_variance"))
        kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(1)
        np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4, atol=1e-6)


def test_output_bias_starts_the_decoder_at_the_given_pixel(name):
    model = build(name)
    model.decoder.get_layer("decoder_image").kernel.assign(
        np.zeros(model.decoder.get_layer("decoder_image").kernel.shape)
    )
    model.set_output_bias(np.array([0.1, 0.5, 0.0]))
    decoded = np.asarray(model.decode(np.zeros((1, LATENT_DIM), np.float32), condition(model, 1)))
    np.testing.assert_allclose(decoded[0, 3, 4], [0.1, 0.5, 0.01], rtol=1e-5)


def test_training_lowers_the_loss(name):
    model = build(name, reconstruction="mse", reconstruction_weight=10.0)
    model.compile(optimizer=keras.optimizers.Adam(1e-2, name="adam"))
    history = model.fit(inputs(model, blobs(64, 16)), batch_size=16, epochs=15, verbose=0).history["loss"]
    assert history[-1] < 0.5 * history[0]


def test_posterior_starts_at_unit_variance_and_stays_bounded():
    model = build("vae")
    images = blobs(4, 16)
    np.testing.assert_array_equal(model.encode(images)[1], np.zeros((4, LATENT_DIM)))
    model.log_variance_head.bias.assign([-1e6, 0.0, 1e6])
    np.testing.assert_allclose(model.encode(images)[1], np.tile([-10.0, 0.0, 10.0], (4, 1)))


def test_autoencoder_samples_like_its_training_codes():
    model = build("ae", augment=False)
    images = blobs(200, 16)
    for _ in range(200):
        model({"images": images}, training=True)
    codes = np.asarray(model.encode(images)[0])
    drawn = prior_of(model).sample(20_000, seed=0)
    spread = codes.std(axis=0).max()
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.05 * spread)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.05 * spread**2)


def test_relu_codes_are_not_negative():
    model = build("ae", code_activation="relu")
    assert np.asarray(model.encode(blobs(20, 16))[0]).min() >= 0


def test_conditions_change_codes_and_images_and_are_needed():
    for name in ("cvae", "cvae2", "fancy_cvae"):
        model = build(name)
        images, low, high = blobs(3, 16), np.zeros((3, 2), np.float32), np.ones((3, 2), np.float32)
        assert np.abs(model.encode(images, low)[0] - np.asarray(model.encode(images, high)[0])).max() > 1e-4
        codes = np.zeros((3, LATENT_DIM), np.float32)
        assert np.abs(model.decode(codes, low) - np.asarray(model.decode(codes, high))).max() > 1e-4
        for wrong in (None, low[:, :1], low[:, 0]):
            with pytest.raises(GalvaeError, match=rf"model {name}: expected a condition of shape \(B, 2\)"):
                model.decode(codes, wrong)


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
    model.set_condition_scale(np.ones((4, 2), np.float32))  # a constant condition divides by no zero
    assert np.isfinite(model.scaled_condition(conditions)).all()


def test_cvae_repeats_the_condition_over_channels_and_rows():
    model = build("cvae")
    assert model.encoder_shape == (16, 16, 5)
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
    images, redshift = blobs(6, 16), np.linspace(0, 1, 6, dtype=np.float32)[:, None]
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
    predicted = np.asarray(honest.predict_from_image(1 / (1 + np.exp(-np.asarray(outputs["logits"])))))
    error = ((predicted - np.asarray(honest.scaled_condition(redshift))) ** 2).sum(1)
    np.testing.assert_allclose(honest.loss_terms(outputs)["condition_error"], error, rtol=1e-4)


def test_a_prediction_is_in_physical_units_and_from_what_its_form_says():
    images, redshift = blobs(6, 16), np.linspace(0.5, 3, 6, dtype=np.float32)[:, None]
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
