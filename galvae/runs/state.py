"""State of a run at the end of an epoch: everything in a checkpoint besides the weights."""

import dataclasses
import math
from dataclasses import dataclass

from galvae.errors import GalvaeError

FORMAT = 2
LARGEST_COUNT = 10**9
LARGEST_SIDE = 65536  # pixels along a side of an image
COLUMNS = {
    "epoch",
    "loss",
    "val_loss",
    "seconds",
    "images_per_second",
}  # columns of the history that are read back


@dataclass(frozen=True, kw_only=True)
class CheckpointState:
    """State that a run needs to resume, and every later command to open it, besides the weights.

    Attributes:
        run_id: identifier of the run that wrote it.
        config_sha256: digest of the run's configuration, see `galvae.runs.directory.config_digest`.
        epochs: requested number of epochs when it was written.
        epoch: number of finished epochs.
        best_epoch: epoch with the smallest validation loss, counted from 1.
        best_loss: validation loss of the best epoch.
        learning_rate_scale: factor by which rollbacks have reduced the learning rate.
        rollbacks: number of rollbacks since the best epoch.
        dataset_sha256: digest of images, conditions and split, see `GalaxyDataset.digest`.
        image_shape: [H, W, C].
        pixel_range: [low, high], the stored values that become 0 and 1.
        stretch: "none", "linear" or "asinh", see `galvae.stretch.to_unit`.
        condition_names: K names; empty without a condition.
        condition_ranges: K pairs [low, high] of the known values; [None, None] if none is known.
        peak_memory_mb: largest memory of the process so far, in MB.
        history: one dict per epoch, the rows of history.csv.
    """

    run_id: str
    config_sha256: str
    epochs: int
    epoch: int
    best_epoch: int
    best_loss: float
    learning_rate_scale: float
    rollbacks: int
    dataset_sha256: str
    image_shape: list
    pixel_range: list
    stretch: str
    condition_names: list
    condition_ranges: list
    peak_memory_mb: float
    history: list

    def check_stretch(self, stretch, path):
        """Checks that the weights were trained on the intensity scale of the run's configuration.

        Args:
            stretch: `dataset.stretch` of the configuration.
            path: path of the checkpoint, for the error message.

        Raises:
            GalvaeError: if it is another one.
        """
        if self.stretch != stretch:
            raise GalvaeError(
                f"{path / 'state.json'}: expected the stretch of the run's config.yaml, {stretch}, received "
                f"{self.stretch}; the files of two runs are mixed"
            )

    def to_json(self):
        """The state as a JSON-able dict."""
        return {"format": FORMAT, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}

    @classmethod
    def from_json(cls, values, path):
        """Restores a state from the result of `to_json`, with a check of every value.

        Args:
            values: dict.
            path: path of the file from which it was read, for error messages.

        Returns:
            CheckpointState.

        Raises:
            GalvaeError: if the format is another one, or a value is missing or impossible.
        """
        if values.get("format") != FORMAT:
            raise GalvaeError(f"{path.parent}: expected a checkpoint of format {FORMAT}, received another")
        names = [field.name for field in dataclasses.fields(cls)]
        wrong = [name for name in names if not CHECKS[name](values.get(name))]
        if wrong or not 1 <= values["best_epoch"] <= values["epoch"] == len(values["history"]):
            raise GalvaeError(
                f"{path}: expected the state of a run, received one with an impossible value of "
                f"{', '.join(wrong) or 'epochs'}"
            )
        return cls(**{name: values[name] for name in names})


def early_stop(state, config):
    """A line that says that early stopping has ended a run before its last epoch; None if it has not.

    Early stopping looks at the epochs since the best one, which more epochs do not change: a run ends with the same
    weights, wherever it was stopped and however often its epochs were raised.

    Args:
        state: CheckpointState, or TrainingState.
        config: TrainConfig.
    """
    patience = config.early_stopping
    if patience is None or not state.epoch < config.epochs or state.epoch - state.best_epoch < patience:
        return None
    return (
        f"early_stopping={patience} ended the run after epoch {state.epoch}, since its validation loss was smallest in "
        f"epoch {state.best_epoch}: epochs={config.epochs} trains nothing more; a new run with early_stopping=null, or "
        "a larger one, trains longer"
    )


def _is_number(value):
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and abs(value) < 2**53)


def _is_count(value):
    return type(value) is int and 0 <= value <= LARGEST_COUNT


def _is_text(value):
    return isinstance(value, str)


def _list_of(check, length=None):
    """A check of lists, all of whose entries pass a check."""
    return lambda value: (
        isinstance(value, list) and all(map(check, value)) and (length is None or len(value) == length)
    )


def _is_row(row):
    return isinstance(row, dict) and row.keys() >= COLUMNS and all(map(_is_number, row.values()))


# A check of each value of a state, because the file may come from an untrusted run.
CHECKS = {
    **dict.fromkeys(("run_id", "config_sha256", "dataset_sha256", "stretch"), _is_text),
    **dict.fromkeys(("epoch", "epochs", "best_epoch", "rollbacks"), _is_count),
    **dict.fromkeys(("best_loss", "learning_rate_scale", "peak_memory_mb"), _is_number),
    "image_shape": _list_of(lambda side: _is_count(side) and 1 <= side <= LARGEST_SIDE, 3),
    "pixel_range": lambda value: _list_of(_is_number, 2)(value) and value[0] < value[1],
    "condition_names": _list_of(_is_text),
    "condition_ranges": _list_of(_list_of(lambda value: value is None or _is_number(value), 2)),
    "history": _list_of(_is_row),
}
