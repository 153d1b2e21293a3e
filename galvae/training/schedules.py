"""Weight of the KL term in every epoch."""

import logging

import numpy as np

log = logging.getLogger(__name__)


def beta_schedule(config, epochs):
    """Beta of every epoch of a run.

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
