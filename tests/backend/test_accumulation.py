"""Steps in parts against steps of whole batches; compiled ones in child processes, one for each backend."""

import contextlib
import csv
import importlib.util
import json
import os
import subprocess
import sys

import builders.models
import keras
import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import redshift_dataset
from builders.surveys import write_survey

from galvae.backend import steps
from galvae.backend.input_pipeline import ResidentImages
from galvae.backend.optimizer import adam
from galvae.config.registry import GROUPS
from galvae.errors import GalvaeError
from galvae.models.networks.parts import Normalisation
from galvae.models.networks.plan import NETWORKS, encoder_plan
from galvae.runs import checkpoints

DATA = redshift_dataset()
SEVEN = np.array([30, 4, 17, 9, 22, 35, 1])  # a number that 3 does not divide


def inputs(indices):
    mask = np.random.default_rng(2).uniform(size=(len(indices), 16, 16, 3)) < 0.2
    return {"images": DATA.images[indices], "condition": DATA.condition[indices], "mask": mask}


def after_steps(name, accumulate, batches, resident=None, **options):
    """Losses of steps of training and a validation, and all variables after them."""
    changes = {"reconstruction": "gaussian", "noise": "covariance", "augment": True}
    if name not in ("ae", "vae"):
        changes["condition_dim"] = 1
    keras.utils.set_random_seed(0)  # the same weights each time
    model = builders.models.build(name, **{**changes, **options})
    model.accumulate, model.resident = accumulate, resident
    model.compile(optimizer=adam(0.01, 50.0), run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    logs = [{key: float(value) for key, value in model.train_step((batch,)).items()} for batch in batches]
    model.reset_metrics()
    logs.append({key: float(value) for key, value in model.test_step((batches[0],)).items()})
    return logs, {variable.path: np.asarray(variable) for variable in model.variables}, model


def assert_same(first, second):
    for one, two in zip(first[0], second[0], strict=True):
        assert one == pytest.approx(two, rel=1e-5)
    assert first[1].keys() == second[1].keys()
    for name, array in first[1].items():
        np.testing.assert_allclose(second[1][name], array, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["ae", "vae", "fancy_cvae"])
def test_a_step_in_parts_is_that_of_the_whole_batch(name):
    batches = [inputs(SEVEN), inputs(SEVEN[:2] + 1)]
    whole = after_steps(name, 1, batches)
    parts = after_steps(name, 3, batches)
    assert_same(whole, parts)
    first, second, _ = whole[0]
    assert first["loss"] > 1.01 * second["loss"]  # it learns
    if name == "ae":
        assert float(parts[2].code_moments.count) == pytest.approx(
            1 - 0.99**2
        )  # of two batches, not of six parts


def test_parts_of_resident_images_are_gathered_one_by_one(monkeypatch):
    expected = after_steps("cvae", 1, [{name: inputs(SEVEN)[name] for name in ("images", "condition")}])
    resident, taken = ResidentImages(DATA, np.arange(40)), []
    take = resident.take
    monkeypatch.setattr(resident, "take", lambda part: taken.append(len(part["positions"])) or take(part))
    assert_same(expected, after_steps("cvae", 3, [resident.gather(SEVEN)], resident))
    assert taken == [3] * 6  # three parts of the step, and of the validation


def test_a_part_has_every_nth_image_and_the_last_ones_are_filled_up():
    part = steps._divided({"images": np.arange(7.0, dtype=np.float32)}, 3)
    parts = [part(number) for number in range(3)]
    assert [list(map(int, share.rows)) for _, share in parts] == [[0, 3, 6], [1, 4, 0], [2, 5, 1]]
    assert [list(map(int, taken["images"])) for taken, _ in parts] == [[0, 3, 6], [1, 4, 0], [2, 5, 1]]
    assert [list(map(int, taken["weight"])) for taken, _ in parts] == [[1, 1, 1], [1, 1, 0], [1, 1, 0]]
    np.testing.assert_allclose(parts[1][1].weights, np.array([1, 1, 0]) * 9 / 7, rtol=1e-6)
    assert {share.size for _, share in parts} == {7}


def test_parts_of_the_same_size_need_no_weights():
    taken, share = steps._divided({"images": np.arange(6.0)}, 3)(1)
    assert list(taken["images"]) == [1, 4] and share.weights is None


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_networks_that_normalise_batches_are_not_divided(name):
    network = train_config("dataset=simulated", f"network={name}").network
    normalises = any(isinstance(part, Normalisation) for part in encoder_plan((32, 32, 3), network))
    assert GROUPS["network"][name] is type(network) and network.normalises_batches == normalises
    refused = pytest.raises(
        GalvaeError, match=f"^accumulate: the network {name} .*; expected 1, or remat=true"
    )
    with refused if normalises else contextlib.nullcontext():
        train_config("dataset=simulated", f"network={name}", "accumulate=2")


def test_parts_of_unequal_size_are_refused():
    expected = "^accumulate: expected a number that divides batch=10, received 3$"
    with pytest.raises(GalvaeError, match=expected):
        train_config("dataset=simulated", "batch=10", "accumulate=3")
    assert train_config("dataset=simulated", "batch=10", "accumulate=5").part == 2


# Of 67 images 53 are for training: two batches of 24, and 5 images, which neither 3 parts nor 2 devices divide.
COMMON = ("batch=24", "latent_dim=3", "prior=none", "epochs=2", "precision=float32")
VAE = ("network=slim", "network.filters=[4]", "network.dense=16", "clip_norm=1000", *COMMON)
DCGAN = ("network=dcgan", "network.filters=[4,8]", *COMMON)
JOBS = {
    "plain": VAE,
    "parts": (*VAE, "accumulate=3", "devices=2", "remat=true"),
    "dcgan": DCGAN,
    "dcgan-remat": (*DCGAN, "remat=true"),
}
CHILD = """
import json, sys
if sys.argv[1] == "tensorflow":
    import tensorflow as tf
    processors = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], processors)
from galvae.cli.main import main

for arguments in json.loads(sys.argv[2]):
    try:
        main(arguments)
    except SystemExit as stop:
        print("exit status", stop.code)
"""


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def runs(request, tmp_path_factory):
    """History and last variables of each of JOBS."""
    backend = request.param
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    folder = tmp_path_factory.mktemp(backend)
    survey = write_survey(folder / "survey.h5", count=67)
    jobs = [
        ["train", *survey, *job, f"backend={backend}", f"hydra.run.dir={folder / name}"]
        for name, job in JOBS.items()
    ]
    quick = "--xla_backend_optimization_level=0"  # to compile
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count=2 {quick}"}
    command = [sys.executable, "-c", CHILD, backend, json.dumps(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.count("exit status 0") == len(jobs), done.stderr
    return {name: recorded(folder / name) for name in JOBS}


def recorded(run):
    with open(run / "history.csv") as file:
        rows = list(csv.DictReader(file))
    losses = [{name: float(row[name]) for name in ("loss", "kl", "val_loss", "val_kl")} for row in rows]
    return losses, checkpoints.read_arrays(checkpoints.newest(run / "checkpoints"), "last")


@pytest.mark.slow
def test_runs_in_parts_and_with_remat_are_the_plain_one(runs):
    for plain, others in (("plain", ("parts",)), ("dcgan", ("dcgan-remat",))):
        losses, variables = runs[plain]
        assert len(losses) == 2
        for other in others:
            assert runs[other][0] == [pytest.approx(row, rel=1e-4) for row in losses]
            assert runs[other][1].keys() == variables.keys()
            for name, array in variables.items():
                scale = np.abs(array).max(initial=1e-6)
                np.testing.assert_allclose(
                    runs[other][1][name] / scale, array / scale, atol=2e-3, err_msg=name
                )


@pytest.mark.slow
def test_batch_normalisation_learns_its_statistics_on_both_backends(runs):
    variables = runs["dcgan"][1]
    moving = [array for name, array in variables.items() if name.endswith("moving_mean")]
    assert moving and all(np.abs(array).max() > 1e-3 for array in moving)
