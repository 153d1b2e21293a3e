"""Training on two devices against training on one; in child processes, whose CPU is made two devices at their start."""

import csv
import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from builders.configs import SMALL
from builders.processes import child_environment
from builders.surveys import write_survey

from galvae.runs import checkpoints

pytestmark = pytest.mark.slow  # a process of its own for each backend

# Of 67 images 53 are for training: two batches of 26, and one image that two devices cannot divide; 7 for validation.
COMMON = ("batch=26", "latent_dim=3", "precision=float32")
CASES = {
    "ae": (*SMALL, "model=ae"),
    "vae": ("model=vae", "network=dcgan", "network.filters=[4,8]"),  # with batch normalisation
    "cvae2": (*SMALL, "model=cvae2", "clip_norm=1"),
}
CHILD = """
import json, sys
if sys.argv[1] == "tensorflow":
    import tensorflow as tf
    processors = [tf.config.LogicalDeviceConfiguration()] * 3
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], processors)
from galvae.cli.main import main
from galvae.backend.setup import Device

# As GPUs would take them.
Device.steps_at_once = lambda self, steps: steps if self.backend == "tensorflow" and self.count == 1 else 1

for arguments in json.loads(sys.argv[2]):
    try:
        main(arguments)
    except SystemExit as stop:
        print("exit status", stop.code)
"""

WORK = """
import json

from galvae.backend.setup import setup

setup("jax", "float32", 0)
import jax
from builders.configs import conv, train_config
from builders.galaxies import redshift_dataset
from galvae.backend import input_pipeline
from galvae.backend.optimizer import adam
from galvae.models.build import MODELS


def work(count, name, network, accumulate=1):
    device = setup("jax", "float32", 0, count=count, batch=32)
    options = {"condition_dim": 1} if "cvae" in name else {}
    with device.scope():
        model = MODELS[name]((16, 16, 3), latent_dim=3, network=network, augment=True, **options)
        model.build_all()
        model.accumulate = accumulate
        model.compile(optimizer=adam(1e-3, 1.0))
        model.optimizer.build(model.trainable_variables)
        batch = input_pipeline.feed(redshift_dataset().batches("train", 32, seed=0))[0]
    groups = [f"{kind}_variables" for kind in ("trainable", "non_trainable", "optimizer", "metrics")]
    state = model._get_jax_state(**dict.fromkeys(groups, True))
    return jax.jit(model.train_step).lower(state, batch).compile().cost_analysis()["flops"]


DCGAN = train_config("network=dcgan", "network.filters=[4,8]").network
CASES = [("ae", DCGAN), ("fancy_cvae", conv(), 2)]
shares = [work(2, *case) / work(1, *case) for case in CASES]
print(json.dumps(shares))
"""


def train_all(backend, folder):
    """Trains every case on one and on two devices in one child process; returns what it printed.

    Two devices compute the batches of the cvae2 in parts. The vae changes from one to two devices, and from two to
    one, when it resumes for a third epoch.
    """
    survey = write_survey(folder / "survey.h5", count=67)
    jobs = []
    for case, overrides in CASES.items():
        train = ["train", *survey, *overrides, *COMMON, f"backend={backend}"]
        for count in (1, 2):
            run = folder / f"{case}-{count}"
            epochs = 2 if case == "vae" else 3
            parts = ["accumulate=2"] * (case == "cvae2" and count == 2)
            jobs.append([*train, *parts, f"epochs={epochs}", f"devices={count}", f"hydra.run.dir={run}"])
            if case == "vae":
                jobs.append(["train", f"resume={run}", "epochs=3", f"devices={3 - count}"])
    jobs.append([*train, "epochs=3", "devices=3", f"hydra.run.dir={folder / 'three'}"])
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    command = [sys.executable, "-c", CHILD, backend, json.dumps(jobs)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True)


@pytest.fixture(scope="module")
def tensorflow_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    return folder, train_all("tensorflow", folder)


@pytest.fixture(scope="module")
def jax_runs(tmp_path_factory):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    folder = tmp_path_factory.mktemp("jax")
    return folder, train_all("jax", folder)


def assert_same(folder, case):
    """One and two devices have the same history and the same variables, within rounding."""
    histories, variables = [], []
    for count in (1, 2):
        run = folder / f"{case}-{count}"
        environment = json.loads((run / "environment.json").read_text())
        assert environment["count"] == count
        assert [part["count"] for part in environment["resumed"]] == ([3 - count] if case == "vae" else [])
        with open(run / "history.csv") as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name not in ("seconds", "images_per_second")]
        histories.append([[float(row[name]) for name in names] for row in rows])
        checkpoint = checkpoints.newest(run / "checkpoints")
        variables.append(checkpoints.read_arrays(checkpoint, "last"))
    assert len(histories[0]) == 3
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-5)
    one, two = variables
    assert one.keys() == two.keys()
    for name, array in one.items():
        scale = np.abs(array).max(initial=1e-6)
        np.testing.assert_allclose(two[name] / scale, array / scale, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_two_devices_train_as_one_on_tensorflow(tensorflow_runs, case):
    assert_same(tensorflow_runs[0], case)


def test_a_second_group_of_devices_in_a_process_is_refused(tensorflow_runs):
    folder, done = tensorflow_runs
    assert done.stdout.count("exit status 0") == 2 * len(CASES) + 2
    assert done.stdout.endswith("exit status 2\n")
    assert "trained on another number of them; expected the same or 1, received 3" in done.stderr
    assert not (folder / "three").exists()


@pytest.mark.parametrize("case", CASES)
def test_two_devices_train_as_one_on_jax(jax_runs, case):
    assert_same(jax_runs[0], case)


def test_more_devices_than_there_are_is_a_warning_with_their_number(jax_runs):
    folder, done = jax_runs
    assert "devices=3: expected at most 2, the number of CPUs there are; using 2" in done.stderr
    assert json.loads((folder / "three" / "environment.json").read_text())["count"] == 2


def test_each_of_two_devices_computes_half_of_a_step_on_jax():
    pytest.importorskip("jax", reason="jax is an extra")
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_PLATFORMS": "cpu"}
    environment = {**child_environment(), **flags}
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    shares = json.loads(done.stdout.splitlines()[-1])
    assert max(shares) < 0.6, shares  # optimizer and random numbers are computed on both
