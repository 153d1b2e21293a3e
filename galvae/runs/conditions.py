"""Conditions that users ask a run for: classes by number or name, numbers in physical units."""

import itertools
import logging
import numbers
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from galvae.config.fields import closest
from galvae.data.column_names import is_redshift
from galvae.data.conditions import CLASS, classes_among
from galvae.errors import GalvaeError

ALL = "all"  # stands for every class
LISTED = 12  # classes that a message lists

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Conditions:
    """The conditions of a run, which its checkpoint knows without the dataset.

    Attributes:
        columns: K names of the condition's columns, those of classes first, see `galvae.data.conditions`; empty for a
            model without a condition.
        ranges: K pairs [low, high], see `CheckpointState`.
        model: name of the model, for messages.
    """

    columns: list
    ranges: list
    model: str

    @property
    def classes(self):
        """Names of the classes; empty if the model is not conditional on classes."""
        return classes_among(self.columns)

    @property
    def learned(self):
        """Numbers of the classes of which there are training galaxies."""
        return [number for number in range(len(self.classes)) if self.ranges[number] != [0, 0]]

    @property
    def names(self):
        """Names of the conditions, the first one first: class, if there are classes, and those of numbers."""
        return [*([CLASS] if self.classes else []), *self.columns[len(self.classes) :]]

    @property
    def symbol(self):
        """Short name, in captions, of the first condition that is a number: z for the redshift."""
        return _symbol(next((name for name in self.names if name != CLASS), CLASS))

    def requests(self, value):
        """The conditions that a key asks for, a dict for each block of galaxies.

        Args:
            value: a value of the first condition, a list of them, a mapping of names of conditions to values or lists,
                of which every combination is a block, or None. "all" stands for every class.

        Returns:
            list of dicts, name of a condition -> number, or number of a class; [{}] for None.

        Raises:
            GalvaeError: if there is no such condition or class.
        """
        if value is None:
            return [{}]
        given = self._mapping(value)
        values = [
            [self._value(name, one) for entry in _listed(of_name) for one in self._every(name, entry)]
            for name, of_name in given.items()
        ]
        return [dict(zip(given, block, strict=True)) for block in itertools.product(*values)]

    def resolved(self, value):
        """Values of conditions, name of a condition -> (n,) numbers, or numbers of classes.

        Args:
            value: n values of the first condition, or a mapping of names of conditions to one or n values.

        Raises:
            GalvaeError: if there is no such condition or class.
        """
        given = {
            name: [self._value(name, one) for one in _listed(of_name)]
            for name, of_name in self._mapping(value).items()
        }
        return dict(zip(given, np.broadcast_arrays(*given.values()), strict=True))

    def determined_by(self, names):
        """Whether conditions of these names are all that there are."""
        return set(names) == set(self.names)

    def filled(self, values, like):
        """Conditions with given values.

        Numbers outside of the dataset's range are accepted with a warning, because the model extrapolates.

        Args:
            values: what `resolved` returned.
            like: (n, K) or (K,) conditions that give the others; None if there are none.

        Returns:
            (n, K) float32.
        """
        condition = np.zeros((len(next(iter(values.values()))), len(self.columns)), np.float32)
        if like is not None:
            condition[:] = like
        for name, of_name in values.items():
            if name == CLASS:
                condition[:, : len(self.classes)] = of_name[:, None] == np.arange(len(self.classes))
                continue
            column = self.columns.index(name)
            (low, high), ends = self.ranges[column], (of_name.min(), of_name.max())
            if low is not None and (ends[0] < low or ends[1] > high):
                log.warning(
                    "%s %s is outside of the dataset's range, %.4g to %.4g: the model extrapolates",
                    *(name, " to ".join(f"{end:g}" for end in dict.fromkeys(ends)), low, high),
                )
            condition[:, column] = of_name
        return condition

    def typical(self, condition):
        """Means of conditions (n, K), (K,); for a class, which has no mean, the most frequent one."""
        typical, count = condition.mean(axis=0), len(self.classes)
        if count:
            typical[:count] = np.arange(count) == typical[:count].argmax()
        return typical

    def table(self, condition):
        """Conditions (n, K) as columns of a table, name -> (n,): names of classes, and numbers."""
        count = len(self.classes)
        table = {CLASS: np.array(self.classes)[condition[:, :count].argmax(axis=1)]} if count else {}
        return table | {name: condition[:, count + index] for index, name in enumerate(self.columns[count:])}

    def title(self, request):
        """What a block of galaxies is called for which `requests` has the dict `request`."""
        texts = []
        for name, value in request.items():
            if name == CLASS:
                text = self.classes[value]
                texts.append(f"{CLASS} {text}" if text.isdigit() else text)
            else:
                texts.append(f"{_symbol(name)} = {value:g}")
        return ", ".join(texts)

    def _mapping(self, value):
        """A request as a dict, name of a condition -> its value or values."""
        if not self.columns:
            asked = " and ".join(map(str, value)) if isinstance(value, Mapping) else _text(value)
            raise GalvaeError(
                f"condition: expected none, because {self.model} takes no condition, received {asked}"
            )
        if not isinstance(value, Mapping):
            return {self.names[0]: value}
        named = {self._name(str(name)): of_name for name, of_name in value.items()}
        if not len(named) == len(value) > 0:
            raise GalvaeError(
                f"condition: expected values of {' or '.join(self.names)}, each once, received "
                f"{', '.join(map(str, value)) or 'none'}"
            )
        return named

    def _name(self, asked):
        for name in self.names:
            if name.lower() == asked.lower() or (asked == "redshift" and is_redshift(name)):
                return name
        raise GalvaeError(
            f"condition: expected {' or '.join(self.names)}, received {asked!r}{closest(asked, self.names)}"
        )

    def _every(self, name, value):
        """The values that one stands for: every class, or itself."""
        return self.learned if name == CLASS and value == ALL and ALL not in self.classes else [value]

    def _value(self, name, value):
        """A number, or the number of a class.

        Raises:
            GalvaeError: if it is none.
        """
        if name != CLASS:
            if not isinstance(value, numbers.Real) or isinstance(value, bool) or not np.isfinite(value):
                raise GalvaeError(f"condition: expected numbers of {name}, received {value!r}")
            return value
        text = f"{value:g}" if isinstance(value, numbers.Real) else str(value)
        if text in self.classes:
            number = self.classes.index(text)
        elif isinstance(value, numbers.Real) and value in range(len(self.classes)):
            number = int(value)
        else:
            listed = ", ".join(f"{number} {self.classes[number]}" for number in self.learned[:LISTED])
            more = f" and {len(self.learned) - LISTED} more" if len(self.learned) > LISTED else ""
            raise GalvaeError(
                f"condition: expected a class by number or name, {listed}{more}, or {ALL}, received {text}"
                f"{closest(text, self.classes)}"
            )
        if number not in self.learned:
            raise GalvaeError(
                f"condition: expected a class of which the run has training galaxies, received {number} "
                f"({self.classes[number]}), of which it has none"
            )
        return number


def _symbol(name):
    return "z" if name == "redshift" else name


def _listed(value):
    return list(value) if np.ndim(value) else [value]


def _text(value):
    """Values as a message shows them: different ones in ascending order, if they are numbers."""
    values = _listed(value)
    if all(isinstance(one, numbers.Real) for one in values):
        return ", ".join(f"{one:g}" for one in np.unique(values))
    return ", ".join(map(str, values))
