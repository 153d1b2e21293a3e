"""Errors that a user can correct, shown as one line instead of a traceback."""

import contextlib
import sys

LONGEST_MESSAGE = 2000  # characters


class GalvaeError(Exception):
    """A request or an input that is wrong; the command ends with exit status 2.

    The message is one line in three parts: what is wrong, what was expected, what was received.
    """

    exit_status = 2

    def __str__(self):
        return printable(super().__str__())


class CannotBeDone(GalvaeError):
    """A valid request that the machine could not fulfil (disk, network); exit status 1."""

    exit_status = 1


class RunLocked(CannotBeDone):
    """A run that another process is training; exit status 75, since the command may succeed later."""

    exit_status = 75


class TrainingDiverged(CannotBeDone):
    """Training whose loss or weights are no longer finite, or whose loss explodes; exit status 1.

    Args:
        message: one line.
        metrics: entries for metrics.json: the epoch, the position in it, and the ids of the batch.
    """

    def __init__(self, message, metrics):
        super().__init__(message)
        self.metrics = metrics


def line_of(error):
    """The message of an exception in one line."""
    return " ".join(str(error).split())


def byte_counts(*counts):
    """Numbers of bytes as texts, in the largest unit in which different numbers look different.

    Returns:
        list of texts such as ["3.6 MB", "2.5 MB"] or ["1,920 bytes", "1,000 bytes"].
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        texts = [f"{count / size:.1f} {unit}" for count in counts]
        if max(counts) >= size and len(set(texts)) == len(set(counts)):
            return texts
    return [f"{count:,} bytes" for count in counts]


@contextlib.contextmanager
def damage_as_one_line(message):
    """Turns whatever a library raises on a damaged file into a GalvaeError.

    Such libraries raise exceptions of many types. Errors that are already for the user, and lack of memory, pass.

    Args:
        message: what is wrong and was expected; the exception's own words are added in brackets.

    Raises:
        GalvaeError: if the block raises any other exception.
    """
    try:
        yield
    except (GalvaeError, MemoryError):
        raise
    except Exception as error:
        raise GalvaeError(f"{message} ({line_of(error)})") from error


def printable(text):
    """Escapes control characters and line breaks in a text, and limits its length.

    Names of files and keys from untrusted runs may contain control sequences of a terminal.
    """
    escaped = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    return escaped if len(escaped) <= LONGEST_MESSAGE else f"{escaped[:LONGEST_MESSAGE]} ..."


def print_error(message):
    """Prints a message on standard error as one line that begins with the program's name."""
    print(f"galvae: {printable(message)}", file=sys.stderr)
