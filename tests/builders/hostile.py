"""A reader whose process crashes, hangs, is killed, fills the memory, or does its work, as it is told."""

import dataclasses
import logging
import os
import signal
import time
from pathlib import Path

import numpy as np

from galvae.data.source import Source
from galvae.errors import CannotBeDone, GalvaeError


@dataclasses.dataclass
class Config:
    """What the reader is told: what is to become of its process."""

    path: str
    name: str = "hostile"
    nan: str = "error"
    drop: str | None = None


def blocks(what):
    """Five images in four blocks, unless the process ends among them."""
    yield np.zeros((2, 8, 8, 1), np.uint8)
    if what == "SIGSEGV later":
        os.kill(os.getpid(), signal.SIGSEGV)
    for _ in range(3):
        start = time.process_time()
        while what == "slow" and time.process_time() < start + 0.7:
            pass
        yield np.zeros((1, 8, 8, 1), np.uint8)


def read(config):
    """A Source of five images, unless `config.path` says what happens first."""
    what = config.path
    if what.startswith("SIG") and " " not in what:
        os.kill(os.getpid(), getattr(signal, what))
    elif what == "abort":
        os.write(2, b"malloc(): corrupted top size")
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        while True:
            pass
    elif what == "wait":
        Path("pid.part").write_text(str(os.getpid()))
        Path("pid.part").rename("pid")
        time.sleep(100)
    elif what == "memory":
        np.ones(10**9)
    elif what == "refused":
        raise GalvaeError("a: expected b, received c")
    elif what == "failed":
        raise CannotBeDone("no network")
    elif what == "disk":
        raise OSError(28, "No space left on device")
    elif what == "group":
        raise GalvaeError(
            f"in a process group {'of its own' if os.getpgrp() == os.getpid() else 'of others'}"
        )
    elif what == "bug":
        raise ZeroDivisionError("a bug of ours")
    print("not an answer")
    os.write(1, b"nor this")
    logging.getLogger("galvae.data.hostile").info("%d of %d", 2, 5)
    logging.getLogger("galvae.data.hostile").warning("odd")
    return Source(shape=(5, 8, 8, 1), dtype="uint8", blocks=blocks(what), pixel_range=(0, 255))
