"""Default values of commands, as conf/ has them, for callers that have no command line."""

from pathlib import Path

import yaml

from galvae.config.check import from_dict
from galvae.config.registry import COMMANDS

CONF = next(
    folder
    for folder in (Path(__file__).parents[1] / "conf", Path(__file__).parents[2] / "conf")
    if folder.is_dir()
)


def command_config(command, run, keys):
    """The configuration of a command that reads one run, from its defaults and other values of some keys.

    Args:
        command: name of the command, such as "traverse".
        run: path of the run's directory.
        keys: name of a key -> its value, also as an array, a tuple or a number of NumPy; a key that is a word of Python
            may end in an underscore, as from_.

    Returns:
        The command's configuration, see `galvae.config.registry.COMMANDS`.

    Raises:
        GalvaeError: if there is no such key, or its value is not allowed.
    """
    values = {}
    for name in ("reading", command):
        values |= yaml.safe_load((CONF / f"{name}.yaml").read_text(encoding="utf-8"))
    given = {name.rstrip("_"): _plain(value) for name, value in keys.items()}
    values = {name: value for name, value in values.items() if name not in ("defaults", "hydra")}
    return from_dict(COMMANDS[command], {**values, **given, "run": str(run)})


def _plain(value):
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if hasattr(value, "tolist") else value
