"""Training of a model: Keras' fit with its callbacks, and attempts with lower learning rates."""

import logging
import math
import statistics

import numpy as np
from keras.callbacks import LambdaCallback
from tqdm.contrib.logging import logging_redirect_tqdm

from galvae.backend import input_pipeline
from galvae.backend.optimizer import adam
from galvae.errors import TrainingDiverged
from galvae.runs import checkpoints
from galvae.runs.state import early_stop
from galvae.system import signals
from galvae.training.callbacks import (
    BetaSchedule,
    Checkpointing,
    DivergenceGuard,
    EarlyStop,
    FilesGuard,
    Progress,
    Recorder,
)
from galvae.training.pruning import pruning
from galvae.training.schedules import beta_schedule, learning_rate_schedule
from galvae.training.state import TrainingState
from galvae.training.stopping import SignalStop

MISFIT = 3  # times the residuals, above or below which a fixed weight stands for another noise
ROSE = 1.5  # times its lowest value, above which a loss has ended far above it

log = logging.getLogger(__name__)


def fit(
    model,
    dataset,
    config,
    run,
    device,
    checkpoint=None,
    resident=False,
    start=None,
    trial=None,
    tracking=None,
):
    """Trains a model, and leaves it with the weights of its best epoch.

    The order of the images is a pure function of `config.seed` and the epoch. Each epoch ends with a
    validation; the best epoch is the one with the smallest validation loss. A signal is answered after the current
    step or steps, once the last whole epoch is saved.

    Args:
        model: a built model of galvae.models.
        dataset: GalaxyDataset.
        config: TrainConfig.
        run: the RunDirectory that receives history and checkpoints.
        device: Device.
        checkpoint: (path, CheckpointState) to resume from, see `RunDirectory.checkpoint`; None: from the beginning.
        resident: whether the device holds the images: True, False, or "auto": a GPU, where they fit.
        start: Start of a new run from another run's weights, see `galvae.runs.start`; None: from random ones.
        trial: search and number of a trial, see `galvae.runs.search.read_trial`; None: the run is not a trial.
        tracking: galvae.training.trackers.tracking.Tracking, which is given every epoch; None: nothing is.

    Returns:
        (history, metrics): a list with a dict per epoch, and the dict for metrics.json.

    Raises:
        TrainingDiverged: if a loss or a weight is not finite, or the loss explodes, and `on_nan` is "stop" or
            three attempts with lower learning rates end in the same way; the last whole epoch is saved.
        FilesChanged: if the prepared images were changed on the disk; the last epoch before that is saved.
        signals.Stopped: if a signal asks for it; the last whole epoch is saved.
        Pruned: if the run is a trial whose search gives it up; the last whole epoch is saved.
    """
    train = dataset.batches("train", config.batch, seed=config.seed)
    val = dataset.batches("val", config.batch)
    _warn_of_batch(train, config, device)
    indices = np.concatenate([train.indices, val.indices])
    model.resident = input_pipeline.make_resident(resident, device, dataset, indices)
    model.accumulate = config.accumulate
    state = TrainingState(config, dataset)
    if checkpoint is None and start is None:
        set_from_data(model, dataset, config)
    elif checkpoint is None:
        start.restore(model)
    else:
        state.load(*checkpoint)
        if early := early_stop(state, config):
            log.info("%s", early)
    betas = None if config.beta.name == "none" else beta_schedule(config.beta, config.epochs)
    guard = DivergenceGuard(state, train, config.on_nan, device.steps_unread)
    checkpointing = Checkpointing(state, run, config.checkpoint.every)
    steps_at_once = device.steps_at_once(len(train))
    while not state.is_done:
        rate = learning_rate_schedule(config, len(train), state.learning_rate_scale)
        with device.scope():
            model.compile(
                optimizer=adam(rate, config.clip_norm),
                steps_per_execution=steps_at_once,
                jit_compile=device.jit,
            )
            model.optimizer.build(model.trainable_variables)
            train_feed = input_pipeline.feed(train, state.epoch * len(train), resident=model.resident)
            # Restarted for each validation. Keras takes fewer steps at once only if the feed ends; that costs a little.
            val_feed = input_pipeline.feed(val, endless=steps_at_once == 1, resident=model.resident)
        state.restore(model)
        state.check_equal()
        progress = Progress(config.epochs, train, state.epoch)
        try:
            with logging_redirect_tqdm(), signals.deferred():
                model.fit(
                    train_feed,
                    steps_per_epoch=len(train),
                    initial_epoch=state.epoch,
                    epochs=config.epochs,
                    validation_data=val_feed,
                    validation_steps=len(val),
                    shuffle=False,
                    verbose=0,
                    callbacks=[
                        *([] if betas is None else [BetaSchedule(betas)]),
                        guard,
                        FilesGuard(dataset.mapped_files),
                        Recorder(state, train, guard),
                        *tracked_epochs(state, tracking),
                        EarlyStop(state),
                        checkpointing,
                        *pruning(state, trial),
                        SignalStop(checkpointing),
                        progress,
                    ],
                )
        except TrainingDiverged as error:
            dataset.mapped_files.check()  # which may be why
            guard.roll_back(error)
        finally:
            progress.bar.close()
            checkpointing.save()  # also after a second divergence: the last whole epoch is worth saving
    model.resident = None
    checkpoints.restore(model.variables, state.best)
    return state.history, summary(state)


def tracked_epochs(state, tracking):
    """The callback that gives a tracker every whole epoch, in a list; an empty one if nothing is tracked."""
    if tracking is None:
        return []
    return [LambdaCallback(on_epoch_end=lambda epoch, logs: tracking.epoch(state.history[-1]))]


def set_from_data(model, dataset, config):
    """Sets the bias of a new model's output and the scale of its condition from the training images.

    Args:
        model: a built model of galvae.models.
        dataset: GalaxyDataset.
        config: TrainConfig.
    """
    if config.network.output_bias == "median":
        model.set_output_bias(dataset.median_pixel())
    if model.condition_dim and config.model.condition_scaling == "standard":
        train = dataset.condition[dataset.split("train")]
        model.set_condition_scale(train, len(dataset.condition_classes))


def summary(state):
    """The entries of metrics.json for a finished training.

    Args:
        state: TrainingState.

    Returns:
        dict.
    """
    best = state.history[state.best_epoch - 1]
    return {
        "status": "finished",
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        **{name: value for name, value in best.items() if name.startswith("val_")},
        "images_per_second": statistics.median(row["images_per_second"] for row in state.history),
        "seconds": sum(row["seconds"] for row in state.history),
        "peak_memory_mb": state.peak_memory_mb,
    }


def loss_rose(history, config):
    """A line that says that the training loss ended far above where it had been; None if it did not.

    That is: more than ROSE times its lowest value, and half of what was gained since the first one is lost again, so
    that the last epochs of a run that learns are never meant. The training loss, not the validation loss, which also
    rises where a model learns its training images by heart. Losses are compared among epochs of one beta; where the
    last epoch's is its own, the first and the last epoch are, without the KL term.

    Args:
        history: list with a dict per epoch.
        config: TrainConfig.
    """
    last, what = history[-1], "loss"
    rows = [row for row in history if row.get("beta") == last.get("beta")]
    losses = {row["epoch"]: row["loss"] for row in rows}
    if len(rows) == 1 and "beta" in last:
        what = "loss without its KL term"
        losses = {row["epoch"]: row["loss"] - row["beta"] * row["kl"] for row in (history[0], last)}
    best, first, end = min(losses, key=losses.get), min(losses), losses[last["epoch"]]
    low = losses[best]
    # The loss of loss=gaussian may be negative: only what was gained is its scale.
    if end <= low or 0 < end <= ROSE * low or 2 * (end - low) < losses[first] - low:
        return None
    clip = f"a smaller clip_norm than {config.clip_norm:g}" if config.clip_norm else "clip_norm=1"
    return (
        f"the {what} ended at {end:.4g}; it was {losses[first]:.4g} in epoch {first} and {low:.4g} in epoch {best}: "
        f"learning_rate={config.learning_rate:g} is likely too large; try "
        f"learning_rate={config.learning_rate / 10:.2g} or {clip}"
    )


def weight_misfits(metrics, config, image_shape):
    """A line that says that a fixed weight of the squared error stands for another noise than there is; or None.

    The squared error with weight w, averaged over C bands, beside beta x KL, is the likelihood of Gaussian noise of
    standard deviation sqrt(C beta / (2 w)). Three times more than the residuals of the validation images, and codes say
    less about an image than they could; three times less, and the KL term hardly counts. Masked pixels are taken for
    residuals of zero.

    Args:
        metrics: what `summary` returns.
        config: TrainConfig.
        image_shape: (H, W, C).
    """
    beta = None if config.beta.name == "none" else config.beta.final(config.epochs)
    if config.reconstruction.loss != "mse" or not beta:
        return None
    height, width, bands = image_shape
    implied = math.sqrt(bands * beta / (2 * config.reconstruction.weight))
    residual = math.sqrt(metrics["val_reconstruction"] / (height * width))
    if residual / MISFIT <= implied <= MISFIT * residual:
        return None
    return (
        f"reconstruction.weight={config.reconstruction.weight:g} with beta {beta:g} stands for noise of {implied:.2g}, "
        f"but the residuals have {residual:.2g}: reconstruction.loss=gaussian learns it"
    )


def _warn_of_batch(train, config, device):
    """Warns of a batch larger than the training split, or one that several devices cannot divide equally."""
    if train.batch < config.batch:
        log.warning(
            "batch=%d, but the training split has %d images: one batch of %d per epoch",
            config.batch,
            len(train.indices),
            train.batch,
        )
    if train.batch % device.count:
        log.warning(
            "batch=%d: expected a multiple of the %d devices, which cannot share it equally: each computes all of it",
            *(train.batch, device.count),
        )
