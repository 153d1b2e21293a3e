"""Quoting of paths for Hydra's grammar, in which many characters of ordinary paths have a special meaning."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException


def quoted(path):
    """A path in single quotes, so that Hydra reads it as it is."""
    return QuotedString(str(path), Quote.single).with_quotes()


def unquoted(value):
    """The text of a value without its quotes; a value without quotes, or with unbalanced ones, stays as it is."""
    if value[:1] not in ("'", '"'):
        return value
    try:
        parsed = OverridesParser.create().parse_override(f"path={value}").value()
    except HydraException:
        return value
    return parsed if isinstance(parsed, str) else value
