"""Galaxies selected by an expression over the columns of a table, such as umap_x>0 & r50<4."""

import ast
import difflib
import functools
import logging
import operator
import re

import numpy as np

from galvae.data.catalogue import galaxy_table, write_table
from galvae.data.plain_columns import plain
from galvae.errors import GalvaeError

LONGEST = 1000  # characters
DEEPEST = 50  # expressions within expressions
SHOWN = 12  # columns that an error message lists
SHOWN_CHARACTERS = 200  # of an expression, in an error message
LARGEST_EXACT = 2**63  # whole numbers below it are compared exactly, as ids of 19 digits

TOKEN = re.compile(
    r"""(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?!\w)|(?P<name>[^\W\d]\w*)|`(?P<quoted>[^`]+)`"""
    r"""|'(?P<text>[^']*)'|"(?P<text2>[^"]*)"|(?P<sign>\*\*|[<>=!]=|[-+*/<>()&|~])"""
)
# As these words of Python, & | and ~ bind after comparisons.
WORDS = {"&": "and", "|": "or", "~": "not", **{word: word for word in ("and", "or", "not", "True", "False")}}
COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
ARITHMETIC = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.UAdd: np.positive,
    ast.USub: np.negative,
}
ALLOWED = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.BinOp, ast.Compare, ast.Call, ast.Name),
    *(ast.Load, ast.Constant, *COMPARISONS, *ARITHMETIC),
)
PLACEHOLDER = re.compile(r"\b_\d+\b")
FUNCTIONS = {"abs": np.abs, "log10": np.log10, "sqrt": np.sqrt, "isfinite": np.isfinite}

log = logging.getLogger(__name__)


class Selection:
    """An expression that is true or false for each row of a table.

    It has names of columns, in backticks where they are no single words; numbers; texts in quotes; comparisons, also
    chained as 1 < r50 < 4; + - * / and **; the functions abs, log10, sqrt and isfinite; & or and, | or or, ~ or not.
    Comparisons bind before ~, this before &, and & before |, as one reads it. Nothing else is evaluated.

    Units do not count: numbers are compared as the table has them. An unknown number, NaN or masked, satisfies no
    comparison, not even !=; ~ negates this too, so that ~(r50 < 4) is true where r50 is unknown. An unknown text is
    the empty one, as the class of an unlabelled galaxy.

    Args:
        text: the expression, as typed.

    Attributes:
        text: the same.
        names: the columns that it needs, in their order.

    Raises:
        GalvaeError: if it is no such expression.
    """

    def __init__(self, text):
        self.text = text
        self._names, self._constants, self._typed_words = {}, {}, {}  # by the words that stand for them below
        try:
            self._tree = ast.parse(self._python(), mode="eval").body
        except SyntaxError as error:
            raise self._error("which cannot be read") from error
        functions = self._check_tree()
        nodes = ast.walk(self._tree)
        used = [node for node in nodes if isinstance(node, ast.Name) and node not in functions]
        used.sort(key=lambda node: node.col_offset)
        self.names = list(dict.fromkeys(self._names[node.id] for node in used if node.id in self._names))
        if not self.names:
            raise self._error("which names no column")

    def check(self, known):
        """Refuses names that are none of a table's columns.

        Args:
            known: names of the columns.

        Raises:
            GalvaeError: if there is one.
        """
        for name in self.names:
            if name not in known:
                similar = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {similar[0]}?" if similar else ""
                listed = ", ".join(known[:SHOWN]) + (", ..." if len(known) > SHOWN else "")
                raise GalvaeError(f"select: no column {name!r}; expected one of {listed}{hint}")

    def rows(self, table):
        """Which rows of a table satisfy the expression.

        Args:
            table: astropy Table of n rows.

        Returns:
            (n,) bool.

        Raises:
            GalvaeError: if a column is missing, or a text stands for a number, or a number for true or false.
        """
        self.check(table.colnames)
        columns = {name: plain(table[name]) for name in self.names}
        for name, values in columns.items():
            if values is None:
                raise GalvaeError(f"select: expected columns of one number or text in a row, received {name}")
        with np.errstate(all="ignore"):  # the logarithm of a negative number is NaN, which satisfies nothing
            return np.array(np.broadcast_to(self._logical(self._tree, columns), len(table)))

    def _python(self):
        """The expression in Python's words, with a harmless word for each name, number and text."""
        if len(self.text) > LONGEST:
            raise GalvaeError(
                f"select: expected at most {LONGEST} characters, received {len(self.text)}; a long list of galaxies is "
                "a table for dataset.select="
            )
        words, place = [], 0
        while place < len(self.text):
            if self.text[place].isspace():
                place += 1
                continue
            match = TOKEN.match(self.text, place)
            if match is None:
                hint = "; equal is ==" if self.text[place] == "=" else ""
                raise self._error(f"which cannot be read from {self.text[place:][:20]!r} on{hint}")
            kind, word = match.lastgroup, f"_{len(words)}"
            if match.group() in WORDS:
                word = WORDS[match.group()]
            elif kind == "sign":
                word = match.group()
            elif kind in ("name", "quoted"):
                self._names[word] = match[kind]
            else:
                self._constants[word] = _number(match[kind]) if kind == "number" else match[kind]
            self._typed_words[word] = match.group()
            words.append(word)
            place = match.end()
        return " ".join(words)

    def _check_tree(self):
        """Refuses what is not in the grammar, and deep expressions, which Python could not evaluate.

        Returns:
            The nodes that name functions.
        """
        level, depth, functions = [self._tree], 0, set()
        while level:
            depth += 1
            if depth > DEEPEST:
                raise self._error(f"of more than {DEEPEST} expressions within each other")
            for node in level:
                if not isinstance(node, ALLOWED):
                    raise self._error("which cannot be read")
                if isinstance(node, ast.Call):
                    name = self._names.get(getattr(node.func, "id", None))
                    if name not in FUNCTIONS or len(node.args) != 1 or node.keywords:
                        raise self._error(
                            f"where {self._typed(node)} is none of the functions {', '.join(FUNCTIONS)} of one value"
                        )
                    functions.add(node.func)
            level = [child for node in level for child in ast.iter_child_nodes(node)]
        return functions

    def _value(self, node, columns):
        """Value of a part of the expression: an array with a value for each row, or one value for all."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=word):
                return self._constants[word] if word in self._constants else columns[self._names[word]]
            case ast.BoolOp():
                combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
                return functools.reduce(combine, (self._logical(part, columns) for part in node.values))
            case ast.UnaryOp(op=ast.Not()):
                return np.logical_not(self._logical(node.operand, columns))
            case ast.UnaryOp():
                return ARITHMETIC[type(node.op)](self._number(node.operand, columns))
            case ast.BinOp():
                left, right = (self._number(part, columns) for part in (node.left, node.right))
                return ARITHMETIC[type(node.op)](left, right)
            case ast.Call():
                return FUNCTIONS[self._names[node.func.id]](self._number(node.args[0], columns))
            case ast.Compare():
                nodes = [node.left, *node.comparators]
                pairs = zip(nodes[:-1], node.ops, nodes[1:], strict=True)
                compared = (
                    self._compared(left, COMPARISONS[type(op)], right, columns) for left, op, right in pairs
                )
                return functools.reduce(np.logical_and, compared)

    def _logical(self, node, columns):
        value = self._value(node, columns)
        if np.asarray(value).dtype.kind != "b":
            raise self._error(f"where {self._typed(node)} is neither true nor false; r50 > 0 would be")
        return value

    def _number(self, node, columns):
        value = np.asarray(self._value(node, columns))
        if value.dtype.kind == "U":
            raise self._error(f"where {self._typed(node)} is a text, and a number is needed")
        return value.astype(float)

    def _compared(self, left, compare, right, columns):
        """Where a comparison holds; nowhere where one side is unknown."""
        values = [self._value(node, columns) for node in (left, right)]
        kinds = [np.asarray(value).dtype.kind for value in values]
        if (kinds[0] == "U") != (kinds[1] == "U"):
            text, number = (left, right) if kinds[0] == "U" else (right, left)
            raise self._error(
                f"where {self._typed(text)} is a text, but {self._typed(number)} a number; only a text stands in quotes"
            )
        known = [kind != "f" or ~np.isnan(value) for kind, value in zip(kinds, values, strict=True)]
        return compare(*values) & known[0] & known[1]

    def _typed(self, node):
        """A part of the expression as the user typed it."""
        return PLACEHOLDER.sub(lambda match: self._typed_words[match.group()], ast.unparse(node))

    def _error(self, problem):
        return GalvaeError(
            "select: expected comparisons of columns, as umap_x>0 & r50<4 or class=='Merging', received "
            f"{self.text[:SHOWN_CHARACTERS]!r}, {problem}"
        )


def check_selection(text, galaxies, added):
    """Checks an expression before the columns that it needs are computed, so that a wrong name costs no time.

    Args:
        text: the expression, see `Selection`, or None.
        galaxies: Galaxies, whose own columns the table will have, see `galvae.data.catalogue.galaxy_table`.
        added: names of the columns that it will have besides.

    Raises:
        GalvaeError: if the expression cannot be read, or there will be no column of a name.
    """
    if text is not None:
        nothing = np.zeros(0, int)
        table = galaxy_table(galaxies, nothing, dict.fromkeys(added, nothing))
        Selection(text).check(table.colnames)


def write_selected(table, text, folder):
    """Writes the rows of a table that an expression selects as selected.ecsv, or .fits if they are very many.

    `dataset.select=` trains on the galaxies of such a file, which it recognises by their ids.

    Args:
        table: astropy Table with a row for each galaxy.
        text: the expression, see `Selection`; None: nothing is written.
        folder: where the file is written.

    Returns:
        Path of the file; None if nothing is written.

    Raises:
        GalvaeError: if the expression is wrong, or selects no galaxy.
    """
    if text is None:
        return None
    rows = Selection(text).rows(table)
    if not rows.any():
        raise GalvaeError(f"select: no galaxy satisfies {text}; expected one or more of {len(table):,}")
    path = write_table(table[rows], folder / "selected")
    log.info("select: %s of %s galaxies satisfy %s: %s", f"{rows.sum():,}", f"{len(table):,}", text, path)
    return path


def _number(text):
    """The number that a text writes; whole ones that ids have stay exact."""
    return int(text) if text.isdecimal() and int(text) < LARGEST_EXACT else float(text)
