"""Writes the reference pages docs/commands.md and docs/configuration.md from what `galvae COMMAND --help` shows.

    python scripts/write_reference.py            write both
    python scripts/write_reference.py --check    write nothing; exit status 1 if a page is not what would be written

The head of each page, above the line MARK, is written by hand and stays. What follows it is made of the schemas in
galvae/config/ and of the values and comments in conf/.
"""

import argparse
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from galvae.cli.help import choices_of, command_help, paths
from galvae.config.registry import COMMANDS, GROUPS

DOCS = Path(__file__).resolve().parents[1] / "docs"
MARK = "<!-- From here on scripts/write_reference.py writes this page. -->"
KEY = re.compile(r"  ([\w.]+)=(\S*) +(\S.*) \(([^()]*)\)")  # a line of help: name=default  meaning (values)
REQUIRED = "???"  # default of a key that has none
WIDTH = 120  # characters of a line of the pages that is no table
SECTIONS = ("reconstruction", "schedule", "checkpoint")  # sections of `train` that are no groups


class Key(NamedTuple):
    """A key as help shows it: its name, default, meaning and the values that it takes, all as texts."""

    name: str
    default: str
    meaning: str
    values: str


def keys_of(command, *words):
    """The keys that `galvae COMMAND WORD ... --help` lists, name -> Key, in the order of the help.

    Args:
        command: name of the command.
        words: choices of groups, such as "dataset=files".

    Raises:
        ValueError: if a line of the help is not understood.
    """
    lines = command_help(command, list(words)).partition("keys (key=value):\n")[2].splitlines()
    matches = {line: KEY.fullmatch(line) for line in lines}
    if None in matches.values():
        raise ValueError(f"a line of the help of {command}: {[line for line in lines if not matches[line]]}")
    return {match[1]: Key(*match.groups()) for match in matches.values()}


def plain(text):
    """A text of help as Markdown: quoted words as code, to be copied, and no sign that Markdown would read."""
    text = re.sub(r"(?<!\w)'([^']+)'(?!\w)", r"`'\1'`", text)
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part.replace("|", r"\|") if part.startswith("`") else re.sub(r"([\\*$|<>])", r"\\\1", part)
        for part in parts
    )


def table(head, rows):
    """A Markdown table, as text.

    Args:
        head: titles of the columns.
        rows: tuples of cells.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def default_of(key):
    """A key with its default, as it may be typed, or without one."""
    return f"`{key.name}=`, required" if key.default == REQUIRED else f"`{key.name}={key.default}`"


def key_table(keys):
    """A table of some Keys."""
    head = ("key and default", "meaning", "values")
    return table(head, [(default_of(key), plain(key.meaning), plain(key.values)) for key in keys])


def choice_table(group):
    """A table of the choices of a group."""
    rows = [(f"`{group}={name}`", plain(text)) for name, text in choices_of(group).items()]
    return table(("choice", "what it is"), rows)


def group_table(group):
    """A table of the keys that the choices of a group of `train` have, those of all choices first."""
    choices, alike = choices_of(group), {}
    for choice in choices:
        for key in keys_of("train", f"{group}={choice}").values():
            if key.name.startswith(f"{group}."):
                defaults = alike.setdefault((key.name, key.meaning, key.values), {})
                defaults.setdefault(key.default, []).append(choice)
    names = [name for name, _, _ in alike]
    everywhere = {row for row, defaults in alike.items() if sum(map(len, defaults.values())) == len(choices)}
    rows = []
    # Choices whose key has another meaning have a row of their own, beside the first of its name.
    for row in sorted(alike, key=lambda row: (row not in everywhere, names.index(row[0]))):
        name, meaning, values = row
        shared = row in everywhere and len(alike[row]) == 1
        texts = [
            ("required" if default == REQUIRED else f"`{default}`") + f" ({', '.join(by)})" * (not shared)
            for default, by in alike[row].items()
        ]
        rows.append((f"`{name}`", "; ".join(texts), plain(meaning), plain(values)))
    return table(("key", "default", "meaning", "values"), rows)


def commands_page():
    """The generated part of commands.md: a section for each command, with its purpose and its keys."""
    parts = []
    for command, schema in COMMANDS.items():
        keys, all_keys = keys_of(command), list(dict.fromkeys(paths(schema)))
        parts += [f"## {command}", schema.__doc__, f"What it writes: [Outputs](outputs.md#{command})."]
        parts.append(key_table(keys.values()))
        for group in (group for group in GROUPS if f"{group}.name" in all_keys):
            text = f"`{group}=` is a [group](configuration.md#{group}), whose choices and keys are explained there"
            own = [f"`{name}`" for name in all_keys if name.startswith(f"{group}.") and name not in keys]
            own.remove(f"`{group}.name`")
            text += f"; some choices also have {', '.join(own)}." if own else "."
            parts.append(textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(parts)


def configuration_page():
    """The generated part of configuration.md: the keys of `train` by section, and the choices of every group."""
    keys = keys_of("train")
    own = [key for name, key in keys.items() if "." not in name]
    parts = ["## The keys of train", "### The run", key_table(own)]
    for section in SECTIONS:
        inside = [key for name, key in keys.items() if name.startswith(f"{section}.")]
        parts += [f"### {section}", key_table(inside)]
    parts.append("## Groups of train")
    for group in GROUPS:
        parts += [f"### {group}", choice_table(group), group_table(group)]
    for group in ("recipe", "experiment"):
        parts += [f"### {group}", choice_table(group)]
    return "\n\n".join(parts)


PAGES = {"commands.md": commands_page, "configuration.md": configuration_page}


def written(name):
    """The whole text of a page: its head as it stands in docs/, and its generated part."""
    head, mark, _ = (DOCS / name).read_text(encoding="utf-8").partition(MARK)
    if not mark:
        raise ValueError(f"{name}: expected a line {MARK}")
    return f"{head}{MARK}\n\n{PAGES[name]()}\n"


def main():
    """Writes the pages, or with --check compares them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if a page is out of date"
    )
    check = parser.parse_args().check
    pages = {name: written(name) for name in PAGES}
    old = [name for name, text in pages.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    for name in old:
        if check:
            print(f"docs/{name} is out of date: python scripts/write_reference.py")
        else:
            (DOCS / name).write_text(pages[name], encoding="utf-8")
            print(f"docs/{name}")
    sys.exit(1 if check and old else 0)


if __name__ == "__main__":
    main()
