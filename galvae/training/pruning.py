"""Trials of a hyperparameter search that end early, because their validation loss is hopeless beside that of others."""

import logging

import keras

from galvae.backend import processes
from galvae.errors import line_of
from galvae.runs.search import read_trial

log = logging.getLogger(__name__)


class Pruned(Exception):
    """Ends the training of a trial that its study has given up; the last whole epoch is saved.

    Args:
        state: TrainingState after that epoch.
        trial: the value of `trial=`.

    Attributes:
        metrics: the content of metrics.json.
    """

    def __init__(self, state, trial):
        last = state.history[-1]
        super().__init__(
            f"pruned after epoch {state.epoch}: validation loss {last['val_loss']:.5g}, hopeless beside other trials; "
            "resume= trains it on"
        )
        best = state.history[state.best_epoch - 1]
        self.metrics = {
            "status": "pruned",
            "epochs": state.epoch,
            "best_epoch": state.best_epoch,
            **{name: value for name, value in best.items() if name.startswith("val_")},
            "trial": trial,
        }


class Pruning(keras.callbacks.Callback):
    """Reports the validation loss of every epoch to the study of the run's search, and ends a hopeless trial.

    A study that cannot be reached costs one warning; training goes on.

    Args:
        state: TrainingState.
        word: the value of `trial=`.
        trial: galvae.runs.study.RunningTrial.
    """

    def __init__(self, state, word, trial):
        super().__init__()
        self.state = state
        self.word = word
        self.trial = trial

    def on_epoch_end(self, epoch, logs=None):
        hopeless = processes.from_first("pruning", processes.is_first() and self.is_hopeless())
        if hopeless and not self.state.is_done:
            raise Pruned(self.state, self.word)

    def is_hopeless(self):
        """Whether the study gives the trial up, for which only the first of several processes asks it."""
        if self.trial is None:
            return False
        try:
            return self.trial.is_hopeless(self.state.epoch, self.state.history[-1]["val_loss"])
        except Exception as error:  # of a database, or of a full disk
            log.warning("the study cannot be reached, and cannot stop this trial: %s", line_of(error))
            self.trial = None
            return False


def pruning(state, word):
    """The callbacks that a run needs as a trial of a search.

    Args:
        state: TrainingState.
        word: the value of `trial=`; None: it is no trial.

    Returns:
        list with a Pruning, empty if the search stops no trial early.

    Raises:
        GalvaeError: if the search's record or its study cannot be read.
    """
    if word is None:
        return []
    folder, number, search = read_trial(word)
    if search.pruner is None:
        return []
    from galvae.runs.study import RunningTrial  # late: an optional package

    return [Pruning(state, word, RunningTrial(folder, number, search))]
