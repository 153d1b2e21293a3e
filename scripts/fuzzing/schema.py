"""A second way of reading what is typed and of checking it against the schema, apart from galvae.config.check."""

import dataclasses
import math
import os
import re

from galvae.config.registry import choices

INTEGER = re.compile(r"[+-]?[0-9]+(_[0-9]+)*", re.ASCII)
NUMBER = re.compile(
    r"[+-]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*)(e[+-]?[0-9_]+)?", re.ASCII | re.IGNORECASE
)
WORDS = {"true": True, "false": False, "null": None}
# Old keys, which set the new ones too.
ALIASES = {"redshift": "condition", "redshifts": "conditions"}
PATHS = {"path", "table", "archive", "cache_dir"}


def reading(text):
    """The one value that a text means on the command line, as a user would say."""
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        return [reading(part) for part in split(inner)] if inner else []
    if INTEGER.fullmatch(text):
        return int(text)
    if NUMBER.fullmatch(text) or text.lower().lstrip("+-") in ("inf", "nan"):
        return float(text)
    return WORDS.get(text.lower(), text)


def split(text):
    """Parts of a list, at the commas that stand in no inner list."""
    parts, depth = [""], 0
    for letter in text:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def edges(schema, key):
    """Values of a key at the ends of its range, on either side of them, and its choices; as typed."""
    first, _, rest = key.partition(".")
    found = ["1"]
    for field in dataclasses.fields(schema):
        if field.name.rstrip("_") != first:
            continue
        if dataclasses.is_dataclass(field.type):
            kinds = choices(first, field.type).values() or [field.type]
            return [text for kind in kinds for text in edges(kind, rest)]
        limits = field.metadata
        found += limits["choices"] or []
        for bound in (limits["at_least"], limits["above"], limits["at_most"]):
            found += [] if bound is None else [str(bound), str(bound - 1), str(bound + 1), str(bound + 1e-9)]
        if "list" in str(field.type):
            found += [f"[{text}]" for text in found] + [f"[{text},{text}]" for text in found]
    return found


def faults(config, prefix=""):
    """Keys of a typed configuration whose value is of another type than declared, or out of range."""
    found = []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            if dataclasses.is_dataclass(field.type) and not isinstance(value, field.type):
                found.append(name)
            found += faults(value, f"{name}.")
        elif not _declared(str(field.type).replace("<class '", "").replace("'>", ""), value, field.metadata):
            found.append(f"{name}={value!r:.80}")
    return found


def _declared(annotation, value, limits):
    return any(_one(kind.strip(), value, limits) for kind in annotation.split("|"))


def _one(kind, value, limits):
    if kind in ("None", "NoneType"):
        return value is None
    if kind.startswith("list["):
        return type(value) is list and all(_one(kind[5:-1], entry, limits) for entry in value)
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


def same(value, meant, name):
    """Whether an accepted value is what was meant: nothing bent, but integers where numbers stand, absolute paths."""
    if isinstance(value, list) and name in ("condition", "redshift") and not isinstance(meant, list):
        meant = [meant]
    if isinstance(value, list):
        return (
            isinstance(meant, list)
            and len(meant) == len(value)
            and all(same(v, m, name) for v, m in zip(value, meant, strict=True))
        )
    if name in PATHS and isinstance(meant, str):
        meant = os.path.abspath(os.path.expanduser(meant))
    if isinstance(value, float) and type(meant) is int:
        meant = float(meant)
    return type(value) is type(meant) and value == meant
