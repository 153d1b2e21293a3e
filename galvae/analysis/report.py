"""Result of an evaluator: entries of metrics.json, columns of the catalogue, arrays and facts for the figures."""

from dataclasses import dataclass, field

UNMEASURED = "not measured"  # key of an entry of the summary that says why there is no number


@dataclass(frozen=True, kw_only=True)
class Report:
    """Answer of one evaluator to one question.

    Attributes:
        question: question that the evaluator answers, in one sentence.
        perfect: result of a perfect model.
        chance: result of a model that has learned nothing.
        summary: top-level entries of metrics.json, JSON-able.
        columns: name -> (values, unit), columns of the table with a row per galaxy; the unit may be None.
        arrays: file name -> dict of arrays, the numbers behind each figure.
        tables: file name -> dict of columns, tables that are not per galaxy.
        facts: further values that the figures need, by name; `galaxies`, row indices, where they show others than
            those evaluated and no file of arrays has their name.
        lines: lines that the command prints.
    """

    question: str
    perfect: str
    chance: str
    summary: dict = field(default_factory=dict)
    columns: dict = field(default_factory=dict)
    arrays: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    facts: dict = field(default_factory=dict)
    lines: list = field(default_factory=list)
