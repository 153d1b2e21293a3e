"""Command lines with values of all kinds, most of them wrong, for every key of every command."""

import contextlib
import dataclasses
import io
import logging
import os
import random
import shutil
import subprocess
import sys
import types

from hypothesis import strategies as st

from fuzzing import draw_cases, schema
from galvae.cli.help import paths
from galvae.cli.overrides import TEXT_KEYS
from galvae.config.check import write_config
from galvae.config.registry import COMMANDS, GROUPS

# fmt: off
SPECIAL = [
    "nan", "inf", "-inf", "NaN", "-0.0", "0", "-1", "1", "2", "3", "8", "1e400", "-1e400", "1e-400",
    "9223372036854775808", "-9223372036854775809", "1_000", "1__0", "0x10", "0b1", "010", "1e5", "1.",
    ".5", "1e", "2.5", "+3", "-+3", "None", "null", "NULL", "~", "true", "false", "True", "yes", "on",
    "off", "auto", "latest", "constant", "cosine", "vae", "all", "test", "[]", "[1]", "[1,2]",
    "[0.8,0.1,0.1]", "[1,1,1]", "[nan]", "[null]", "[true]", "[[1,2],[3,4]]", "[[1]]", "[[[1]]]", "['a']",
    "[1,a]", "[,]", "[1,]", "{}", "{a:1}", "{a:{b:2}}", "'3'", "\"3\"", "''", "\"\"", "'null'", "\"[1]\"",
    "'", "'", "'a\\'b'", "a\\,b", "\\", "'", "\"", "(", ")", "(1)", "[", "]", "{", "}", "{a", "[1", ",",
    "=", "==", "a=b", ":", "a:b", ";", "|", "&", "$", "$x", "${", "${}", "${x}", "${a}", "${epochs}",
    "${oc.env:HOME}", "${oc.env:NOBODY}", "${oc.decode:1}", "${oc.create:{}}", "${hydra:runtime.cwd}",
    "${hydra:x}", "${now:%Y}", "${latent_dim}", "${batch}", "${.x}", "${..x}", "$${x}", "\\${x}", "???",
    "??x", "??", "%", "%s", "{0}", "_target_", "os.system", "../x", "../../etc/passwd", "/nonexistent/x",
    "./x", ".", "..", "~nobody-of-this-name/x", "-x", "--help", "-m", "--cfg", "#", "a#b", "!x",
    "!!python/object:os.system", "&a", "*a", "@", "@x", "+", "++", "~x", "１２", "٣", "²", "é", "銀河",
    "\u202ex", "\u200b", "\ufeff", "\x1b[2J", "\x07", "�", "a", "b", "a", "b", "int(3)", "float(3)",
    "str(3)", "bool(1)", "choice(1)", "range(1,3)", "interval(0,1)", "glob(*)", "sort(1)", "shuffle(1)",
    "tag(a,1)", "json_str(3)", "1:30", "12:30:45", "2026-11-20", "2026-99-99", "1j", "1/2", "50%",
    "1e3000", "0.1.2", "1-2", "abc", "", " ", "a b", "1 2", "  3", "3  ",
]
# fmt: on
HYDRA = (
    *(
        "hydra.run.dir",
        "hydra.sweep.dir",
        "hydra.sweep.subdir",
        "hydra.job.name",
        "hydra.job.chdir",
        "hydra.verbose",
    ),
    *(
        "hydra.job.num",
        "hydra.output_subdir",
        "hydra.mode",
        "hydra.launcher",
        "hydra/launcher",
        "hydra/sweeper",
    ),
    *(
        "hydra/job_logging",
        "hydra/hydra_logging",
        "hydra/output",
        "hydra/help",
        "hydra.searchpath",
        "hydra.callbacks",
    ),
    *(
        "hydra.job.env_set",
        "hydra.job.config.override_dirname.item_sep",
        "hydra.x",
        "hydra",
        "hydra.launcher._target_",
    ),
    *("hydra.runtime.output_dir", "hydra.overrides", "hydra.job_logging.root.level", "hydra.job.id"),
)
ODD = (
    *(
        "_target_",
        "_partial_",
        "_recursive_",
        "_convert_",
        "defaults",
        "_self_",
        "dataset._target_",
        "model.__class__",
    ),
    *(
        "epochs.x",
        "epochs.",
        ".epochs",
        "epochs@x",
        "epochs@",
        "dataset@model",
        "'epochs'",
        '"epochs"',
        "epochs[0]",
    ),
    *(
        "dataset.split[0]",
        "dataset.split.0",
        "EPOCHS",
        "epochs ",
        " epochs",
        "",
        "=",
        "ep och",
        "é",
        "__init__",
        "/",
    ),
    *(
        "/dataset",
        "dataset/hdf",
        "experiment",
        "../experiment",
        "dataset.path.x",
        "from_",
        "from",
        "a" * 3000,
    ),
)

texts = st.text(st.characters(exclude_characters="\0"), max_size=30)
PLAUSIBLE = [
    *(
        "1",
        "2",
        "3",
        "8",
        "16",
        "64",
        "0.5",
        "0.1",
        "1.0",
        "1e-3",
        "null",
        "true",
        "false",
        "auto",
        "png",
        "gray",
    ),
    *("[0.8,0.1,0.1]", "[16,32]", "[0.1,1]", "[[0,1]]", "[1,2]"),
]
scalars = st.one_of(
    st.sampled_from(SPECIAL),
    st.integers(-(2**70), 2**70).map(str),
    st.integers(-5, 400).map(str),
    st.floats().map(repr),
    st.floats(-2, 2).map(repr),
    texts,
    st.sampled_from("a9[{'\\$,~").map(lambda character: character * 100_000),
)
values = st.one_of(
    scalars,
    scalars,
    st.lists(scalars, max_size=5).map(lambda parts: f"[{','.join(parts)}]"),
    st.lists(st.tuples(scalars, scalars), max_size=3).map(
        lambda pairs: "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"
    ),
)


@st.composite
def override(draw, command):
    """Draws an override of a command."""
    keys = list(dict.fromkeys(paths(COMMANDS[command])))
    groups = [group for group in GROUPS if command == "train" or (command, group) == ("prepare", "dataset")]
    key = draw(
        st.one_of(
            *[st.sampled_from(keys)] * 5,
            st.sampled_from([*groups, "experiment"]),
            st.sampled_from(HYDRA),
            st.sampled_from(ODD),
            texts,
        )
    )
    sign = draw(st.sampled_from([*[""] * 14, "+", "++", "~", "-", "@"]))
    equals = draw(st.sampled_from([*["="] * 14, "", "==", ":=", " = "]))
    value = draw(
        st.one_of(
            values,
            st.sampled_from(PLAUSIBLE),
            st.sampled_from(schema.boundary_values(COMMANDS[command], key)),
        )
    )
    if key in groups and draw(st.booleans()):
        value = draw(st.sampled_from(list(GROUPS[key])))
    return f"{sign}{key}{equals}{value}"


@st.composite
def lines(draw):
    """Draws (command, arguments): mostly one override, sometimes options, a sweep, or a thousand overrides."""
    command = draw(st.sampled_from(list(COMMANDS)))
    count = draw(st.sampled_from([1] * 12 + [2] * 4 + [3, 3, 5]))
    arguments = [draw(override(command)) for _ in range(count)]
    kind = draw(st.integers(0, 199))
    if kind == 0:
        arguments += arguments[:1] * 1000
    elif kind == 1:
        arguments += [f"+x{number}=1" for number in range(1000)]
    elif kind < 10:
        arguments += [
            draw(st.sampled_from(["--help", "-c", "--cfg=job", "--resolve", "-p=x", "-cd=x", "-cn=x", "-i"]))
        ]
    elif kind < 20:
        arguments = ["-m", *arguments, "seed=1,2"]
    elif kind == 20:
        arguments += arguments[:1]
    return command, arguments


def cases(count, seed):
    """Draws command lines (command, arguments)."""
    return draw_cases(lines(), count, seed)


class State:
    """State of a worker process.

    Attributes:
        folder: working directory of the command lines, empty before each.
        run: directory with the config.yaml of a run.
        received: configurations that the commands received.
        defaults: command -> its flattened configuration without overrides.
    """

    folder = run = None
    received = []
    defaults = {}


def prepare(folder):
    """Replaces every command by one that only records its configuration, and writes the config.yaml of a run."""
    State.folder, State.run = folder / "here", folder / "run"
    for command in COMMANDS:
        module = types.ModuleType(f"galvae.commands.{command}")
        module.main = lambda config, output_dir=None: State.received.append(config)
        sys.modules[module.__name__] = module
    os.environ["GALVAE_CACHE"] = str(folder / "cache")
    State.run.mkdir(exist_ok=True)
    run_command(["train"])
    write_config(State.received[0].run, State.run / "config.yaml")
    for command in COMMANDS:
        status, _, err = run_command(
            [command, *required_arguments(command), *(["dataset=hdf"] if command == "prepare" else [])]
        )
        if status != 0 or len(State.received) != 1:
            raise RuntimeError(f"{command}: {err}")
        State.defaults[command] = flatten(State.received[0])


def required_arguments(command):
    """Arguments that a command requires."""
    if command in ("train", "prepare"):
        return []
    run = f"runs={State.run}" if command == "compare" else f"run={State.run}"
    return [run, *(["id=1"] if command == "neighbors" else [])]


def run_command(arguments):
    """Runs a command line in an empty folder; returns (exit status, standard output, standard error)."""
    from galvae.cli.main import main

    shutil.rmtree(State.folder, ignore_errors=True)
    for path in State.run.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
    State.folder.mkdir()
    os.chdir(State.folder)
    State.received.clear()
    out, err = io.StringIO(), io.StringIO()
    environment = dict(os.environ)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(arguments)
    except SystemExit as stop:
        status = stop.code
    finally:
        os.environ.clear()
        os.environ.update(environment)
        for handler in logging.getLogger().handlers[:]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    return status, out.getvalue(), err.getvalue()


def check(case):
    """Runs a command line; returns the outcome and a text."""
    command, arguments = case
    line = [command, *required_arguments(command), *arguments]
    status, out, err = run_command(line)
    outcome, text = outcome_of(command, arguments, status, err)
    if outcome == "refused" and random.Random(repr(case)).random() < 0.02 and len(repr(case)) < 50_000:
        done = subprocess.run(
            [sys.executable, "-m", "galvae", *line],
            capture_output=True,
            cwd=State.folder,
            timeout=60,
            check=False,
        )
        err = done.stderr.decode("utf-8", "surrogateescape")
        if done.returncode != 2 or not is_refusal(err, "-m" in arguments):
            return (
                "wrong",
                f"refused in this process, but the command ends with {done.returncode}: {done.stderr[-2000:]}",
            )
    return outcome, text


def is_refusal(err, sweep):
    """Whether standard error has one line that starts with "galvae: ", in a sweep one for each of at most ten jobs."""
    lines = err.splitlines() or [""]
    jobs = [line for line in lines if not line.startswith(("sweep of ", "  "))]
    most = 10 if sweep and jobs else 1
    lines = jobs if most > 1 else lines
    return len(lines) <= most and all(line.startswith("galvae: ") for line in lines)


def outcome_of(command, arguments, status, err):
    """Judges a command line by its exit status, its messages and the files that it left.

    Args:
        command: name of the command.
        arguments: its arguments, without the required ones.
        status: exit status.
        err: standard error.

    Returns:
        (outcome, text).
    """
    sweep = "-m" in arguments
    leftovers = [
        str(path) for path in [*State.folder.rglob("*"), *State.run.iterdir()] if path.name != "config.yaml"
    ]
    text = f"status {status}, left {leftovers[:5]}, wrote {err[-500:]!r}"
    if status in (1, 2):
        if not is_refusal(err, sweep) or len(err) > 5000:
            return "wrong", f"not one line: {text}"
        if (leftovers and not sweep) or State.received:
            return "wrong", f"refused, but only after the command had started or left files: {text}"
        return ("refused" if status == 2 else "failed"), text
    if status != 0:
        return "wrong", text
    shows_only = {"--help", "-h", "-c", "--cfg=job", "--cfg", "-i"} & set(arguments)
    if not State.received and not shows_only:
        return "wrong", f"accepted, but not run: {text}"
    for config in State.received:
        bad_keys = schema.invalid_keys(config) or changed_keys(command, arguments, config)
        if bad_keys:
            return "wrong", f"accepted: {bad_keys}"
    return "clean", text


def changed_keys(command, arguments, config):
    """Lists keys that differ from a single plain override or changed without one; else an empty list."""
    if len(arguments) != 1 or arguments[0].count("=") != 1 or arguments[0].lstrip("+")[:1] in "~-":
        return []
    key, _, value = arguments[0].lstrip("+").partition("=")
    if key in GROUPS or key == "experiment" or "@" in key or key.startswith("hydra"):
        return []
    expected = value if key in TEXT_KEYS else schema.parse(value)  # a path or an id is taken literally
    accepted = flatten(config)
    others = {
        name for name, value in accepted.items() if State.defaults[command].get(name, value) != value
    } - {key, schema.ALIASES.get(key)}
    if others:
        return sorted(others)
    if key not in accepted:
        return [f"{key}: accepted, but not a key"]
    if isinstance(expected, str) and "${" in expected:
        return []  # resolved by Hydra, for the user's own command line
    if not schema.matches(accepted[key], expected, key.rpartition(".")[2]) and any(
        not isinstance(part, str) for part in (expected, accepted[key])
    ):
        return [f"{key}: {accepted[key]!r}, given as {value!r}"]
    return []


def flatten(config, prefix=""):
    """A configuration dataclass as one dict with dotted keys."""
    values = {}
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name.rstrip('_')}"
        values |= flatten(value, f"{name}.") if dataclasses.is_dataclass(value) else {name: value}
    return values
