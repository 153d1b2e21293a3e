"""Fixtures of all tests: one Keras backend, a cache of their own, and the command line in this process."""

import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from builders.command_line import run_command
from builders.configs import SMALL, conv
from builders.galaxies import ellipses
from builders.processes import write_entry_here
from builders.surveys import write_survey

from galvae.backend.setup import setup
from galvae.data import prepared_parts
from galvae.data.store import isolation
from galvae.system.child import Child

# Before any test file is imported, so that they may import Keras at their tops; a process has one backend.
unprepared = "keras" in sys.modules and os.environ.get("KERAS_HOME") != os.devnull
assert not unprepared, "something imports Keras before setup has prepared it"
setup("tensorflow", "float32", 0)


def pytest_configure(config):
    config.addinivalue_line("markers", "real_reader: files are read in a process of their own, as users' are")
    config.addinivalue_line("markers", "real_child: functions are called in a child process, as users' are")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder shared by all tests, so that the Hubble stamps are cut once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALVAE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def quiet_start():
    """What Keras and TensorFlow have to be told once, when the tests begin."""
    import absl.logging

    # TensorFlow's log handler closes its stream when Hydra sets up logging; pytest's must not be that stream.
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="module", autouse=True)
def little_garbage():
    """Leaves what imports and earlier tests made out of later collections of garbage, of which Keras makes many."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_arithmetic():
    """Gives a test the weights and the precision that it has alone, whatever ran before it in this process."""
    import keras

    from galvae.backend.precision import set_precision

    keras.utils.set_random_seed(0)
    set_precision("float32", "cpu")  # `train` leaves its own, bfloat16 on processors that have it


@pytest.fixture(autouse=True)
def in_this_process(request, monkeypatch):
    """Has files read in this process, which saves a start of Python each time, except in tests marked real_reader.

    The same for what `umap` calls in a child process, except in tests marked real_child.
    """
    if request.node.get_closest_marker("real_reader") is None:
        monkeypatch.setattr(isolation, "write_entry", write_entry_here)
        # Readers do not expect each other's threads.
        monkeypatch.setattr(prepared_parts, "cores", lambda: 1)
    if request.node.get_closest_marker("real_child") is None:
        monkeypatch.setattr(Child, "call", lambda self, function, *arguments: function(*arguments))


@pytest.fixture
def nobody(tmp_path):  # which must be made first, by the user who runs the tests
    """A folder of a user without rights over root's files, as whom the test runs."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if root:
        os.seteuid(0)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def galvae(tmp_path, monkeypatch, capfd):
    """Runs the command line in an empty folder; returns (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        status = run_command(*arguments)
        output = capfd.readouterr()
        return status, output.out, output.err

    return run


@pytest.fixture
def network():
    """A small convolutional network."""
    return conv()


@pytest.fixture
def small_files(tmp_path):
    """Overrides of a quick run on 60 images of 16 pixels."""
    path = tmp_path / "galaxies.npy"
    np.save(path, ellipses(60, 16))
    return ("dataset=files", f"dataset.path={path}", "dataset.axes=NHWC", *SMALL)


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Trains a model of a given name on the survey, two epochs, once in all tests; returns the run's directory."""
    folder = tmp_path_factory.mktemp("trained")
    survey = write_survey(folder / "survey.h5")

    def train(model):
        path = folder / model
        if not path.exists():
            overrides = (*survey, *SMALL, f"model={model}", "latent_dim=3", f"hydra.run.dir={path}")
            assert run_command("train", *overrides) == 0
        return path

    return train
