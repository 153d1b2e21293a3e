"""Pixels that are set aside count in no score, in no search for a galaxy, and in no inferred condition."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import ellipses, redshift_dataset
from builders.models import build

from galvae.analysis import image_quality, reconstructions
from galvae.analysis.conditions import most_likely_condition
from galvae.analysis.memorisation import nearest_real
from galvae.analysis.scores import band_scores, score_dataset
from galvae.data.dataset import GalaxyDataset
from galvae.latent import inference

QUALITIES = [
    image_quality.mean_squared_error,
    image_quality.mean_squared_error_per_band,
    image_quality.peak_signal_to_noise,
    image_quality.r_squared,
    image_quality.structural_similarity,
]


def pairs():
    """Decoded images, targets, and masks of rectangles that differ from band to band; all float32 or uint8."""
    images, targets = (ellipses(4, 16, 3, seed).astype(np.float32) / 255 for seed in (0, 1))
    masks = np.zeros(targets.shape, np.uint8)
    for index, mask in enumerate(masks):
        mask[2 * index : 2 * index + 6, 3:8] = 1
        mask[9:12, :, index % 3] = 1
    return images, targets, masks


def test_qualities_are_numpys_over_the_other_pixels():
    images, targets, masks = pairs()
    mse = image_quality.mean_squared_error(images, targets, masks)
    bands = image_quality.mean_squared_error_per_band(images, targets, masks)
    psnr = image_quality.peak_signal_to_noise(images, targets, masks)
    r2 = image_quality.r_squared(images, targets, masks)
    for index, (image, target, mask) in enumerate(zip(images, targets, masks, strict=True)):
        error, used = (image - target) ** 2, mask == 0
        assert float(mse[index]) == pytest.approx(error[used].mean(), rel=1e-4)
        assert float(psnr[index]) == pytest.approx(-10 * np.log10(error[used].mean()), rel=1e-4)
        assert float(r2[index]) == pytest.approx(1 - error[used].mean() / target[used].var(), rel=1e-3)
        expected = [error[..., band][used[..., band]].mean() for band in range(3)]
        np.testing.assert_allclose(bands[index], expected, rtol=1e-4)
    ssim = image_quality.structural_similarity(images, targets, masks)
    replaced = np.where(masks == 1, targets, images)
    np.testing.assert_allclose(ssim, image_quality.structural_similarity(replaced, targets), rtol=1e-5)


@pytest.mark.parametrize("quality", QUALITIES)
def test_no_mask_is_a_mask_of_zeros_and_one_of_ones_leaves_nothing(quality):
    images, targets, masks = pairs()
    np.testing.assert_allclose(
        quality(images, targets), quality(images, targets, np.zeros_like(masks)), rtol=1e-5
    )
    assert np.isnan(quality(images, targets, np.ones_like(masks))).all()


@pytest.mark.parametrize("quality", QUALITIES)
def test_no_quality_sees_what_was_decoded_under_a_mask(quality):
    images, targets, masks = pairs()
    garbage = np.where(masks == 1, 1, images).astype(np.float32)
    np.testing.assert_array_equal(quality(images, targets, masks), quality(garbage, targets, masks))


def masked_dataset(**changes):
    """Forty galaxies without symmetry, with redshifts and masks that differ from band to band."""
    data = redshift_dataset()
    images = ellipses(40, 16)
    masks = (ellipses(40, 16, seed=1) > 120).astype(np.uint8)
    values = {
        name: getattr(data, name) for name in ("condition", "condition_names", "condition_units", "splits")
    }
    return GalaxyDataset(
        name="test", images=images, pixel_range=(0, 255), masks=masks, **{**values, **changes}
    )


@pytest.mark.parametrize("name", ["ae", "cvae2"])
def test_scores_set_masked_pixels_aside(name, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
    model, data = build(name), masked_dataset(band_names=["g", "r", "z"])
    indices = np.array([39, 0, 3, 17, 21, 22, 25, 30])
    encoded = inference.encode_dataset(model, data, indices)
    scores = score_dataset(model, data, encoded)
    decoded = np.asarray(model.decode(encoded.mean, data.condition[indices] if model.condition_dim else None))
    target, used = data.to_unit(data.images[indices]), data.masks[indices] == 0
    error = (decoded - target) ** 2
    np.testing.assert_allclose(
        scores["mse"], [e[u].mean() for e, u in zip(error, used, strict=True)], rtol=1e-3
    )
    bce = -(target * np.log(decoded) + (1 - target) * np.log(1 - decoded))
    np.testing.assert_allclose(scores["bce"], (bce * used).sum(axis=(1, 2, 3)) / 3, rtol=1e-3)
    red = [e[..., 1][u[..., 1]].mean() for e, u in zip(error, used, strict=True)]
    np.testing.assert_allclose(scores["mse_r"], red, rtol=1e-3)
    if name == "ae":  # of which the code is not drawn
        np.testing.assert_allclose(scores["reconstruction"], scores["bce"], rtol=1e-5)
    else:
        monkeypatch.setattr(inference, "MIN_COMPILED", 1)
        compiled = score_dataset(model, data, encoded)
        np.testing.assert_allclose(compiled["loss"], scores["loss"], rtol=1e-4)


def test_errors_of_bands_are_named_as_the_bands_are():
    assert band_scores(masked_dataset()) == ["mse_0", "mse_1", "mse_2"]
    assert band_scores(masked_dataset(band_names=["g", "r", "z"])) == ["mse_g", "mse_r", "mse_z"]
    assert band_scores(masked_dataset(band_names=["g", "g", "z"])) == ["mse_0", "mse_1", "mse_2"]
    assert band_scores(GalaxyDataset(name="", images=np.zeros((1, 8, 8, 1)), pixel_range=(0, 1))) == []


def test_what_lies_under_a_mask_leaves_the_most_likely_condition(monkeypatch):
    model, data, grid = build("cvae2"), masked_dataset(), np.linspace(0, 2, 5)
    model.set_condition_scale(data.condition)
    seen = []

    def terms(self, outputs):
        seen.append(np.asarray(outputs["mask"]))
        return {"value": outputs["condition"][:, 0]}

    monkeypatch.setattr(type(model), "loss_terms", terms)
    monkeypatch.setattr(type(model), "total_loss", lambda self, terms, training: terms["value"])
    most_likely_condition(model, data, np.arange(10), grid)
    assert len(seen) == 5
    for mask in seen:
        np.testing.assert_array_equal(mask, data.masks[:10])


@pytest.mark.parametrize(("rotations", "flip"), [(0, False), (1, False), (3, True)])
def test_the_nearest_galaxy_is_that_of_the_pixels_that_are_not_set_aside(rotations, flip, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
    images = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    masks = np.zeros_like(images)
    masks[33, :9] = 1
    masks[12] = 1  # of which nothing is left to compare
    copy = images[[33]] / np.float32(255) + np.float32(0.001)
    images[33, :9], images[12] = 255, 0
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255), masks=masks)
    copy = np.rot90(copy[:, :, ::-1] if flip else copy, rotations, axes=(1, 2))
    nearest, difference, real = nearest_real(copy, data, np.arange(40))
    assert nearest.tolist() == [33]
    np.testing.assert_allclose(difference, 0.001, rtol=0.05)
    expected = images[[33]] / 255
    expected = np.rot90(expected[:, :, ::-1] if flip else expected, rotations, axes=(1, 2))
    np.testing.assert_allclose(real, expected, atol=1e-6)


def test_a_galaxy_with_few_pixels_left_is_not_nearest_for_that():
    images = np.full((2, 8, 8, 1), 100, np.uint8)
    images[0] = 130  # in eight pixels 3200 in all, where the other has 6400
    masks = np.zeros_like(images)
    masks[0, 1:] = 1
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255), masks=masks)
    nearest, difference, _ = nearest_real(np.full((1, 8, 8, 1), 110 / 255, np.float32), data, np.arange(2))
    assert nearest.tolist() == [1]
    np.testing.assert_allclose(difference, 10 / 255, rtol=1e-3)


def test_examples_have_their_masks_and_an_image_without_pixels_is_no_example():
    data, model = masked_dataset(), build("ae")
    data.masks[[5, 6]] = 1
    indices = np.arange(20)
    encoded = inference.encode_dataset(model, data, indices)
    run = SimpleNamespace(
        dataset=data,
        codes_at=encoded.at,
        condition=lambda indices: None,
        condition_symbol="z",
        decode=lambda code, condition: inference.decode_codes(model, code, condition),
    )
    scores = score_dataset(model, data, encoded)
    assert np.flatnonzero(np.isnan(scores["mse"])).tolist() == [5, 6]
    columns = {"mse": (scores["mse"], None)}
    config = SimpleNamespace(n=30, seed=0)
    arrays = reconstructions.measure(run, indices, config, columns).arrays["reconstructions"]
    assert sorted(arrays["indices"]) == sorted(set(range(20)) - {5, 6})
    np.testing.assert_array_equal(arrays["mask"], data.masks[arrays["indices"]] == 1)
    np.testing.assert_array_equal(arrays["mse"], scores["mse"][arrays["indices"]])
    assert (
        arrays["mse"][:6].max() <= arrays["mse"][6:12].min()
    )  # six of the best, the typical and the worst each
    assert arrays["mse"][6:12].max() <= arrays["mse"][12:].min()
