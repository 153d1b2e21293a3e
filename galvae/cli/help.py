"""What the command line says of itself: `--help`, and one line for each mistake in a configuration."""

import inspect
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

from galvae.config.check import closest, expected
from galvae.config.fields import key_name
from galvae.config.registry import COMMANDS, choices
from galvae.errors import GalvaeError

CONF = next(
    folder
    for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf")
    if folder.is_dir()
)

# What Hydra raises where a group or one of its own settings has a value of another type.
COMPOSE_ERRORS = (ValueError, TypeError, AttributeError, AssertionError, LookupError, RecursionError)
EXAMPLES = """\
  galvae train                                             a VAE of real Hubble galaxies, in two minutes
  galvae train -m model=ae,vae,beta_vae latent_dim=2,4,8   a sweep
  galvae sample run=latest n=64 temperature=0.8            galaxies that never were"""


def overview():
    """The text of `galvae --help`."""
    commands = "\n".join(f"  {name:9} {schema.__doc__}" for name, schema in COMMANDS.items())
    return (
        "galvae: learn, explore and generate galaxy morphology with variational autoencoders.\n\n"
        "usage: galvae COMMAND [key=value ...] [-m]\n\n"
        f"commands:\n{commands}\n\nexamples:\n{EXAMPLES}\n\n"
        "galvae COMMAND --help lists a command's keys; -m runs every combination of comma-separated values;\n"
        '--cfg job shows a configuration without running it; eval "$(galvae -sc install=bash)" completes with TAB.'
    )


def command_help(command, overrides):
    """The text of `galvae COMMAND --help`: groups and keys, with meaning, default and allowed values.

    Args:
        command: name of the command.
        overrides: choices of groups, whose keys are then listed.

    Raises:
        GalvaeError: if the overrides are not valid.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            values = OmegaConf.to_container(compose(command, overrides))
    except (HydraException, OmegaConfBaseException, *COMPOSE_ERRORS) as error:
        raise GalvaeError(one_line(error)) from error
    lines = [f"galvae {command}: {COMMANDS[command].__doc__}", "", "groups (group=choice):"]
    groups = [f.name for f in fields(COMMANDS[command]) if choices(f.name, f.type)]
    for group in [*groups, "experiment"] if command == "train" else groups:
        lines.append(f"  {group}")
        for file in sorted((CONF / group).glob("*.yaml")):
            lines.append(f"    {file.stem:12} {_first_comment(file)}")
    if len(lines) == 3:
        lines = lines[:2]
    lines += ["keys (key=value):", *_key_lines(COMMANDS[command], values, "")]
    return "\n".join(lines)


def one_line(error):
    """What is wrong with a configuration, from an exception of Hydra or OmegaConf.

    Args:
        error: the exception; what caused it says more than the wrapper.
    """
    from omegaconf.errors import OmegaConfBaseException

    override = getattr(error, "override", None)
    if override is not None:
        return f"{override}: not understood; expected key=value (quote values with spaces or brackets)"
    while error.__cause__ is not None or isinstance(error.__context__, OmegaConfBaseException):
        error = error.__cause__ or error.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    unknown = re.match(r"Key '(.+?)' is not in struct", text)
    if unknown:
        key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key")), None)
        key = key or unknown.group(1)
        known = [path for schema in COMMANDS.values() for path in paths(schema)]
        if key in known:
            return f"{key}: not a key of the choices made here; expected one that galvae COMMAND --help lists"
        return f"unknown key {key!r}{closest(key, known)}; galvae COMMAND --help lists the keys"
    missing = re.match(r"(?:In '.*?': )?Could not find '(.+?)/(.+?)'", text)
    if missing:
        group, choice = missing.groups()
        choices = sorted(file.stem for file in (CONF / group).glob("*.yaml"))
        return f"{group}: expected {' or '.join(choices) or 'no choice'}, received {choice!r}{closest(choice, choices)}"
    return text


def _key_lines(schema, values, prefix):
    schema = choices(prefix.rstrip("."), schema).get(values.get("name"), schema)
    for schema_field in sorted(fields(schema), key=lambda field: _rank(schema, field, values)):
        name, value = f"{prefix}{key_name(schema_field)}", values.get(key_name(schema_field), "???")
        if is_dataclass(schema_field.type):
            yield from _key_lines(schema_field.type, value, f"{name}.")
        elif schema_field.name != "name" or prefix == "schedule.":
            shown = "null" if value is None else str(value).replace("'", "").replace(", ", ",")
            shown = shown.lower() if isinstance(value, bool) else shown
            yield f"  {name + '=' + shown:44} {schema_field.metadata['meaning']} ({expected(schema_field)})"


def _rank(schema, schema_field, values):
    """Sorts keys that must be given before the others, and a command's own before those that it shares."""
    given = values.get(key_name(schema_field)) != "???"
    owners = [schema_field.name in inspect.get_annotations(base) for base in schema.__mro__]
    return given, owners.index(True)


def paths(schema, prefix=""):
    """Every key of a schema, with those of all choices of its groups."""
    for schema_field in fields(schema):
        name = f"{prefix}{key_name(schema_field)}"
        yield name
        if is_dataclass(schema_field.type):
            for choice in (choices(name, schema_field.type) or {"": schema_field.type}).values():
                yield from paths(choice, f"{name}.")


def _first_comment(file):
    comments = (line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# "))
    return next((line[2:] for line in comments if not line.startswith("# @")), "")
