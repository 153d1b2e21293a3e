"""The command line: `galvae COMMAND [key=value ...]`.

Only the standard library and the schema are imported here, so that `galvae --help` is instant. Hydra is
imported when a command is called, and NumPy, Keras and all else by the command itself.
"""

import errno
import os
import sys

from galvae import __version__
from galvae.config.fields import closest
from galvae.config.registry import COMMANDS, PRINTING
from galvae.errors import GalvaeError, print_error
from galvae.system import signals

# Errors of writing to standard output: its disk is full or fails, or its reader ended (EPIPE), as `| head` does.
OUTPUT_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}
EXAMPLES = """\
  galvae train                                             a VAE of real Hubble galaxies, in two minutes
  galvae train -m model=ae,vae,beta_vae latent_dim=2,4,8   a sweep
  galvae sample run=latest n=64 temperature=0.8            newly generated galaxies"""


def main(argv=None):
    """Runs one command and ends the process.

    Exit statuses: 0 done, 1 could not be done, 2 wrong input, 75 stopped by a signal or locked, 130 stopped by
    Ctrl-C.

    Args:
        argv: the arguments; None: those of this process.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = run(arguments)
        if sys.stdout is not None:  # closed by the process that started this one
            sys.stdout.flush()
        sys.exit(status)
    except GalvaeError as error:
        print_error(str(error))
        sys.exit(error.exit_status)
    except KeyboardInterrupt as stopped:
        resume_command = getattr(stopped, "resume_command", None)
        hint = f"; resume with: {resume_command}" if resume_command else ""
        print_error((str(stopped) or "stopped by Ctrl-C") + hint)
        sys.exit(getattr(stopped, "exit_status", 130))
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS or error.filename is not None:
            raise
        # So that Python's own flush at the end does not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            print_error(f"cannot write to standard output: {error.strerror}")
        sys.exit(1)


def run(arguments):
    """Runs one command.

    Args:
        arguments: list of words, without the program's name.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if the command or a key is wrong, or the command cannot be done.
    """
    if arguments[:1] in (["-sc"], ["--shell-completion"]):
        return complete(arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    if arguments[0] == "--version":
        print(f"galvae {__version__}")
        return 0
    if arguments[0] == "--cite":
        from galvae.system.citation import bibtex, citation  # late: it imports PyYAML

        print(f"{citation()}\n\n{bibtex()}")
        return 0
    command, *words = arguments
    if command not in COMMANDS:
        raise GalvaeError(
            f"unknown command {command!r}; expected {' or '.join(COMMANDS)}{closest(command, COMMANDS)}"
        )
    if {"-h", "--help"} & set(words):
        from galvae.cli.help import command_help  # late: it imports Hydra, which takes 0.2 s

        print(command_help(command, words))
        return 0
    if command in PRINTING:
        from galvae.cli.printing import print_command  # late: it imports Hydra, which takes 0.2 s

        return print_command(command, words)
    with signals.caught():  # around all of a sweep, so that a signal between two jobs is reported too
        from galvae.cli.application import run_command  # late: it imports Hydra, which takes 0.2 s

        return run_command(command, words)


def overview():
    """The text of `galvae --help`."""
    commands = "\n".join(f"  {name:9} {schema.__doc__}" for name, schema in COMMANDS.items())
    return (
        "galvae: learn, explore and generate galaxy morphology with variational autoencoders.\n\n"
        "usage: galvae COMMAND [key=value ...] [-m]\n\n"
        f"commands:\n{commands}\n\nexamples:\n{EXAMPLES}\n\n"
        "galvae COMMAND --help lists a command's keys; -m runs every combination of comma-separated values;\n"
        '--cfg job shows a configuration without running it; eval "$(galvae -sc install=bash)" completes with TAB;\n'
        "--version and --cite say which version this is, and how to cite it."
    )


def complete(arguments):
    """Answers a shell's TAB key: command names for the first word, Hydra's completion for the others.

    Args:
        arguments: `-sc` and what follows it, as the shell's function passes them.

    Returns:
        The exit status.

    Raises:
        GalvaeError: if anything but install=, uninstall= or query= follows.
    """
    if len(arguments) != 2 or arguments[1].partition("=")[0] not in ("install", "uninstall", "query"):
        raise GalvaeError("-sc: expected install=SHELL, uninstall=SHELL or query=SHELL after it")
    words = os.environ.get("COMP_LINE", "").split(" ")
    if arguments[1].startswith("query=") and len(words) <= 2:
        print("\n".join(name for name in COMMANDS if name.startswith(words[-1])))
        return 0
    command = "train"
    if len(words) > 2:
        command = words.pop(1)
        if command not in COMMANDS:
            return 0
        # Hydra must not see the command, nor count its characters.
        point = int(os.environ.get("COMP_POINT", "0")) - len(command) - 1
        os.environ.update(COMP_LINE=" ".join(words), COMP_POINT=str(point))
    from galvae.cli.application import launch  # late: it imports Hydra, which takes 0.2 s

    return launch(command, arguments)
