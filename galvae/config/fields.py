"""What the schemas are made of: keys with a meaning and a range, and paths."""

import os
from dataclasses import field
from pathlib import Path

PATHS = ("cache_dir", "path", "table", "archive")  # keys of a dataset that are stored absolute
LATEST = Path("outputs/train/latest")  # where train points to the newest finished run


def key(meaning, *, at_least=None, above=None, at_most=None, choices=None):
    """A configuration key: what it means and which values it takes (bounds hold for each entry of a list)."""
    return field(
        metadata={
            "meaning": meaning,
            "at_least": at_least,
            "above": above,
            "at_most": at_most,
            "choices": choices,
        }
    )


def key_name(schema_field):
    """The word that a user types for a field; Python's own words get an underscore in the schema."""
    return schema_field.name.rstrip("_")


def absolute(path):
    """An absolute path with `~` expanded, so that a run's configuration holds wherever it is read; or None."""
    return None if path is None else os.path.abspath(os.path.expanduser(path))


def make_absolute(section):
    """Makes the paths of a dataset's section absolute, in place."""
    for name in PATHS:
        if hasattr(section, name):
            setattr(section, name, absolute(getattr(section, name)))
