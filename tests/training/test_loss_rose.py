"""The lines that say that a loss ended far above where it had been, or was weighted by a noise that is not there."""

import pytest
from builders.configs import train_config

from galvae.training.fit import loss_rose, weight_misfits


def history(loss, beta=None, kl=0.0):
    """Rows of epochs with losses, a weight of the KL term and a KL divergence, each a list or the same for all."""
    count = len(loss)
    betas, kls = (value if isinstance(value, list) else [value] * count for value in (beta, kl))
    extra = [
        {} if beta is None else {"beta": one, "kl": other} for one, other in zip(betas, kls, strict=True)
    ]
    return [{"epoch": epoch + 1, "loss": loss[epoch], **extra[epoch]} for epoch in range(count)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            history([50, 30, 512]),
            "the loss ended at 512; it was 50 in epoch 1 and 30 in epoch 2: learning_rate=0.002",
        ),
        (
            history([50, 30, 48], beta=1.0, kl=9.0),
            "the loss ended at 48; it was 50 in epoch 1 and 30 in epoch 2",
        ),
        (
            history([9, 50, 20, 60], beta=[0.5, 1.0, 1.0, 1.0]),
            "the loss ended at 60; it was 50 in epoch 2 and 20 in",
        ),
        # The reconstruction is ten times as bad, whatever beta does.
        (
            history([50, 800], beta=[0, 1.0], kl=[90.0, 300.0]),
            "the loss without its KL term ended at 500; it was 50",
        ),
        # Losses in nats of a density may be negative: half of what was gained is lost.
        (
            history([3000, -7000, -1900]),
            "the loss ended at -1900; it was 3000 in epoch 1 and -7000 in epoch 2",
        ),
        (history([3000, -7000, -2100]), None),
        (history([-100, -7000, 50]), "the loss ended at 50"),
        (history([50, 30, 44]), None),
        (history([50, 1, 4]), None),  # three times the lowest, but hardly any of what was gained
        (history([50]), None),
        (history([50], beta=1.0), None),
        # beta rises, and with it the loss, whose reconstruction has become better.
        (history([50, 340], beta=[0, 1.0], kl=[400.0, 300.0]), None),
        (history([50, 340], beta=[0.0, 4.0], kl=[1.0, 75.0]), None),
        (history([50, 20, 90, 80], beta=[0.0, 0.0, 1.0, 1.0], kl=[1.0, 75.0, 70.0, 60.0]), None),
    ],
)
def test_a_loss_that_ends_far_above_its_first_value_is_said(rows, words):
    line = loss_rose(rows, train_config("clip_norm=null"))
    assert (line is None) == (words is None)
    if words:
        assert words in line
        assert line.endswith("is likely too large; try learning_rate=0.0002 or clip_norm=1")


def test_a_clip_norm_that_was_not_small_enough_is_named():
    assert loss_rose(history([1, 9]), train_config("clip_norm=5")).endswith("or a smaller clip_norm than 5")


@pytest.mark.parametrize(
    ("residual", "weight", "beta", "line"),
    [
        # 15 stands for 0.3162 where three bands are averaged: sqrt(3 / 30).
        (
            0.104,
            15,
            1,
            "reconstruction.weight=15 with beta 1 stands for noise of 0.32, but the residuals have 0.1",
        ),
        (0.107, 15, 1, None),
        (0.9, 15, 1, None),
        (1.0, 15, 1, "stands for noise of 0.32, but the residuals have 1:"),
        (0.104, 15, 0.5, None),  # beta 0.5 is as twice the weight
        (0.104, 15, 0, None),  # without a KL term there is nothing to weigh
    ],
)
def test_a_weight_that_stands_for_another_noise_is_said(residual, weight, beta, line):
    config = train_config("reconstruction.loss=mse", f"reconstruction.weight={weight}", f"beta.value={beta}")
    metrics = {"val_reconstruction": 20 * 30 * residual**2}
    received = weight_misfits(metrics, config, (20, 30, 3))
    assert received is None if line is None else line in received


@pytest.mark.parametrize(
    "overrides",
    [["model=ae", "reconstruction.loss=mse"], ["reconstruction.loss=gaussian"], ["reconstruction.loss=bce"]],
)
def test_a_loss_without_a_fixed_noise_has_no_misfit(overrides):
    assert weight_misfits({"val_reconstruction": 1e-9}, train_config(*overrides), (20, 30, 3)) is None
