"""Quoting of paths and ids for Hydra's grammar, in which many characters of ordinary names have a special meaning."""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

# A value of a sweep: text in quotes, in which commas separate nothing, or text up to the next comma.
SWEPT = re.compile(r"""\s*(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")\s*(?=,|$)|[^,]*""", re.DOTALL)
# A sweep by one of Hydra's functions.
FUNCTION = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)


def quoted(path):
    """A path in single quotes, so that Hydra reads it as it is."""
    return QuotedString(str(path), Quote.single).with_quotes()


def unquoted(value):
    """The text of a value without its quotes; a value without quotes, or with unbalanced ones, stays as it is."""
    text = _text_in_quotes(value)
    return value if text is None else text


def as_text(value):
    """A value, as typed, in quotes, so that Hydra reads it as a text; null and a text in quotes stay as they are."""
    return value if value in ("", "null") or _text_in_quotes(value) is not None else quoted(value)


def is_swept(value):
    """Whether a value, as typed for a sweep, is several ones, or one of Hydra's functions."""
    return bool(FUNCTION.fullmatch(value)) or len(_separated(value)) > 1


def is_swept_word(word):
    """Whether a word of a sweep's command line gives a key several values, by Hydra's grammar."""
    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False  # which Hydra reports


def sweep_of_texts(value):
    """The values of a sweep, each as a text for Hydra (see `as_text`); one of its functions stays as it is."""
    return value if FUNCTION.fullmatch(value) else ",".join(map(as_text, _separated(value)))


def _separated(value):
    """The values of a sweep, as typed: a comma separates them, unless it stands in quotes."""
    values, start = [], 0
    while start <= len(value):
        match = SWEPT.match(value, start)
        values.append(match.group().strip())
        start = match.end() + 1
    return values


def _text_in_quotes(value):
    """The text of a value that stands in quotes by Hydra's grammar; None if it does not."""
    if value[:1] not in ("'", '"'):
        return None
    try:
        parsed = OverridesParser.create().parse_override(f"path={value}").value()
    except HydraException:
        return None
    return parsed if isinstance(parsed, str) else None
