"""The files of a hyperparameter search, and the numbers of a trial that it compares.

A search is a sweep by `hydra/sweeper=optuna`. Its directory holds search.json, which says where its study is and
what is measured; each of its trials is a run, whose `trial=` names that directory and the trial's number.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from galvae.config.analysis import CARDS
from galvae.errors import GalvaeError
from galvae.system.safe_read import read_json

RECORD = "search.json"
NUMBERS = "objective.json"  # in a run's directory: what a card says of its validation galaxies
MOST_NAMED = 8  # numbers that a message lists


class NotMeasured(GalvaeError):
    """A number that a trial lacks, though there is one of that name; other trials may have it."""


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """What a trial needs to know of its search.

    Attributes:
        storage: path of the study's file within the search's directory, or URL of a database.
        study: name of the study.
        objectives: list of the numbers that are compared, see `number_at`.
        pruner: dict of the arguments of `galvae.runs.study.pruner`; None: no trial is stopped early.
        sign: -1 if larger values of the objective are better, else 1.
    """

    storage: str
    study: str
    objectives: list
    pruner: dict | None
    sign: int


def trial_word(folder, number):
    """The value of `trial=` for a trial of a search.

    Args:
        folder: absolute path of the search's directory.
        number: number of the trial.
    """
    return f"{folder}#{number}"


def read_trial(word):
    """What the value of `trial=` stands for.

    Args:
        word: see `trial_word`.

    Returns:
        (folder, number, SearchRecord).

    Raises:
        GalvaeError: if it is no such value, or the search's record cannot be read.
    """
    folder, _, number = word.rpartition("#")
    if not folder or not number.isdecimal():
        raise GalvaeError(
            f"trial: expected no value, since hydra/sweeper=optuna sets it for its jobs, received {word!r}"
        )
    folder = Path(folder)
    values = read_json(folder / RECORD)
    try:
        search = SearchRecord(**values)
    except TypeError as error:
        raise GalvaeError(
            f"{folder / RECORD}: expected the record of a search, received other values"
        ) from error
    return folder, int(number), search


def card_of(objective):
    """The card of `galvae evaluate` that a number belongs to; None if it is one of the run's own metrics.json."""
    first = objective.partition(".")[0]
    return first if "." in objective and first in CARDS else None


def number_at(values, objective, source):
    """A number of metrics.json or of a card.

    Args:
        values: dict that was read from a JSON file.
        objective: the names of its keys from the outermost on, with dots between them, as val_loss or card.w1.
        source: where it was looked for, for messages.

    Returns:
        float.

    Raises:
        NotMeasured: if it could not be measured, or is not finite.
        GalvaeError: if there is no such number, in no trial.
    """
    value = _find(values, objective)
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if isinstance(value, float):
        raise NotMeasured(f"{objective}: expected a finite number in {source}, received {value}")
    above = values
    parts = objective.split(".")
    for end in range(1, len(parts)):
        inner = _find(values, ".".join(parts[:end]))
        above = inner if isinstance(inner, dict) else above
        if "not measured" in above:
            raise NotMeasured(f"{objective}: not measured in {source}: {above['not measured']}")
    # The physics card has no numbers of its own where the galaxies that they are of could not be measured.
    reasons = [
        inner["not measured"]
        for inner in above.values()
        if isinstance(inner, dict) and "not measured" in inner
    ]
    if value is None and reasons and not any(isinstance(inner, float) for inner in above.values()):
        raise NotMeasured(f"{objective}: not measured in {source}: {reasons[0]}")
    if value is None and parts[-1] in above:
        raise NotMeasured(
            f"{objective}: not measured in {source}, since too few galaxies were measured in full"
        )
    names = list(value if isinstance(value, dict) else _numbers(above))
    listed = ", ".join(names[:MOST_NAMED]) + (" ..." if len(names) > MOST_NAMED else "")
    raise GalvaeError(
        f"hydra.sweeper.objective: expected the name of a number of {source}, received {objective!r}, which is "
        f"{'none' if value is None else 'not one'}; there are {listed or 'none beside it'}"
    )


def _find(values, path):
    """The value at a path of keys, which may hold dots themselves; None if there is none."""
    if path in values:
        return values[path]
    for key, inner in values.items():
        if path.startswith(f"{key}.") and isinstance(inner, dict):
            found = _find(inner, path[len(key) + 1 :])
            if found is not None:
                return found
    return None


def _numbers(values):
    """Names of the entries that are numbers, or hold some."""
    return [
        name
        for name, value in values.items()
        if isinstance(value, int | float | dict) and not isinstance(value, bool)
    ]
