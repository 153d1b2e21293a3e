"""Building blocks of the schemas: keys with a meaning and a range, and paths."""

import difflib
import os
from dataclasses import field
from pathlib import Path

PATHS = ("cache_dir", "path", "table", "archive", "select")  # keys of a dataset that are stored absolute
LATEST = Path("outputs/train/latest")  # link of train to the newest finished run that is no job of a sweep
LATEST_SWEEP = Path("outputs/multirun/latest")  # link of train -m to the newest sweep
ALWAYS = object()  # `added` of a key that every run has


def key(meaning, *, at_least=None, above=None, at_most=None, choices=None, added=ALWAYS):
    """A field of a schema, with its meaning for the help texts and its range.

    Args:
        meaning: phrase that explains the key to a newcomer.
        at_least, above, at_most: bounds of a number, or of each entry of a list of numbers.
        choices: the texts that are allowed.
        added: for a key that was added after 0.1, the value by which earlier runs behave, so that they stay readable.
    """
    return field(
        metadata={
            "meaning": meaning,
            "at_least": at_least,
            "above": above,
            "at_most": at_most,
            "choices": choices,
            "added": added,
        }
    )


def key_name(schema_field):
    """The name of a key as a user types it; the field of a key named like a Python keyword ends in an underscore."""
    return schema_field.name.rstrip("_")


def closest(name, candidates):
    """A "did you mean" hint at the most similar candidate, ready to append to a message; empty if none is similar."""
    matches = difflib.get_close_matches(str(name), list(candidates), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""


def absolute(path):
    """An absolute path with `~` expanded, so that a run's configuration is valid in any directory; None for None."""
    return None if path is None else os.path.abspath(os.path.expanduser(path))


def path_keys(section):
    """Names of the keys of a dataset's section whose values are paths; `ids` is one of them where it names a file."""
    ids = getattr(section, "ids", None)
    return [name for name in PATHS if hasattr(section, name)] + ["ids"] * str(ids).endswith(".npy")


def make_absolute(section):
    """Makes the paths in a dataset's section absolute, in place."""
    for name in path_keys(section):
        setattr(section, name, absolute(getattr(section, name)))
