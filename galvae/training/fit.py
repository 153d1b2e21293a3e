"""Training: Keras' fit with what goes on beside it."""

import logging
import statistics

import keras
import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from galvae.backend import input_pipeline
from galvae.backend.optimizer import adam
from galvae.errors import TrainingDiverged
from galvae.runs import checkpoints
from galvae.system import signals
from galvae.training.callbacks import Keeper
from galvae.training.schedules import beta_schedule

LOG_LINES = 20  # per run, besides the progress bar

log = logging.getLogger(__name__)


def fit(model, dataset, config, run, device, checkpoint=None, resident=False):
    """Trains a model, and leaves it with the weights of its best epoch.

    The order of the images is a pure function of `config.seed` and the epoch. Each epoch ends with a
    validation; the best epoch is the one with the least validation loss. A signal is answered after the step
    or steps under way, when the last whole epoch is written.

    Args:
        model: a built model of galvae.models.
        dataset: GalaxyDataset.
        config: TrainConfig.
        run: the RunDirectory that receives history and checkpoints.
        device: Device.
        checkpoint: (path, state) to go on from, as `run.checkpoint` finds it; None: from the beginning.
        resident: whether the device holds the images: True, False, or "auto": a GPU, where they fit.

    Returns:
        (history, metrics): a list with a dict per epoch, and the dict that metrics.json holds.

    Raises:
        TrainingDiverged: if a loss or a weight is no longer finite, or the loss explodes, and `on_nan` is "stop"
            or three attempts with lower learning rates end so too; the last whole epoch is kept.
        signals.Stopped: as signalled; the checkpoint of the last whole epoch is written first.
    """
    train = dataset.batches("train", config.batch, seed=config.seed)
    val = dataset.batches("val", config.batch)
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
    held = np.concatenate([train.indices, val.indices])
    model.resident = input_pipeline.resident(resident, device, dataset, held)
    keeper = Keeper(config, run, dataset, train)
    if checkpoint is None:
        set_from_data(model, dataset, config)
    else:
        keeper.load(*checkpoint)
    betas = None if config.beta.name == "none" else beta_schedule(config.beta, config.epochs)
    steps_at_once = device.steps_at_once(len(train))
    while not keeper.complete:
        rate = learning_rate_schedule(config, len(train), keeper.learning_rate_scale)
        with device.scope():
            model.compile(
                optimizer=adam(rate, config.clip_norm),
                steps_per_execution=steps_at_once,
                jit_compile=device.jit,
            )
            model.optimizer.build(model.trainable_variables)
            feeds = (
                input_pipeline.feed(train, keeper.epoch * len(train), resident=model.resident),
                # Begun anew for each validation. Only an end lets Keras take fewer steps at once; it costs a little.
                input_pipeline.feed(val, endless=steps_at_once == 1, resident=model.resident),
            )
        keeper.put_into(model)
        progress = Progress(config.epochs, train, keeper.epoch)
        try:
            with logging_redirect_tqdm(), signals.deferred():
                model.fit(
                    feeds[0],
                    steps_per_epoch=len(train),
                    initial_epoch=keeper.epoch,
                    epochs=config.epochs,
                    validation_data=feeds[1],
                    validation_steps=len(val),
                    shuffle=False,
                    verbose=0,
                    callbacks=[*([] if betas is None else [Beta(betas)]), keeper, progress],
                )
        except TrainingDiverged as error:
            keeper.roll_back(error)
        finally:
            progress.bar.close()
            keeper.write()  # also after a second divergence: the last whole epoch is worth keeping
    model.resident = None
    checkpoints.restore(model.variables, keeper.best)
    best = keeper.history[keeper.best_epoch - 1]
    metrics = {
        "status": "finished",
        "epochs": keeper.epoch,
        "best_epoch": keeper.best_epoch,
        **{name: value for name, value in best.items() if name.startswith("val_")},
        "images_per_second": statistics.median(row["images_per_second"] for row in keeper.history),
        "seconds": sum(row["seconds"] for row in keeper.history),
        "peak_memory_mb": keeper.peak_memory_mb,
    }
    return keeper.history, metrics


def set_from_data(model, dataset, config):
    """Sets what a new model takes from the training images: the output's bias, the conditions' scale."""
    if config.network.output_bias == "median":
        model.set_output_bias(dataset.median_pixel())
    if model.condition_dim and config.model.condition_scaling == "standard":
        model.set_condition_scale(dataset.condition[dataset.split("train")])


def learning_rate_schedule(config, steps, scale=1.0):
    """Learning rate as a function of the step: a linear rise from zero, then constant or cosine.

    Args:
        config: TrainConfig.
        steps: per epoch.
        scale: factor of all rates.

    Reference:
        Loshchilov & Hutter 2017 (arXiv:1608.03983), without restarts.
    """
    total = config.epochs * steps
    warmup = round(config.schedule.warmup * total)
    final = config.schedule.final if config.schedule.name == "cosine" else 1.0
    rate = scale * config.learning_rate
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(rate, total, alpha=final)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, alpha=final, warmup_target=rate, warmup_steps=warmup
    )


class Beta(keras.callbacks.Callback):
    """Sets the model's beta at the start of each epoch.

    Args:
        values: one per epoch.
    """

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_begin(self, epoch, logs=None):
        self.model.beta.assign(self.values[epoch])


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, and a few lines in the log.

    Args:
        epochs: length of the run.
        batches: the training Batches.
        done: epochs that are behind the run already.
    """

    def __init__(self, epochs, batches, done):
        super().__init__()
        self.epochs = epochs
        self.batches = batches
        self.done = done
        self.size = len(batches.indices)
        self.bar = tqdm(
            total=epochs * self.size,
            initial=done * self.size,
            unit="img",
            unit_scale=True,
            disable=None,
            dynamic_ncols=True,
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.done = epoch
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        images = min((batch + 1) * self.batches.batch, self.size)
        self.bar.update(self.done * self.size + images - self.bar.n)

    def on_epoch_end(self, epoch, logs=None):
        shown = {name: f"{logs[name]:.4g}" for name in ("loss", *self.model.terms, "val_loss")}
        self.bar.set_postfix(shown, refresh=False)
        # Evenly spread, the last epoch included: a batch job's log then tells how far it is.
        if (epoch + 1) * LOG_LINES // self.epochs > epoch * LOG_LINES // self.epochs:
            line = "  ".join(f"{name} {value}" for name, value in shown.items())
            log.info("epoch %d/%d  %s", epoch + 1, self.epochs, line)
