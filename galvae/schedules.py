"""Weight of the KL term in every epoch."""

import numpy as np

from galvae.errors import GalvaeError


def beta_schedule(config, epochs):
    """Beta of every epoch of a run.

    Args:
        config: the `beta` section: constant, warmup (linear rise), cyclical (rises and plateaus) or
            per_epoch (a list, then `value`).
        epochs: length of the run.

    Returns:
        (epochs,) float array. The last entry is the beta that validation uses, so that the losses of two
        epochs can be compared.

    Raises:
        GalvaeError: if a list is longer than the run.

    Reference:
        Bowman et al. 2016 (arXiv:1511.06349) for the warm-up; Fu et al. 2019 (arXiv:1903.10145) for cycles.
    """
    epoch = np.arange(epochs)
    if config.name == "warmup":
        return config.start + (config.value - config.start) * np.minimum(1.0, epoch / config.epochs)
    if config.name == "cyclical":
        length = epochs / config.cycles
        phase = (epoch % length) / length
        return config.start + (config.value - config.start) * np.minimum(1.0, phase / config.rise)
    if config.name == "per_epoch":
        if len(config.values) > epochs:
            raise GalvaeError(
                f"beta.values: more than there are epochs; expected at most {epochs}, received {len(config.values)}"
            )
        return np.concatenate([config.values, np.full(epochs - len(config.values), config.value)])
    return np.full(epochs, config.value)
