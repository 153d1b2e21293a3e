"""galvae train: train a model on a dataset."""

import logging

import numpy as np

from galvae import devices, figures
from galvae.atomic import save_arrays
from galvae.errors import GalvaeError, TrainingDiverged
from galvae.run import Run, dataset_of
from galvae.trained import condition_of

SHOWN = 24  # galaxies in the reconstructions
SAMPLED = 64
SCATTERED = 5000  # codes in the scatter plot

log = logging.getLogger(__name__)


def main(config, output_dir):
    """Trains, and leaves a complete run directory.

    Args:
        config: TrainConfig.
        output_dir: the run's directory.

    Returns:
        The best validation loss, so that a sweeper can minimise it.
    """
    device = devices.setup(config.backend, config.precision, config.seed)
    from galvae.models import build_model  # after setup: Keras takes its backend when it is imported
    from galvae.training import fit

    dataset = dataset_of(config)
    check_range(dataset, config.reconstruction.loss)
    model = build_model(
        config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
    )
    run = Run.create(output_dir, config, dataset, device)
    log.info(
        "%s with %s parameters on %d galaxies of %dx%dx%d, %s %s on %s (%s)",
        config.model.name,
        f"{model.count_params():,}",
        len(dataset.split("train")),
        *dataset.image_shape,
        device.backend,
        device.precision,
        device.name,
        device.kind,
    )
    try:
        history, metrics = fit(model, dataset, config, run, device)
        draw(run, model, dataset, history)
        run.write_json("metrics.json", metrics)
    except BaseException as error:
        run.write_json("metrics.json", {"status": ended(error)})
        raise
    run.mark_latest()
    log.info("best epoch %d: validation loss %.5g", metrics["best_epoch"], metrics["val_loss"])
    return metrics["val_loss"]


def check_range(dataset, loss):
    """Refuses targets that the loss has no meaning for, and warns of those that the decoder cannot reach."""
    low, high = dataset.to_unit([dataset.report["low"], dataset.report["high"]])
    if low >= 0 and high <= 1:
        return
    found = f"intensities from {low:.4g} to {high:.4g} where the decoder gives 0 to 1"
    if loss == "bce":
        raise GalvaeError(
            f"reconstruction.loss: expected intensities in [0, 1] for bce, received {found}; set the pixel "
            "range or take reconstruction.loss=mse"
        )
    log.warning("%s", found)


def draw(run, model, dataset, history):
    """Draws the run's figures, each with its numbers beside it."""
    from galvae.latent import decode_codes, encode_dataset, information, information_unit

    folder = run.path / "figures"
    folder.mkdir(exist_ok=True)
    figures.save(figures.loss_curves(history), folder / "loss")

    # Validation first: the reconstructions below show galaxies that training has not seen.
    indices = np.concatenate([dataset.split("val"), dataset.split("train")])[:SCATTERED]
    mean, log_variance = encode_dataset(model, dataset, indices)
    told = information(mean, log_variance)
    column = dataset.column(None, indices)
    scatter = figures.latent_scatter(mean, told, column, information_unit(model))
    figures.save(scatter, folder / "latent")
    arrays = {"indices": indices, "mean": mean, "information": told}
    if column is not None:
        arrays[column.name] = column.values
    save_arrays(folder / "latent.npz", **arrays)

    shown = indices[: min(SHOWN, len(dataset.split("val")))]
    originals = dataset.to_unit(dataset.images[shown])
    decoded = decode_codes(model, mean[: len(shown)], condition_of(model, dataset, shown))
    figures.save(figures.reconstructions(originals, decoded), folder / "reconstructions")
    save_arrays(folder / "reconstructions.npz", indices=shown, originals=originals, decoded=decoded)

    codes = model.draw_codes(SAMPLED, seed=run.config.seed)
    generator = np.random.default_rng(run.config.seed)
    condition = condition_of(model, dataset, generator.choice(dataset.split("train"), SAMPLED))
    images = decode_codes(model, codes, condition)
    figures.save(figures.grid(images), folder / "samples")
    arrays = {"codes": codes, "images": images}
    if condition is not None:
        arrays["condition"] = condition
    save_arrays(folder / "samples.npz", **arrays)


def ended(error):
    """The status that metrics.json gets when training ends with an exception."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return "diverged" if isinstance(error, TrainingDiverged) else "failed"
