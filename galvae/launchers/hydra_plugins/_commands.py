"""The base class of galvae's launchers, which run each job of a sweep as a command in its own directory."""

import contextlib
import logging
import os
import sys
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus, setup_globals
from hydra.plugins.launcher import Launcher
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from galvae.cli.quoting import quoted
from galvae.config.check import from_dict
from galvae.config.registry import COMMANDS
from galvae.errors import GalvaeError
from galvae.runs.resume import check_same
from galvae.system.safe_read import read_json

log = logging.getLogger(__name__)

OPTIONS = ("-cd", "--config-dir", "-cn", "--config-name")  # options of Hydra that each job needs too
# Keys of the sweep that are not passed on to its jobs.
SWEEP_KEYS = (
    *("hydra.mode", "hydra.run.dir", "hydra.sweep.", "hydra.sweeper.", "hydra.launcher."),
    *("hydra/launcher", "hydra/sweeper"),
)


@dataclass(eq=False)
class Job:
    """A job of a sweep.

    Attributes:
        number: its number, from 0.
        directory: absolute path of its output directory.
        arguments: words of its command line after `galvae`.
        config: its configuration, as Hydra composed it.
        title: the overrides in which it differs from the other jobs.
    """

    number: int
    directory: Path
    arguments: list
    config: object
    title: str = ""


class CommandLauncher(Launcher):
    """A launcher that runs each job as a command; its subclasses decide where the commands run.

    Attributes:
        context, task, config: Hydra's context, the galvae.cli.application.Command, and the sweep's configuration.
        folder: absolute path of the sweep's directory.
    """

    def setup(self, *, hydra_context, task_function, config):
        self.context = hydra_context
        self.task = task_function
        self.config = config

    def launch(self, job_overrides, initial_job_idx):
        setup_globals()
        self.folder = Path(self.config.hydra.sweep.dir).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.task.name == "train":
            self.task.sweep.begin(self.folder)
        jobs = [self._job(number, words) for number, words in enumerate(job_overrides, initial_job_idx)]
        shared = set.intersection(*map(set, job_overrides)) if len(jobs) > 1 else ()
        for job, words in zip(jobs, job_overrides, strict=True):
            job.title = " ".join(
                word for word in words if word not in shared and not word.startswith("trial=")
            )
        self.run([job for job in jobs if not self._is_finished(job)])
        return [self._job_return(job) for job in jobs]

    @abstractmethod
    def run(self, jobs):
        """Runs jobs, and records the status of each with `note`.

        Args:
            jobs: list of Job.
        """

    def note(self, job, status, error=None, exit_status=0, **more):
        """Records the status of a job; arguments as in galvae.runs.sweep.Sweep.note."""
        self.task.sweep.note(self.folder, job.directory, status, error, exit_status, **more)

    def name(self, job):
        """The path of a job's directory within the sweep's."""
        return os.path.relpath(job.directory, self.folder)

    def _job(self, number, overrides):
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)  # the directory's name may refer to it
        directory = self.folder / config.hydra.sweep.subdir
        own = [word for word in overrides if not word.startswith(SWEEP_KEYS)]
        arguments = [self.task.name, *_shared_options(sys.argv[1:]), *own]
        arguments += [f"hydra.run.dir={quoted(directory)}", "hydra.mode=RUN", f"hydra.job.num={number}"]
        return Job(number, directory, arguments, config)

    def _is_finished(self, job):
        """Whether an earlier call finished a job; if so, records it. A job that cannot resume reports that itself."""
        # A job of a search may yet have to be measured.
        if (
            self.task.name != "train"
            or job.config.trial is not None
            or not (job.directory / "config.yaml").is_file()
        ):
            return False
        # Late: it imports NumPy, and completion imports this file.
        from galvae.runs.directory import RunDirectory

        values = job.config.copy()
        with open_dict(values):
            del values["hydra"]
        try:
            config = from_dict(COMMANDS["train"], OmegaConf.to_container(values, resolve=True))
            run = RunDirectory.open(job.directory)
            check_same(run, config.run)
        except (GalvaeError, OmegaConfBaseException):
            return False
        if not run.finished or config.epochs > run.config.epochs:
            return False
        self.note(job, "finished")
        log.info("job %d was finished before: %s", job.number, job.title)
        return True

    def _job_return(self, job):
        """The result of a job for Hydra's sweeper: its validation loss, if it has one."""
        loss, recorded = None, self.task.sweep.jobs.get(self.name(job), {})
        with contextlib.suppress(GalvaeError):  # no metrics.json, or a damaged one
            if recorded.get("status") == "finished":
                loss = read_json(job.directory / "metrics.json").get("val_loss")
        result = JobReturn(overrides=OmegaConf.to_container(job.config.hydra.overrides.task))
        result.status, result.return_value = JobStatus.COMPLETED, loss
        return result


def check(name, value, least=1, kind=int, null=True, group="hydra.launcher"):
    """Refuses a wrong value of a launcher's or a sweeper's key.

    Args:
        name: name of the key.
        value: its value.
        least: smallest allowed number.
        kind: int, or int | float.
        null: whether null is allowed.
        group: where the key is.

    Raises:
        GalvaeError: if it is not a number of that kind, or too small.
    """
    if value is None and null:
        return
    if not isinstance(value, kind) or isinstance(value, bool) or value < least:
        number = "integer" if kind is int else "number"
        or_null = " or null" if null else ""
        raise GalvaeError(f"{group}.{name}: expected {number}, at least {least}{or_null}, received {value!r}")


def _shared_options(words):
    """The options on a command line that each job needs too."""
    options = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word in OPTIONS:
            options += [word, following]
        elif word.startswith(tuple(f"{option}=" for option in OPTIONS)):
            options.append(word)
    return options
