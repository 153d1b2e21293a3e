"""What a training run keeps from epoch to epoch: history, best weights, checkpoints; and when it must stop."""

import logging
import math
import time

import keras
import numpy as np

from galvae.backend.hardware import memory_mb
from galvae.errors import TrainingDiverged
from galvae.runs import checkpoints
from galvae.system import signals

CHECKPOINT_SHARE = 0.01  # of the time, for checkpoints between the first and the last; snapshots come on top
OPTIMIZER = "optimizer/"  # before the paths of the optimizer's variables in a checkpoint
ROLLBACKS = 3  # without a better epoch between them, after which on_nan=rollback gives up
EXPLODED = 1000  # times the least loss of an epoch so far
COLLAPSED = 0.01  # nats of KL divergence below which the codes tell nothing
SHOWN_IDS = 5

log = logging.getLogger(__name__)


class Keeper(keras.callbacks.Callback):
    """Keeps what a run needs to go on, writes checkpoints, and stops where that is due.

    Args:
        config: TrainConfig.
        run: RunDirectory.
        dataset: GalaxyDataset.
        train: its training Batches.
    """

    def __init__(self, config, run, dataset, train):
        super().__init__()
        self.config = config
        self.run = run
        self.dataset = dataset
        self.train = train
        self.dataset_sha256 = dataset.digest  # once, since it reads every split and condition
        self.history = []
        self.best = self.last = None
        self.best_loss, self.best_epoch = math.inf, 0
        self.learning_rate_scale, self.rollbacks = 1.0, 0
        self.collapsed = False
        self.peak_memory_mb = 0.0
        self.written_epochs = 0
        self.next_write = -math.inf

    @property
    def epoch(self):
        """Number of whole epochs."""
        return len(self.history)

    @property
    def complete(self):
        """Whether there is nothing left to train."""
        patience = self.config.early_stopping
        stalled = patience is not None and self.epoch - self.best_epoch >= patience
        return self.epoch >= self.config.epochs or (stalled and self.epoch > 0)

    def load(self, checkpoint, state):
        """Takes over what a checkpoint holds."""
        self.history = state["history"]
        self.best, self.last = (checkpoints.read_arrays(checkpoint, name) for name in ("best", "last"))
        self.best_loss, self.best_epoch = state["best_loss"], state["best_epoch"]
        self.learning_rate_scale, self.rollbacks = state["learning_rate_scale"], state["rollbacks"]
        self.written_epochs = self.epoch

    def put_into(self, model):
        """Gives a compiled model and its optimizer the state of the last whole epoch; before the first, takes it."""
        self.set_model(model)
        if self.last is None:
            self.last = self.snapshot()
        optimizer = {name: array for name, array in self.last.items() if name.startswith(OPTIMIZER)}
        weights = {name: array for name, array in self.last.items() if name not in optimizer}
        checkpoints.restore(model.variables, weights)
        checkpoints.restore(model.optimizer.variables, optimizer, prefix=OPTIMIZER)

    def snapshot(self):
        """Every variable of model and optimizer."""
        return {
            **checkpoints.snapshot(self.model.variables),
            **checkpoints.snapshot(self.model.optimizer.variables, prefix=OPTIMIZER),
        }

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch_started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        first = batch + 1 - self.model.steps_per_execution  # Keras calls once for all of them
        if first == 0:
            self.peak_memory_mb = max(self.peak_memory_mb, memory_mb())
        # The mean of the epoch so far: the first step that is not finite makes it so.
        if not math.isfinite(logs["loss"]):
            steps = range(first, batch + 1)
            indices = [self.train.step(self.epoch * len(self.train) + step) for step in steps]
            where = f"step {batch + 1}" if first == batch else f"steps {first + 1} to {batch + 1}"
            raise self.diverged(where, f"a finite loss, received {logs['loss']}", np.concatenate(indices))
        self.answer_signals()

    def on_test_batch_end(self, batch, logs=None):
        self.answer_signals()

    def answer_signals(self):
        """Stops, or whatever else a received signal asks for, with the last whole epoch written."""
        if signals.received():
            self.write()
            signals.answer()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.epoch_started
        names = [prefix + name for prefix in ("", "val_") for name in ("loss", *self.model.terms)]
        row = {"epoch": epoch + 1, **{name: float(logs[name]) for name in names}}
        if hasattr(self.model, "beta"):
            row["beta"] = float(self.model.beta.numpy())
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        row["seconds"] = seconds
        row["images_per_second"] = len(self.train.indices) / seconds
        last = self.snapshot()
        self.check(row, last)
        self.history.append(row)
        self.last = last
        if row["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch, self.rollbacks = row["val_loss"], epoch + 1, 0
            self.best = {name: array for name, array in last.items() if not name.startswith(OPTIMIZER)}
        if self.complete and self.epoch < self.config.epochs:
            log.info("stopped early: no better validation loss in %d epochs", self.config.early_stopping)
            self.model.stop_training = True
        if self.due():
            self.write()

    def check(self, row, variables):
        """Refuses an epoch whose losses or weights are not finite, or whose loss is far above any before.

        Raises:
            TrainingDiverged: then.
        """
        if not math.isfinite(row["val_loss"]):
            raise self.diverged("validation", f"a finite loss, received {row['val_loss']}")
        for name, array in variables.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise self.diverged("its end", f"finite weights, received NaN or infinity in {name}")
        least = min((before["loss"] for before in self.history), default=math.inf)
        if row["loss"] > EXPLODED * least > 0:
            raise self.diverged("its end", f"a loss of the order of {least:.4g}, received {row['loss']:.4g}")
        if not self.collapsed and row.get("val_kl", math.inf) < COLLAPSED:
            self.collapsed = True
            log.warning(
                "epoch %d: posterior collapse: the codes tell %.2g nats of an image; a smaller beta.value, or "
                "beta=warmup, lets them tell more",
                row["epoch"],
                row["val_kl"],
            )

    def diverged(self, where, expected, indices=None):
        """The error that says where in the epoch under way training went wrong, and on which images."""
        place = {"epoch": self.epoch + 1, "where": where}
        told = f"training diverged in epoch {place['epoch']}, {where}: expected {expected}"
        if indices is not None:
            ids = [str(name) for name in self.dataset.ids[indices]]
            guilty = [str(name) for name in self.dataset.ids[self.not_finite(indices)]]
            place |= {"ids": ids, "not_finite": guilty}
            shown = guilty or ids
            told += f"; images {', '.join(shown[:SHOWN_IDS])}{' ...' if len(shown) > SHOWN_IDS else ''}"
            told += " are not finite even with the weights of the epoch before" if guilty else ""
        return TrainingDiverged(f"{told}; try a smaller learning_rate or a clip_norm", place)

    def not_finite(self, indices):
        """Those of the images whose loss is not finite with the weights of the last whole epoch."""
        self.put_into(self.model)
        finite = []
        for start in range(0, len(indices), self.train.batch):
            inputs = self.train.gather(indices[start : start + self.train.batch])
            terms = self.model.loss_terms(self.model(inputs, training=False))
            finite.append(np.all([np.isfinite(np.asarray(values)) for values in terms.values()], axis=0))
        return indices[~np.concatenate(finite)]

    def roll_back(self, error):
        """Has training go on from the last whole epoch with half the learning rate.

        Raises:
            TrainingDiverged: as received, if that is not asked for, or did not help three times.
        """
        if self.config.on_nan == "stop" or self.rollbacks == ROLLBACKS:
            raise error
        self.rollbacks += 1
        self.learning_rate_scale /= 2
        log.warning(
            "%s; going on from the end of epoch %d with %g of the learning rate",
            error,
            self.epoch,
            self.learning_rate_scale,
        )

    def due(self):
        """Whether a checkpoint is to be written after this epoch."""
        if self.config.checkpoint.every == "auto":
            return time.perf_counter() >= self.next_write
        return self.epoch % self.config.checkpoint.every == 0

    def write(self):
        """Writes the checkpoint of the last whole epoch, unless that is done."""
        if self.epoch == self.written_epochs:
            return
        started = time.perf_counter()
        state = {
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_loss": self.best_loss,
            "learning_rate_scale": self.learning_rate_scale,
            "rollbacks": self.rollbacks,
            "dataset_sha256": self.dataset_sha256,
            "image_shape": list(self.dataset.image_shape),
            "pixel_range": list(self.dataset.pixel_range),
            "stretch": self.dataset.stretch,
            "condition_names": self.dataset.condition_names,
            "condition_ranges": [
                [self.dataset.report.get(f"condition {name}", {}).get(end) for end in ("low", "high")]
                for name in self.dataset.condition_names
            ],
            "peak_memory_mb": self.peak_memory_mb,
            "history": self.history,
        }
        self.run.save_checkpoint(self.epoch, self.best, self.last, state)
        self.written_epochs = self.epoch
        cost = time.perf_counter() - started
        self.next_write = time.perf_counter() + cost / CHECKPOINT_SHARE
