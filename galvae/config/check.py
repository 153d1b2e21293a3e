"""Configurations checked against their schema: every mistake is one line that names the key.

Nothing is bent to fit: 2.5 is no int and "2" is no number, whether it comes from the command line or from
the config.yaml of a run that somebody else made.
"""

import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType

import yaml

from galvae.config.fields import key_name
from galvae.config.registry import choices
from galvae.config.train import TrainConfig
from galvae.errors import GalvaeError, line_of
from galvae.system.safe_read import open_file

LARGEST_CONFIG = 100_000  # bytes
DEEPEST = 8  # sections in sections
FORBIDDEN = yaml.AliasToken | yaml.AnchorToken | yaml.TagToken
OPENING = (
    *(yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken),
    *(yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def from_dict(schema, values):
    """The checked configuration of a schema.

    Args:
        schema: a dataclass of galvae.config, as COMMANDS has them by command.
        values: nested mapping of plain values.

    Returns:
        An instance of the schema.

    Raises:
        GalvaeError: if a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    return _section(schema, values, "")


def read_config(path):
    """A run's configuration, read from its config.yaml without trusting it.

    Args:
        path: the file.

    Returns:
        TrainConfig.

    Raises:
        GalvaeError: if the file cannot be read, is not plain YAML, or does not fit the schema.
    """
    try:
        with open_file(path, LARGEST_CONFIG) as file:
            text = file.read().decode("utf-8")
    except (OSError, ValueError) as error:
        raise GalvaeError(
            f"{path}: cannot be read; expected a run's configuration ({line_of(error)})"
        ) from error
    try:
        _check_plain(text)
        values = PlainLoader(text).get_single_data()
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that is none, an integer too long
        raise GalvaeError(
            f"{path}: not a configuration; expected plain YAML, received {_shown(line_of(error), 200)}"
        ) from error
    if "${" in text:
        raise GalvaeError(f"{path}: expected resolved values, received an interpolation")
    try:
        return from_dict(TrainConfig, values)
    except GalvaeError as error:
        raise GalvaeError(f"{path}: {error}") from error


class PlainLoader(yaml.SafeLoader):
    """The safe loader, without merged keys, and with an error for a key that stands twice."""

    def flatten_mapping(self, node):
        names = set()
        for name in (str(key.value) for key, _ in node.value):
            if name in names or name == "<<":
                raise ValueError(f"the key {_shown(name)} twice, or merged with others")
            names.add(name)


def _check_plain(text):
    """Refuses what a configuration never holds.

    Aliases can make a few bytes expand without limit, tags choose how a value is read, and brackets within
    brackets exhaust the reader.

    Raises:
        ValueError: if there is such a thing.
    """
    depth = 0
    for token in yaml.scan(text):
        depth += isinstance(token, OPENING) - isinstance(token, CLOSING)
        if isinstance(token, FORBIDDEN):
            raise ValueError("an alias, an anchor or a tag")
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} levels")


def to_dict(config):
    """A configuration as nested dicts, lists and plain values, ready for YAML."""
    if is_dataclass(config):
        return {key_name(f): to_dict(getattr(config, f.name)) for f in fields(config)}
    return list(config) if isinstance(config, list) else config


def flatten(values, prefix=""):
    """A configuration, or nested dicts, as one dict with dotted names, such as "beta.value"."""
    values = to_dict(values)
    if not isinstance(values, dict):
        return {prefix: values}
    pairs = [flatten(value, f"{prefix}.{name}" if prefix else name) for name, value in values.items()]
    return {name: value for found in pairs for name, value in found.items()}


def write_config(config, path):
    """Writes a configuration as YAML that `read_config` reads back to an equal one."""
    path.write_text(yaml.safe_dump(to_dict(config), sort_keys=False), encoding="utf-8")


def expected(schema_field):
    """What a key accepts, in words: its type, bounds or choices."""
    limits = schema_field.metadata
    if limits["choices"]:
        text = " or ".join(limits["choices"])
    else:
        text = " or ".join(_type_name(kind) for kind in _kinds(schema_field.type) if kind is not NoneType)
        signs = {"above": "above", "at_least": "at least", "at_most": "at most"}
        bounds = [f"{sign} {limits[name]}" for name, sign in signs.items() if limits[name] is not None]
        text = ", ".join([text, " and ".join(bounds)] if bounds else [text])
    return text + (" or null" if NoneType in _kinds(schema_field.type) else "")


def closest(name, candidates):
    """A hint, empty or ready to append to a message, at the candidate that was probably meant."""
    matches = difflib.get_close_matches(str(name), list(candidates), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def _section(schema, values, prefix):
    where = prefix.rstrip(".") or "configuration"
    if not isinstance(values, Mapping):
        raise GalvaeError(f"{where}: expected keys and values, received {_shown(values)}")
    group = choices(where, schema)
    if group:
        name = values.get("name")
        if not isinstance(name, str) or name not in group:
            raise GalvaeError(f"{where}.name: expected {' or '.join(group)}, received {_shown(name)}")
        schema = group[name]
    known = {key_name(f): f for f in fields(schema)}
    for name in values:
        if name not in known:
            raise GalvaeError(f"{_shown(f'{prefix}{name}', quoted=False)}: unknown key{closest(name, known)}")
    arguments = {}
    for name, schema_field in known.items():
        if name not in values or values[name] == "???":
            raise GalvaeError(f"{prefix}{name}: missing; expected {schema_field.metadata['meaning']}")
        if is_dataclass(schema_field.type):
            value = _section(schema_field.type, values[name], f"{prefix}{name}.")
        else:
            value = _value(schema_field, values[name], f"{prefix}{name}")
        arguments[schema_field.name] = value
    section = schema(**arguments)
    if hasattr(section, "check"):
        section.check()
    return section


def _value(schema_field, value, name):
    for kind in _kinds(schema_field.type):
        try:
            converted = _convert(kind, value)
        except (TypeError, ValueError, OverflowError):
            continue
        entries = converted if isinstance(converted, list) else [converted]
        if all(_within(entry, schema_field.metadata) for entry in entries):
            return converted
    raise GalvaeError(f"{name}: expected {expected(schema_field)}, received {_shown(value)}")


def _convert(kind, value):
    """The value as `kind`, or an exception; nothing is bent: 2.5 is no int, "2" is no float."""
    if typing.get_origin(kind) is list:
        if isinstance(value, str) or not hasattr(value, "__iter__") or isinstance(value, Mapping):
            raise TypeError
        return [_convert(typing.get_args(kind)[0], entry) for entry in value]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise TypeError
    return value


def _within(value, limits):
    if value is None:
        return True
    if limits["choices"] and value not in limits["choices"]:
        return False
    if isinstance(value, str):
        return value != "" and "\0" not in value  # which no path can hold
    return (
        (limits["above"] is None or value > limits["above"])
        and (limits["at_least"] is None or value >= limits["at_least"])
        and (limits["at_most"] is None or value <= limits["at_most"])
    )


def _kinds(annotation):
    return typing.get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _type_name(kind, plural=False):
    if typing.get_origin(kind) is list:
        return f"list{'s' if plural else ''} of {_type_name(typing.get_args(kind)[0], plural=True)}"
    name = {int: "integer", float: "number", str: "text", bool: "true or false"}[kind]
    return f"{name}s" if plural else name


def _shown(value, longest=60, quoted=True):
    """A value in a message: one line, not too long, without letters that a terminal would obey."""
    text = repr(value) if quoted else repr(value)[1:-1]
    return text if len(text) <= longest else text[: longest - 3] + "..."
