"""A training session, from the dataset to the finished run directory."""

import contextlib
import functools
import logging

from galvae.backend import processes
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
from galvae.training.auto_batch import with_batch
from galvae.training.fit import fit, loss_rose, weight_misfits
from galvae.training.pruning import Pruned
from galvae.training.report import write_report
from galvae.training.trackers.tracking import Tracking

log = logging.getLogger(__name__)


def train(command, config, source, output_dir, trusted=True):
    """Trains a run, new or resumed, in a directory that this process has locked.

    Args:
        command: TrainCommand: devices, memory, trial and tracker of this call.
        config: TrainConfig.
        source: the TrainConfig by which the dataset is read; it differs from `config` where a resumed run may be
            untrusted.
        output_dir: the run's directory.
        trusted: whether the run may take any amount of memory, see `galvae.runs.memory.check_step`.

    Returns:
        The best validation loss, so far if it is a trial that was pruned.

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
    prepare = functools.partial(setup, config.backend, config.precision, config.seed, command.devices)
    device = prepare(config.part)
    # One of several processes prepares it.
    dataset = processes.first_before_others(
        "dataset", lambda: checked(dataset_for_model(source), config.reconstruction.loss)
    )
    if start is not None:
        start.check(dataset)
    if config.batch == "auto":
        config = with_batch(config, dataset, device, command.resident, command.remat)
        device = prepare(config.part)  # so that weights are drawn as if the number had been given
    if found is not None:
        RunDirectory(output_dir, config).check_same(dataset, state)
        if not trusted and device.kind == "cpu":
            check_step(output_dir, min(config.part, len(dataset.split("train"))), layer)
    with device.scope():
        model = build_model(
            config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
        )
    model.recompute(command.remat)
    processes.check_equal(
        {
            "dataset (SHA-256)": dataset.digest,
            "checkpoint": found and [found[0].name, checkpoints.weights_digest(found[0])],
            "precision": device.precision,
        }
    )
    resume_command = processes.resume_command(output_dir, _words(command))
    if not processes.is_first():
        return _follow(command, model, dataset, config, output_dir, device, found, start)
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
    if device.processes > 1:
        log.info("devices: %d, processes: %d, nodes: %d", device.count, device.processes, device.nodes)
    tracking = Tracking(None, run)
    try:
        run.write_json("metrics.json", {"status": "running", **lock_owner()})
        tracking = Tracking(command.tracker, run, [] if found is None else found[1].history)
        history, metrics = fit(
            *(model, dataset, config, run, device, found),
            *(command.resident, start, command.trial, tracking),
        )
        processes.part()
        trained = learn_after_training(run, dataset)
        metrics |= write_report(trained, history)
        metrics |= {"devices": device.count, "processes": device.processes, "nodes": device.nodes}
        dataset.mapped_files.check()  # the figures have read them
        run.write_json("metrics.json", metrics)
    except Pruned as pruned:
        run.write_json("metrics.json", pruned.metrics)
        tracking.end("pruned")
        log.info("%s", pruned)
        return pruned.metrics["val_loss"]
    except BaseException as error:
        if isinstance(error, Stopped):
            error.resume_command = resume_command
        elif isinstance(error, FilesChanged):
            error.args = (f"{error}; resume with: {resume_command}, which prepares them again",)
        failure = _failure(error)
        with contextlib.suppress(OSError):  # a full disk must not hide what ended the training
            run.write_json("metrics.json", failure)
        # A second signal ends the wait; the first one ends the run.
        with contextlib.suppress(KeyboardInterrupt):
            tracking.end(failure["status"])
        _raise_cause(error)
    tracking.results(run.path / "figures", metrics, "result", metrics["best_epoch"])
    tracking.end(metrics["status"])
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


def _follow(command, model, dataset, config, output_dir, device, found, start):
    """Trains beside the first process, which alone writes; arguments and result as `fit` and `train` have them."""
    run = RunDirectory(output_dir, config)
    try:
        _, metrics = fit(model, dataset, config, run, device, found, command.resident, start, command.trial)
    except Pruned as pruned:
        return pruned.metrics["val_loss"]
    except BaseException as error:
        _raise_cause(error)
    return metrics["val_loss"]


def _words(command):
    """The words by which this call differs from others that would resume the same run."""
    usual = {"devices": "auto", "resident": "auto", "remat": False, "tracker": None}
    values = {name: getattr(command, name) for name in usual}
    return [f"{name}={str(value).lower()}" for name, value in values.items() if value != usual[name]]


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


def _raise_cause(error):
    """Raises an exception, or what it is due to, see `processes.cause`."""
    cause = processes.cause(error)
    if cause is not error:
        raise cause from error
    raise error


def _failure(error):
    """The content of metrics.json after training that ended with an exception."""
    stops = KeyboardInterrupt | SystemExit | processes.ProcessEnded  # SystemExit: submitit requeues the job
    if isinstance(processes.cause(error), stops):
        return {"status": "stopped"}
    metrics = {"status": "failed", "error": line_of(error) or type(error).__name__}
    if isinstance(error, TrainingDiverged):
        metrics |= {"status": "diverged", **error.metrics}
    return metrics
