"""The figures at the end of a training run, each with its numbers in a file beside it."""

import logging

import numpy as np
from scipy.special import entr

from galvae import figures
from galvae.data.batches import batches
from galvae.data.dataset import evenly
from galvae.data.summary import galaxies_of
from galvae.latent.information import active_units, information, information_unit
from galvae.latent.priors.of_model import prior_of
from galvae.runs.noise import AddedNoise
from galvae.system.atomic import save_arrays

RECONSTRUCTED = 24  # galaxies
SAMPLED = 64  # galaxies
SCATTERED = 5000  # latent codes
MOST_IMAGES = 10_000  # from which the entropy of a split is measured

log = logging.getLogger(__name__)


def write_report(run, history):
    """Draws loss curves, latent space, reconstructions and samples into the run's `figures`.

    Args:
        run: TrainedRun.
        history: list with a dict per epoch.

    Returns:
        dict for metrics.json: the number of active latent dimensions, and the indices of the others; None for a plain
        autoencoder, whose codes have no scale of their own to count them by.
    """
    model, dataset, folder = run.model, run.dataset, run.path / "figures"
    folder.mkdir(exist_ok=True)
    style = figures.Style().for_images(dataset.rgb, dataset.stretch, run.directory.display_range)
    draw_losses(run.config, dataset, history, folder, style)
    # Validation first: the reconstructions show galaxies that training has not seen.
    indices = np.concatenate([dataset.split("val"), dataset.split("train")])[:SCATTERED]
    codes = run.codes_at(indices)
    _draw_latent_space(model, dataset, codes, folder)
    validation = min(len(indices), len(dataset.split("val")))
    _draw_reconstructions(run, codes, min(RECONSTRUCTED, validation), folder, style)
    _draw_samples(run, folder, style)
    if codes.log_variance is None:
        return {"active_units": None, "dead_dimensions": None}
    return _unused_dimensions(codes.mean[:validation])


def draw_losses(config, dataset, history, folder, style):
    """Draws the loss curves; those of a cross-entropy above the entropy of the images, which no model can undercut.

    Args:
        config: TrainConfig.
        dataset: GalaxyDataset.
        history: list with a dict per epoch.
        folder: folder of the figure.
        style: Style.
    """
    floors = {}
    if config.reconstruction.loss == "bce":
        entropies = [mean_entropy(dataset, split) for split in ("train", "val")]
        weighted = [config.reconstruction.weight * entropy for entropy in entropies]
        floors = {"reconstruction": entropies, "loss": weighted}
    indices = np.concatenate([dataset.split("train"), dataset.split("val")])
    figure = figures.loss_curves(history, floors)
    figures.save(figure, folder / "loss", style, galaxies_of(dataset, indices))


def mean_entropy(dataset, split):
    """Mean over the images of a split of their binary cross-entropy with themselves, its smallest value.

    As in the loss, pixels that are set aside do not count, others are summed and channels averaged.

    Args:
        dataset: GalaxyDataset.
        split: name of the split, of which up to MOST_IMAGES images are read, evenly chosen.

    Returns:
        nats per image.
    """
    rows, total = dataset.split(split), 0.0
    rows = rows[evenly(len(rows), MOST_IMAGES)]
    for inputs in batches(dataset, rows, "entropy of images"):
        used = 1 - inputs["mask"] if "mask" in inputs else 1
        total += np.sum(used * _entropy(dataset, inputs["images"]), dtype=float)
    return total / (len(rows) * dataset.image_shape[-1])


def _entropy(dataset, images):
    """Binary entropy of stored pixel values in network units, in nats; of bytes, each value's is computed once."""
    if images.dtype == np.uint8:
        return _entropy(dataset, np.arange(256))[images]
    unit = dataset.to_unit(images)
    return entr(unit) + entr(1 - unit)


def _draw_latent_space(model, dataset, codes, folder):
    per_dimension = information(codes.mean, codes.log_variance)
    column = dataset.column(None, codes.indices)
    scatter = figures.latent_scatter(codes.mean, per_dimension, column, information_unit(codes.log_variance))
    figures.save(scatter, folder / "latent", note=galaxies_of(dataset, codes.indices))
    arrays = {"indices": codes.indices, "mean": codes.mean, "information": per_dimension}
    if column is not None:
        arrays[column.name] = column.values
    save_arrays(folder / "latent.npz", **arrays)


def _draw_reconstructions(run, codes, count, folder, style):
    dataset, indices = run.dataset, codes.indices[:count]
    originals = dataset.to_unit(dataset.images[indices])
    decoded = run.decode(codes.mean[:count], run.condition(indices))
    arrays = {"indices": indices, "originals": originals, "decoded": decoded}
    masks = dataset.masks_of(indices)
    if masks is not None:
        arrays["mask"] = masks
    figure = figures.reconstructions(
        originals, decoded, mask=masks, style=style, band_names=dataset.band_names
    )
    figures.save(figure, folder / "reconstructions", note=galaxies_of(dataset, indices))
    save_arrays(folder / "reconstructions.npz", **arrays)


def _draw_samples(run, folder, style):
    seed = run.config.seed
    # A prior that was fitted to an earlier epoch may still lie there if this training fitted none.
    prior = prior_of(run.model) if run.config.prior == "none" else run.prior()
    noise = AddedNoise(run, None if run.config.reconstruction.loss == "gaussian" else "none", seed)
    condition = run.random_condition(SAMPLED, seed) if run.model.condition_dim else None
    codes = prior.sample(SAMPLED, condition, seed)
    images = noise(run.decode(codes, condition))
    note = f"generated, prior {prior.label}, noise {noise.kind}"
    figures.save(figures.grid(images, style=style), folder / "samples", note=note)
    arrays = {"codes": codes, "images": images}
    if condition is not None:
        arrays["condition"] = condition
    save_arrays(folder / "samples.npz", **arrays)


def _unused_dimensions(mean):
    """Which latent dimensions are not active, see `active_units`; warns if none is.

    Args:
        mean: (n, latent_dim) posterior means of the validation images.

    Returns:
        dict for metrics.json.
    """
    dead = np.flatnonzero(~active_units(mean)).tolist()
    if len(dead) == mean.shape[1]:
        log.warning(
            "posterior collapse: none of the %d latent dimensions is active, since the posterior means of different "
            "images hardly differ",
            len(dead),
        )
    elif dead:
        log.info("latent dimensions not used: %s", ", ".join(map(str, dead)))
    return {"active_units": mean.shape[1] - len(dead), "dead_dimensions": dead}
