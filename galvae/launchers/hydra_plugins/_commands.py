"""What our launchers share: each job of a sweep is an ordinary command in a directory of its own."""

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

from galvae.cli.output_dirs import quoted
from galvae.config.check import from_dict
from galvae.config.registry import COMMANDS
from galvae.errors import GalvaeError
from galvae.system.safe_read import read_json

log = logging.getLogger(__name__)

OPTIONS = ("-cd", "--config-dir", "-cn", "--config-name")  # Hydra's that each job needs too
# Keys of the sweep that a job does not take over.
SWEEP_KEYS = (
    *("hydra.mode", "hydra.run.dir", "hydra.sweep.", "hydra.sweeper.", "hydra.launcher."),
    *("hydra/launcher", "hydra/sweeper"),
)


@dataclass(eq=False)
class Job:
    """A job of a sweep.

    Attributes:
        number: from 0.
        directory: absolute path of its output directory.
        arguments: of `galvae`: the command that does it.
        config: as Hydra composed it.
        title: what sets it apart from the others.
    """

    number: int
    directory: Path
    arguments: list
    config: object
    title: str = ""


class CommandLauncher(Launcher):
    """Makes a command of each job, and leaves to its subclasses where the commands run."""

    def setup(self, *, hydra_context, task_function, config):
        self.context = hydra_context
        self.task = task_function
        self.config = config

    def launch(self, job_overrides, initial_job_idx):
        setup_globals()
        self.folder = Path(self.config.hydra.sweep.dir).absolute()
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [self._job(number, words) for number, words in enumerate(job_overrides, initial_job_idx)]
        shared = set.intersection(*map(set, job_overrides)) if len(jobs) > 1 else ()
        for job, words in zip(jobs, job_overrides, strict=True):
            job.title = " ".join(word for word in words if word not in shared)
        self.run([job for job in jobs if not self._finished(job)])
        return [self._returned(job) for job in jobs]

    @abstractmethod
    def run(self, jobs):
        """Runs jobs, and notes with `note` what became of each."""

    def note(self, job, status, error=None, exit_status=0, **more):
        """As Sweep.note."""
        self.task.sweep.note(self.folder, job.directory, status, error, exit_status, **more)

    def _job(self, number, overrides):
        config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = number
        HydraConfig.instance().set_config(config)  # which the directory's name may refer to
        directory = self.folder / config.hydra.sweep.subdir
        own = [word for word in overrides if not word.startswith(SWEEP_KEYS)]
        arguments = [self.task.name, *_options(sys.argv[1:]), *own]
        arguments += [f"hydra.run.dir={quoted(directory)}", "hydra.mode=RUN", f"hydra.job.num={number}"]
        return Job(number, directory, arguments, config)

    def name(self, job):
        """The path of a job's directory within the sweep's."""
        return os.path.relpath(job.directory, self.folder)

    def _finished(self, job):
        """Whether a job was finished before; if so, notes it. A job that cannot go on says so itself."""
        if self.task.name != "train" or not (job.directory / "config.yaml").is_file():
            return False
        from galvae.runs.directory import RunDirectory
        from galvae.runs.resume import check_same

        values = job.config.copy()
        with open_dict(values):
            del values["hydra"]
        try:
            asked = from_dict(COMMANDS["train"], OmegaConf.to_container(values, resolve=True))
            held = RunDirectory.open(job.directory)
            check_same(held, asked.run)
        except (GalvaeError, OmegaConfBaseException):
            return False
        if not held.finished or asked.epochs > held.config.epochs:
            return False
        self.note(job, "finished")
        log.info("job %d was finished before: %s", job.number, job.title)
        return True

    def _returned(self, job):
        """What a sweeper is told of a job: its validation loss, if it has one."""
        loss, noted = None, self.task.sweep.jobs.get(self.name(job), {})
        with contextlib.suppress(GalvaeError):  # none, or a damaged one
            if noted.get("status") == "finished":
                loss = read_json(job.directory / "metrics.json").get("val_loss")
        result = JobReturn(overrides=OmegaConf.to_container(job.config.hydra.overrides.task))
        result.status, result.return_value = JobStatus.COMPLETED, loss
        return result


def check(name, value, least=1, kind=int, null=True):
    """Refuses a value of a launcher's key unless it is a number of a kind, `least` or more, or null if it may be."""
    if value is None and null:
        return
    if not isinstance(value, kind) or isinstance(value, bool) or value < least:
        what = "integer" if kind is int else "number"
        more = " or null" if null else ""
        raise GalvaeError(
            f"hydra.launcher.{name}: expected {what}, at least {least}{more}, received {value!r}"
        )


def _options(words):
    """Those of a command line's options that each job needs too."""
    found = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word in OPTIONS:
            found += [word, following]
        elif word.startswith(tuple(f"{option}=" for option in OPTIONS)):
            found.append(word)
    return found
