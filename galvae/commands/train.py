"""galvae train: train a model on a dataset, or resume a run."""

import contextlib
import dataclasses
import logging

from galvae.backend import processes
from galvae.backend.setup import load
from galvae.errors import GalvaeError
from galvae.runs.agreement import check_processes
from galvae.runs.directory import RunDirectory, without_write_paths
from galvae.runs.find import refuse_training
from galvae.runs.resume import check_same, locked
from galvae.runs.search import card_of, read_trial
from galvae.runs.state import early_stop
from galvae.training.trackers.tracking import check_installed

log = logging.getLogger(__name__)


def main(command, output_dir):
    """Trains a model into a run directory, or resumes the run that the directory already contains.

    A trial of a search is measured then, by the cards of which the search compares numbers.

    Args:
        command: TrainCommand.
        output_dir: the run's directory.

    Returns:
        The best validation loss, so that a sweeper can minimise it.

    Raises:
        GalvaeError: if the directory contains a run of another configuration, or a finished one without checkpoints,
            or a new run asks for the reading of an earlier version.
        CannotBeDone: if another process is training this run, or training diverges.
        signals.Stopped: if a signal stops the training; carries the command that resumes the run.
    """
    if command.trial is None:
        return _train(command, output_dir)
    _, _, search = read_trial(command.trial)  # first, since a wrong value would be found after hours
    loss = _train(command, output_dir)
    measured = processes.is_first() and any(map(card_of, search.objectives))
    if measured and RunDirectory.open(output_dir).finished:
        load(command.backend)
        from galvae.analysis.objective import measure  # late: it imports Keras

        measure(output_dir, search.objectives)
    return loss


def _train(command, output_dir):
    """What `main` does, but for the cards of a search."""
    check_installed(command.tracker)
    config = source = command.run
    if (output_dir / "config.yaml").exists():
        refuse_training(output_dir)
        run = RunDirectory.open(output_dir)
        if command.resume is not None:
            config = dataclasses.replace(run.config, epochs=command.epochs)
            source = dataclasses.replace(config, dataset=without_write_paths(config.dataset))
        check_same(run, config)
        if config.batch == "auto":
            config = source = dataclasses.replace(config, batch=run.config.batch)
        check_processes(command, config.backend, output_dir)
        if command.trial is not None and run.status == "pruned":
            log.info("already pruned, as trial %s", command.trial)
            return run.metrics.get("val_loss")
        if run.finished:
            checkpoint = run.checkpoint()
            if checkpoint is None:
                raise GalvaeError(
                    f"{output_dir}: expected a finished run with its checkpoints, received none"
                )
            _, state = checkpoint
            early = early_stop(state, config)
            if early or config.epochs <= run.config.epochs:
                log.info("already finished after %s epochs%s", state.epoch, f"; {early}" if early else "")
                return state.best_loss
        elif config.dataset.is_read_by_earlier_rules and run.checkpoint() is None:
            raise GalvaeError(
                f"{output_dir}: a run that galvae 0.1 began, without a checkpoint; expected a new run in another "
                "directory, since its files are read otherwise now"
            )
    else:
        config.dataset.check_new()
        check_processes(command, config.backend, output_dir)
    run = RunDirectory(output_dir, config)
    with locked(run, command.force) if processes.is_first() else contextlib.nullcontext():
        load(config.backend)
        from galvae.training.session import train  # late: a finished run needs no Keras

        trusted = command.force or command.resume is None
        return train(command, config, source, output_dir, trusted)
