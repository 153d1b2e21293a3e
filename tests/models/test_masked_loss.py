"""Pixels that are set aside: they count in no loss, and a mask follows its image through every flip."""

import numpy as np
import pytest
import tensorflow as tf
from builders.galaxies import ellipses
from builders.models import build

from galvae.models import losses
from galvae.models.build import MODELS
from galvae.models.conditional_vae import ConditionalVAE

COUNT, SIDE, BANDS = 6, 16, 3
MODEL_NAMES = sorted(MODELS)


def masked_galaxies():
    """Galaxies without symmetry and masks of random rectangles, some pixels in one band only."""
    generator = np.random.default_rng(1)
    masks = np.zeros((COUNT, SIDE, SIDE, BANDS), np.uint8)
    for mask in masks[:-1]:  # the last galaxy has no pixel set aside
        top, left = generator.integers(0, SIDE - 5, 2)
        mask[top : top + 5, left : left + 3] = 1
    masks[:-1, 2, 9, 1] = 1
    return ellipses(COUNT, SIDE, BANDS), masks


def model_of(name, **changes):
    condition = {"condition_dim": 1} if issubclass(MODELS[name], ConditionalVAE) else {}
    return build(name, **condition, **changes)


def inputs_of(model, **arrays):
    if model.condition_dim:
        arrays["condition"] = np.linspace(0.1, 2, COUNT, dtype=np.float32)[:, None]
    return arrays


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_the_loss_of_a_masked_image_is_numpys_over_the_other_pixels(loss):
    images, masks = masked_galaxies()
    targets, logits = images / 255, np.random.default_rng(0).normal(size=images.shape)
    decoded = 1 / (1 + np.exp(-logits))
    values = (decoded - targets) ** 2
    if loss == "bce":
        values = -(targets * np.log(decoded) + (1 - targets) * np.log(1 - decoded))
    expected = [value[mask == 0].sum() / BANDS for value, mask in zip(values, masks, strict=True)]
    given = (logits if loss == "bce" else decoded).astype("f4")
    function = losses.binary_cross_entropy if loss == "bce" else losses.squared_error
    np.testing.assert_allclose(function(given, targets.astype("f4"), masks), expected, rtol=1e-5)
    np.testing.assert_allclose(function(given, targets.astype("f4"))[-1], expected[-1], rtol=1e-5)


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_every_model_sets_masked_pixels_aside(name, loss):
    images, masks = masked_galaxies()
    model = model_of(name, reconstruction=loss)
    outputs = model(inputs_of(model, images=images, mask=masks), training=False)
    logits, targets = np.asarray(outputs["logits"], np.float64), images / 255
    values = (1 / (1 + np.exp(-logits)) - targets) ** 2
    if loss == "bce":
        values = np.logaddexp(0, logits) - logits * targets
    expected = np.where(masks == 1, 0, values).sum(axis=(1, 2, 3)) / BANDS
    np.testing.assert_allclose(model.loss_terms(outputs)["reconstruction"], expected, rtol=1e-4)


@pytest.mark.parametrize("loss", ["bce", "mse"])
def test_neither_loss_nor_gradient_sees_what_lies_under_a_mask(loss):
    images, masks = masked_galaxies()
    model, codes = model_of("vae", reconstruction=loss), np.ones((COUNT, 2), np.float32)
    results = []
    for garbage in (0, 255):
        target = np.where(masks == 1, garbage, images).astype("f4") / 255
        inferred = {"target": target, "mask": masks, "mean": codes, "log_variance": codes}
        with tf.GradientTape() as tape:
            terms = model.loss_terms(model.reconstruct(inferred, codes))
        variables = model.decoder.trainable_variables
        results.append([terms["reconstruction"], *tape.gradient(terms["reconstruction"], variables)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(np.abs(gradient).max() > 0 for gradient in results[0][1:])


@pytest.mark.parametrize("name", MODEL_NAMES)
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_mask_is_flipped_and_rotated_as_its_image(name, kind):
    images, _ = masked_galaxies()
    masks = (images > 100).astype(
        np.uint8
    )  # so that it can be computed from the image, wherever that is turned
    model = model_of(name, augment=True)
    inputs = inputs_of(model, images=images.astype(kind), mask=masks)
    moved = 0
    for _ in range(8):
        prepared = model.prepare(inputs, training=True)
        target = np.asarray(prepared["target"]) * 255
        np.testing.assert_array_equal(prepared["mask"], target > 100.5)
        moved += (np.abs(target - images) > 1).any(axis=(1, 2, 3)).sum()
    assert moved > 4 * COUNT
    np.testing.assert_array_equal(model.prepare(inputs, training=False)["mask"], masks)


def test_masks_change_no_random_number_and_without_any_there_is_no_tensor_of_them():
    images, masks = masked_galaxies()
    plain, masked = (model_of("vae", augment=True) for _ in range(2))
    for target, source in zip(masked.variables, plain.variables, strict=True):
        target.assign(source)
    alone = plain({"images": images}, training=True)
    beside = masked({"images": images, "mask": masks}, training=True)
    assert beside.keys() - alone.keys() == {"mask"}
    for name, array in alone.items():
        np.testing.assert_array_equal(array, beside[name])
