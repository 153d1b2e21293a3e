"""The trials of hydra/sweeper=optuna: asked for, run by a launcher, and told to the study."""

import contextlib
import fcntl
import itertools
import logging
import os
from pathlib import Path

import optuna
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from hydra_plugins._listing import STATES, TABLE, drawn, print_best, text_of, warn, words_of, write_table
from hydra_plugins._space import hint, read_space
from hydra_plugins._study import FREE_KEYS, in_common, open_study, sampler
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from optuna.trial import TrialState

from galvae.cli.help import COMPOSE_ERRORS, one_line
from galvae.cli.quoting import quoted
from galvae.config.check import from_dict
from galvae.config.registry import COMMANDS
from galvae.errors import CannotBeDone, GalvaeError, RunLocked, line_of, print_error
from galvae.runs.search import NUMBERS, RECORD, NotMeasured, card_of, number_at, trial_word
from galvae.runs.study import JOURNAL
from galvae.runs.sweep import recorded
from galvae.system import signals
from galvae.system.safe_read import read_json

# Trials that may fail before any other has ended: then something is wrong that is wrong in all.
FIRST_FAILURES = 3
WRONG_CONFIGURATION = (GalvaeError, HydraException, OmegaConfBaseException, *COMPOSE_ERRORS)

log = logging.getLogger(__name__)


class Search:
    """A search in the directory of a sweep.

    Args:
        sweeper: hydra_plugins.optuna.OptunaSweeper.
        words: overrides of the command line.

    Attributes:
        folder: absolute path of the directory.
        space, fixed: see `hydra_plugins._space.read_space`.
        common: dict of the keys that change the result of a trial, and their values in all trials, as texts.

    Raises:
        GalvaeError: if no key is searched over, or the search space cannot be understood.
        An exception of Hydra: if there is no such key, or no such choice of a group.
    """

    def __init__(self, sweeper, words):
        setup_globals()
        self.sweeper, self.task, self.loader = sweeper, sweeper.task, sweeper.context.config_loader
        self.folder = Path(sweeper.config.hydra.sweep.dir).absolute()
        self.space, self.fixed = read_space(words, self.loader)
        for key in sorted(FREE_KEYS & self.space.keys() | {"trial"} & self.fixed.keys()):
            raise GalvaeError(
                f"{key}: expected no values to search over, since it changes no result of a trial"
            )
        if "peak_memory_mb" in sweeper.objectives and not hasattr(sweeper.launcher, "slots"):
            raise GalvaeError(
                "hydra.sweeper.objective: peak_memory_mb: expected a process for each trial, as by "
                "hydra/launcher=processes, received one for all, which keeps the memory of earlier trials"
            )
        self.common = self._common()
        slots = getattr(sweeper.launcher, "slots", 1)  # Hydra's own launcher runs one job at a time
        self.slots = min(slots or sweeper.startup, sweeper.trials)

    @contextlib.contextmanager
    def opened(self):
        """Context in which the study is open, and no other process of this machine searches in its directory.

        Raises:
            GalvaeError: see `hydra_plugins._study.open_study`.
            RunLocked: if another process searches there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunLocked(
                f"{self.folder}: expected no other process that searches here, but one does"
            ) from error
        except OSError:  # a file system without locks, as some network ones
            pass
        try:
            with signals.deferred():
                self.study, self.storage = open_study(self.folder, self.sweeper, self.space, self.common)
            yield
        finally:
            os.close(descriptor)

    def run(self):
        """Runs the trials that were interrupted, then new ones, until the study has as many as it should.

        Raises:
            GalvaeError: if the first trials all fail, none has finished at the end, or an objective is no number.
        """
        self.task.sweep.begin(self.folder)
        warn(self.sweeper, self.space, self.slots)
        interrupted = []
        for trial in self._trials():
            is_drawn = bool(drawn([trial], self.space))
            if trial.state == TrialState.RUNNING and is_drawn:
                interrupted.append(trial)
            elif trial.state == TrialState.RUNNING:
                self.study.tell(trial.number, state=TrialState.FAIL)
            elif trial.state.is_finished() and is_drawn:
                self._note(trial)
        if interrupted:
            log.info("going on with the trials %s", ", ".join(str(trial.number) for trial in interrupted))
        ended = True
        while ended:
            # In the middle of what libraries of databases do, the exception of a signal may be lost.
            with signals.deferred():
                jobs = self._jobs(interrupted) or self._jobs(self._asked())
                self._write_table()
            if not jobs:
                break
            interrupted = []
            self._launch(jobs)
            with signals.deferred():
                try:
                    ended = all([self._tell(self._trials()[number]) for number in jobs])
                finally:
                    self._write_table()
                self._check_failures()
        self.task.exit_status = 0  # in jobs.json each trial has its own
        if not ended:
            log.info("some trials have not ended; the same command goes on with them")
        if not print_best(self.study, self.space, self.sweeper.objectives, self.folder) and ended:
            raise CannotBeDone(
                f"none of {self._begun()} trials has finished; {self.folder / TABLE} lists them"
            )

    def _trials(self):
        return self.study.get_trials(deepcopy=False)

    def _begun(self):
        return len(drawn(self._trials(), self.space))

    def _asked(self):
        """Yields new trials, as long as the study lacks some."""
        sweeper = self.sweeper
        while True:
            begun = self._begun()
            if begun >= sweeper.trials:
                return
            self.study.sampler = sampler(sweeper.sampler, sweeper.seed, begun, sweeper.startup)
            number = self.study.ask(self.space).number
            yield self._trials()[number]

    def _jobs(self, trials):
        """The jobs of some trials, as many as run at a time; those that galvae refuses are told to the study instead.

        Args:
            trials: iterable of trials.

        Returns:
            dict of words of the command line, by number of the trial.
        """
        jobs = {}
        for trial in trials:
            try:
                jobs[trial.number] = self._job(trial)
            except WRONG_CONFIGURATION as error:
                message = str(error) if isinstance(error, GalvaeError) else one_line(error)
                message += hint(self.space, message)
                print_error(f"trial {trial.number}: {message}")
                self._fail(trial, message)
                self._check_failures()
            if len(jobs) == self.slots and not isinstance(trials, list):
                break
        return jobs

    def _job(self, trial):
        """The words of a trial's job, whose directory is recorded.

        Raises:
            GalvaeError, or an exception of Hydra: if galvae refuses its configuration.
        """
        values = {**self.fixed, **trial.params, "trial": quoted(trial_word(self.folder, trial.number))}
        config, keys = self._compose(values, trial.number)
        from_dict(COMMANDS["train"], keys)
        self._attribute(trial, "directory", os.path.normpath(config.hydra.sweep.subdir))
        return words_of(values)

    def _compose(self, values, number):
        """The configuration of a job that gives keys some values, and its own keys as nested dicts, not yet checked."""
        config = self.loader.load_sweep_config(self.sweeper.config, words_of(values))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)  # the directory's name may refer to it
        plain = config.copy()
        with open_dict(plain):
            del plain["hydra"]
        return config, OmegaConf.to_container(plain, resolve=True)

    def _common(self):
        """Composes a configuration for every choice of a group, and one for all other keys; returns `common`.

        Raises:
            An exception of Hydra: if there is no such key or choice, which would be wrong in every trial.
        """
        lists = {key: getattr(one, "choices", None) or [one.low] for key, one in self.space.items()}
        first = {**self.fixed, **{key: values[0] for key, values in lists.items()}}
        groups = [key for key in lists if self.loader.get_group_options(key)]
        configurations = [first, *({**first, key: value} for key in groups for value in lists[key][1:])]
        return in_common([self._compose(values, 0)[1] for values in configurations])

    def _launch(self, jobs):
        """Runs jobs, see `_jobs`."""
        for _, group in itertools.groupby(enumerate(jobs), lambda pair: pair[1] - pair[0]):
            numbers = [number for _, number in group]  # launchers count on from the first
            self.sweeper.launcher.launch([jobs[number] for number in numbers], numbers[0])

    def _tell(self, trial):
        """Tells the study how a trial ended.

        Returns:
            Whether it has ended; one that a signal or a trouble has stopped, or that waits in a queue, has not.

        Raises:
            GalvaeError: if an objective is no number in any trial, or a result cannot be read.
        """
        name, objectives = trial.user_attrs["directory"], self.sweeper.objectives
        job = self.task.sweep.jobs.get(name, {})
        if job.get("status") == "failed":
            return self._tell_failed(trial, line_of(job["error"]), job["exit_status"])
        if job.get("status") != "finished":
            return False
        metrics = read_json(self.folder / name / "metrics.json")
        try:
            if metrics.get("status") == "pruned":
                self._attribute(trial, "epochs", metrics.get("epochs"))
                state, values, text = TrialState.PRUNED, None, f"after epoch {metrics.get('epochs')}"
            else:
                state, values = TrialState.COMPLETE, self._numbers(self.folder / name, metrics)
                text = text_of(values, objectives)
        except NotMeasured as error:
            self._fail(trial, str(error))
            return True
        self._note(self.study.tell(trial.number, values, state))
        log.info("trial %d %s: %s: %s", trial.number, STATES[state], text, " ".join(words_of(trial.params)))
        return True

    def _tell_failed(self, trial, message, exit_status):
        """Tells the study of a training that has failed, if that is a result.

        It is one if training has diverged. Anything else, as a full disk, need not lie in the trial's keys: the next
        call resumes it, and gives it up only if the same happens again.

        Returns:
            Whether the trial has ended.

        Raises:
            GalvaeError: if an objective is no number, which it would be in no trial.
        """
        if message.startswith("hydra.sweeper.objective:"):
            raise GalvaeError(message)
        if _diverged(self.folder / trial.user_attrs["directory"]):
            self._fail(trial, message)
        elif trial.user_attrs.get("error") == message:
            log.warning("trial %d is given up, since it has failed in two calls: %s", trial.number, message)
            self._fail(trial, message, exit_status)
        else:
            self._attribute(trial, "error", message)
            return False
        return True

    def _numbers(self, directory, metrics):
        """The objectives of a trial whose training has finished, as a list of float.

        Raises:
            NotMeasured: if this trial lacks one.
        """
        names, measured = self.sweeper.objectives, {}
        if any(map(card_of, names)):
            record = read_json(directory / NUMBERS)
            measured = record.get("numbers", {})
            for reason in record.get("not measured", {}).values():
                raise NotMeasured(reason)
        return [number_at(measured if card_of(name) else metrics, name, "metrics.json") for name in names]

    def _fail(self, trial, message, exit_status=0):
        """Tells the study that a trial has failed, and why; an exit status of 0 if that is a result of the search."""
        self._attribute(trial, "error", line_of(message))
        self._attribute(trial, "exit_status", exit_status)
        self._note(self.study.tell(trial.number, state=TrialState.FAIL))

    def _attribute(self, trial, name, value):
        self.storage.set_trial_user_attr(trial._trial_id, name, value)

    def _note(self, trial):
        """Records in jobs.json how a trial ended."""
        held = trial.user_attrs
        directory = self.folder / held.get("directory", str(trial.number))
        status, error, exit_status = STATES[trial.state], held.get("error"), held.get("exit_status", 0)
        if status == "pruned":
            error = f"after epoch {held.get('epochs')}"
        before = recorded(self.folder).get(os.path.relpath(directory, self.folder), {})
        more = {key: before[key] for key in before.keys() - {"status", "error", "exit_status"}}
        self.task.sweep.note(self.folder, directory, status, error, exit_status, **more)

    def _check_failures(self):
        """Ends a search whose first trials have all failed.

        If galvae has refused all of them, and none has left a directory, the study is removed too, so that the
        corrected command begins anew.

        Raises:
            GalvaeError: if they have.
        """
        trials = drawn(self._trials(), self.space)
        failed = all(trial.state == TrialState.FAIL for trial in trials)
        if len(trials) < min(FIRST_FAILURES, self.sweeper.trials) or not failed:
            return
        folders = [self.folder / trial.user_attrs.get("directory", str(trial.number)) for trial in trials]
        kind = CannotBeDone if any(folder.exists() for folder in folders) else GalvaeError
        if kind is GalvaeError:
            optuna.delete_study(study_name=self.study.study_name, storage=self.storage)
            for file in (RECORD, TABLE, JOURNAL):
                (self.folder / file).unlink(missing_ok=True)
        error = trials[-1].user_attrs["error"]
        which = (
            "trial has failed," if len(trials) == 1 else f"{len(trials)} trials have failed, the last of them"
        )
        raise kind(f"the first {which} because of {error}")

    def _write_table(self):
        write_table(
            self.folder / TABLE, drawn(self._trials(), self.space), self.sweeper.objectives, self.space
        )


def _diverged(directory):
    """Whether the training in a directory has diverged."""
    with contextlib.suppress(GalvaeError):
        return read_json(directory / "metrics.json").get("status") == "diverged"
    return False
