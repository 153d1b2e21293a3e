"""Configurations checked against their schema: every error is one line that names the key.

No value is converted to fit: 2.5 is not an integer and "2" is not a number, whether it comes from the command line or
from the config.yaml of an untrusted run.
"""

import contextlib
import math
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType

import yaml

from galvae.config.fields import ALWAYS, closest, key_name
from galvae.config.registry import choices
from galvae.config.train import TrainConfig
from galvae.errors import GalvaeError, line_of
from galvae.system.safe_read import open_file

LARGEST_CONFIG = 100_000  # bytes
DEEPEST = 8  # levels of nested sections and lists
FORBIDDEN = yaml.AliasToken | yaml.AnchorToken | yaml.TagToken
OPENING = (
    *(yaml.BlockMappingStartToken, yaml.BlockSequenceStartToken),
    *(yaml.FlowMappingStartToken, yaml.FlowSequenceStartToken),
)
CLOSING = (yaml.BlockEndToken, yaml.FlowMappingEndToken, yaml.FlowSequenceEndToken)


def from_dict(schema, values):
    """A configuration from nested dicts, checked against its schema.

    Args:
        schema: dataclass of galvae.config, as in `galvae.config.registry.COMMANDS`.
        values: nested mappings of plain values.

    Returns:
        An instance of the schema.

    Raises:
        GalvaeError: if a key is unknown or missing, or a value has the wrong type or is out of range.
    """
    return _section(schema, values, "")


def read_config(path):
    """A run's configuration, read from its config.yaml, which may be untrusted.

    Args:
        path: path of the file.

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
    except (yaml.YAMLError, ValueError) as error:  # ValueError: an impossible date, too long an integer
        raise GalvaeError(
            f"{path}: not a configuration; expected plain YAML, received {_quoted(line_of(error), 200)}"
        ) from error
    if "${" in text:
        raise GalvaeError(f"{path}: expected resolved values, received an interpolation")
    try:
        return from_dict(TrainConfig, values)
    except GalvaeError as error:
        raise GalvaeError(f"{path}: {error}") from error


class PlainLoader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses merged keys and keys that appear twice."""

    def flatten_mapping(self, node):
        names = set()
        for name in (str(key.value) for key, _ in node.value):
            if name in names or name == "<<":
                raise ValueError(f"the key {_quoted(name)} twice, or merged with others")
            names.add(name)


def _check_plain(text):
    """Refuses features of YAML that a configuration never uses.

    Aliases can make a few bytes expand without limit, tags choose how a value is read, and deeply nested brackets
    exhaust the reader.

    Raises:
        ValueError: if the text uses one.
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


def without_later_keys(config):
    """A configuration as nested dicts like `to_dict`, without the keys that it has at the value of earlier runs.

    Two configurations that behave alike give equal dicts, whether or not their version knows a key.
    """
    if not is_dataclass(config):
        return list(config) if isinstance(config, list) else config
    return {
        key_name(f): without_later_keys(getattr(config, f.name))
        for f in fields(config)
        if f.metadata["added"] is ALWAYS or getattr(config, f.name) != f.metadata["added"]
    }


def flatten(values, prefix=""):
    """A configuration, or nested dicts, as one flat dict with dotted names such as "beta.value"."""
    values = to_dict(values)
    if not isinstance(values, dict):
        return {prefix: values}
    pairs = [flatten(value, f"{prefix}.{name}" if prefix else name) for name, value in values.items()]
    return {name: value for section in pairs for name, value in section.items()}


def write_config(config, path):
    """Writes a configuration as YAML, from which `read_config` gives an equal one."""
    path.write_text(yaml.safe_dump(to_dict(config), sort_keys=False), encoding="utf-8")


def section_of(annotation):
    """The dataclass of a key that is a section, also of one that may be null; None for a plain value."""
    return next((kind for kind in _kinds(annotation) if is_dataclass(kind)), None)


def expected(schema_field):
    """The values that a key accepts, in words: its type and bounds, or its choices."""
    limits = schema_field.metadata
    if limits["choices"]:
        text = " or ".join(limits["choices"])
    else:
        text = " or ".join(_type_name(kind) for kind in _kinds(schema_field.type) if kind is not NoneType)
        signs = {"above": "above", "at_least": "at least", "at_most": "at most"}
        bounds = [f"{sign} {limits[name]}" for name, sign in signs.items() if limits[name] is not None]
        text = ", ".join([text, " and ".join(bounds)] if bounds else [text])
    return text + (" or null" if NoneType in _kinds(schema_field.type) else "")


def _section(schema, values, prefix):
    where = prefix.rstrip(".") or "configuration"
    if not isinstance(values, Mapping):
        raise GalvaeError(f"{where}: expected keys and values, received {_quoted(values)}")
    group = choices(where, schema)
    if group:
        name = values.get("name")
        if not isinstance(name, str) or name not in group:
            raise GalvaeError(f"{where}.name: expected {' or '.join(group)}, received {_quoted(name)}")
        schema = group[name]
    keys = {key_name(f): f for f in fields(schema)}
    for name in values:
        if name not in keys:
            raise GalvaeError(f"{_escaped(f'{prefix}{name}')}: unknown key{closest(name, keys)}")
    arguments = {}
    for name, schema_field in keys.items():
        if name not in values and schema_field.metadata["added"] is not ALWAYS:
            arguments[schema_field.name] = schema_field.metadata["added"]
            continue
        if name not in values or values[name] == "???":
            raise GalvaeError(f"{prefix}{name}: missing; expected {schema_field.metadata['meaning']}")
        section = section_of(schema_field.type)
        if values[name] is None and section is not None and NoneType in _kinds(schema_field.type):
            value = None
        elif section is not None:
            value = _section(section, values[name], f"{prefix}{name}.")
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
    raise GalvaeError(f"{name}: expected {expected(schema_field)}, received {_quoted(value)}")


def _convert_to_any(kinds, value):
    """The value as the first of some types that it fits; raises TypeError if it fits none."""
    for kind in kinds:
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return _convert(kind, value)
    raise TypeError


def _convert(kind, value):
    """The value as `kind`; raises an exception unless it is of that type, but integers are accepted as numbers.

    Names in a mapping become texts.
    """
    if typing.get_origin(kind) is list:
        if isinstance(value, str) or not hasattr(value, "__iter__") or isinstance(value, Mapping):
            raise TypeError
        return [_convert_to_any(_kinds(typing.get_args(kind)[0]), entry) for entry in value]
    if typing.get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise TypeError
        return {
            str(name): _convert_to_any(_kinds(typing.get_args(kind)[1]), entry)
            for name, entry in value.items()
        }
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
        entries = " or ".join(_type_name(entry, plural=True) for entry in _kinds(typing.get_args(kind)[0]))
        return f"list{'s' if plural else ''} of {entries}"
    if typing.get_origin(kind) is dict:
        return "mapping"
    name = {int: "integer", float: "number", str: "text", bool: "true or false"}[kind]
    return f"{name}s" if plural else name


def _quoted(value, longest=60):
    """A value as in Python's source, shortened, so that it takes one line and holds no control characters."""
    return _shortened(repr(value), longest)


def _escaped(text, longest=60):
    """A text like `_quoted`, without the quotes."""
    return _shortened(repr(text)[1:-1], longest)


def _shortened(text, longest):
    return text if len(text) <= longest else text[: longest - 3] + "..."
