"""Checks the words of a command line and turns them into Hydra's arguments: absolute paths, an output directory."""

import os
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from galvae.cli.output_dirs import reserve_directory
from galvae.cli.quoting import quoted, unquoted
from galvae.config.check import read_config
from galvae.config.fields import LATEST
from galvae.errors import GalvaeError

CFG_CHOICES = ("job", "hydra", "all")
INFO_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
# Hydra's options, with the values that each takes: None without a value, () with any.
HYDRA_OPTIONS = {
    **dict.fromkeys(("-m", "--multirun", "--resolve")),
    **dict.fromkeys(("-p", "--package", "-cd", "--config-dir", "-cn", "--config-name"), ()),
    **dict.fromkeys(("-c", "--cfg"), CFG_CHOICES),
    **dict.fromkeys(("-i", "--info"), INFO_CHOICES),
}
# Hydra's parser takes seconds for a word of this length or depth, and minutes beyond.
LONGEST_WORD = 10_000  # characters
DEEPEST_WORD = 20  # brackets within brackets
# Keys that galvae or Hydra sets, and users may not.
RESERVED_KEYS = ("hydra.runtime", "hydra.output_subdir", "hydra.job.name", "hydra.job_logging.root.level")
PATH_KEYS = {
    *("run", "runs", "resume", "hydra.run.dir", "hydra.sweep.dir"),
    *("dataset.path", "dataset.table", "dataset.cache_dir", "dataset.archive"),
}
KEYS_WITH_RESUME = ("resume", "epochs", "devices", "resident", "force")


def check_words(words):
    """Refuses words that Hydra's parser would take minutes for, and keys that users may not set.

    Raises:
        GalvaeError: if there is such a word.
    """
    for word in words:
        key = word.partition("=")[0][:60]
        depth = max(accumulate((char in "[{(") - (char in ")}]") for char in word), default=0)
        if len(word) > LONGEST_WORD or depth > DEEPEST_WORD:
            raise GalvaeError(
                f"{key}: too long; expected at most {LONGEST_WORD} characters and {DEEPEST_WORD} nested brackets, "
                f"received {len(word)} and {depth}"
            )
        if key.lstrip("+~").startswith(RESERVED_KEYS):
            raise GalvaeError(f"{key}: expected no value, since galvae or Hydra sets this key")


def hydra_arguments(command, words):
    """Hydra's arguments for the words of a command line.

    Paths are quoted, `run=`, `runs=` and `resume=` become absolute, and the output directory of a command that
    reads a run is put inside that run.

    Args:
        command: name of the command.
        words: as typed.

    Raises:
        GalvaeError: if an option is unknown, a path is missing or given twice, or `run=latest` and no run has
            finished.
    """
    words = _options_first(words)
    multirun = bool({"-m", "--multirun"} & set(words))
    words, paths = _quote_paths(words, multirun)
    if command == "train" and paths.get("resume", "null") != "null":
        return _resume_arguments(words, paths["resume"], multirun)
    output_key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    sweep_dir = []
    if multirun and output_key not in paths:
        folder = reserve_directory(Path("outputs/multirun", f"{datetime.now():%Y-%m-%d_%H-%M-%S}"))
        sweep_dir = [f"{output_key}={folder}"]
    key = next((name for name in ("run", "runs") if name in paths), None)
    listed = key == "runs" and paths[key].startswith("[")
    if key is None or listed or (multirun and "," in paths[key]):
        return words + sweep_dir
    value = unquoted(paths[key])
    if value == "latest":
        if not LATEST.exists():
            raise GalvaeError(
                f"{key}=latest: expected a finished run, received none in {LATEST.parent.resolve()}"
            )
        value = LATEST
    path = Path(os.path.expanduser(value)).resolve()
    words = [word for word in words if not word.startswith(f"{key}=")]
    words.append(f"{key}={quoted(path)}")
    if not (path.is_dir() if key == "runs" else (path / "config.yaml").is_file()):
        return words + sweep_dir  # the command reports what is wrong with it; no directory is needed
    if output_key not in paths:
        words.append(f"{output_key}={quoted(reserve_directory(path / command))}")
    return words


def _options_first(words):
    """The words with the options first, and checked; Hydra does not accept options between overrides."""
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
    return options + overrides


def _quote_paths(words, multirun):
    """Quotes the values of path keys; returns the words, and those values as typed, by key."""
    words, paths = list(words), {}
    for index, word in enumerate(words):
        key, equals, value = word.partition("=")
        key = key.lstrip("+")
        if key not in PATH_KEYS or not equals:
            continue
        if key in paths:
            raise GalvaeError(f"{key}: expected once, received twice")
        if not value and not key.startswith("dataset."):
            raise GalvaeError(f"{key}: expected a directory, received nothing")
        paths[key] = value
        as_typed = (
            value in ("", "null")
            or value[0] in "'\""
            or (multirun and "," in value)
            or (key == "runs" and value[0] == "[")
        )
        words[index] = f"{key}={value if as_typed else quoted(value)}"
    return words, paths


def _resume_arguments(words, resume, multirun):
    """Hydra's arguments for `resume=`: the run's own directory, and its number of epochs unless another is given.

    Args:
        words: with options first and paths quoted.
        resume: the run's directory, as typed.
        multirun: whether a sweep was asked for.

    Raises:
        GalvaeError: if it is not a run's directory, or a key is given that is not in KEYS_WITH_RESUME.
    """
    value = unquoted(resume)
    path = Path(LATEST if value == "latest" else os.path.expanduser(value)).resolve()
    names = [word.partition("=")[0].lstrip("+") for word in words]
    others = [name for name in names if name not in KEYS_WITH_RESUME and name[0] != "-"]
    if multirun or others:
        raise GalvaeError(
            "resume: expected no other key but epochs=, devices=, resident= and force=, since a run resumes with its "
            f"own configuration; received {', '.join(others) or '-m'}"
        )
    if not (path / "config.yaml").is_file():
        received = "a directory without one" if path.is_dir() else "no directory"
        raise GalvaeError(
            f"resume: {path}: expected a run's directory, with a config.yaml; received {received}"
        )
    epochs = [] if "epochs" in names else [f"epochs={read_config(path / 'config.yaml').epochs}"]
    others = [word for word, name in zip(words, names, strict=True) if name != "resume"]
    return [*others, *epochs, f"resume={quoted(path)}", f"hydra.run.dir={quoted(path)}"]
