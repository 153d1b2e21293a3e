"""Loads what takes seconds to load, and forgets galvae: a process forked from this one imports the mutated one."""

import sys

from galvae.backend.setup import load

load("tensorflow")

import astropy.table  # noqa: E402, F401
import h5py  # noqa: E402, F401
import matplotlib.figure  # noqa: E402, F401
import pytest  # noqa: E402, F401
import scipy  # noqa: E402, F401

for name in [name for name in sys.modules if name.partition(".")[0] == "galvae"]:
    del sys.modules[name]
