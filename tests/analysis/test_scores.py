"""Scores of a dataset against the model's own functions, galaxy by galaxy."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import blobs, conv

from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits


def galaxies(count=40):
    return GalaxyDataset(
        name="test",
        images=blobs(count, 16),
        pixel_range=(0, 255),
        condition=np.linspace(0.1, 2, count, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        splits=make_splits(count, [0.8, 0.1, 0.1], 0),
    )


def build(name, **changes):
    from galvae.models.build import MODELS

    model = MODELS[name]((16, 16, 3), latent_dim=2, network=conv(), name=name, **changes)
    model.build_all()
    return model


@pytest.mark.parametrize("name", ["ae", "vae", "cvae", "cvae2", "fancy_cvae"])
def test_scores_are_those_of_each_image_alone(name, monkeypatch):
    from galvae.analysis import image_quality
    from galvae.analysis.scores import score_dataset
    from galvae.models import losses

    monkeypatch.setattr(latent, "BATCH", 7)
    model, data = build(name), galaxies()
    indices = np.array([39, 0, 3, 3, 17, 21, 22, 25, 30])
    found = score_dataset(model, data, indices)
    condition = data.condition[indices] if model.condition_dim else None
    mean, log_variance = model.encode(data.images[indices], condition)
    decoded = np.asarray(model.decode(mean, condition))
    target = data.to_unit(data.images[indices])
    np.testing.assert_allclose(found["mean"], mean, atol=1e-5)
    np.testing.assert_allclose(found["mse"], ((decoded - target) ** 2).mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(found["psnr"], -10 * np.log10(found["mse"]), rtol=1e-4)
    bce = -(target * np.log(decoded) + (1 - target) * np.log(1 - decoded)).mean(axis=-1).sum(axis=(1, 2))
    np.testing.assert_allclose(found["bce"], bce, rtol=1e-4)
    np.testing.assert_allclose(found["ssim"], image_quality.structural_similarity(decoded, target), rtol=1e-4)
    if log_variance is not None:
        kl = np.asarray(losses.kl_divergence(mean, log_variance)).sum(axis=1)
        np.testing.assert_allclose(found["kl"], kl, rtol=1e-3, atol=1e-6)
    # The objective is the sum of its terms, with the code drawn as in validation.
    terms = {term: found[term] for term in model.terms}
    np.testing.assert_allclose(found["loss"], model.total_loss(terms, training=False), rtol=1e-5)
    assert ("predicted" in found) == (name == "fancy_cvae")


def test_the_published_prediction_is_read_from_the_decoders_input():
    from galvae.analysis.scores import score_dataset

    model, data = build("fancy_cvae", prediction="published"), galaxies()
    model.set_condition_scale(data.condition)
    model.prediction_head.kernel.assign(np.array([[0.0], [0.0], [0.5], [0.5]], np.float32))
    found = score_dataset(model, data, np.arange(40))
    np.testing.assert_allclose(found["predicted"], data.condition, rtol=1e-4)


def test_many_images_give_the_same_scores(float32, monkeypatch):
    from galvae.analysis.scores import score_dataset

    model, data = build("vae"), galaxies()
    few = score_dataset(model, data, np.arange(40))
    monkeypatch.setattr(latent, "COMPILED", 1)
    monkeypatch.setattr(latent, "BATCH", 16)
    many = score_dataset(model, data, np.arange(40))
    for name in ("loss", "kl", "mse", "ssim", "mean"):  # with the same noise, however images are batched
        np.testing.assert_allclose(few[name], many[name], rtol=1e-4, atol=1e-6)
    model.sampling.seed_generator.state.assign([1, 2])  # which training has advanced
    np.testing.assert_array_equal(score_dataset(model, data, np.arange(40))["loss"], many["loss"])


@pytest.mark.slow
def test_many_images_give_the_same_scores_on_jax():
    pytest.importorskip("jax", reason="jax is an extra")
    program = """
import numpy as np
from galvae.backend.setup import setup
setup("jax")
from galvae.analysis import conditions
from galvae.analysis import scores

from test_evaluation import build, galaxies

model, data, found = build("cvae2"), galaxies(), []
for codes.COMPILED in (1000, 1):
    codes.BATCH = 16
    scores = scores.score_dataset(model, data, np.arange(40))
    likely = conditions.most_likely_condition(model, data, np.arange(40), np.linspace(0, 2, 5))
    found.append({**scores, "likely": likely})
for name, few in found[0].items():
    np.testing.assert_allclose(few, found[1][name], rtol=1e-3, atol=1e-4, err_msg=name)
print(sorted(found[0]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    assert "'likely', 'log_variance', 'loss', 'mean'" in done.stdout, done.stderr


def test_the_most_likely_condition_is_where_the_objective_is_least(monkeypatch):
    from galvae.analysis.conditions import most_likely_condition

    model, data = build("cvae2"), galaxies()
    grid = np.linspace(-0.2, 2.2, 13)

    # An objective that is least at the galaxy's own redshift, known from its mean brightness.
    brightness = data.images.mean(axis=(1, 2, 3)) / 255

    def terms(self, outputs):
        means = np.asarray(outputs["target"]).mean(axis=(1, 2, 3))
        own = [data.condition[np.isclose(brightness, mean), 0][0] for mean in means]
        return {"value": (outputs["condition"][:, 0] - np.array(own, np.float32)) ** 2}

    monkeypatch.setattr(type(model), "loss_terms", terms)
    monkeypatch.setattr(type(model), "total_loss", lambda self, terms, training: terms["value"])
    found = most_likely_condition(model, data, np.arange(40), grid)
    np.testing.assert_allclose(found, data.condition[:, 0], atol=1e-4)


@pytest.mark.parametrize("name", ["cvae", "cvae2"])
def test_conditions_are_tried_as_if_each_were_the_galaxys_own(name, monkeypatch):
    from galvae.analysis.conditions import _minimum, most_likely_condition

    model, data = build(name), galaxies()
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
    expected, unconditional, looks = _minimum(grid, np.stack(values, axis=1)), type(model).unconditional, []
    monkeypatch.setattr(
        type(model),
        "unconditional",
        lambda self, target: looks.append(len(target)) or unconditional(self, target),
    )
    monkeypatch.setattr(latent, "BATCH", 3)
    np.testing.assert_allclose(most_likely_condition(model, data, indices, grid), expected, atol=1e-3)
    assert looks == [3, 1]  # once for all of the grid


def test_a_minimum_at_the_end_of_the_grid_stays_there():
    from galvae.analysis.conditions import _minimum

    grid = np.array([0.0, 1, 2, 3])
    values = np.array([[0.0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 1, 4], [4, 1, 0, 1]])
    np.testing.assert_allclose(_minimum(grid, values), [0, 3, 1, 2])
