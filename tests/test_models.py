"""One contract for every model in MODELS, and what is particular to each."""

import numpy as np
import pytest
from conftest import blobs, conv

from galvae.config import GROUPS

SHAPE = (16, 16, 3)
LATENT_DIM = 3


def build(name, **changes):
    from galvae.models import MODELS

    arguments = {"latent_dim": LATENT_DIM, "network": conv(), "augment": True, "name": name, **changes}
    model = MODELS[name](SHAPE, **arguments)
    model.build_all()
    return model


def test_every_configurable_model_exists():
    from galvae.models import MODELS

    assert set(MODELS) == set(GROUPS["model"])


@pytest.fixture(params=sorted(GROUPS["model"]))
def name(request):
    return request.param


def test_encode_decode_and_sample(name):
    model = build(name)
    images = blobs(5, 16)
    mean, log_variance = model.encode(images)
    assert mean.shape == (5, LATENT_DIM)
    assert (log_variance is None) == (name == "ae")
    decoded = np.asarray(model.decode(mean))
    assert decoded.shape == images.shape
    assert decoded.dtype == np.float32
    assert 0 <= decoded.min() <= decoded.max() <= 1
    first, again, other = (np.asarray(model.sample(4, seed=seed)) for seed in (1, 1, 2))
    assert first.shape == (4, *SHAPE)
    np.testing.assert_array_equal(first, again)
    assert (model.latent_dim, model.condition_dim) == (LATENT_DIM, 0)
    if name != "ae":  # an untrained autoencoder has no spread of codes to sample from
        assert not np.array_equal(first, other)


def test_temperature_scales_the_codes(name):
    model = build(name)
    model({"images": blobs(20, 16)}, training=True)
    centre = model.draw_codes(50, seed=3, temperature=0.0)
    warm, hot = (model.draw_codes(50, seed=3, temperature=t) for t in (1.0, 2.0))
    np.testing.assert_allclose(hot - centre, 2 * (warm - centre), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(centre, np.broadcast_to(centre[0], centre.shape))


def test_stored_integers_and_their_floats_encode_alike(name):
    integers = build(name)
    floats = build(name, pixel_range=(0, 1))
    for target, source in zip(floats.variables, integers.variables, strict=True):
        target.assign(source)
    images = blobs(4, 16)
    expected = np.asarray(integers.encode(images)[0])
    np.testing.assert_allclose(floats.encode((images / 255).astype(np.float32))[0], expected, atol=1e-5)


def test_variable_paths_are_unique_and_the_same_in_every_model_of_a_process(name):
    first, second = (sorted(v.path for v in build(name).variables) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first)


def test_seeds_are_variables(name):
    paths = [v.path for v in build(name).variables]
    assert any("augmentation_seed" in path for path in paths)
    assert any("sampling_seed" in path for path in paths) == (name != "ae")


def test_loss_is_the_weighted_sum_of_its_logged_terms(name, keras):
    model = build(name, reconstruction="mse", reconstruction_weight=3.0, augment=False)
    if name != "ae":
        model.beta.assign(0.5)
        model.final_beta = 2.0
    model.compile(optimizer=keras.optimizers.Adam(0.0, name="adam"))
    images = blobs(8, 16)
    logs = model.fit({"images": images}, batch_size=8, epochs=1, verbose=0).history
    expected = 3 * logs["reconstruction"][0] + (0.5 * logs["kl"][0] if name != "ae" else 0)
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert set(logs) == {"loss", *model.terms}
    logs = model.evaluate({"images": images}, batch_size=8, verbose=0, return_dict=True)
    expected = 3 * logs["reconstruction"] + (2.0 * logs["kl"] if name != "ae" else 0)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_terms_are_those_of_numpy(name):
    model = build(name, reconstruction="mse", augment=False)
    images = blobs(6, 16)
    outputs = model({"images": images}, training=False)
    terms = {term: np.asarray(values) for term, values in model.loss_terms(outputs).items()}
    decoded = 1 / (1 + np.exp(-np.asarray(outputs["logits"], np.float64)))
    expected = ((decoded - images / 255) ** 2).mean(-1).sum((1, 2))
    np.testing.assert_allclose(terms["reconstruction"], expected, rtol=1e-4)
    if name != "ae":
        mean, log_variance = (np.asarray(outputs[key], np.float64) for key in ("mean", "log_variance"))
        kl = 0.5 * (mean**2 + np.exp(log_variance) - log_variance - 1).sum(1)
        np.testing.assert_allclose(terms["kl"], kl, rtol=1e-4)


def test_output_bias_starts_the_decoder_at_the_given_pixel(name):
    model = build(name)
    model.decoder.get_layer("decoder_image").kernel.assign(
        np.zeros(model.decoder.get_layer("decoder_image").kernel.shape)
    )
    model.set_output_bias(np.array([0.1, 0.5, 0.0]))
    decoded = np.asarray(model.decode(np.zeros((1, LATENT_DIM), np.float32)))
    np.testing.assert_allclose(decoded[0, 3, 4], [0.1, 0.5, 0.01], rtol=1e-5)


def test_training_lowers_the_loss(name, keras):
    model = build(name, reconstruction="mse", reconstruction_weight=10.0)
    model.compile(optimizer=keras.optimizers.Adam(1e-2, name="adam"))
    history = model.fit({"images": blobs(64, 16)}, batch_size=16, epochs=15, verbose=0).history["loss"]
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
    drawn = model.draw_codes(20_000, seed=0)
    spread = codes.std(axis=0).max()
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.05 * spread)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), atol=0.05 * spread**2)


def test_relu_codes_are_not_negative():
    model = build("ae", code_activation="relu")
    assert np.asarray(model.encode(blobs(20, 16))[0]).min() >= 0


def test_config_rebuilds_the_same_model():
    model = build("vae", final_beta=0.25)
    again = type(model)(**model.get_config())
    again.build_all()
    assert [(v.path, v.shape) for v in again.variables] == [(v.path, v.shape) for v in model.variables]
    assert again.final_beta == 0.25
