"""A training session, from the dataset to the finished run directory."""

import contextlib
import logging
import shlex

from galvae.backend.setup import setup
from galvae.data.quality import checked
from galvae.data.store.mapped_files import FilesChanged
from galvae.errors import TrainingDiverged, line_of
from galvae.models.build import build_model, outline
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory, dataset_for_model
from galvae.runs.evaluations import mark_old
from galvae.runs.memory import check_step
from galvae.runs.resume import lock_owner
from galvae.runs.start import Start
from galvae.system.signals import Stopped
from galvae.training.after_training import learn_after_training
from galvae.training.fit import fit, loss_rose, weight_misfits
from galvae.training.report import write_report

log = logging.getLogger(__name__)


def train(config, source, output_dir, count, resident, trusted=True):
    """Trains a run, new or resumed, in a directory that this process has locked.

    Args:
        config: TrainConfig.
        source: the TrainConfig by which the dataset is read; it differs from `config` where a resumed run may be
            untrusted.
        output_dir: the run's directory.
        count: number of devices, or "auto".
        resident: whether the device holds the images: True, False or "auto".
        trusted: whether the run may take any amount of memory, see `galvae.runs.memory.check_step`.

    Returns:
        The best validation loss.

    Raises:
        GalvaeError: if the dataset cannot be read, does not fit the configuration, or is not the resumed run's, or
            `init` is a run of another architecture.
        TrainingDiverged: if training diverges, see `fit`.
        FilesChanged: if the prepared images are changed on the disk, with the command that resumes the run.
        Stopped: if a signal asks for it, with the command that resumes the run.
    """
    found = _checkpoint(output_dir)
    if found is not None:
        # Before the model is built, because a forged configuration could need any amount of memory.
        path, state = found
        variables, layer = outline(config, tuple(state.image_shape), len(state.condition_names))
        checkpoints.check_shapes(path, "best", variables)
    start = Start(config) if found is None and config.init is not None else None
    device = setup(config.backend, config.precision, config.seed, count, config.batch)
    dataset = checked(dataset_for_model(source), config.reconstruction.loss)
    if start is not None:
        start.check(dataset)
    if found is not None:
        RunDirectory(output_dir, config).check_same(dataset, state)
        if not trusted and device.kind == "cpu":
            check_step(output_dir, min(config.batch, len(dataset.split("train"))), layer)
    with device.scope():
        model = build_model(
            config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
        )
    run = _begin(config, output_dir, dataset, device, found, start)
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
        history, metrics = fit(model, dataset, config, run, device, found, resident, start)
        trained = learn_after_training(run, dataset)
        metrics |= write_report(trained, history)
        dataset.mapped_files.check()  # the figures have read them
        run.write_json("metrics.json", metrics)
    except BaseException as error:
        resume_command = f"galvae train resume={shlex.quote(str(output_dir))}"
        if isinstance(error, Stopped):
            error.resume_command = resume_command
        elif isinstance(error, FilesChanged):
            error.args = (f"{error}; resume with: {resume_command}, which prepares them again",)
        with contextlib.suppress(OSError):  # a full disk must not hide what ended the training
            run.write_json("metrics.json", _failure(error))
        raise
    log.info("best epoch %d: validation loss %.5g", metrics["best_epoch"], metrics["val_loss"])
    weights = checkpoints.weights_digest(checkpoints.newest(run.path / "checkpoints"))
    for warning in (
        mark_old(run.path, metrics["best_epoch"], weights),
        loss_rose(history, config),
        weight_misfits(metrics, config, dataset.image_shape),
    ):
        if warning:
            log.warning("%s", warning)
    return metrics["val_loss"]


def _checkpoint(output_dir):
    """The (path, CheckpointState) from which the run in a directory resumes; None if it begins anew."""
    if (output_dir / "config.yaml").exists():
        return RunDirectory.open(output_dir).checkpoint()
    return None


def _begin(config, output_dir, dataset, device, checkpoint, start):
    """The run's directory, new or resumed from a checkpoint."""
    if checkpoint is None:
        init = None if start is None else start.facts
        return RunDirectory.create(output_dir, config, dataset, device, init)
    run = RunDirectory.open(output_dir)
    run.resume(config, dataset, device, checkpoint)
    return run


def _failure(error):
    """The content of metrics.json after training that ended with an exception."""
    if isinstance(error, KeyboardInterrupt | SystemExit):  # SystemExit: of submitit, which requeues the job
        return {"status": "stopped"}
    metrics = {"status": "failed", "error": line_of(error) or type(error).__name__}
    if isinstance(error, TrainingDiverged):
        metrics |= {"status": "diverged", **error.metrics}
    return metrics
