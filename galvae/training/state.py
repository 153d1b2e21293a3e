"""The state of a training run in memory: all that it needs to resume."""

import hashlib
import math

from galvae.backend import processes
from galvae.runs import checkpoints
from galvae.runs.state import CheckpointState, early_stop

OPTIMIZER = "optimizer/"  # before the paths of the optimizer's variables in a checkpoint


class TrainingState:
    """History, weights and counters of a training run at the end of its last whole epoch.

    Args:
        config: TrainConfig.
        dataset: GalaxyDataset.

    Attributes:
        history: one dict per epoch, the rows of history.csv.
        best: arrays of the model's variables at the best epoch, by path; None before the first epoch.
        last: arrays of the model's and the optimizer's variables after the last epoch; None before `restore`.
        best_loss: smallest validation loss.
        best_epoch: its epoch, counted from 1.
        learning_rate_scale: factor on the learning rate, halved by each divergence.
        rollbacks: number of divergences since the last better epoch.
        peak_memory_mb: largest memory of the training process in MB.
    """

    def __init__(self, config, dataset):
        self.config = config
        self.dataset = dataset
        self.dataset_sha256 = dataset.digest  # once, since it reads every split and condition
        self.history = []
        self.best = self.last = None
        self.best_loss, self.best_epoch = math.inf, 0
        self.learning_rate_scale, self.rollbacks = 1.0, 0
        self.peak_memory_mb = 0.0

    @property
    def epoch(self):
        """Number of whole epochs."""
        return len(self.history)

    @property
    def is_done(self):
        """Whether nothing is left to train: all epochs are done, or early stopping ends the run."""
        return self.epoch >= self.config.epochs or early_stop(self, self.config) is not None

    def load(self, path, saved):
        """Replaces the state by that of a checkpoint.

        Args:
            path: the checkpoint.
            saved: its CheckpointState.

        Raises:
            GalvaeError: if its weights cannot be read, or are not finite.
        """
        self.history = saved.history
        self.best, self.last = (checkpoints.read_arrays(path, name) for name in ("best", "last"))
        self.best_loss, self.best_epoch = saved.best_loss, saved.best_epoch
        self.learning_rate_scale, self.rollbacks = saved.learning_rate_scale, saved.rollbacks

    def restore(self, model):
        """Gives a compiled model and its optimizer the variables of the last whole epoch.

        Before the first epoch, the model keeps its variables, and this state remembers them.

        Args:
            model: a compiled model of galvae.models, whose optimizer is built.

        Raises:
            GalvaeError: if the model has other variables.
        """
        if self.last is None:
            self.last = self.snapshot(model)
        optimizer = {name: array for name, array in self.last.items() if name.startswith(OPTIMIZER)}
        weights = {name: array for name, array in self.last.items() if name not in optimizer}
        checkpoints.restore(model.variables, weights)
        checkpoints.restore(model.optimizer.variables, optimizer, prefix=OPTIMIZER)

    def snapshot(self, model):
        """Copies of every variable of a model and its optimizer, by path."""
        return {
            **checkpoints.snapshot(model.variables),
            **checkpoints.snapshot(model.optimizer.variables, prefix=OPTIMIZER),
        }

    def check_equal(self):
        """Refuses several processes whose variables of the last whole epoch are not the same, bit by bit.

        Raises:
            GalvaeError: if they are not, as after an error of a machine.
        """
        if processes.count() > 1:
            digest = hashlib.sha256()
            for name, array in self.last.items():
                digest.update(name.encode() + array.tobytes())
            processes.check_equal(
                {f"weights and optimizer after epoch {self.epoch}": digest.hexdigest()[:12]}
            )

    def add(self, row, variables):
        """Adds a finished epoch, whose weights become the best if its validation loss is the smallest.

        Args:
            row: dict, its row of the history.
            variables: see `snapshot`.
        """
        self.history.append(row)
        self.last = variables
        if row["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch, self.rollbacks = row["val_loss"], self.epoch, 0
            self.best = {name: array for name, array in variables.items() if not name.startswith(OPTIMIZER)}

    def to_checkpoint(self, identity):
        """The part of the state that a checkpoint stores besides the weights.

        Args:
            identity: of the run, see `RunDirectory.identity`.

        Returns:
            CheckpointState.
        """
        return CheckpointState(
            **identity,
            epoch=self.epoch,
            best_epoch=self.best_epoch,
            best_loss=self.best_loss,
            learning_rate_scale=self.learning_rate_scale,
            rollbacks=self.rollbacks,
            dataset_sha256=self.dataset_sha256,
            image_shape=list(self.dataset.image_shape),
            pixel_range=list(self.dataset.pixel_range),
            stretch=self.dataset.stretch,
            condition_names=self.dataset.condition_names,
            condition_ranges=self.dataset.condition_ranges,
            peak_memory_mb=self.peak_memory_mb,
            history=self.history,
        )
