"""The command line in this process, without what Hydra leaves in it."""

import contextlib
import logging

import pytest

from galvae.cli.main import main


def run_command(*arguments):
    """Runs `galvae` with these arguments and returns its exit status."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    for handler in logging.getLogger().handlers[:]:  # Hydra's, bound to this call's streams and files
        if type(handler) in (logging.StreamHandler, logging.FileHandler):
            logging.getLogger().removeHandler(handler)
            with contextlib.suppress(OSError):  # a log on a full disk, as logging itself does at exit
                handler.close()
    return stop.value.code
