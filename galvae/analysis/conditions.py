"""Conditions that a conditional model sees in galaxies."""

import numpy as np

from galvae.latent import codes

# Names of conditions that are redshifts.
REDSHIFTS = {"redshift", "z", "zphot", "zspec", "z_phot", "z_spec", "photoz", "photo_z"}


def most_likely_condition(model, dataset, indices, grid):
    """The first condition of each galaxy as a conditional VAE tells it: the one under which its objective is least.

    Each galaxy's posterior mean is found, and decoded, under every condition of the grid, with the other columns of
    the condition as they are. A parabola through the least value and its neighbours places the minimum between them.

    Args:
        model: a `CVAE` or `CVAE2`.
        dataset: GalaxyDataset.
        indices: (n,) galaxies.
        grid: (g,) conditions, evenly spaced.

    Returns:
        (n,) in physical units.
    """

    def look(inputs):
        target = model.unit_images(inputs, training=False)
        return target, model.image_features(target)

    def objective(condition, target, seen):
        inferred = model.encode_with_condition(model.scaled_condition(condition), target, seen)
        outputs = model.reconstruct(inferred, inferred["mean"])
        return model.total_loss(model.loss_terms(outputs), training=False)

    look = codes.for_many(look, len(indices))
    objective = codes.for_many(objective, len(indices) * len(grid))
    found = []
    for inputs in codes.batches(dataset, indices, "predicting"):
        seen, losses_at = look(inputs), []
        for value in grid:
            condition = inputs["condition"].copy()
            condition[:, 0] = value
            losses_at.append(np.asarray(objective(condition, *seen)))
        found.append(_minimum(grid, np.stack(losses_at, axis=1)))
    return np.concatenate(found)


def _minimum(grid, values):
    """Place of the minimum of each row, (n,), refined by a parabola where it is not at an end of the grid."""
    best = values.argmin(axis=1)
    inner = np.clip(best, 1, len(grid) - 2)
    left, middle, right = (
        np.take_along_axis(values, (inner + step)[:, None], 1)[:, 0] for step in (-1, 0, 1)
    )
    curvature = left - 2 * middle + right
    shift = np.where(curvature > 0, 0.5 * (left - right) / np.where(curvature > 0, curvature, 1), 0)
    refined = grid[inner] + np.clip(shift, -1, 1) * (grid[1] - grid[0])
    return np.where(best == inner, refined, grid[best])
