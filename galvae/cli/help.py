"""Help texts: the keys of a command, and one line for each error in a configuration."""

import inspect
import re
from dataclasses import fields

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from galvae.cli.overrides import check_words, quote_texts
from galvae.config.check import expected, section_of
from galvae.config.defaults import CONF
from galvae.config.fields import closest, key_name
from galvae.config.registry import COMMANDS, choices
from galvae.errors import GalvaeError, line_of

# Exceptions other than its own that Hydra raises where a group or one of its settings has a value of a wrong type.
COMPOSE_ERRORS = (ValueError, TypeError, AttributeError, AssertionError, LookupError, RecursionError)


def command_help(command, words):
    """The text of `galvae COMMAND --help`: its groups and keys, with meaning, default and allowed values.

    Args:
        command: name of the command.
        words: as typed; the keys listed are those of the choices that they make.

    Raises:
        GalvaeError: if no configuration can be composed from them.
    """
    values, schema = composed(command, words), COMMANDS[command]
    lines = [f"galvae {command}: {schema.__doc__}", ""]
    sections = {field.name: section_of(field.type) for field in fields(schema)}
    groups = [name for name, section in sections.items() if section and choices(name, section)]
    groups += ["recipe", "experiment"] if command == "train" else []
    if groups:
        lines.append("groups (group=choice):")
    for group in groups:
        lines.append(f"  {group}")
        described = choices_of(group)
        width = max(map(len, described))
        lines += [f"    {name:{width}}  {sentence}" for name, sentence in described.items()]
    lines += ["keys (key=value):", *_key_lines(schema, values, "")]
    return "\n".join(lines)


def composed(command, words):
    """The values of a command's keys, as nested dicts that nothing has checked.

    Args:
        command: name of the command.
        words: as typed; options are left out.

    Raises:
        GalvaeError: if no configuration can be composed from them.
    """
    check_words(words)
    overrides = [word for word in quote_texts(words)[0] if not word.startswith("-")]
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return OmegaConf.to_container(compose(command, overrides))
    except (HydraException, OmegaConfBaseException, YAMLError, *COMPOSE_ERRORS) as error:
        raise GalvaeError(one_line(error)) from error


def one_line(error):
    """An exception of Hydra, OmegaConf or YAML as one line that names the key or file and what was expected.

    Args:
        error: the exception; where another one caused it, that one is described.
    """
    override = getattr(error, "override", None)
    if override is not None:
        return f"{override}: not understood; expected key=value (quote values with spaces or brackets)"
    mark = getattr(error, "problem_mark", None)  # of YAML, in a file of --config-dir
    if mark is not None:
        return (
            f"{mark.name}: expected keys and values as YAML, without tags of its own; received a file with "
            f"{line_of(error.problem)} in line {mark.line + 1}"
        )
    while error.__cause__ is not None or isinstance(error.__context__, OmegaConfBaseException):
        error = error.__cause__ or error.__context__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    unknown = re.match(r"Key '(.+?)' is not in struct", text)
    if unknown:
        key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key")), None)
        key = key or unknown.group(1)
        if key.startswith("hydra."):
            siblings = [
                f"{key.rpartition('.')[0]}.{name}" for name in getattr(error, "parent_node", None) or {}
            ]
            return f"unknown key {key!r}{closest(key, siblings)}; see docs/sweeps.md and docs/scaling.md"
        keys = [path for schema in COMMANDS.values() for path in paths(schema)]
        if key in keys:
            return f"{key}: not a key of the choices made here; expected one that galvae COMMAND --help lists"
        return f"unknown key {key!r}{closest(key, keys)}; galvae COMMAND --help lists the keys"
    missing = re.match(r"(?:In '.*?': )?Could not find '(hydra/.+?|.+?)/(.+?)'", text)
    if missing:
        group, choice = missing.groups()
        names = sorted(file.stem for file in (CONF / group).glob("*.yaml"))
        return f"{group}: expected {' or '.join(names) or 'no choice'}, received {choice!r}{closest(choice, names)}"
    return text


def _key_lines(schema, values, prefix):
    schema = choices(prefix.rstrip("."), schema).get(values.get("name"), schema)
    for schema_field in sorted(fields(schema), key=lambda field: _rank(schema, field, values)):
        name, value = f"{prefix}{key_name(schema_field)}", values.get(key_name(schema_field), "???")
        section = section_of(schema_field.type)
        if section and value is not None:
            yield from _key_lines(section, value, f"{name}.")
        elif section:
            yield f"  {name + '=null':44} {schema_field.metadata['meaning']} (a choice of the group {name}, or null)"
        elif schema_field.name != "name" or prefix in ("", "schedule."):
            text = "null" if value is None else str(value).replace("'", "").replace(", ", ",")
            text = text.lower() if isinstance(value, bool) else text
            yield f"  {name + '=' + text:44} {schema_field.metadata['meaning']} ({expected(schema_field)})"


def _rank(schema, schema_field, values):
    """Sort key of a command's keys: those without a default first, its own before those shared with others."""
    has_default = values.get(key_name(schema_field)) != "???"
    owners = [schema_field.name in inspect.get_annotations(base) for base in schema.__mro__]
    return has_default, owners.index(True)


def paths(schema, prefix=""):
    """Yields the dotted name of every key of a schema, including those of all choices of its groups."""
    for schema_field in fields(schema):
        name = f"{prefix}{key_name(schema_field)}"
        yield name
        section = section_of(schema_field.type)
        if section:
            for choice in (choices(name, section) or {"": section}).values():
                yield from paths(choice, f"{name}.")


def choices_of(group):
    """The choices of a group of conf/: name -> first sentence of the comment at the top of its file."""
    return {file.stem: _first_sentence(file) for file in sorted((CONF / group).glob("*.yaml"))}


def _first_sentence(file):
    """The comment at the top of a file, without Hydra's directive, up to the first line that ends in a full stop."""
    comments = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and not line.startswith("# @"):
            comments.append(line[2:].strip())
            if line.rstrip().endswith("."):
                break
        elif comments:
            break
    return " ".join(comments)
