"""Schedules of a training run: beta, the weight of the KL term, in every epoch; the learning rate in every step."""

import logging

import keras
import numpy as np

log = logging.getLogger(__name__)


def beta_schedule(config, epochs):
    """Weight of the KL term in every epoch of a run.

    A warm-up that is longer than the run is logged as a warning.

    Args:
        config: the `beta` section: constant, warmup (linear rise), cyclical (rises and plateaus) or
            per_epoch (a list, then `value`).
        epochs: length of the run.

    Returns:
        (epochs,) float array.

    Reference:
        Bowman et al. 2016 (arXiv:1511.06349) for the warm-up; Fu et al. 2019 (arXiv:1903.10145) for cycles.
    """
    epoch = np.arange(epochs)
    if config.name == "warmup":
        if epochs <= config.epochs:
            log.warning(
                "beta rises for %d epochs and the run ends after %d: beta.value=%g is not reached",
                config.epochs,
                epochs,
                config.value,
            )
        return config.start + (config.value - config.start) * np.minimum(1.0, epoch / config.epochs)
    if config.name == "cyclical":
        phase = (epoch * config.cycles % epochs) / epochs  # in integers: no cycle starts an epoch late
        return config.start + (config.value - config.start) * np.minimum(1.0, phase / config.rise)
    if config.name == "per_epoch":
        return np.concatenate([config.values, np.full(epochs - len(config.values), config.value)])
    return np.full(epochs, config.value)


def learning_rate_schedule(config, steps, scale=1.0):
    """Learning rate as a function of the step: a linear rise from zero, then constant or a cosine decay.

    Args:
        config: TrainConfig.
        steps: per epoch.
        scale: factor on all rates.

    Returns:
        A keras.optimizers.schedules.LearningRateSchedule.

    Reference:
        Loshchilov & Hutter 2017 (arXiv:1608.03983), without restarts.
    """
    total = config.epochs * steps
    warmup = round(config.schedule.warmup * total)
    final = config.schedule.final if config.schedule.name == "cosine" else 1.0
    rate = scale * config.learning_rate
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(rate, total, alpha=final)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, alpha=final, warmup_target=rate, warmup_steps=warmup
    )
