"""The figures at the end of a training run, each with its numbers in a file beside it."""

import logging

import numpy as np
from scipy.special import entr

from galvae import figures
from galvae.data.dataset import evenly
from galvae.data.summary import galaxies_of
from galvae.latent.codes import batches, condition_of, decode_codes, encode_dataset
from galvae.latent.information import active_units, information, information_unit
from galvae.latent.priors.of_model import prior_of
from galvae.system.atomic import save_arrays

RECONSTRUCTED = 24  # galaxies
SAMPLED = 64  # galaxies
SCATTERED = 5000  # latent codes
MOST_IMAGES = 10_000  # from which the entropy of a split is measured

log = logging.getLogger(__name__)


def write_report(run, model, dataset, history):
    """Draws loss curves, latent space, reconstructions and samples into the run's `figures`.

    Args:
        run: RunDirectory.
        model: its trained model.
        dataset: GalaxyDataset.
        history: list with a dict per epoch.

    Returns:
        dict for metrics.json: the number of active latent dimensions, and the indices of the others; None for a plain
        autoencoder, whose codes have no scale of their own to count them by.
    """
    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    style = figures.Style().for_images(dataset.rgb, dataset.stretch, run.display_range)
    draw_losses(run.config, dataset, history, folder, style)
    # Validation first: the reconstructions show galaxies that training has not seen.
    indices = np.concatenate([dataset.split("val"), dataset.split("train")])[:SCATTERED]
    codes = encode_dataset(model, dataset, indices)
    _draw_latent_space(model, dataset, codes, folder)
    validation = min(len(indices), len(dataset.split("val")))
    _draw_reconstructions(model, dataset, codes, min(RECONSTRUCTED, validation), folder, style)
    _draw_samples(model, dataset, run.config.seed, folder, style)
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
        unit = dataset.to_unit(inputs["images"])
        entropy = entr(unit) + entr(1 - unit)
        used = 1 - inputs["mask"] if "mask" in inputs else 1
        total += np.sum(used * entropy, dtype=float)
    return total / (len(rows) * dataset.image_shape[-1])


def _draw_latent_space(model, dataset, codes, folder):
    per_dimension = information(codes.mean, codes.log_variance)
    column = dataset.column(None, codes.indices)
    scatter = figures.latent_scatter(codes.mean, per_dimension, column, information_unit(model))
    figures.save(scatter, folder / "latent", note=galaxies_of(dataset, codes.indices))
    arrays = {"indices": codes.indices, "mean": codes.mean, "information": per_dimension}
    if column is not None:
        arrays[column.name] = column.values
    save_arrays(folder / "latent.npz", **arrays)


def _draw_reconstructions(model, dataset, codes, count, folder, style):
    indices = codes.indices[:count]
    originals = dataset.to_unit(dataset.images[indices])
    decoded = decode_codes(model, codes.mean[:count], condition_of(model, dataset, indices))
    arrays = {"indices": indices, "originals": originals, "decoded": decoded}
    masks = dataset.masks_of(indices)
    if masks is not None:
        arrays["mask"] = masks
    figure = figures.reconstructions(
        originals, decoded, mask=masks, style=style, band_names=dataset.band_names
    )
    figures.save(figure, folder / "reconstructions", note=galaxies_of(dataset, indices))
    save_arrays(folder / "reconstructions.npz", **arrays)


def _draw_samples(model, dataset, seed, folder, style):
    prior = prior_of(model)
    codes = prior.sample(SAMPLED, seed=seed)
    generator = np.random.default_rng(seed)
    condition = condition_of(model, dataset, generator.choice(dataset.split("train"), SAMPLED))
    images = decode_codes(model, codes, condition)
    figures.save(
        figures.grid(images, style=style), folder / "samples", note=f"generated, prior {prior.label}"
    )
    arrays = {"codes": codes, "images": images}
    if condition is not None:
        arrays["condition"] = condition
    save_arrays(folder / "samples.npz", **arrays)


def _unused_dimensions(mean):
    """Which latent dimensions carry no information about the validation images; warns if none carries any.

    Args:
        mean: (n, latent_dim) posterior means of the validation images.

    Returns:
        dict for metrics.json.
    """
    dead = np.flatnonzero(~active_units(mean)).tolist()
    if len(dead) == mean.shape[1]:
        log.warning(
            "posterior collapse: none of the %d latent dimensions carries information about an image",
            len(dead),
        )
    elif dead:
        log.info("latent dimensions not used: %s", ", ".join(map(str, dead)))
    return {"active_units": mean.shape[1] - len(dead), "dead_dimensions": dead}
