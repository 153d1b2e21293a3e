"""Commands that only print: called without the output directory, the log and the sweeps of the others."""

import importlib

from galvae.cli.help import composed
from galvae.config.check import from_dict
from galvae.config.registry import COMMANDS
from galvae.errors import CannotBeDone, GalvaeError


def print_command(command, words):
    """Runs a command that only prints.

    Args:
        command: name of the command.
        words: as typed.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if a word is wrong, or the command refuses what it is given.
        CannotBeDone: if a file cannot be read.
    """
    option = next((word for word in words if word.startswith("-")), None)
    if option is not None:
        raise GalvaeError(f"{option}: expected key=value or --help, since galvae {command} makes no sweep")
    config = from_dict(COMMANDS[command], composed(command, words))
    try:
        importlib.import_module(f"galvae.commands.{command}").main(config)
    except OSError as error:
        if error.filename is None:  # standard output, which `main` knows
            raise
        raise CannotBeDone(f"{error.filename}: {error.strerror}; expected a file that can be read") from error
    return 0
