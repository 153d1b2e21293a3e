"""The command line: `galvae COMMAND [key=value ...]`, each command a Hydra application."""

import contextlib
import errno
import importlib
import logging
import os
import sys
from datetime import datetime
from pathlib import Path

from galvae import __version__, signals
from galvae.config import COMMANDS
from galvae.config.keys import LATEST
from galvae.errors import CannotBeDone, GalvaeError
from galvae.help import CONF, command_help, one_line, overview
from galvae.outputs import (
    CLAIMED,
    check_unused,
    claimed,
    existing_directories,
    quoted,
    remove_empty,
    remove_empty_sweep,
    unquoted,
)
from galvae.sweep import STOPPED, Sweep
from galvae.validation import closest, read_config, typed

# Hydra takes launchers from a top-level package hydra_plugins only.
sys.path.append(str(Path(__file__).parent / "plugins"))
log = logging.getLogger(__name__)

CFG_CHOICES = ("job", "hydra", "all")
HYDRA_OPTIONS = (
    *("-m", "--multirun", "-c", "--cfg", "-p", "--package", "--resolve"),
    *("-i", "--info", "-cd", "--config-dir", "-cn", "--config-name"),
)
DISK_TROUBLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO),
    *(errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
}
# Keys whose value is a path, quoted for Hydra's grammar, in which many letters of ordinary paths have a meaning.
PATH_KEYS = {
    *("run", "runs", "resume", "hydra.run.dir", "hydra.sweep.dir"),
    *("dataset.path", "dataset.table", "dataset.cache_dir", "dataset.archive"),
}


def main(argv=None):
    """Runs one command and exits: 0 done, 1 could not be done, 2 bad input, 75 stopped by a signal, 130 by Ctrl-C.

    Args:
        argv: the arguments, by default those of the process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        sys.exit(run(arguments))
    except GalvaeError as error:
        _report(str(error))
        sys.exit(error.exit_status)
    except KeyboardInterrupt as stopped:
        _report(str(stopped) or "stopped by Ctrl-C")
        sys.exit(getattr(stopped, "exit_status", 130))
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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
    if {"-h", "--help"} & set(overrides):
        print(command_help(command, [text for text in overrides if not text.startswith("-")]))
        return 0
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
        self.sweep = Sweep()

    def __call__(self, composed):
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
            config = typed(COMMANDS[self.name], values)
            if not (self.name == "train" and (output_dir / "config.yaml").exists()):  # a run to go on with
                check_unused(output_dir)
            with signals.caught() if self.name == "train" else contextlib.nullcontext():
                result = importlib.import_module(f"galvae.commands.{self.name}").main(config, output_dir)
        except Exception as error:
            message, exit_status = mistake(error, output_dir)
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
                self.sweep.note(
                    sweeping, output_dir, "stopped", str(error), getattr(error, "exit_status", 130)
                )
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


def mistake(error, output_dir):
    """What a user is told of an exception, (line, exit status); the line is None if it is a defect of ours."""
    if isinstance(error, GalvaeError):
        return str(error), error.exit_status
    if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
        return f"cannot write in {output_dir}: {error.strerror}; what was written before is kept", 1
    if isinstance(error, MemoryError):
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

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the lines below have the last word
    sys.argv = ["galvae", *overrides]  # the name for which the completion installs itself
    existing = existing_directories(overrides) - set(CLAIMED)
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
    finally:
        remove_empty_sweep(overrides, existing)
        while CLAIMED:
            remove_empty(CLAIMED.pop(), existing)
        exit_status = task.sweep.report()
    return exit_status or task.exit_status


def place(command, words):
    """Hydra's arguments, with `run=` or `runs=` resolved to a directory and the output directory put in it.

    Args:
        command: name of the command.
        words: as typed.

    Raises:
        GalvaeError: if an option is unknown, or `run=latest` and there is no finished run.
    """
    for index, word in enumerate(words):
        option, _, value = word.partition("=")
        if word.startswith("-") and option not in HYDRA_OPTIONS:
            raise GalvaeError(
                f"unknown option {word}; expected key=value or one of {' '.join(HYDRA_OPTIONS)}"
            )
        if option in ("-c", "--cfg") and (value or "".join(words[index + 1 : index + 2])) not in CFG_CHOICES:
            raise GalvaeError(f"{option}: expected {' or '.join(CFG_CHOICES)} after it")
    # Options first: Hydra's parser does not take them between overrides.
    placed = sorted(words, key=lambda word: "=" in word and not word.startswith("-"))
    multirun = bool({"-m", "--multirun"} & set(placed))
    given = {}
    for index, word in enumerate(placed):
        key, equals, value = word.partition("=")
        key = key.lstrip("+")
        if key in PATH_KEYS and equals:
            if key in given:
                raise GalvaeError(f"{key}: expected once, received twice")
            if not value and not key.startswith("dataset."):
                raise GalvaeError(f"{key}: expected a directory, received nothing")
            given[key] = value
            listed = key == "runs" and value.startswith("[")
            placed[index] = f"{key}={value if listed else _path_value(value, multirun)}"
    if command == "train" and given.get("resume", "null") != "null":
        return going_on(placed, given["resume"], multirun)
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    elsewhere = []
    if multirun and key not in given:
        elsewhere = [f"{key}={claimed(Path('outputs/multirun', f'{datetime.now():%Y-%m-%d_%H-%M-%S}'))}"]
    read = next((name for name in ("run", "runs") if name in given), None)
    if read is None or (read == "runs" and given[read][0] == "[") or (multirun and "," in given[read]):
        return placed + elsewhere
    value = unquoted(given[read])
    if value == "latest":
        if not LATEST.exists():
            raise GalvaeError(
                f"{read}=latest: expected a finished run, received none in {LATEST.parent.resolve()}"
            )
        value = LATEST
    path = Path(os.path.expanduser(value)).resolve()
    placed = [word for word in placed if not word.startswith(f"{read}=")]
    placed.append(f"{read}={quoted(path)}")
    if not (path.is_dir() if read == "runs" else (path / "config.yaml").is_file()):
        return placed + elsewhere  # the command says what is wrong with it; no directory is needed
    if key not in given:
        placed.append(f"{key}={quoted(claimed(path / command))}")
    return placed


def going_on(words, resume, multirun):
    """Hydra's arguments for `resume=`: the run's own directory, and its epochs unless more are asked for.

    Args:
        words: as `place` has them.
        resume: the run's directory, as typed.
        multirun: whether a sweep was asked for.

    Raises:
        GalvaeError: if it is no run's directory, or anything but epochs is asked for.
    """
    path = Path(os.path.expanduser(unquoted(resume))).resolve()
    names = [word.partition("=")[0].lstrip("+") for word in words]
    others = [
        name for name in names if name not in ("resume", "epochs", "force", "devices") and name[0] != "-"
    ]
    if multirun or others:
        raise GalvaeError(
            "resume: expected nothing beside it but epochs=, devices= and force=, since a run goes on by its own "
            "configuration; "
            f"received {', '.join(others) or '-m'}"
        )
    if not (path / "config.yaml").is_file():
        received = "a directory without one" if path.is_dir() else "no directory"
        raise GalvaeError(
            f"resume: {path}: expected a run's directory, with a config.yaml; received {received}"
        )
    epochs = [] if "epochs" in names else [f"epochs={read_config(path / 'config.yaml').epochs}"]
    kept = [word for word, name in zip(words, names, strict=True) if name != "resume"]
    return [*kept, *epochs, f"resume={quoted(path)}", f"hydra.run.dir={quoted(path)}"]


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


def _path_value(value, multirun):
    """The value of a path key as Hydra's grammar needs it; what is quoted already, or swept over, stays."""
    if value in ("", "null") or value[0] in "'\"" or (multirun and "," in value):
        return value
    return quoted(value)


def _report(message):
    print(f"galvae: {message}", file=sys.stderr)
