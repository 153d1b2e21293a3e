"""Checks the words of a command line and turns them into Hydra's arguments: absolute paths, an output directory."""

import os
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from galvae.cli.output_dirs import make_directory, reserve_directory
from galvae.cli.quoting import as_text, is_swept, is_swept_word, quoted, sweep_of_texts, unquoted
from galvae.config.check import read_config
from galvae.config.encode import JOBS, check_name, default_name
from galvae.config.fields import PATHS
from galvae.errors import GalvaeError
from galvae.runs.find import is_bundle, is_zip, latest, open_error, refuse_training
from galvae.runs.links import refuse_link_below

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
DIRECTORY_KEYS = {"run", "runs", "resume", "init", "hydra.run.dir", "hydra.sweep.dir"}
# Keys whose values are texts, in which Hydra's grammar would see numbers, lists or signs of its own.
TEXT_KEYS = {
    *(*DIRECTORY_KEYS, "at", "from", "to", "id", "path", "select", "name"),
    *(f"dataset.{name}" for name in (*PATHS, "ids", "band_files")),
}
KEYS_WITH_RESUME = ("resume", "epochs", "devices", "resident", "remat", "tracker", "force")


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

    Paths and ids are quoted, `run=`, `runs=` and `resume=` become absolute, and the output directory of a command
    that reads a run is put inside that run, for a bundle in `outputs`.

    Args:
        command: name of the command.
        words: as typed.

    Raises:
        GalvaeError: if an option is unknown, a path is missing or given twice, or `run=latest` and no run has
            finished.
    """
    words = _options_first(words)
    multirun = is_sweep(words)
    words, paths = quote_texts(words)
    if command == "train" and paths.get("resume", "null") != "null":
        return _resume_arguments(words, paths["resume"], multirun)
    if unquoted(paths.get("init", "")) == "latest":
        words = [f"init={quoted(latest('init'))}" if word.startswith("init=") else word for word in words]
    output_key = "hydra.sweep.dir" if multirun else "hydra.run.dir"
    is_array = command == "encode" and multirun and _sweeps_shards(words)
    if is_array:
        words.append(f"hydra.sweep.subdir={JOBS}/${{hydra.job.num}}")
    sweep_dir = []
    if multirun and output_key not in paths and not is_array:
        folder = reserve_directory(Path("outputs/multirun", f"{datetime.now():%Y-%m-%d_%H-%M-%S}"))
        sweep_dir = [f"{output_key}={folder}"]
    key = next((name for name in ("run", "runs") if name in paths), None)
    if key is None or _is_list(key, paths[key], multirun) or (multirun and is_swept(paths[key])):
        return words + sweep_dir
    value = unquoted(paths[key])
    path = Path(latest(key) if value == "latest" else os.path.expanduser(value)).resolve()
    words = [word for word in words if not word.startswith(f"{key}=")]
    words.append(f"{key}={quoted(path)}")
    bundle = key == "run" and (is_bundle(path) or is_zip(path))
    if not (path.is_dir() if key == "runs" else bundle or (path / "config.yaml").is_file()):
        return words + sweep_dir  # the command reports what is wrong with it; no directory is needed
    if output_key in paths:
        refuse_link_below(path, Path(os.path.expanduser(unquoted(paths[output_key]))).absolute())
    elif command == "encode" and (is_array or not multirun):
        base = (
            Path("outputs", command, path.stem if path.is_file() else path.name) if bundle else path / command
        )
        folder = base / _results_name(words, paths)
        refuse_link_below(path, folder.absolute())
        make_directory(folder)
        words.append(f"{output_key}={quoted(folder)}")
    elif bundle:  # whose files never change
        name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{path.stem if path.is_file() else path.name}"
        words.append(f"{output_key}={quoted(reserve_directory(Path('outputs', command, name)))}")
    else:
        words.append(f"{output_key}={quoted(reserve_directory(path / command))}")
    return words


def _sweeps_shards(words):
    """Whether a sweep of `encode` is an array over the parts of one dataset, whose jobs have results in common.

    Raises:
        GalvaeError: if other keys are swept beside them.
    """
    swept = [word.partition("=")[0] for word in words if not word.startswith("-") and is_swept_word(word)]
    if "shard" in swept and len(swept) > 1:
        raise GalvaeError(
            f"shard: expected a sweep over nothing else, since one dataset is merged of its parts, received one over "
            f"{', '.join(swept)}"
        )
    return swept == ["shard"]


def _results_name(words, texts):
    """The name of encode's results, see `galvae.config.encode.default_name`.

    Args:
        words: of the command line.
        texts: values of TEXT_KEYS as typed, by key.

    Raises:
        GalvaeError: if the name that is given could not be that of a folder, or there are keys of no dataset.
    """
    name, path = (unquoted(texts.get(key, "null")) for key in ("name", "dataset.path"))
    if name != "null":
        check_name(name)
        return name
    chosen = dict(word.partition("=")[::2] for word in words).get("dataset", "null")
    lone = next((word for word in words if chosen == "null" and word.startswith("dataset.")), None)
    if lone is not None:
        raise GalvaeError(
            f"dataset: expected the choice that has the key, as dataset=files {lone}, received the key alone; without "
            "dataset= the run's own galaxies are encoded, from where they were"
        )
    return default_name(None if chosen == "null" else chosen, None if path == "null" else path)


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


def is_sweep(words):
    """Whether the words of a command line ask for a sweep."""
    return bool({"-m", "--multirun"} & set(words))


def quote_texts(words):
    """Quotes the values of TEXT_KEYS; returns the words, and those values as typed, by key.

    In a sweep, a comma separates values, each of which is quoted.

    Args:
        words: as typed.

    Raises:
        GalvaeError: if one of these keys is given twice, or a directory is empty.
    """
    multirun, words, texts = is_sweep(words), list(words), {}
    for index, word in enumerate(words):
        key, equals, value = word.partition("=")
        key = key.lstrip("+")
        if key not in TEXT_KEYS or not equals:
            continue
        if key in texts:
            raise GalvaeError(f"{key}: expected once, received twice")
        if not value and key in DIRECTORY_KEYS:
            raise GalvaeError(f"{key}: expected a directory, received nothing")
        texts[key] = value
        if not _is_list(key, value, multirun):
            sweeps = multirun and not key.startswith("hydra.")  # the directory of a sweep is one
            words[index] = f"{key}={sweep_of_texts(value) if sweeps else as_text(value)}"
    return words, texts


def _is_list(key, value, multirun):
    """Whether a value is a list, or a sweep of lists, of Hydra's grammar, for one of the keys that take lists."""
    return key in ("runs", "id", "dataset.band_files") and value[:1] == "[" and (multirun or value[-1] == "]")


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
    path = Path(latest("resume") if value == "latest" else os.path.expanduser(value)).resolve()
    names = [word.partition("=")[0].lstrip("+") for word in words]
    others = [name for name in names if name not in KEYS_WITH_RESUME and name[0] != "-"]
    if multirun or others:
        raise GalvaeError(
            "resume: expected no other key but epochs=, devices=, resident=, remat=, tracker= and force=, since a run "
            f"resumes with its own configuration; received {', '.join(others) or '-m'}"
        )
    refuse_training(path)
    if not (path / "config.yaml").is_file():
        raise open_error("resume", path)
    epochs = [] if "epochs" in names else [f"epochs={read_config(path / 'config.yaml').epochs}"]
    others = [word for word, name in zip(words, names, strict=True) if name != "resume"]
    return [*others, *epochs, f"resume={quoted(path)}", f"hydra.run.dir={quoted(path)}"]
