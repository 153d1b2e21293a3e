"""galvae train: train a model on a dataset, or go on with a run."""

import contextlib
import dataclasses
import logging
import shlex

import numpy as np

from galvae.backend.setup import setup
from galvae.data.quality import checked
from galvae.errors import GalvaeError, TrainingDiverged, line_of
from galvae.runs.directory import RunDirectory, dataset_for_model, without_write_paths
from galvae.runs.resume import check_same, lock_owner, locked
from galvae.runs.trained_run import condition_of
from galvae.system.atomic import save_arrays
from galvae.system.signals import Stopped

SHOWN = 24  # galaxies in the reconstructions
SAMPLED = 64
SCATTERED = 5000  # codes in the scatter plot

log = logging.getLogger(__name__)


def main(command, output_dir):
    """Trains, and leaves a complete run directory; a run that this directory holds already is gone on with.

    Args:
        command: TrainCommand.
        output_dir: the run's directory.

    Returns:
        The best validation loss, so that a sweeper can minimise it.

    Raises:
        GalvaeError: if the directory holds a run of another configuration, or a finished one without checkpoints.
        CannotBeDone: if another process trains it, or training diverges.
        signals.Stopped: by a signal, with the command that goes on from here.
    """
    config = source = command.run
    begun = (output_dir / "config.yaml").exists()
    if begun:
        held = RunDirectory.open(output_dir)
        if command.resume is not None:
            config = dataclasses.replace(held.config, epochs=command.epochs)
            source = dataclasses.replace(config, dataset=without_write_paths(config.dataset))
        check_same(held, config)
        if held.finished:
            checkpoint = held.checkpoint()
            if checkpoint is None:
                raise GalvaeError(
                    f"{output_dir}: expected a finished run with its checkpoints, received none"
                )
            if config.epochs <= held.config.epochs:
                _, state = checkpoint
                log.info("finished already, after %s epochs", state["epoch"])
                return state["best_loss"]
    with locked(RunDirectory(output_dir, config), command.force):
        return train(config, source, output_dir, command.devices, command.resident)


def train(config, source, output_dir, count, resident):
    """Trains in a directory that is this process' own.

    Args:
        config: TrainConfig.
        source: the same with the dataset as it is to be read, since a run that is resumed may be a stranger's.
        output_dir: the run's directory.
        count: of devices.
        resident: whether the device holds the images: True, False or "auto".

    Returns:
        The best validation loss.
    """
    device = setup(config.backend, config.precision, config.seed, count, config.batch)
    from galvae.models.build import build_model  # after setup: Keras takes its backend when it is imported
    from galvae.training.fit import fit

    dataset = checked(dataset_for_model(source), config.reconstruction.loss)
    with device.scope():
        model = build_model(
            config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
        )
    run, checkpoint = begin(config, output_dir, dataset, device)
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
        run.write_json("metrics.json", {"status": "running", **lock_owner()})
        history, metrics = fit(model, dataset, config, run, device, checkpoint, resident)
        metrics |= draw(run, model, dataset, history)
        run.write_json("metrics.json", metrics)
    except BaseException as error:
        if isinstance(error, Stopped):
            error.resume_command = f"galvae train resume={shlex.quote(str(output_dir))}"
        with contextlib.suppress(OSError):  # a full disk must not hide what ended the training
            run.write_json("metrics.json", ended(error))
        raise
    run.mark_latest()
    log.info("best epoch %d: validation loss %.5g", metrics["best_epoch"], metrics["val_loss"])
    return metrics["val_loss"]


def begin(config, output_dir, dataset, device):
    """A directory's RunDirectory and the checkpoint to go on from: a new one and None, or those that it holds."""
    if (output_dir / "config.yaml").exists():
        run = RunDirectory.open(output_dir)
        checkpoint = run.checkpoint()
        if checkpoint is not None:
            run.resume(config, dataset, device, checkpoint)
            return run, checkpoint
    return RunDirectory.create(output_dir, config, dataset, device), None


def draw(run, model, dataset, history):
    """Draws the run's figures, each with its numbers beside it.

    Returns:
        dict for metrics.json: how many latent dimensions the encoder uses, and which it does not.
    """
    from galvae import figures  # late: a run that is finished need not wait for matplotlib
    from galvae.latent.codes import decode_codes, encode_dataset
    from galvae.latent.information import active_units, information, information_unit

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

    dead = np.flatnonzero(~active_units(mean[: len(dataset.split("val"))])).tolist()
    if len(dead) == model.latent_dim:
        log.warning(
            "posterior collapse: none of the %d latent dimensions tells anything of an image", len(dead)
        )
    elif dead:
        log.info("latent dimensions that are not used: %s", ", ".join(map(str, dead)))
    return {"active_units": model.latent_dim - len(dead), "dead_dimensions": dead}


def ended(error):
    """What metrics.json says when training ends with an exception."""
    if isinstance(error, KeyboardInterrupt | SystemExit):  # SystemExit: of submitit, which requeues the job
        return {"status": "stopped"}
    found = {"status": "failed", "error": line_of(error) or type(error).__name__}
    if isinstance(error, TrainingDiverged):
        found |= {"status": "diverged", **error.place}
    return found
