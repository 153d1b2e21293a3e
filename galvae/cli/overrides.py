"""The command line's words: checked, with `run=`, `runs=` and `resume=` resolved, as Hydra's arguments."""

import os
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from galvae.cli.output_dirs import reserve_directory, quoted, unquoted
from galvae.config.check import read_config
from galvae.config.fields import LATEST
from galvae.errors import GalvaeError

CFG_CHOICES = ("job", "hydra", "all")
INFO_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
# Hydra's options: None without a value, () with any.
HYDRA_OPTIONS = {
    **dict.fromkeys(("-m", "--multirun", "--resolve")),
    **dict.fromkeys(("-p", "--package", "-cd", "--config-dir", "-cn", "--config-name"), ()),
    **dict.fromkeys(("-c", "--cfg"), CFG_CHOICES),
    **dict.fromkeys(("-i", "--info"), INFO_CHOICES),
}
LONGEST_WORD = 10_000  # letters of an argument; Hydra's parser takes seconds for them, and minutes for more,
DEEPEST_WORD = 20  # as for brackets within brackets
# Not for users to set.
OWN = ("hydra.runtime", "hydra.output_subdir", "hydra.job.name", "hydra.job_logging.root.level")
# Keys whose value is a path, quoted for Hydra's grammar, in which many letters of ordinary paths have a meaning.
PATH_KEYS = {
    *("run", "runs", "resume", "hydra.run.dir", "hydra.sweep.dir"),
    *("dataset.path", "dataset.table", "dataset.cache_dir", "dataset.archive"),
}

BESIDE_RESUME = ("resume", "epochs", "devices", "resident", "force")


def check_words(words):
    """Refuses arguments that Hydra's parser would take minutes for, or that are its own to set.

    Raises:
        GalvaeError: then.
    """
    for word in words:
        key = word.partition("=")[0][:60]
        depth = max(accumulate((letter in "[{(") - (letter in ")}]") for letter in word), default=0)
        if len(word) > LONGEST_WORD or depth > DEEPEST_WORD:
            raise GalvaeError(
                f"{key}: too long; expected at most {LONGEST_WORD} letters and {DEEPEST_WORD} brackets within each "
                f"other, received {len(word)} and {depth}"
            )
        if key.lstrip("+~").startswith(OWN):
            raise GalvaeError(f"{key}: expected no value, since galvae or Hydra itself says what it is")


def place(command, words):
    """Hydra's arguments, with `run=` or `runs=` resolved to a directory and the output directory put in it.

    Args:
        command: name of the command.
        words: as typed.

    Raises:
        GalvaeError: if an option is unknown, or `run=latest` and there is no finished run.
    """
    # Options first: Hydra's parser does not take them between overrides.
    options, overrides, rest = [], [], iter(words)
    for word in rest:
        option, _, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
            continue
        if option not in HYDRA_OPTIONS:
            raise GalvaeError(
                f"unknown option {word}; expected key=value or one of {' '.join(HYDRA_OPTIONS)}"
            )
        allowed = HYDRA_OPTIONS[option]
        if allowed is not None:
            value = value or next(rest, "")
            if not value or (allowed and value not in allowed):
                raise GalvaeError(f"{option}: expected {' or '.join(allowed) or 'a value'} after it")
            word = f"{option}={value}"
        options.append(word)
    placed = options + overrides
    multirun = bool({"-m", "--multirun"} & set(placed))
    given = {}
    for index, word in enumerate(placed):
        key, equals, value = word.partition("=")
        key = key.lstrip("+")
        if key in PATH_KEYS and equals:
            if key in given:
                raise GalvaeError(f"{key}: expected once, received twice")
            if not value and not key.startswith("dataset."):
                raise GalvaeError(f"{key}: expected a directory, received nothing")
            given[key] = value
            listed = key == "runs" and value.startswith("[")
            placed[index] = f"{key}={value if listed else _path_value(value, multirun)}"
    if command == "train" and given.get("resume", "null") != "null":
        return resume_arguments(placed, given["resume"], multirun)
    key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    elsewhere = []
    if multirun and key not in given:
        elsewhere = [
            f"{key}={reserve_directory(Path('outputs/multirun', f'{datetime.now():%Y-%m-%d_%H-%M-%S}'))}"
        ]
    read = next((name for name in ("run", "runs") if name in given), None)
    if read is None or (read == "runs" and given[read][0] == "[") or (multirun and "," in given[read]):
        return placed + elsewhere
    value = unquoted(given[read])
    if value == "latest":
        if not LATEST.exists():
            raise GalvaeError(
                f"{read}=latest: expected a finished run, received none in {LATEST.parent.resolve()}"
            )
        value = LATEST
    path = Path(os.path.expanduser(value)).resolve()
    placed = [word for word in placed if not word.startswith(f"{read}=")]
    placed.append(f"{read}={quoted(path)}")
    if not (path.is_dir() if read == "runs" else (path / "config.yaml").is_file()):
        return placed + elsewhere  # the command says what is wrong with it; no directory is needed
    if key not in given:
        placed.append(f"{key}={quoted(reserve_directory(path / command))}")
    return placed


def resume_arguments(words, resume, multirun):
    """Hydra's arguments for `resume=`: the run's own directory, and its epochs unless others are asked for.

    Args:
        words: as `place` has them.
        resume: the run's directory, as typed.
        multirun: whether a sweep was asked for.

    Raises:
        GalvaeError: if it is no run's directory, or anything is asked for but BESIDE_RESUME.
    """
    value = unquoted(resume)
    path = Path(LATEST if value == "latest" else os.path.expanduser(value)).resolve()
    names = [word.partition("=")[0].lstrip("+") for word in words]
    others = [name for name in names if name not in BESIDE_RESUME and name[0] != "-"]
    if multirun or others:
        raise GalvaeError(
            "resume: expected nothing beside it but epochs=, devices=, resident= and force=, since a run goes on by "
            "its own configuration; "
            f"received {', '.join(others) or '-m'}"
        )
    if not (path / "config.yaml").is_file():
        received = "a directory without one" if path.is_dir() else "no directory"
        raise GalvaeError(
            f"resume: {path}: expected a run's directory, with a config.yaml; received {received}"
        )
    epochs = [] if "epochs" in names else [f"epochs={read_config(path / 'config.yaml').epochs}"]
    kept = [word for word, name in zip(words, names, strict=True) if name != "resume"]
    return [*kept, *epochs, f"resume={quoted(path)}", f"hydra.run.dir={quoted(path)}"]


def _path_value(value, multirun):
    """The value of a path key as Hydra's grammar needs it; what is quoted already, or swept over, stays."""
    if value in ("", "null") or value[0] in "'\"" or (multirun and "," in value):
        return value
    return quoted(value)
