"""Other processes, and what stands in for one."""

import importlib
import os
import sys

from galvae.data.store import cache_entry


def child_environment():
    """Environment of a process that is to find galvae, and what the tests import, where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def write_entry_here(folder, module, config):
    """Reads a user's file in this process, where `galvae.data.store.isolation.write_entry` starts one of its own."""
    source = importlib.import_module(module).read(config)
    cache_entry.write(folder, config.name, source, config.nan, config.drop)
