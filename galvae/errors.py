"""The errors that a user can mend, shown as one line instead of a traceback."""

LONGEST_LINE = 2000  # letters of a message


class GalvaeError(Exception):
    """A mistake in what the user asked for or gave; the command ends with exit status 2.

    The message is one line in three parts: what is wrong, what was expected, what was received.
    """

    exit_status = 2

    def __str__(self):
        return printable(super().__str__())


class CannotBeDone(GalvaeError):
    """A sound request that the machine could not fulfil (disk, network); exit status 1."""

    exit_status = 1


class RunLocked(CannotBeDone):
    """A run that another process is training; exit status 75, as for whatever is worth trying again later."""

    exit_status = 75


class TrainingDiverged(CannotBeDone):
    """Training whose loss or weights are no longer finite, or whose loss explodes; exit status 1.

    Args:
        message: one line.
        place: dict for metrics.json: epoch, where in it, and the ids of the batch.
    """

    def __init__(self, message, place):
        super().__init__(message)
        self.place = place


def line_of(error):
    """An exception's message in one line."""
    return " ".join(str(error).split())


def printable(text):
    """One line of it, not too long: names of strangers may hold line breaks and what a terminal would obey."""
    plain = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    return plain if len(plain) <= LONGEST_LINE else f"{plain[:LONGEST_LINE]} ..."
