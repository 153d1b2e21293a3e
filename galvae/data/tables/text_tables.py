"""Tables written as text: comma-separated values and their relatives, with exact numbers and the lines of mistakes."""

import csv
import io
import re

import numpy as np

from galvae.data.column_names import FILE_NAMES, IDS, is_named
from galvae.data.plain_columns import EXACT, LARGEST_COLUMN, LONGEST_TEXT
from galvae.errors import GalvaeError, line_of

BLOCK = 20_000  # rows that are Python's objects at a time
DELIMITERS = (",", ";", "\t")
# Spellings of "no value" in a column of numbers; in a column of text only the empty one counts.
MISSING = ("", "nan", "null", "none", "n/a", "na", "--", "masked")
_MISSING = "|".join(sorted(MISSING, key=len, reverse=True))
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?"
# Patterns of whole columns, one entry a line; possessive (++), so that a long column takes no memory to match.
INTEGERS = re.compile(rf"(?i:(?>[+-]?[0-9]+|{_MISSING})\n)++")
NUMBERS = re.compile(rf"(?i:(?:{_NUMBER}|{_MISSING})\n)++")
WHOLE_NUMBERS = re.compile(rf"(?i:(?:(?:0|-?[1-9][0-9]*)(?:\.0*)?|{_MISSING})\n)++")
ONE_NUMBER = re.compile(rf"(?i:{_NUMBER})")
LEADING_ZERO = re.compile(r"\n0[0-9]+(?=\n)")
LONG_INTEGER = re.compile(r"\n[+-]?([0-9]{16,})(?:\.0*)?(?=\n)")
SEXTRACTOR = re.compile(r"([0-9]+)\s+(\S+)(?:.*\[(\S+)\])?")


def decoded(content):
    """The text of a file's bytes, without the mark that spreadsheets put first.

    Raises:
        GalvaeError: if they are no text.
    """
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GalvaeError(
            f"line {line}: expected text in UTF-8, received other bytes; save it as UTF-8"
        ) from error
    if "\0" in text:
        raise GalvaeError(
            f"line {text.count(chr(10), 0, text.index(chr(0))) + 1}: expected text, received binary data"
        )
    return text


def read_text(text, ending, text_columns=()):
    """The columns of a table with one row a line, below a line of column names.

    Lines that start with # are comments; the last of them before the first row may hold the names, as may the
    numbered comments of SExtractor. The delimiter is found from the line of names: a comma, semicolon or tab, or
    else, but not in .csv, blanks.

    Args:
        text: content of the file.
        ending: of its name, in lower case, without .gz.
        text_columns: names of columns of ids, see `_values`.

    Returns:
        (names, columns, units, notes): list, list of (N,) arrays or None for a column that cannot be kept, and unit by
        name.

    Raises:
        GalvaeError: if a row has another number of entries than there are names, with its line.
    """
    lines = _Lines(text)
    first = next(lines, None)
    if first is None:
        raise GalvaeError("expected a line of column names, received an empty file")
    delimiter = _delimiter(first, lines.peek(), ending)
    names, units = _sextractor_names(lines.comments, len(_split(first, " ")))
    if names:
        delimiter = " "
    else:
        names = _commented_names(lines, first, delimiter)
    lines.put_back(first)
    reader = csv.reader(lines.of(delimiter), **_format(delimiter))
    try:
        names = names or [name.strip() for name in next(reader)]
        texts = _joined(reader, names, lines)
    except csv.Error as error:
        raise GalvaeError(f"line {lines.number}: expected a row of a table ({line_of(error)})") from error
    kept = [number for number, name in enumerate(names) if name]  # pandas leaves its index without a name
    of_ids = {name.lower() for name in text_columns}
    columns = []
    for number in kept:
        name = names[number]
        columns.append(_values(texts[number], is_named(name, (*IDS, *FILE_NAMES)) or name.lower() in of_ids))
        texts[number] = None
    notes = [f"{len(names) - len(kept)} columns without a name left out"] if len(kept) < len(names) else []
    if lines.late_comments:
        notes.append(f"{lines.late_comments:,} lines that start with # among the rows left out")
    return [names[number] for number in kept], columns, units, notes


class _Lines:
    """The lines of a text without blank ones and comments, and the number of the latest.

    Attributes:
        number: of the latest line, counted from 1.
        comments: those before the first line, without their signs.
        late_comments: how many came after it.
        fresh: whether the next line starts a row, and may be a comment; a quoted entry may go over several lines.
    """

    def __init__(self, text):
        self._text, self._stream = text, io.StringIO(text, newline=None)
        self.number, self.comments, self.late_comments, self.fresh, self._started = 0, [], 0, True, False
        self._waiting = None

    def __iter__(self):
        return self

    def __next__(self):
        if self._waiting is not None:
            line, self._waiting = self._waiting, None
            self.fresh = False
            return line
        for line in self._stream:
            self.number += 1
            if self.fresh:
                start = line.lstrip()[:1]
                if start == "#":
                    if self._started:
                        self.late_comments += 1
                    else:
                        self.comments.append(line.strip().lstrip("#").strip())
                    continue
                if not start:
                    continue
            self._started, self.fresh = True, False
            return line
        raise StopIteration

    def peek(self):
        """The next line that is neither blank nor a comment, or None; the iteration does not advance."""
        here = self._stream.tell()
        found = next((line for line in self._stream if line.strip() and line.lstrip()[0] != "#"), None)
        self._stream.seek(here)
        return found

    def put_back(self, line):
        """Makes a line the next one again."""
        self._waiting = line

    def of(self, delimiter):
        """The lines as a reader of a delimiter needs them."""
        return (line.replace("\t", " ").strip() for line in self) if delimiter == " " else self


def _format(delimiter):
    return {"delimiter": delimiter, "skipinitialspace": delimiter == " ", "strict": True}


def _split(line, delimiter):
    """The entries of one line; empty if its quotes are wrong."""
    line = line.replace("\t", " ").strip() if delimiter == " " else line.strip("\r\n")
    try:
        return [entry.strip() for entry in next(csv.reader([line], **_format(delimiter)), [])]
    except csv.Error:
        return []


def _delimiter(header, row, ending):
    """The delimiter of the line of names, checked with the first row where several are possible."""
    possible = [delimiter for delimiter in DELIMITERS if len(_split(header, delimiter)) > 1]
    if len(possible) > 1 and row is not None:
        equal = [one for one in possible if len(_split(row, one)) == len(_split(header, one))]
        possible = equal or possible
    if len(possible) > 1:
        signs = " and ".join({",": "commas", ";": "semicolons", "\t": "tabs"}[one] for one in possible)
        raise GalvaeError(
            f"line of column names: expected one kind of delimiter, received {signs}: {header.strip()}"
        )
    if possible:
        return possible[0]
    return {".csv": ",", ".tsv": "\t"}.get(ending, " ")


def _sextractor_names(comments, count):
    """(names, units) from numbered comments, as `# 1 NUMBER Running object number`.

    A gap between the numbers belongs to a vector before it. Empty if the comments are others.
    """
    found = [SEXTRACTOR.match(comment) for comment in comments]
    numbers = [int(match[1]) for match in found if match]
    if (
        not numbers
        or None in found
        or numbers[0] != 1
        or numbers != sorted(set(numbers))
        or numbers[-1] > count
    ):
        return [], {}
    names, units = [], {}
    for match, number, end in zip(found, numbers, [*numbers[1:], count + 1], strict=True):
        names += [match[2] if k == number else f"{match[2]}_{k - number}" for k in range(number, end)]
        if match[3]:
            units[match[2]] = match[3]
    return names, units


def _commented_names(lines, first, delimiter):
    """Names from the last comment before the first row, or [] if the first line holds the names itself.

    Raises:
        GalvaeError: if neither does.
    """
    entries = _split(first, delimiter)
    if not any(ONE_NUMBER.fullmatch(entry) for entry in entries):
        return []
    for one in (delimiter, *DELIMITERS, " "):
        names = _split(lines.comments[-1], one) if lines.comments else []
        if len(names) == len(entries) and not any(ONE_NUMBER.fullmatch(name) for name in names):
            return names
    raise GalvaeError(
        f"line {lines.number}: expected a line of column names first, received numbers: {', '.join(entries[:5])}"
    )


def _joined(reader, names, lines):
    """The entries of each column as one text with an entry a line, which takes far less memory than a list.

    Raises:
        GalvaeError: if a row has another number of entries than there are names.
    """
    texts, block, count = [[] for _ in names], [], len(names)
    lines.fresh = True
    for row in reader:
        if len(row) != count:
            raise GalvaeError(
                f"line {lines.number}: expected {count} entries, as column names, received {len(row)}"
            )
        block.append(row)
        lines.fresh = True
        if len(block) == BLOCK:
            _append(texts, block)
            block = []
    if block:
        _append(texts, block)
    return ["".join(text) for text in texts]


def _append(texts, block):
    for text, entries in zip(texts, zip(*block, strict=True), strict=True):
        joined = "\n".join(entries)
        if " " in joined or "\t" in joined or "\r" in joined or joined.count("\n") >= len(entries):
            joined = "\n".join(entry.strip().replace("\r", " ").replace("\n", " ") for entry in entries)
        text.append(joined + "\n")


def _values(joined, is_id):
    """The entries of a column as integers, floats or text, whichever keeps every digit; None if texts are too long.

    Args:
        joined: entries, each followed by a line break.
        is_id: whether the column holds ids, which stay text unless all are whole numbers.
    """
    entries = joined.split("\n")
    entries.pop()
    if NUMBERS.fullmatch(joined) and not LEADING_ZERO.search("\n" + joined):
        values = _numbers(joined, entries, is_id)
        if values is not None:
            return values
    longest = max(map(len, entries), default=0)
    if longest > LONGEST_TEXT or 4 * longest * len(entries) > LARGEST_COLUMN:
        return None
    return np.array(entries, dtype=f"U{max(longest, 1)}")


def _numbers(joined, entries, is_id):
    """Integers or floats, or None if these entries, which look like numbers, are better kept as text."""
    present = [entry for entry in entries if entry.lower() not in MISSING]
    if not present:
        words = {entry.lower() for entry in entries} - {"", "nan"}
        return None if words else np.full(len(entries), np.nan)
    if is_id and not WHOLE_NUMBERS.fullmatch(joined):
        return None
    are_integers = INTEGERS.fullmatch(joined)
    if are_integers and len(present) == len(entries):
        for dtype in (np.int64, np.uint64):
            try:
                return np.fromiter(map(int, entries), dtype, len(entries))
            except (OverflowError, ValueError):  # too large for the type, or longer than Python converts
                continue
        return None
    long = LONG_INTEGER.finditer("\n" + joined) if is_id or are_integers else ()
    if any(len(match[1]) > 16 or int(match[1]) > EXACT for match in long):
        return None
    missing = set(MISSING)
    return np.fromiter(
        (np.nan if entry.lower() in missing else float(entry) for entry in entries), float, len(entries)
    )
