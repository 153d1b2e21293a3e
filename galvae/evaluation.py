"""Scores of a trained model, galaxy by galaxy."""

import numpy as np
from keras import ops

from galvae import latent, losses, metrics

QUALITY = {
    "bce": lambda outputs: losses.binary_cross_entropy(outputs["logits"], outputs["target"]),
    "mse": lambda outputs: metrics.mean_squared_error(*_images(outputs)),
    "psnr": lambda outputs: metrics.peak_signal_to_noise(*_images(outputs)),
    "ssim": lambda outputs: metrics.structural_similarity(*_images(outputs)),
    "r2": lambda outputs: metrics.r_squared(*_images(outputs)),
}
# Names of conditions that are redshifts.
REDSHIFTS = {"redshift", "z", "zphot", "zspec", "z_phot", "z_spec", "photoz", "photo_z"}
UNITS = {"psnr": "dB"}  # the nats of the objective are no unit of astropy's


def score_dataset(model, dataset, indices):
    """The objective, the quality of the reconstruction, and the posterior of each image.

    The objective's terms are computed as in validation, with one code drawn from each posterior. The quality
    is that of the decoded posterior mean: bce (binary cross-entropy, summed over pixels and averaged over
    channels), mse, psnr, ssim and r2, in network units.

    Args:
        model: a model of galvae.models.
        dataset: GalaxyDataset.
        indices: (n,) images.

    Returns:
        dict of arrays (n,): loss, its terms, bce, mse, psnr, ssim, r2; and mean (n, latent_dim), for models with
        a posterior log_variance (n, latent_dim), for fancy_cvae predicted (n, K) in physical units.
    """

    def score(inputs, noise):
        inferred = model.infer(inputs, training=False)
        terms = model.loss_terms(model.reconstruct(inferred, model.posterior_codes(inferred, noise=noise)))
        found = {"loss": model.total_loss(terms, training=False), **terms}
        outputs = model.reconstruct(inferred, inferred["mean"])
        found.update({name: quality(outputs) for name, quality in QUALITY.items()})
        for name in ("mean", "log_variance"):
            if name in outputs:
                found[name] = outputs[name]
        if "predicted" in outputs:
            predicted = model.predict_condition(inputs["images"])
            if predicted is None:
                predicted = model.physical_condition(outputs["predicted"])
            found["predicted"] = predicted
        return found

    score = latent.for_many(score, len(indices))
    # Given from outside: a compiled function of JAX must leave no state, such as the model's own generator, behind.
    generator = np.random.default_rng(model.seed)
    batches = []
    for inputs in latent.batches(dataset, indices, "evaluating"):
        noise = generator.standard_normal((len(inputs["images"]), model.latent_dim), np.float32)
        batches.append({name: np.asarray(values) for name, values in score(inputs, noise).items()})
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


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
        return target, model.unconditional(target)

    def objective(condition, target, seen):
        inferred = model.infer_under(model.scaled_condition(condition), target, seen)
        outputs = model.reconstruct(inferred, inferred["mean"])
        return model.total_loss(model.loss_terms(outputs), training=False)

    look = latent.for_many(look, len(indices))
    objective = latent.for_many(objective, len(indices) * len(grid))
    found = []
    for inputs in latent.batches(dataset, indices, "predicting"):
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


def _images(outputs):
    return ops.sigmoid(outputs["logits"]), outputs["target"]
