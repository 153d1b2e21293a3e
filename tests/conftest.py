"""What the tests share: one Keras backend, a cache of their own, and the command line in this process."""

import contextlib
import gc
import importlib
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from galvae.backend.setup import setup
from galvae.cli.main import main
from galvae.config.model import ConvConfig
from galvae.data.store import cache_entry


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache folder shared by all tests, so that the Hubble stamps are cut once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GALVAE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def keras():
    """Keras on TensorFlow in float32; here for all tests, because a process has one backend."""
    assert "keras" not in sys.modules, "a test file imports Keras before setup has prepared it"
    setup("tensorflow", "float32", 0)
    import absl.logging
    import keras

    # TensorFlow's log handler closes its stream when Hydra sets up logging; pytest's must not be that stream.
    absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
    # Keras collects garbage at the start of every job: what the imports made need not be looked at each time.
    gc.freeze()
    return keras


@pytest.fixture(autouse=True)
def same_random_numbers(keras):
    """Gives a test the weights that it has alone, whatever ran before it in this process."""
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Has files read in this process, which saves a start of Python each time; test_apart.py has the real thing."""

    def fill(folder, module, config):
        cache_entry.fill(folder, config.name, importlib.import_module(module).read(config))

    monkeypatch.setattr(apart, "fill", fill)


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
def float32():
    """Sets the precision back that a command of another test may have left."""
    setup("tensorflow", "float32", 0)


@pytest.fixture
def galvae(tmp_path, monkeypatch, capfd):
    """Runs the command line in an empty folder; returns (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        for handler in logging.getLogger().handlers[:]:  # Hydra's, bound to this call's streams and files
            if type(handler) in (logging.StreamHandler, logging.FileHandler):
                logging.getLogger().removeHandler(handler)
                with contextlib.suppress(OSError):  # a log on a full disk, as logging itself does at exit
                    handler.close()
        output = capfd.readouterr()
        return stop.value.code, output.out, output.err

    return run


@pytest.fixture
def network():
    """A small convolutional network."""
    return conv()


def conv(**changes):
    """Configuration of the network `conv`, small unless told otherwise."""
    values = {
        "name": "conv",
        "filters": [4, 8],
        "kernels": [3],
        "dense": 16,
        "depth": None,
        "output_kernel": None,
        "initializer": "he",
        "output_bias": "median",
    }
    return ConvConfig(**{**values, **changes})


def child_environment():
    """Environment of a process that is to find galvae where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def blobs(count, side, bands=3, seed=0):
    """Round galaxies of random size and colour on a dark sky, (count, side, side, bands) uint8."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = generator.uniform(0.1, 0.3, (count, 1, 1, 1)) * side
    colour = generator.uniform(80, 255, (count, 1, 1, bands))
    profile = np.exp(-(x**2 + y**2)[None, :, :, None] / (2 * radius**2))
    return np.round(profile * colour).astype(np.uint8)


# Values of the keys that all datasets share.
COMMON = {
    "augment": True,
    "split": [0.8, 0.1, 0.1],
    "split_seed": 0,
    "cache_dir": None,
    "stretch": "none",
    "missing_condition": "drop",
}

# Overrides that make a run take seconds.
SMALL = ("network.filters=[4,8]", "network.kernels=[3]", "network.dense=16", "epochs=2", "batch=32")


@pytest.fixture
def small_files(tmp_path):
    """Overrides of a quick run on 60 images of 16 pixels."""
    path = tmp_path / "blobs.npy"
    np.save(path, blobs(60, 16))
    return ("dataset=files", f"dataset.path={path}", *SMALL)


def write_survey(path, count=60, side=16):
    """Blobs with everything a survey knows: ids, positions, classes, redshifts of which the first two lack."""
    redshift = np.linspace(0.1, 2, count)
    redshift[:2] = np.nan
    with h5py.File(path, "w") as file:
        file["images"] = blobs(count, side)
        file["name"] = np.array([f"G{number:03d}" for number in range(count)], "S4")
        file["ra"] = np.linspace(150, 151, count)
        file["dec"] = np.linspace(2, 3, count)
        file["kind"] = np.arange(count) % 3
        file["redshift"] = redshift
    return (
        "dataset=files",
        f"dataset.path={path}",
        "dataset.images=images",
        "dataset.ids=name",
        "dataset.labels=kind",
        "dataset.class_names=[spiral,merger,elliptical]",
        "dataset.condition=[redshift]",
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Trains a model of a given name on the survey, two epochs, once in all tests; returns the run's directory."""
    folder = tmp_path_factory.mktemp("trained")
    survey = write_survey(folder / "survey.h5")

    def train(model):
        path = folder / model
        if not path.exists():
            with pytest.raises(SystemExit) as stop:
                main(["train", *survey, *SMALL, f"model={model}", "latent_dim=3", f"hydra.run.dir={path}"])
            assert stop.value.code == 0
        return path

    return train
