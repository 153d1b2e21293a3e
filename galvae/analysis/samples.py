"""Generated galaxies: random codes with their conditions, and the training galaxies nearest to them."""

from dataclasses import dataclass

import numpy as np

from galvae.analysis.memorisation import nearest_real
from galvae.data.column_names import is_redshift
from galvae.data.conditions import CLASS
from galvae.data.dataset import evenly
from galvae.errors import GalvaeError

MAX_COMPARED = 100  # maximum number of generated galaxies compared with the training set


@dataclass(frozen=True)
class Samples:
    """Random codes of generated galaxies, in a block for each requested condition.

    Attributes:
        values: requested conditions, one dict for each block, see `galvae.runs.conditions.Conditions.requests`; [{}] if
            none was requested.
        codes: (blocks x n, latent_dim) float32; those of all blocks come from the same random
            numbers.
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


def check_redshift_keys(run, config):
    """Checks that the key `redshift` or `redshifts` is given only if the run is conditional on a redshift.

    Args:
        run: TrainedRun.
        config: SampleConfig or TraverseConfig.

    Raises:
        GalvaeError: if one of the keys is given and no condition is a redshift; for a walk, the first number.
    """
    if not run.model.condition_dim:
        return
    names = run.conditions.names
    walked = [name for name in names if name != CLASS][:1]
    for key, own in (("redshift", names), ("redshifts", walked)):
        if getattr(config, key, None) is not None and not any(map(is_redshift, own)):
            raise GalvaeError(
                f"{key}: expected a run whose condition is a redshift, received one with {', '.join(names)}; "
                f"{key.replace('redshift', 'condition')}= takes any condition"
            )


def draw_samples(run, config):
    """Draws random codes from the prior, given each requested condition, from the same random numbers for all of them.

    Args:
        run: TrainedRun.
        config: SampleConfig.

    Returns:
        Samples.

    Raises:
        GalvaeError: if a condition is requested that the run does not have, or a prior that was not fitted to it.
    """
    check_redshift_keys(run, config)
    values, prior = run.conditions.requests(config.condition), run.prior(config.prior)
    condition = sampled_condition(run, values, config.n, config.seed)
    blocks = [None] if condition is None else np.split(condition, len(values))
    codes = [prior.sample(config.n, block, config.seed, config.temperature) for block in blocks]
    return Samples(values, np.concatenate(codes), condition)


def sampled_condition(run, values, n, seed):
    """Conditions of generated galaxies, a block of n for each request.

    Conditions that are not requested are those of random training galaxies, of the class if one is requested, the same
    in every block of a class.

    Args:
        run: TrainedRun.
        values: requested conditions, a dict for each block, see `galvae.runs.conditions.Conditions.requests`.
        n: galaxies in a block.
        seed: seed for drawing the training galaxies.

    Returns:
        (blocks x n, K), or None for a model without a condition.
    """
    if not run.model.condition_dim:
        return None
    others = None
    if not run.conditions.determined_by(values[0]):
        others = np.concatenate([run.random_condition(n, seed, block.get(CLASS)) for block in values])
    if not values[0]:
        return others
    given = {name: np.repeat([block[name] for block in values], n) for name in values[0]}
    return run.conditions.filled(given, others)


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
        conditions = run.conditions.table(samples.condition[positions])
        columns |= {f"sample_{name}": values for name, values in conditions.items()}
    return generated, real, indices, {**columns, "rms_difference": difference}
