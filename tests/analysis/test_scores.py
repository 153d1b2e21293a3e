"""Scores of a dataset against the model's own functions, galaxy by galaxy."""

import subprocess
import sys

import numpy as np
import pytest
from builders.galaxies import redshift_dataset
from builders.models import build
from builders.processes import child_environment

from galvae.analysis import image_quality
from galvae.analysis.conditions import _minimum, most_likely_condition, predicted_condition
from galvae.analysis.scores import score_dataset
from galvae.latent import inference
from galvae.models import losses


def cross_entropy(decoded, target):
    """Binary cross-entropy of each image, summed over pixels and averaged over bands."""
    return -(target * np.log(decoded) + (1 - target) * np.log(1 - decoded)).mean(axis=-1).sum(axis=(1, 2))


@pytest.mark.parametrize("name", ["ae", "vae", "cvae", "cvae2", "fancy_cvae"])
def test_scores_are_those_of_each_image_alone(name, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
    model, data = build(name, reconstruction_weight=7.0), redshift_dataset()
    if name != "ae":
        model.beta.assign(0.25)  # of training, which is not that of validation
    indices = np.array([39, 0, 3, 3, 17, 21, 22, 25, 30])
    encoded = inference.encode_dataset(model, data, indices)
    result = score_dataset(model, data, encoded)
    condition = data.condition[indices] if model.condition_dim else None
    mean, log_variance = model.encode(data.images[indices], condition)
    decoded = np.asarray(model.decode(mean, condition))
    target = data.to_unit(data.images[indices])
    np.testing.assert_allclose(encoded.mean, mean, atol=1e-5)
    np.testing.assert_allclose(result["mse"], ((decoded - target) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(result["psnr"], -10 * np.log10(result["mse"]), rtol=1e-4)
    bce = cross_entropy(decoded, target)
    np.testing.assert_allclose(result["bce"], bce, rtol=1e-4)
    np.testing.assert_allclose(
        result["ssim"], image_quality.structural_similarity(decoded, target), rtol=1e-4
    )
    if log_variance is not None:
        kl = np.asarray(losses.kl_divergence(mean, log_variance)).sum(axis=1)
        np.testing.assert_allclose(result["kl"], kl, rtol=1e-3, atol=1e-6)
    # The objective is that of one code drawn from each posterior, by the numbers that the model's seed gives.
    codes_drawn = np.asarray(mean)
    if log_variance is not None:
        noise = np.random.default_rng(model.seed).standard_normal(codes_drawn.shape, np.float32)
        codes_drawn = codes_drawn + np.exp(0.5 * np.asarray(log_variance)) * noise
    drawn = np.asarray(model.decode(codes_drawn, condition))
    reconstruction = cross_entropy(drawn, target)
    np.testing.assert_allclose(result["reconstruction"], reconstruction, rtol=1e-4)
    assert name == "ae" or np.median(np.abs(reconstruction - bce) / bce) > 0.01  # not that of the mean
    loss = 7 * reconstruction + (0 if name == "ae" else result["kl"])
    if name == "fancy_cvae":
        loss += result["condition_error"]
    np.testing.assert_allclose(result["loss"], loss, rtol=1e-4)
    assert list(result) == [
        "loss",
        *model.terms,
        "bce",
        "mse",
        "psnr",
        "ssim",
        "r2",
        "mse_0",
        "mse_1",
        "mse_2",
    ]
    for band in range(3):
        error = ((decoded[..., band] - target[..., band]) ** 2).mean(axis=(1, 2))
        np.testing.assert_allclose(result[f"mse_{band}"], error, rtol=1e-4)
    if name == "fancy_cvae":
        predicted = predicted_condition(model, data, encoded)
        np.testing.assert_allclose(
            predicted, model.predict_condition(data.images[indices], mean, condition), rtol=1e-4, atol=1e-5
        )


def test_the_published_prediction_is_read_from_the_decoders_input(monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 16)
    model, data = build("fancy_cvae", prediction="published"), redshift_dataset()
    model.set_condition_scale(data.condition)
    encoded = inference.encode_dataset(model, data, np.arange(40))
    kernel = np.array(
        [[1.0], [0.0], [0.5], [0.5]], np.float32
    )  # of two latent dimensions, and the condition twice
    model.prediction_head.kernel.assign(kernel)
    expected = data.condition + data.condition.std() * encoded.mean[:, :1]
    np.testing.assert_allclose(predicted_condition(model, data, encoded), expected, rtol=1e-4, atol=1e-5)


def test_many_images_give_the_same_scores(monkeypatch):
    model, data = build("vae"), redshift_dataset()
    encoded = inference.encode_dataset(model, data, np.arange(40))
    few = score_dataset(model, data, encoded)
    monkeypatch.setattr(inference, "MIN_COMPILED", 1)
    monkeypatch.setattr(inference, "BATCH", 16)
    many = score_dataset(model, data, encoded)
    for name in ("loss", "kl", "mse", "ssim"):  # with the same noise, however images are batched
        np.testing.assert_allclose(few[name], many[name], rtol=1e-4, atol=1e-6)
    model.sampling.seed_generator.state.assign([1, 2])  # which training has advanced
    np.testing.assert_array_equal(score_dataset(model, data, encoded)["loss"], many["loss"])


@pytest.mark.slow
def test_many_images_give_the_same_scores_on_jax():
    pytest.importorskip("jax", reason="jax is an extra")
    program = """
import numpy as np
from galvae.backend.setup import setup
setup("jax")
from builders.galaxies import redshift_dataset
from builders.models import build

from galvae.analysis.conditions import most_likely_condition
from galvae.analysis.scores import score_dataset
from galvae.latent import inference

model, data, result = build("cvae2"), redshift_dataset(), []
for inference.MIN_COMPILED in (1000, 1):
    inference.BATCH = 16
    encoded = inference.encode_dataset(model, data, np.arange(40))
    scores = score_dataset(model, data, encoded)
    likely = most_likely_condition(model, data, np.arange(40), np.linspace(0, 2, 5))
    result.append({**scores, "likely": likely, "mean": encoded.mean})
for name, few in result[0].items():
    np.testing.assert_allclose(few, result[1][name], rtol=1e-3, atol=1e-4, err_msg=name)
print(sorted(result[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
    )
    assert "'likely', 'loss', 'mean'" in done.stdout, done.stderr


def test_the_most_likely_condition_minimises_the_objective(monkeypatch):
    model, data = build("cvae2"), redshift_dataset()
    grid = np.linspace(-0.2, 2.2, 13)

    # An objective whose minimum is at the galaxy's own redshift, known from its mean brightness.
    brightness = data.images.mean(axis=(1, 2, 3)) / 255

    def terms(self, outputs):
        means = np.asarray(outputs["target"]).mean(axis=(1, 2, 3))
        own = [data.condition[np.isclose(brightness, mean), 0][0] for mean in means]
        return {"value": (outputs["condition"][:, 0] - np.array(own, np.float32)) ** 2}

    monkeypatch.setattr(type(model), "loss_terms", terms)
    monkeypatch.setattr(type(model), "total_loss", lambda self, terms, training: terms["value"])
    result = most_likely_condition(model, data, np.arange(40), grid)
    np.testing.assert_allclose(result, data.condition[:, 0], atol=1e-4)


@pytest.mark.parametrize("name", ["cvae", "cvae2"])
def test_conditions_are_tried_as_if_each_were_the_galaxys_own(name, monkeypatch):
    model, data = build(name), redshift_dataset()
    model.set_condition_scale(data.condition)
    indices, grid = np.array([39, 0, 17, 3]), np.linspace(0, 2, 5)
    values = []
    for value in grid:
        condition = np.full((4, 1), value, np.float32)
        mean, log_variance = model.encode(data.images[indices], condition)
        vectors = model.decoder_input(mean, model.scaled_condition(condition))
        outputs = {"logits": model.decode_logits(vectors), "mean": mean, "log_variance": log_variance}
        terms = model.loss_terms({**outputs, "target": data.to_unit(data.images[indices])})
        values.append(np.asarray(model.total_loss(terms, training=False)))
    expected, features, calls = _minimum(grid, np.stack(values, axis=1)), type(model).image_features, []
    monkeypatch.setattr(
        type(model),
        "image_features",
        lambda self, target: calls.append(len(target)) or features(self, target),
    )
    monkeypatch.setattr(inference, "BATCH", 3)
    np.testing.assert_allclose(most_likely_condition(model, data, indices, grid), expected, atol=1e-3)
    assert calls == [3, 1]  # once for all of the grid


def test_a_minimum_at_the_end_of_the_grid_stays_there():
    grid = np.array([0.0, 1, 2, 3])
    values = np.array([[0.0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 1, 4], [4, 1, 0, 1]])
    np.testing.assert_allclose(_minimum(grid, values), [0, 3, 1, 2])
