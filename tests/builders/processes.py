"""Other processes, and what stands in for one."""

import os
import socket
import sys

from galvae.data.store import isolation


def child_environment():
    """Environment of a process that is to find galvae, and what the tests import, where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def write_entry_here(folder, module, config, work=None, process=None, report=None):
    """Reads a user's file in this process, where `galvae.data.store.isolation.write_entry` starts one of its own."""
    isolation.write(folder, module, config, work, report)


def free_port():
    """A port on which nothing listens."""
    with socket.create_server(("localhost", 0)) as server:
        return server.getsockname()[1]
