"""Studies of Optuna: in a journal file of the search's directory, or in a database.

A journal is a text file of one JSON object per change, to which processes append in turn. Unlike SQLite, it needs no
locks of the file system, which network file systems lack or break; nothing in it is unpickled.
"""

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import TrialState

from galvae.errors import CannotBeDone, GalvaeError, line_of

JOURNAL = "study.journal"
BEFORE_PRUNING = 5  # trials that must have trained to the end before others are compared with their median

optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_storage(where, folder):
    """Opens the storage of a study, and makes it if there is none.

    Args:
        where: name of a journal in `folder`, or URL of a database.
        folder: path of the search's directory.

    Returns:
        Optuna's storage.

    Raises:
        GalvaeError: if a journal is damaged, or the URL cannot be understood or its driver is not installed.
        CannotBeDone: if the database does not answer.
    """
    if "://" in where:
        name = where.partition("://")[0] + "://..."  # a URL may hold a password
        try:
            return optuna.storages.get_storage(where)
        except ImportError as error:
            raise GalvaeError(
                f"hydra.sweeper.storage: {name}: expected its driver to be installed ({line_of(error)})"
            ) from error
        except Exception as error:  # of SQLAlchemy or of any driver
            raise CannotBeDone(
                f"hydra.sweeper.storage: cannot open {name} ({type(error).__name__}); expected the URL of a "
                "database, as postgresql://host/name, or null: a file in the sweep's directory"
            ) from error
    path = folder / where
    _drop_torn_line(path)
    try:
        return optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    except OSError:
        raise
    except Exception as error:
        raise GalvaeError(
            f"{path}: expected the journal of a study of Optuna, received a damaged or another file; another "
            f"hydra.sweep.dir=... begins a new search ({type(error).__name__})"
        ) from error


def _drop_torn_line(path):
    """Removes the end of a journal that a full disk or a power failure has cut off within a line.

    Optuna would read all but that line, and write the next one behind it, after which it could read neither.
    """
    if not path.exists() or path.read_bytes()[-1:] in (b"", b"\n"):
        return
    lock = JournalFileSymlinkLock(str(path))
    lock.acquire()
    try:
        with open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    finally:
        lock.release()


def pruner(name, grace, epochs):
    """A pruner of Optuna, which stops trials whose validation loss is hopeless.

    Args:
        name: "median": stops a trial whose smallest loss so far is above the median of what earlier trials had in the
            same epoch, once five have trained to the end; "hyperband": gives many trials few epochs and the best third
            of them three times as many, and so on (Li et al. 2018, JMLR 18, 185).
        grace: number of epochs in which no trial is stopped.
        epochs: number of epochs of a trial that is not stopped.

    Returns:
        Optuna's pruner.
    """
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING, n_warmup_steps=grace)
    return optuna.pruners.HyperbandPruner(min_resource=grace, max_resource=max(epochs, grace))


class RunningTrial:
    """A trial of a study as the run that trains it sees it.

    Args:
        folder: the search's directory.
        number: number of the trial.
        search: galvae.runs.search.SearchRecord, with a pruner.

    Raises:
        GalvaeError: if its study cannot be opened, or has no such trial.
    """

    def __init__(self, folder, number, search):
        self.storage = open_storage(search.storage, folder)
        self.sign = search.sign
        try:
            self.study = optuna.load_study(
                study_name=search.study, storage=self.storage, pruner=pruner(**search.pruner)
            )
            study_id = self.storage.get_study_id_from_name(search.study)
            self.id = self.storage.get_trial_id_from_study_id_trial_number(study_id, number)
        except KeyError as error:
            raise GalvaeError(
                f"trial: expected a trial of the study in {folder}, received {number}, which it does not have"
            ) from error

    def is_hopeless(self, epoch, val_loss):
        """Reports the validation loss of an epoch, and asks whether the trial should end.

        An epoch that is trained again, since the run was interrupted, is not reported again.

        Args:
            epoch: the epoch, counted from 1.
            val_loss: its validation loss.
        """
        trial = self.storage.get_trial(self.id)
        if trial.state != TrialState.RUNNING:
            return False  # somebody resumes its run after the search
        if epoch not in trial.intermediate_values:
            self.storage.set_trial_intermediate_value(self.id, epoch, self.sign * val_loss)
        return self.study.pruner.prune(self.study, self.storage.get_trial(self.id))
