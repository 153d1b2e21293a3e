"""Generated galaxies: random codes with their conditions, and the training galaxies nearest to them."""

from dataclasses import dataclass

import numpy as np

from galvae.analysis.memorisation import nearest_real
from galvae.data.column_names import is_redshift
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError

MAX_COMPARED = 100  # maximum number of generated galaxies compared with the training set


@dataclass(frozen=True)
class Samples:
    """Random codes of generated galaxies, in a block for each requested condition.

    Attributes:
        values: requested values of the first condition, one for each block; [None] if none was requested.
        codes: (blocks x n, latent_dim) float32; every block has the same n codes.
        condition: (blocks x n, K) in physical units; None for a model without a condition.
    """

    values: list
    codes: np.ndarray
    condition: np.ndarray | None

    @property
    def arrays(self):
        """Codes and, for a conditional model, conditions, by name."""
        arrays = {"codes": self.codes, "condition": self.condition}
        return {name: array for name, array in arrays.items() if array is not None}

    def first(self, count):
        """Positions in `codes` of the first galaxies of each block, (blocks x count,).

        Args:
            count: galaxies of a block, at most n.
        """
        n = len(self.codes) // len(self.values)
        return (np.arange(len(self.values))[:, None] * n + np.arange(count)).ravel()

    def decode(self, run, positions):
        """Decodes some of the galaxies, (m, H, W, C) float32 intensities in [0, 1].

        Args:
            run: TrainedRun.
            positions: (m,) positions in `codes`.
        """
        condition = None if self.condition is None else self.condition[positions]
        return run.decode(self.codes[positions], condition)


def check_redshift_keys(run, config):
    """Checks that the key `redshift` or `redshifts` is given only if the run's first condition is a redshift.

    Args:
        run: TrainedRun.
        config: SampleConfig or TraverseConfig.

    Raises:
        GalvaeError: if one of the keys is given and the first condition is another quantity.
    """
    for key in ("redshift", "redshifts"):
        names = run.state.condition_names
        if getattr(config, key, None) is not None and run.model.condition_dim and not is_redshift(names[0]):
            raise GalvaeError(
                f"{key}: expected a run whose condition is a redshift, received one with {names[0]}; "
                f"{key.replace('redshift', 'condition')}= takes any condition"
            )


def draw_samples(run, config):
    """Draws random codes from the run's prior, the same ones for every requested condition.

    Args:
        run: TrainedRun.
        config: SampleConfig.

    Returns:
        Samples.

    Raises:
        GalvaeError: if a condition is requested of a model that takes none, or a redshift of a run whose first
            condition is another quantity.
    """
    check_redshift_keys(run, config)
    values = config.condition or [None]
    codes = run.prior().sample(config.n, seed=config.seed, temperature=config.temperature)
    condition = sampled_condition(run, config.condition, config.n, config.seed)
    return Samples(values, np.tile(codes, (len(values), 1)), condition)


def sampled_condition(run, values, n, seed):
    """Conditions of generated galaxies, a block of n for each requested value.

    Args:
        run: TrainedRun.
        values: list of values of the first condition, such as redshifts; None: those of random training galaxies.
        n: galaxies in a block.
        seed: seed for drawing the training galaxies that give the remaining columns.

    Returns:
        (blocks x n, K) in physical units, or None for a model without a condition.

    Raises:
        GalvaeError: if values are requested of a model that takes no condition.
    """
    if values is None:
        return run.random_condition(n, seed) if run.model.condition_dim else None
    others = None
    if run.model.condition_dim > 1:
        others = np.tile(run.random_condition(n, seed), (len(values), 1))
    return run.at_condition(np.repeat(values, n), others)


def compare_with_training(run, samples, positions, images):
    """Finds the training galaxy that is nearest to each generated one.

    Args:
        run: TrainedRun.
        samples: Samples.
        positions: (n,) positions in `samples.codes`.
        images: (n, H, W, C) the galaxies decoded from them; MAX_COMPARED of them, evenly chosen, are compared.

    Returns:
        (generated, real, indices, columns): generated images (m, H, W, C), the nearest real ones (m, H, W, C), the
        row indices (m,) of these, and columns (m,) of a table by name: `sample`, the position of the generated
        galaxy, its conditions, and `rms_difference` in network units.
    """
    chosen = evenly(len(positions), MAX_COMPARED)
    generated, positions = images[chosen], positions[chosen]
    train, rotated = run.dataset.split("train"), run.config.dataset.augment
    indices, difference, real = nearest_real(generated, run.dataset, train, rotated)
    columns = {"sample": positions}
    if samples.condition is not None:
        for index, name in enumerate(run.state.condition_names):
            columns[f"sample_{name}"] = samples.condition[positions, index]
    return generated, real, indices, {**columns, "rms_difference": difference}
