"""The figures at the end of training."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses

from galvae import figures
from galvae.models.losses import binary_cross_entropy
from galvae.training.report import draw_losses, mean_entropy


def masked_dataset():
    generator = np.random.default_rng(0)
    images = ellipses(300, 6)
    masks = (generator.uniform(size=images.shape) < 0.2).astype(np.uint8)
    splits = {"train": np.arange(20, 300), "val": np.arange(20), "test": np.array([], int)}
    return dataset(images=images, masks=masks, splits=splits)


@pytest.mark.parametrize("split", ["train", "val"])
def test_no_cross_entropy_is_smaller_than_that_of_images_with_themselves(split):
    data = masked_dataset()
    rows = data.split(split)
    target, mask = data.to_unit(data.images[rows]), data.masks[rows].astype(np.float32)
    entropy = mean_entropy(data, split)

    def loss_at(images):
        logits = np.log(images) - np.log1p(-images)
        return float(np.mean(np.asarray(binary_cross_entropy(logits.astype(np.float32), target, mask))))

    perfect = np.clip(target, 1e-6, 1 - 1e-6).astype(float)
    assert loss_at(perfect) == pytest.approx(entropy, rel=1e-4)
    assert loss_at(np.clip(perfect + 0.01, 0, 0.99)) > entropy + 0.01
    unmasked = mean_entropy(dataset(images=data.images, splits=data.splits), split)
    assert unmasked == pytest.approx(entropy / 0.8, rel=0.03)


def test_black_and_white_pixels_have_no_entropy():
    images = np.array([0, 255, 255, 0], np.uint8).reshape(1, 2, 2, 1).repeat(5, axis=0)
    splits = {"train": np.arange(4), "val": np.array([4])}
    assert mean_entropy(dataset(images=images, splits=splits), "train") == 0
    grey = np.full((5, 2, 2, 3), 0.5, np.float32)
    data = dataset(images=grey, pixel_range=(0, 1), splits=splits)
    assert mean_entropy(data, "val") == pytest.approx(
        4 * np.log(2)
    )  # of two by two pixels, a mean of three bands


@pytest.mark.parametrize(("loss", "expected"), [("bce", True), ("mse", False)])
def test_the_curves_of_a_cross_entropy_lie_above_the_entropy(loss, expected, tmp_path, monkeypatch):
    data, drawn, draw = masked_dataset(), [], figures.loss_curves
    monkeypatch.setattr(figures, "loss_curves", lambda *arguments: drawn.append(draw(*arguments)) or drawn[0])
    config = SimpleNamespace(reconstruction=SimpleNamespace(loss=loss, weight=2.0))
    entropy = {split: mean_entropy(data, split) for split in ("train", "val")}
    rows = [{"epoch": 1, "loss": 90.0, "reconstruction": 40.0, "val_loss": 95.0, "val_reconstruction": 45.0}]
    draw_losses(config, data, rows, tmp_path, figures.Style(format="svg"))
    (figure,) = drawn
    for axes, factor, values in zip(figure.axes, (2, 1), ((90, 95), (40, 45)), strict=True):
        for line, value, split in zip(axes.lines, values, ("train", "val"), strict=True):
            assert line.get_ydata() == pytest.approx(value - expected * factor * entropy[split])
    assert "test, train + val: 300 galaxies" in (tmp_path / "loss.svg").read_text()
