"""A second implementation of parsing and checking values against the schema, independent of galvae.config.check."""

import dataclasses
import math
import os
import re

from galvae.config.fields import ALWAYS
from galvae.config.registry import choices

INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*", re.ASCII)
NUMBER = re.compile(
    r"[+-]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)(e[+-]?[0-9_]+)?", re.ASCII | re.IGNORECASE
)
WORDS = {"true": True, "false": False, "null": None}
# Deprecated keys, which also set the new ones.
ALIASES = {"redshift": "condition", "redshifts": "conditions"}
PATHS = {"path", "table", "archive", "cache_dir", "select", "init"}


def parse(text):
    """Parses the text of a value on the command line as a user would understand it."""
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        return [parse(part) for part in split_list(inner)] if inner else []
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text) or text.lower().lstrip("+-") in ("inf", "nan"):
        return float(text)
    return WORDS.get(text.lower(), text)


def split_list(text):
    """Splits the text of a list at the commas outside inner lists."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def boundary_values(schema, key):
    """Values of a key at and around the limits of its range, and its choices.

    Args:
        schema: dataclass of the configuration.
        key: dotted key.

    Returns:
        List of texts, as on the command line.
    """
    first, _, rest = key.partition(".")
    values = ["1"]
    for field in dataclasses.fields(schema):
        if field.name.rstrip("_") != first:
            continue
        if dataclasses.is_dataclass(field.type):
            kinds = choices(first, field.type).values() or [field.type]
            return [text for kind in kinds for text in boundary_values(kind, rest)]
        limits = field.metadata
        values += limits["choices"] or []
        for bound in (limits["at_least"], limits["above"], limits["at_most"]):
            values += [] if bound is None else [str(bound), str(bound - 1), str(bound + 1), str(bound + 1e-9)]
        if "list" in str(field.type):
            values += [f"[{text}]" for text in values] + [f"[{text},{text}]" for text in values]
    return values


def invalid_keys(config, prefix=""):
    """Lists the keys of a configuration dataclass whose value has another type than declared or is out of range."""
    invalid = []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            if dataclasses.is_dataclass(field.type) and not isinstance(value, field.type):
                invalid.append(name)
            invalid += invalid_keys(value, f"{name}.")
        elif not _is_declared(
            str(field.type).replace("<class '", "").replace("'>", ""), value, field.metadata
        ):
            invalid.append(f"{name}={value!r:.80}")
    return invalid


def _is_declared(annotation, value, limits):
    """Whether a value has one of the types of an annotation and is within the limits."""
    return any(_is_of_kind(kind.strip(), value, limits) for kind in annotation.split("|"))


def _is_of_kind(kind, value, limits):
    """Whether a value has the type of that name and is within the limits."""
    if kind in ("None", "NoneType"):
        return value is None
    if kind.startswith("list["):
        return type(value) is list and all(_is_of_kind(kind[5:-1], entry, limits) for entry in value)
    if type(value).__name__ != kind:
        return False
    if kind == "str":
        return bool(value) and "\0" not in value and (not limits["choices"] or value in limits["choices"])
    if kind == "bool":
        return True
    low, above, high = limits["at_least"], limits["above"], limits["at_most"]
    return (
        math.isfinite(value)
        and not (low is not None and value < low)
        and not (above is not None and value <= above)
        and not (high is not None and value > high)
    )


def matches(value, expected, name):
    """Whether an accepted value equals the expected one, up to integers for floats, and absolute paths.

    Args:
        value: accepted value.
        expected: parsed value, see `parse`.
        name: last part of the key.
    """
    if isinstance(value, list) and name in ("condition", "redshift") and not isinstance(expected, list):
        expected = [expected]
    if isinstance(value, list):
        return (
            isinstance(expected, list)
            and len(expected) == len(value)
            and all(matches(v, e, name) for v, e in zip(value, expected, strict=True))
        )
    if name in PATHS and isinstance(expected, str):
        expected = os.path.abspath(os.path.expanduser(expected))
    if isinstance(value, float) and type(expected) is int:
        expected = float(expected)
    return type(value) is type(expected) and value == expected


def later_keys(config, prefix=()):
    """Values that a configuration gives to keys which its file lacks, since they are newer than the first version.

    Args:
        config: dataclass of the configuration.
        prefix: names of the sections around it.

    Returns:
        dict from a tuple of names to the value.
    """
    values = {}
    for field in dataclasses.fields(config):
        keys, value = (*prefix, field.name.rstrip("_")), getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            values |= later_keys(value, keys)
        elif field.metadata["added"] is not ALWAYS:
            values[keys] = field.metadata["added"]
    return values
