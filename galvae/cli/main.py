"""The command line: `galvae COMMAND [key=value ...]`, each command a Hydra application."""

import errno
import importlib
import logging
import os
import sys
from pathlib import Path

from galvae import __version__
from galvae.cli.help import CONF, COMPOSE_ERRORS, command_help, one_line, overview
from galvae.cli.output_dirs import (
    RESERVED,
    check_unused,
    existing_directories,
    quoted,
    remove_empty,
    remove_empty_sweep,
)
from galvae.cli.overrides import check_words, place
from galvae.config.check import closest, from_dict
from galvae.config.registry import COMMANDS
from galvae.errors import CannotBeDone, GalvaeError, printable
from galvae.runs.sweep import STOPPED, Sweep
from galvae.system import signals

# Hydra takes launchers from a top-level package hydra_plugins only.
sys.path.append(str(Path(__file__).parents[1] / "launchers"))
log = logging.getLogger(__name__)

DISK_TROUBLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP),
    errno.EPIPE,
}


def main(argv=None):
    """Runs one command and exits: 0 done, 1 could not be done, 2 bad input, 75 stopped by a signal, 130 by Ctrl-C.

    Args:
        argv: the arguments, by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = run(arguments)
        if sys.stdout is not None:  # closed by who started us
            sys.stdout.flush()
        sys.exit(status)
    except GalvaeError as error:
        _report(str(error))
        sys.exit(error.exit_status)
    except KeyboardInterrupt as stopped:
        resume_command = getattr(stopped, "resume_command", None)
        _report(
            (str(stopped) or "stopped by Ctrl-C")
            + (f"; go on with: {resume_command}" if resume_command else "")
        )
        sys.exit(getattr(stopped, "exit_status", 130))
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # the reader of our output left, as `| head` does
            _report(f"cannot write to standard output: {error.strerror}")
        sys.exit(1)


def run(arguments):
    """Runs one command; returns the exit status or raises GalvaeError."""
    if arguments[:1] in (["-sc"], ["--shell-completion"]):
        return complete(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"galvae {__version__}")
        return 0
    command, *overrides = arguments
    if command not in COMMANDS:
        raise GalvaeError(
            f"unknown command {command!r}; expected {' or '.join(COMMANDS)}{closest(command, COMMANDS)}"
        )
    check_words(overrides)
    if {"-h", "--help"} & set(overrides):
        print(command_help(command, [text for text in overrides if not text.startswith("-")]))
        return 0
    with signals.caught():  # around all of a sweep, so that one between two jobs leaves nothing unsaid either
        return launch(command, place(command, overrides))


class Command:
    """What Hydra calls with the composed configuration; a plain object, so that launchers can pickle it.

    Args:
        name: of the command.
        existing: directories that were there before the call, and are not removed when it fails.
    """

    def __init__(self, name, existing):
        self.name = name
        self.existing = existing
        self.exit_status = 0
        self.running = False
        self.sweep = Sweep()

    def __call__(self, composed):
        self.running = True
        result = self.run(composed)
        self.running = False
        return result

    def run(self, composed):
        """Runs the command; mistakes are reported, other errors raised."""
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        job = HydraConfig.get()
        output_dir = Path(job.runtime.output_dir)
        sweeping = job.sweep.dir if job.mode == RunMode.MULTIRUN else None
        try:
            try:
                values = OmegaConf.to_container(composed, resolve=True)
            except OmegaConfBaseException as error:
                raise GalvaeError(one_line(error)) from error
            config = from_dict(COMMANDS[self.name], values)
            if not (self.name == "train" and (output_dir / "config.yaml").exists()):  # a run to go on with
                check_unused(output_dir)
            result = importlib.import_module(f"galvae.commands.{self.name}").main(config, output_dir)
        except Exception as error:
            message, exit_status = user_message(error, output_dir)
            if message is None and sweeping:
                message = f"{type(error).__name__}: {error}"
                log.exception("a defect of galvae:")
            else:
                self._remove_unused(output_dir)
            if message is None:
                raise
            # Reported here, because Hydra would add lines of its own; other jobs of a sweep go on.
            _report(message)
            self.exit_status = max(self.exit_status, exit_status)
            if sweeping:
                status = "stopped" if exit_status in STOPPED else "failed"
                self.sweep.note(sweeping, output_dir, status, message, exit_status)
            return None
        except BaseException as error:
            self._remove_unused(output_dir)
            if sweeping:
                cause = str(error).removeprefix("stopped ") + ", and the jobs after it were not begun"
                self.sweep.note(sweeping, output_dir, "stopped", cause, getattr(error, "exit_status", 130))
                error.resume_command = f"the same command and hydra.sweep.dir={quoted(sweeping)}"
            raise
        if sweeping:
            self.sweep.note(sweeping, output_dir, "finished")
        print(output_dir)
        return result

    def _remove_unused(self, output_dir):
        """Removes the output directory of a failed call, unless it holds more than that call's log."""
        log = output_dir / f"{self.name}.log"
        if output_dir.is_dir() and [path.name for path in output_dir.iterdir()] == [log.name]:
            log.unlink()
        remove_empty(output_dir, self.existing)


def user_message(error, output_dir):
    """What a user is told of an exception, (line, exit status); the line is None if it is a defect of ours."""
    if isinstance(error, GalvaeError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "free space and repeat the command" if full else "expected a place to write"
        return f"cannot write in {output_dir}: {error.strerror}; {hint}; what was written before is kept", 1
    if out_of_memory(error):
        return f"not enough memory: {one_line(error)}; expected a smaller n, grid or batch", 1
    return None, 1


def launch(command, overrides):
    """Hands a command to Hydra; returns the exit status.

    Args:
        command: name of the command.
        overrides: Hydra's arguments.

    Raises:
        GalvaeError: if the configuration cannot be composed.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    logging.raiseExceptions = False  # on a full disk each line of the log would come with a traceback
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the lines below have the last word
    sys.argv = ["galvae", *overrides]  # the name for which the completion installs itself
    existing = existing_directories(overrides) - set(RESERVED)
    task = Command(command, existing)
    try:
        hydra.main(version_base="1.3", config_path=str(CONF), config_name=command)(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise GalvaeError(one_line(error)) from error
    except OSError as error:
        if error.errno not in DISK_TROUBLE:
            raise
        raise CannotBeDone(
            f"cannot make the output directory {error.filename}: {error.strerror}; expected a place to write"
        ) from error
    except COMPOSE_ERRORS as error:
        if task.running:
            raise
        raise GalvaeError(f"configuration: not understood ({one_line(error)})") from error
    finally:
        remove_empty_sweep(overrides, existing)
        while RESERVED:
            remove_empty(RESERVED.pop(), existing)
        exit_status = task.sweep.report()
    shows = any(word.startswith(("-c", "--cfg", "-i", "--info")) for word in overrides)
    others = any(word.startswith("hydra/launcher=") for word in overrides)  # some note no jobs here
    if {"-m", "--multirun"} & set(overrides) and not (task.sweep.jobs or shows or others):
        raise GalvaeError(
            "sweep: expected one job or more, received none, since a glob(...) or a range(...) is empty"
        )
    return exit_status or task.exit_status


def out_of_memory(error):
    """Whether an exception says that memory is short; TensorFlow and JAX have errors of their own for that."""
    signs = (
        "RESOURCE_EXHAUSTED",
        "OOM when allocating",
        "could not create a primitive",
        "Unable to allocate",
    )
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in signs)


def complete(arguments):
    """Answers a shell's TAB: command names for the first word, Hydra's completion for the rest.

    Args:
        arguments: `-sc` and what follows, as the shell's function passes them.
    """
    if len(arguments) != 2 or arguments[1].partition("=")[0] not in ("install", "uninstall", "query"):
        raise GalvaeError("-sc: expected install=SHELL, uninstall=SHELL or query=SHELL after it")
    words = os.environ.get("COMP_LINE", "").split(" ")
    if any(text.startswith("query=") for text in arguments) and len(words) <= 2:
        print("\n".join(name for name in COMMANDS if name.startswith(words[-1])))
        return 0
    command = "train"
    if len(words) > 2:
        command = words.pop(1)
        if command not in COMMANDS:
            return 0
        # Hydra must not see the command, nor count its letters.
        point = int(os.environ.get("COMP_POINT", "0")) - len(command) - 1
        os.environ.update(COMP_LINE=" ".join(words), COMP_POINT=str(point))
    return launch(command, arguments)


def _report(message):
    print(f"galvae: {printable(message)}", file=sys.stderr)
