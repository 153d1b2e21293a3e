"""Callbacks of Keras' fit, one for each task beside the training itself.

Keras calls them in the order in which `galvae.training.fit` lists them, which matters.
"""

import logging
import math
import time

import keras
import numpy as np
from tqdm import tqdm

from galvae.backend import processes
from galvae.backend.hardware import memory_mb
from galvae.errors import TrainingDiverged

CHECKPOINT_SHARE = 0.01  # of the time, for writing the checkpoints between the first and the last
ROLLBACKS = 3  # that on_nan=rollback tries, as long as no epoch is better than before
EXPLODED = 1000  # times the smallest loss of an epoch so far, above which the loss has exploded
COLLAPSED = 0.01  # nats of KL divergence, below which latent codes carry no information
NAMED = 5  # images that an error message names
LOG_LINES = 20  # per run, besides the progress bar

log = logging.getLogger(__name__)


class BetaSchedule(keras.callbacks.Callback):
    """Sets the model's beta at the start of each epoch.

    Args:
        values: one per epoch.
    """

    def __init__(self, values):
        super().__init__()
        self.values = values

    def on_epoch_begin(self, epoch, logs=None):
        self.model.beta.assign(self.values[epoch])


class DivergenceGuard(keras.callbacks.Callback):
    """Stops training that diverges, and decides whether it may resume from the last whole epoch.

    Args:
        state: TrainingState.
        train: the training Batches.
        on_nan: "stop" or "rollback", the key of the configuration.
        every: number of steps after which the loss is read.
    """

    def __init__(self, state, train, on_nan, every=1):
        super().__init__()
        self.state = state
        self.train = train
        self.on_nan = on_nan
        self.every = every
        self.read = 0  # steps of the epoch whose loss has been read
        self.collapsed = False

    def on_epoch_begin(self, epoch, logs=None):
        self.read = 0

    def on_train_batch_end(self, batch, logs=None):
        done, first = batch + 1, self.read
        if done < min(first + self.every, len(self.train)):
            return
        self.read = done
        # It is the mean of the epoch so far, which is not finite from the first such step on. Several processes have
        # the same, and need not ask each other.
        if math.isfinite(logs["loss"]):
            return
        steps = range(first, done)
        indices = [self.train.step(self.state.epoch * len(self.train) + step) for step in steps]
        where = f"step {done}" if len(steps) == 1 else f"steps {first + 1} to {done}"
        raise self.diverged(where, f"a finite loss, received {logs['loss']}", np.concatenate(indices))

    def check(self, row, variables):
        """Refuses an epoch whose losses or weights are not finite, or whose loss is far above any before.

        A posterior collapse is only logged as a warning.

        Args:
            row: dict, the epoch's row of the history.
            variables: dict of arrays, those of model and optimizer after the epoch.

        Raises:
            TrainingDiverged: if the epoch is refused.
        """
        if not math.isfinite(row["val_loss"]):
            raise self.diverged("validation", f"a finite loss, received {row['val_loss']}")
        for name, array in variables.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise self.diverged("its end", f"finite weights, received NaN or infinity in {name}")
        losses = [before["loss"] for before in self.state.history]
        least = min(losses, default=math.inf)
        # The loss of loss=gaussian may be negative: what has been gained since the first epoch is its scale.
        largest = EXPLODED * least if least > 0 else least + EXPLODED * (losses[0] - least)
        if row["loss"] > largest > least:
            raise self.diverged("its end", f"a loss of the order of {least:.4g}, received {row['loss']:.4g}")
        if not self.collapsed and row.get("val_kl", math.inf) < COLLAPSED:
            self.collapsed = True
            log.warning(
                "epoch %d: posterior collapse: the latent codes carry only %.2g nats of information about an image; "
                "a smaller beta.value, or beta=warmup, lets them carry more",
                row["epoch"],
                row["val_kl"],
            )

    def diverged(self, where, expected, indices=None):
        """The error that describes where training diverged, and on which images.

        Args:
            where: the position in the current epoch, in words.
            expected: what was expected and received, in words.
            indices: of the images of the steps in question; None: it is not known which.

        Returns:
            TrainingDiverged.
        """
        metrics = {"epoch": self.state.epoch + 1, "where": where}
        message = f"training diverged in epoch {metrics['epoch']}, {where}: expected {expected}"
        if indices is not None:
            dataset_ids = self.state.dataset.ids
            ids = [str(name) for name in dataset_ids[indices]]
            not_finite = [str(name) for name in dataset_ids[self.not_finite(indices)]]
            metrics |= {"ids": ids, "not_finite": not_finite}
            suspects = not_finite or ids
            message += f"; images {', '.join(suspects[:NAMED])}{' ...' if len(suspects) > NAMED else ''}"
            message += " are not finite even with the weights of the epoch before" if not_finite else ""
        return TrainingDiverged(f"{message}; try a smaller learning_rate or a clip_norm", metrics)

    def not_finite(self, indices):
        """Finds the images whose loss is not finite even with the weights of the last whole epoch.

        Args:
            indices: (n,) of images in the dataset.

        Returns:
            (m,) of them.
        """
        self.state.restore(self.model)
        finite, size = [], -(-self.train.batch // self.model.accumulate)
        for start in range(0, len(indices), size):
            inputs = self.train.gather(indices[start : start + size])
            terms = self.model.loss_terms(self.model(inputs, training=False))
            finite.append(np.all([np.isfinite(np.asarray(values)) for values in terms.values()], axis=0))
        return indices[~np.concatenate(finite)]

    def roll_back(self, error):
        """Halves the learning rate, so that training can resume from the last whole epoch.

        Args:
            error: TrainingDiverged.

        Raises:
            TrainingDiverged: the given one, if `on_nan` is "stop" or three such attempts have not helped.
        """
        if self.on_nan == "stop" or self.state.rollbacks == ROLLBACKS:
            raise error
        self.state.rollbacks += 1
        self.state.learning_rate_scale /= 2
        log.warning(
            "%s; resuming from the end of epoch %d with %g of the learning rate",
            error,
            self.state.epoch,
            self.state.learning_rate_scale,
        )


class FilesGuard(keras.callbacks.Callback):
    """Ends training whose images were changed on the disk, before the epoch that read them counts.

    Args:
        files: galvae.data.store.mapped_files.MappedFiles.
    """

    def __init__(self, files):
        super().__init__()
        self.files = files

    def on_epoch_end(self, epoch, logs=None):
        self.files.check()


class Recorder(keras.callbacks.Callback):
    """Adds every finished epoch to the state of the run, unless the guard refuses it.

    Args:
        state: TrainingState.
        train: the training Batches.
        guard: DivergenceGuard.
    """

    def __init__(self, state, train, guard):
        super().__init__()
        self.state = state
        self.train = train
        self.guard = guard

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 == self.model.steps_per_execution:  # after the first call of the epoch
            self.state.peak_memory_mb = max(self.state.peak_memory_mb, memory_mb())

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.started
        names = [prefix + name for prefix in ("", "val_") for name in ("loss", *self.model.terms)]
        losses = processes.from_first("losses", {name: float(logs[name]) for name in names})
        row = {"epoch": epoch + 1, **losses}
        if hasattr(self.model, "beta"):
            row["beta"] = float(self.model.beta.numpy())
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        row["seconds"] = seconds
        row["images_per_second"] = len(self.train.indices) / seconds
        variables = self.state.snapshot(self.model)
        self.guard.check(row, variables)
        self.state.add(row, variables)


class EarlyStop(keras.callbacks.Callback):
    """Ends training when the validation loss has not improved for too many epochs.

    Args:
        state: TrainingState.
    """

    def __init__(self, state):
        super().__init__()
        self.state = state

    def on_epoch_end(self, epoch, logs=None):
        config = self.state.config
        if self.state.is_done and self.state.epoch < config.epochs:
            log.info("stopped early: no better validation loss in %d epochs", config.early_stopping)
            self.model.stop_training = True


class Checkpointing(keras.callbacks.Callback):
    """Saves the state of the run as a checkpoint every few epochs.

    Args:
        state: TrainingState; if it has any epoch, the newest checkpoint already holds it.
        run: RunDirectory.
        every: number of epochs between checkpoints, or "auto": as often as costs 1 % of the time.
    """

    def __init__(self, state, run, every):
        super().__init__()
        self.state = state
        self.run = run
        self.every = every
        self.saved_epoch = state.epoch
        self.next_save = -math.inf

    def on_epoch_end(self, epoch, logs=None):
        if processes.from_first("checkpoint", self.should_save()):
            self.save()
            self.state.check_equal()

    def should_save(self):
        """Whether a checkpoint is due after this epoch, by the clock of the first process."""
        if self.every == "auto":
            return time.perf_counter() >= self.next_save
        return self.state.epoch % self.every == 0

    def save(self):
        """Writes the checkpoint of the last whole epoch, unless that has been done; only the first process writes.

        Raises:
            OSError: if it cannot be written.
        """
        if self.state.epoch == self.saved_epoch:
            return
        started = time.perf_counter()
        if processes.is_first():
            self.run.save_checkpoint(
                self.state.to_checkpoint(self.run.identity), self.state.best, self.state.last
            )
        self.saved_epoch = self.state.epoch
        cost = time.perf_counter() - started
        self.next_save = time.perf_counter() + cost / CHECKPOINT_SHARE


class Progress(keras.callbacks.Callback):
    """Shows one progress bar for the whole run, and writes a few lines to the log.

    Args:
        epochs: length of the run.
        batches: the training Batches.
        done: number of epochs that were finished before.
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
        losses = {name: f"{logs[name]:.4g}" for name in ("loss", *self.model.terms, "val_loss")}
        self.bar.set_postfix(losses, refresh=False)
        # Evenly spread, the last epoch included, so that a batch job's log shows its progress.
        if (epoch + 1) * LOG_LINES // self.epochs > epoch * LOG_LINES // self.epochs:
            line = "  ".join(f"{name} {value}" for name, value in losses.items())
            log.info("epoch %d/%d  %s", epoch + 1, self.epochs, line)
