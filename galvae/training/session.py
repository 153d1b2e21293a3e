"""A training session, from the dataset to the finished run directory."""

import contextlib
import logging
import shlex

from galvae.backend.setup import setup
from galvae.data.quality import checked
from galvae.errors import TrainingDiverged, line_of
from galvae.models.build import build_model
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory, dataset_for_model
from galvae.runs.evaluations import mark_old
from galvae.runs.resume import lock_owner
from galvae.system.signals import Stopped
from galvae.training.fit import fit, loss_rose
from galvae.training.report import write_report

log = logging.getLogger(__name__)


def train(config, source, output_dir, count, resident):
    """Trains a run, new or resumed, in a directory that this process has locked.

    Args:
        config: TrainConfig.
        source: the TrainConfig by which the dataset is read; it differs from `config` where a resumed run may be
            untrusted.
        output_dir: the run's directory.
        count: number of devices, or "auto".
        resident: whether the device holds the images: True, False or "auto".

    Returns:
        The best validation loss.

    Raises:
        GalvaeError: if the dataset cannot be read, does not fit the configuration, or is not the resumed run's.
        TrainingDiverged: if training diverges, see `fit`.
        Stopped: if a signal asks for it, with the command that resumes the run.
    """
    device = setup(config.backend, config.precision, config.seed, count, config.batch)
    dataset = checked(dataset_for_model(source), config.reconstruction.loss)
    with device.scope():
        model = build_model(
            config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
        )
    run, checkpoint = _begin(config, output_dir, dataset, device)
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
        metrics |= write_report(run, model, dataset, history)
        run.write_json("metrics.json", metrics)
    except BaseException as error:
        if isinstance(error, Stopped):
            error.resume_command = f"galvae train resume={shlex.quote(str(output_dir))}"
        with contextlib.suppress(OSError):  # a full disk must not hide what ended the training
            run.write_json("metrics.json", _failure(error))
        raise
    log.info("best epoch %d: validation loss %.5g", metrics["best_epoch"], metrics["val_loss"])
    weights = checkpoints.weights_digest(checkpoints.newest(run.path / "checkpoints"))
    for warning in (mark_old(run.path, metrics["best_epoch"], weights), loss_rose(history, config)):
        if warning:
            log.warning("%s", warning)
    return metrics["val_loss"]


def _begin(config, output_dir, dataset, device):
    """The run's directory, and the (path, CheckpointState) from which it resumes; None if it begins anew."""
    if (output_dir / "config.yaml").exists():
        run = RunDirectory.open(output_dir)
        checkpoint = run.checkpoint()
        if checkpoint is not None:
            run.resume(config, dataset, device, checkpoint)
            return run, checkpoint
    return RunDirectory.create(output_dir, config, dataset, device), None


def _failure(error):
    """The content of metrics.json after training that ended with an exception."""
    if isinstance(error, KeyboardInterrupt | SystemExit):  # SystemExit: of submitit, which requeues the job
        return {"status": "stopped"}
    metrics = {"status": "failed", "error": line_of(error) or type(error).__name__}
    if isinstance(error, TrainingDiverged):
        metrics |= {"status": "diverged", **error.metrics}
    return metrics
