"""Training: Keras' fit with the callbacks that log, keep and stop."""

import logging
import math
import statistics
import time

import keras
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from galvae import checkpoints, devices
from galvae.errors import TrainingDiverged
from galvae.schedules import beta_schedule

CHECKPOINT_SHARE = 0.02  # of the time that checkpoint.every=auto may spend on checkpoints
LOG_LINES = 20  # per run, besides the progress bar

log = logging.getLogger(__name__)


def fit(model, dataset, config, run, device):
    """Trains a model and leaves it with the weights of its best epoch.

    The order of the images is a pure function of `config.seed` and the epoch. Each epoch ends with a
    validation; the best epoch is the one with the least validation loss.

    Args:
        model: a built model of galvae.models.
        dataset: GalaxyDataset.
        config: TrainConfig.
        run: the Run that receives history and checkpoints.
        device: Device.

    Returns:
        (history, metrics): a list with a dict per epoch, and the dict that metrics.json holds.

    Raises:
        TrainingDiverged: if a loss is no longer finite; the checkpoint of the epoch before is kept.
        KeyboardInterrupt: as pressed; the checkpoint of the last whole epoch is written first.
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
    if config.network.output_bias == "median":
        model.set_output_bias(dataset.median_pixel())
    if model.condition_dim and config.model.condition_scaling == "standard":
        model.set_condition_scale(dataset.condition[train.indices])
    model.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate_schedule(config, len(train)), global_clipnorm=config.clip_norm, name="adam"
        ),
        jit_compile=device.jit,
    )
    keeper = Keeper(config, run, dataset, len(train.indices))
    progress = Progress(config.epochs, train)
    callbacks = [keeper, progress]
    if config.beta.name != "none":
        callbacks.insert(0, Beta(beta_schedule(config.beta, config.epochs)))
    started = time.perf_counter()
    try:
        with logging_redirect_tqdm():
            model.fit(
                devices.feed(train),
                steps_per_epoch=len(train),
                epochs=config.epochs,
                validation_data=devices.feed(val),
                validation_steps=len(val),
                shuffle=False,
                verbose=0,
                callbacks=callbacks,
            )
    finally:
        # Also after Ctrl-C and divergence: the last whole epoch is worth keeping.
        progress.bar.close()
        keeper.write()
    checkpoints.restore(model.variables, keeper.best)
    best = keeper.history[keeper.best_epoch - 1]
    metrics = {
        "status": "finished",
        "epochs": len(keeper.history),
        "best_epoch": keeper.best_epoch,
        **{name: value for name, value in best.items() if name.startswith("val_")},
        "images_per_second": statistics.median(row["images_per_second"] for row in keeper.history),
        "seconds": time.perf_counter() - started,
        "peak_memory_mb": keeper.peak_memory_mb,
    }
    return keeper.history, metrics


def learning_rate_schedule(config, steps):
    """Learning rate as a function of the step: a linear rise from zero, then constant or cosine.

    Args:
        config: TrainConfig.
        steps: per epoch.

    Reference:
        Loshchilov & Hutter 2017 (arXiv:1608.03983), without restarts.
    """
    total = config.epochs * steps
    warmup = round(config.schedule.warmup * total)
    final = config.schedule.final if config.schedule.name == "cosine" else 1.0
    if warmup == 0:
        return keras.optimizers.schedules.CosineDecay(config.learning_rate, total, alpha=final)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - warmup, alpha=final, warmup_target=config.learning_rate, warmup_steps=warmup
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


class Keeper(keras.callbacks.Callback):
    """Keeps the history and the best weights, writes checkpoints, and stops where that is due.

    Args:
        config: TrainConfig.
        run: Run.
        dataset: GalaxyDataset.
        images: number of training images, for the speed.
    """

    def __init__(self, config, run, dataset, images):
        super().__init__()
        self.config = config
        self.run = run
        self.dataset = dataset
        self.images = images
        self.history = []
        self.best = self.last = None
        self.best_loss, self.best_epoch = math.inf, 0
        self.peak_memory_mb = 0.0
        self.written_epochs = 0
        self.next_write = -math.inf

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if batch == 0:
            self.peak_memory_mb = max(self.peak_memory_mb, devices.memory_mb())

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.epoch_started
        names = [prefix + name for prefix in ("", "val_") for name in ("loss", *self.model.terms)]
        row = {"epoch": epoch + 1, **{name: float(logs[name]) for name in names}}
        if hasattr(self.model, "beta"):
            row["beta"] = float(self.model.beta)
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        row["seconds"] = seconds
        row["images_per_second"] = self.images / seconds
        for name in ("loss", "val_loss"):
            if not math.isfinite(row[name]):
                raise TrainingDiverged(
                    f"training diverged in epoch {epoch + 1}: expected a finite {name}, received {row[name]}; "
                    "try a smaller learning_rate or a clip_norm"
                )
        self.history.append(row)
        self.last = {
            **checkpoints.snapshot(self.model.variables),
            **checkpoints.snapshot(self.model.optimizer.variables, prefix="optimizer/"),
        }
        if row["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = row["val_loss"], epoch + 1
            self.best = checkpoints.snapshot(self.model.variables)
        patience = self.config.early_stopping
        if patience is not None and epoch + 1 - self.best_epoch >= patience:
            log.info("stopped early: no better validation loss in %d epochs", patience)
            self.model.stop_training = True
        if self.due(epoch + 1):
            self.write()

    def due(self, epoch):
        """Whether a checkpoint is to be written after this epoch."""
        if self.config.checkpoint.every == "auto":
            return time.perf_counter() >= self.next_write
        return epoch % self.config.checkpoint.every == 0

    def write(self):
        """Writes the checkpoint of the last whole epoch, unless that is done."""
        if len(self.history) == self.written_epochs:
            return
        started = time.perf_counter()
        state = {
            "epoch": len(self.history),
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "image_shape": list(self.dataset.image_shape),
            "pixel_range": list(self.dataset.pixel_range),
            "stretch": self.dataset.stretch,
            "condition_names": self.dataset.condition_names,
            "history": self.history,
        }
        self.run.save_checkpoint(len(self.history), self.best, self.last, state)
        self.written_epochs = len(self.history)
        cost = time.perf_counter() - started
        self.next_write = time.perf_counter() + cost / CHECKPOINT_SHARE


class Progress(keras.callbacks.Callback):
    """One bar for the whole run, and a few lines in the log.

    Args:
        epochs: length of the run.
        batches: the training Batches.
    """

    def __init__(self, epochs, batches):
        super().__init__()
        self.epochs = epochs
        self.batches = batches
        total = epochs * len(batches.indices)
        self.bar = tqdm(total=total, unit="img", unit_scale=True, disable=None, dynamic_ncols=True)

    def on_epoch_begin(self, epoch, logs=None):
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}", refresh=False)

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update(len(self.batches.step(batch)))

    def on_epoch_end(self, epoch, logs=None):
        shown = {name: f"{logs[name]:.4g}" for name in ("loss", *self.model.terms, "val_loss")}
        self.bar.set_postfix(shown, refresh=False)
        # Evenly spread, the last epoch included: a batch job's log then tells how far it is.
        if (epoch + 1) * LOG_LINES // self.epochs > epoch * LOG_LINES // self.epochs:
            line = "  ".join(f"{name} {value}" for name, value in shown.items())
            log.info("epoch %d/%d  %s", epoch + 1, self.epochs, line)
