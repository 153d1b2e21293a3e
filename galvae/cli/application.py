"""Commands as Hydra applications: a composed and checked configuration, and a report of how the command ended."""

import errno
import importlib
import logging
import os
import sys
import traceback
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from galvae.backend import processes
from galvae.backend.setup import load
from galvae.cli.help import COMPOSE_ERRORS, one_line
from galvae.cli.output_dirs import (
    RESERVED,
    check_sweep_directories,
    check_unused,
    existing_directories,
    holds_own_parts,
    remove_empty,
    remove_empty_sweep,
)
from galvae.cli.overrides import check_words, hydra_arguments
from galvae.cli.quoting import quoted, unquoted
from galvae.cli.several import run_together
from galvae.config.analysis import CompareConfig, OpeningConfig
from galvae.config.check import from_dict
from galvae.config.defaults import CONF
from galvae.config.fields import LATEST, LATEST_SWEEP
from galvae.config.registry import COMMANDS
from galvae.errors import CannotBeDone, GalvaeError, print_error
from galvae.runs.find import find_runs, mark_latest
from galvae.runs.links import check_output, refuse_link_below
from galvae.runs.sweep import STOPPED, Sweep

# Hydra takes launchers from a top-level package hydra_plugins only.
sys.path.append(str(Path(__file__).parents[1] / "launchers"))
log = logging.getLogger(__name__)

# Errors of a disk, and what is expected instead.
DISK_ERRORS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "free space and repeat the command"),
    errno.EROFS: "expected a directory to write in",
    errno.EIO: "expected a disk that works",
}
JOB_NUMBER = "hydra.job.num="  # begins a word that launchers give to the jobs of a sweep, and to nothing else
LONGEST_PATH = 300  # characters of a path in a message
PERMISSION_ERRORS = {errno.EACCES, errno.EPERM}
# Messages of TensorFlow's, JAX's and NumPy's own exceptions when memory runs out.
OUT_OF_MEMORY = (
    "RESOURCE_EXHAUSTED",
    "OOM when allocating",
    "could not create a primitive",
    "Unable to allocate",
)


class Command:
    """A command as Hydra calls it with the composed configuration; launchers can pickle it.

    Args:
        name: name of the command.
        existing: directories that existed before the call, which are not removed when it fails.

    Attributes:
        exit_status: largest exit status of its jobs so far.
        sweep: the jobs of a sweep.
    """

    def __init__(self, name, existing):
        self.name = name
        self.existing = existing
        self.exit_status = 0
        self.sweep = Sweep()

    def __call__(self, composed):
        """Runs the command; errors that a user can correct are reported, all others raised."""
        job = HydraConfig.get()
        output_dir = Path(processes.from_first("output directory", job.runtime.output_dir))
        sweep_dir = job.sweep.dir if job.mode == RunMode.MULTIRUN else None
        if sweep_dir and self.name == "train":
            self.sweep.begin(sweep_dir)
        own = False
        try:
            check_output(output_dir, self.name)  # before the first line of the log
            if sweep_dir:
                refuse_link_below(sweep_dir, output_dir)
            own = True
            result = self._run(composed, output_dir)
        except Exception as error:
            message, exit_status = user_message(error, output_dir)
            if message is not None and not processes.is_first():
                processes.end(exit_status, message)
            ends_all = isinstance(error, BrokenPipeError)  # nobody reads the output of the jobs any more
            if message is None and sweep_dir and not ends_all:
                message = f"{type(error).__name__}: {error}"
                log.exception("a bug in galvae:")
            elif own:
                self._remove_unused(output_dir)
            if message is None:
                raise
            # Reported here, because Hydra would add lines of its own, and because a sweep's other jobs still run.
            print_error(message)
            self.exit_status = max(self.exit_status, exit_status)
            if sweep_dir:
                status = "stopped" if exit_status in STOPPED else "failed"
                self.sweep.note(sweep_dir, output_dir, status, message, exit_status)
            return None
        except BaseException as error:
            self._remove_unused(output_dir)
            if sweep_dir:
                cause = str(error).removeprefix("stopped ") + ", and the jobs after it were not started"
                self.sweep.note(sweep_dir, output_dir, "stopped", cause, getattr(error, "exit_status", 130))
                error.resume_command = f"the same command and hydra.sweep.dir={quoted(sweep_dir)}"
            raise
        if sweep_dir:
            self.sweep.note(sweep_dir, output_dir, "finished")
        elif self.name == "train" and not (
            any(word.startswith(JOB_NUMBER) for word in job.overrides.hydra) or not processes.is_first()
        ):
            mark_latest(LATEST, output_dir)
        # Jobs of an array have one directory of results.
        print(result if isinstance(result, Path) else output_dir)
        return result

    def _run(self, composed, output_dir):
        """Checks the configuration, makes Keras ready on the backend that it needs, and calls the command."""
        try:
            values = OmegaConf.to_container(composed, resolve=True)
        except OmegaConfBaseException as error:
            raise GalvaeError(one_line(error)) from error
        config = from_dict(COMMANDS[self.name], values)
        if not holds_own_parts(output_dir, self.name):
            check_unused(output_dir)
        backend = backend_of(config)
        if backend is not None:
            load(backend)
        return importlib.import_module(f"galvae.commands.{self.name}").main(config, output_dir)

    def _remove_unused(self, output_dir):
        """Removes the output directory of a failed call, unless it holds more than that call's log.

        Of several processes, the first alone has made it.
        """
        if not processes.is_first():
            return
        log_file = output_dir / f"{self.name}.log"
        if output_dir.is_dir() and [path.name for path in output_dir.iterdir()] == [log_file.name]:
            log_file.unlink()
        remove_empty(output_dir, self.existing)


def backend_of(config):
    """The Keras backend of a command that reads runs: its own key `backend`, else that of its first run.

    Args:
        config: checked configuration of the command.

    Returns:
        "tensorflow" or "jax"; None for `prepare`, which needs no Keras, and for `train` and `explore`, which import it
        only where they need it.

    Raises:
        GalvaeError: if no run can be read.
    """
    if not isinstance(config, OpeningConfig) or not config.loads_keras:
        return None
    from galvae.runs.directory import RunDirectory  # late: it imports NumPy, and completion imports this file

    errors = []
    for path in find_runs(config.runs) if isinstance(config, CompareConfig) else [config.run]:
        try:
            run = RunDirectory.open(path)
        except GalvaeError as error:
            errors.append(error)
        else:
            return config.backend or run.config.backend
    if len(errors) == 1:
        raise errors[0]
    raise GalvaeError(f"none of {len(errors)} runs can be read: {errors[0]}")


def user_message(error, output_dir):
    """The message for an exception that ended a command, and the command's exit status.

    Args:
        error: the exception.
        output_dir: the command's output directory.

    Returns:
        (line, exit status); the line is None for a bug in galvae, which needs its traceback.
    """
    if isinstance(error, GalvaeError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.strerror is not None:
        return _file_message(error, output_dir)
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in OUT_OF_MEMORY):
        return f"not enough memory: {one_line(error)}; expected a smaller n, grid or batch", 1
    return None, 1


def _file_message(error, output_dir):
    """`user_message` for an OSError: one of the output directory's disk, or of another file that it names."""
    path = None if isinstance(error.filename, int | None) else Path(os.fsdecode(error.filename)).absolute()
    inside = path is not None and path.is_relative_to(output_dir.absolute())
    if error.errno in DISK_ERRORS or (inside and error.errno in PERMISSION_ERRORS):
        where = f"cannot write in {output_dir}" if inside or path is None else path
        hint = DISK_ERRORS.get(error.errno, "expected a directory to write in")
        return f"{where}: {error.strerror}; {hint}; what was written before is kept", 1
    if path is None:
        return None, 1
    return _path_message(path, error, inside)


def _path_message(path, error, inside=False):
    """`user_message` for an OSError of a file or directory that is not full or broken.

    Args:
        path: the file's path.
        error: OSError.
        inside: whether it lies in the output directory, where no file has to exist.
    """
    if error.errno == errno.ENAMETOOLONG:
        text = str(path)
        # The beginning and the end, so that what is wrong and expected is not cut off.
        text = text if len(text) <= LONGEST_PATH else f"{text[:100]} ... {text[-100:]}"
        return f"{text}: {error.strerror}; expected names that the file system takes", 2
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError) and not inside:
        return f"{path}: {error.strerror}; expected an existing file", 2
    return f"{path}: {error.strerror}; expected a file that can be opened", 1


def run_command(command, words):
    """Runs a command.

    Args:
        command: name of the command.
        words: overrides and options, as typed.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if a word is wrong, or the configuration cannot be composed.
    """

    def run(more):
        check_words(words)
        return launch(command, [*hydra_arguments(command, words), *more])

    try:
        return run_together(command, words, run)
    except OSError as error:
        if error.filename is None:
            raise
        # Of a path in the words, such as one below a folder that may not be read.
        message, exit_status = _path_message(os.fsdecode(error.filename), error)
        kind = GalvaeError if exit_status == 2 else CannotBeDone
        raise kind(_key_before(words, error) + message) from error


def _key_before(words, error):
    """The key that gives the path of an OSError, and a colon; nothing if no word is known to."""
    parts = Path(os.fsdecode(error.filename)).parts
    pairs = [(key, Path(unquoted(value)).name) for key, _, value in (word.partition("=") for word in words)]
    length, key = max(((len(name), key) for key, name in pairs if name in parts), default=(0, ""))
    return f"{key}: " if length else ""


def launch(command, arguments):
    """Hands a command to Hydra, which composes the configuration and calls the command, once or as a sweep.

    Args:
        command: name of the command.
        arguments: Hydra's arguments.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if the configuration cannot be composed.
        CannotBeDone: if the output directory cannot be made.
    """
    logging.raiseExceptions = False  # else, on a full disk, each log message prints a traceback
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises exceptions instead of printing them
    sys.argv = ["galvae", *arguments]  # the program name for which shell completion is installed
    check_sweep_directories(arguments)
    existing = existing_directories(arguments) - set(RESERVED)
    task = Command(command, existing)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)(task)()
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise GalvaeError(one_line(error)) from error
    except OSError as error:
        if not _raised_by_hydra(error) or (error.filename is None and error.errno not in DISK_ERRORS):
            raise
        if any(name.startswith("hydra._internal.config_") for name in _modules(error)):
            message, _ = _path_message(error.filename, error)
            raise GalvaeError(f"configuration: {message}") from error
        if error.errno == errno.ENAMETOOLONG:
            raise  # of a key, which `run_command` knows
        name = "" if error.filename is None else f" {error.filename}"
        raise CannotBeDone(
            f"cannot make the output directory{name}: {error.strerror}; expected a directory to write in"
        ) from error
    except COMPOSE_ERRORS as error:
        if not _raised_by_hydra(error):
            raise
        raise GalvaeError(f"configuration: not understood ({one_line(error)})") from error
    finally:
        remove_empty_sweep(arguments, existing)
        if task.sweep.withdraw():
            remove_empty(LATEST_SWEEP.parent, existing)
        while RESERVED:
            remove_empty(RESERVED.pop(), existing)
        exit_status = task.sweep.report()
    is_preview = any(word.startswith(("-c", "--cfg", "-i", "--info")) for word in arguments)
    other_launcher = any(
        word.startswith("hydra/launcher=") for word in arguments
    )  # some record no jobs in this process
    if {"-m", "--multirun"} & set(arguments) and not (task.sweep.jobs or is_preview or other_launcher):
        raise GalvaeError(
            "sweep: expected one job or more, received none, since a glob(...) or a range(...) is empty"
        )
    return exit_status or task.exit_status


def _raised_by_hydra(error):
    """Whether an exception was raised by Hydra itself: no code of galvae but `launch` is in its traceback."""
    return not any(name.startswith(("galvae.", "hydra_plugins.")) for name in _modules(error)[1:])


def _modules(error):
    """Names of the modules in the traceback of an exception, the outermost first."""
    frames = traceback.walk_tb(error.__traceback__)
    return [frame.f_globals.get("__name__", "") for frame, _ in frames]
