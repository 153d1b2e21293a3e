"""Weight of the KL term in every epoch."""

import logging

import numpy as np

from galvae.errors import GalvaeError

log = logging.getLogger(__name__)


def final_beta(config, epochs):
    """Beta that validation uses in every epoch, so that the losses of two epochs can be compared.

    Args:
        config, epochs: as of `beta_schedule`.

    Returns:
        The value that the schedule leads to; of one value per epoch, the last epoch's.
    """
    return float(beta_schedule(config, epochs)[-1]) if config.name == "per_epoch" else config.value


def beta_schedule(config, epochs):
    """Beta of every epoch of a run.

    Args:
        config: the `beta` section: constant, warmup (linear rise), cyclical (rises and plateaus) or
            per_epoch (a list, then `value`).
        epochs: length of the run.

    Returns:
        (epochs,) float array.

    Raises:
        GalvaeError: if a list is longer than the run.

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
        if len(config.values) > epochs:
            raise GalvaeError(
                f"beta.values: more than there are epochs; expected at most {epochs}, received {len(config.values)}"
            )
        return np.concatenate([config.values, np.full(epochs - len(config.values), config.value)])
    return np.full(epochs, config.value)
