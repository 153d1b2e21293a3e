"""init=RUN: a run that starts from another one's weights, and which runs it cannot start from."""

import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import SMALL, train_config
from builders.galaxies import dataset, redshift_dataset

from galvae.config.check import read_config
from galvae.config.fields import LATEST
from galvae.errors import GalvaeError
from galvae.models.build import build_model
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory, config_digest
from galvae.runs.find import mark_latest
from galvae.runs.start import Start
from galvae.runs.trained_run import TrainedRun

CHOICES = (*SMALL, "latent_dim=3")


@pytest.fixture
def configured(trained):
    """A function that returns the configuration of a run that starts from that of a model."""

    def config(model, *overrides):
        return train_config(*CHOICES, f"model={model}", *overrides, f"init={trained(model)}")

    return config


def survey_like(**changes):
    """Galaxies of the shape and with the condition of the survey that runs of tests are trained on."""
    return dataclasses.replace(redshift_dataset(), **changes)


@pytest.mark.parametrize("model", ["vae", pytest.param("fancy_cvae", marks=pytest.mark.slow)])
def test_the_weights_are_those_of_the_run_and_the_random_numbers_its_own(model, configured, trained):
    config = configured(model, "seed=7", "learning_rate=0.5", "network.initializer=glorot")
    start, data = Start(config), survey_like()
    start.check(data)
    built = build_model(config, data.image_shape, data.pixel_range, data.stretch, 1)
    seeds = {path: v for path, v in checkpoints.snapshot(built.variables).items() if "seed" in path}
    start.restore(built)
    theirs = checkpoints.snapshot(TrainedRun.open(trained(model)).model.variables)
    own = checkpoints.snapshot(built.variables)
    assert set(own) == set(theirs) and len(seeds) == 2
    for path, values in own.items():
        np.testing.assert_array_equal(values, seeds.get(path, theirs[path]), err_msg=path)
        assert path not in seeds or (values != theirs[path]).any()
    if model == "fancy_cvae":  # the conditions are scaled as where the weights were trained
        assert own["condition_mean"] == theirs["condition_mean"] != data.condition.mean()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (("model=ae", "beta=none"), "with model=ae, received one with model=vae; model=vae fits"),
        (("model=beta_vae",), "with model=beta_vae, received one with model=vae"),
        (("network=dcgan", "network.filters=[4]"), "with network=dcgan, received one with network=conv"),
        (
            ("network.filters=[4,6]",),
            r"with network.filters=\[4,6\], received one with network.filters=\[4,8\]",
        ),
        (("latent_dim=2",), "with latent_dim=2, received one with latent_dim=3; latent_dim=3 fits"),
        (
            ("reconstruction.loss=gaussian", "reconstruction.weight=1"),
            "with reconstruction.loss=gaussian, received one with reconstruction.loss=mse or bce",
        ),
    ],
)
def test_another_architecture_is_refused_before_any_dataset_is_read(changes, problem, trained):
    overrides = (
        [word for word in CHOICES if not word.startswith("network")]
        if "network=dcgan" in changes
        else CHOICES
    )
    with pytest.raises(GalvaeError, match=f"^init: {trained('vae')}: expected a run of the same .*{problem}"):
        Start(train_config(*overrides, *changes, f"init={trained('vae')}"))


@pytest.mark.slow
def test_other_images_and_conditions_are_refused(configured, trained):
    start = Start(configured("vae"))
    with pytest.raises(
        GalvaeError, match=r"images of shape \[8,8,3\], received one with images of shape \[16,16,3\]"
    ):
        start.check(dataset())
    start.check(
        survey_like(condition=None, condition_names=[], condition_units=[])
    )  # which a VAE does not take
    start = Start(configured("fancy_cvae"))
    with pytest.raises(GalvaeError, match=r"conditions \[mass\], received one with conditions \[redshift\]"):
        start.check(survey_like(condition_names=["mass"]))


def test_another_scale_is_said_in_one_line(configured, caplog):
    caplog.set_level(logging.INFO)
    start = Start(configured("vae"))
    start.check(survey_like())
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("init: training starts from the weights of epoch ")
    caplog.clear()
    start.check(survey_like(pixel_range=(-3.0, 100.0), stretch="asinh"))
    assert caplog.records[1].getMessage() == (
        "init: stored values there become 0 and 1 at 0 to 255, stretch none; here at -3 to 100, stretch asinh"
    )


def test_what_is_no_run_is_refused(tmp_path, trained):
    for path, problem in (("none", "received no directory"), (".", "received a directory without one")):
        with pytest.raises(GalvaeError, match=f"^init: {tmp_path}.*expected a run's directory.*{problem}"):
            Start(train_config(f"init={tmp_path / path}"))
    run = shutil.copytree(trained("vae"), tmp_path / "run")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(GalvaeError, match=f"^init: {run}: no checkpoint yet"):
        Start(train_config(*CHOICES, f"init={run}"))


def test_its_path_is_absolute_and_no_part_of_what_determines_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = train_config("init=a")
    assert config.init == str(tmp_path / "a")
    assert config_digest(config) == config_digest(train_config())


@pytest.mark.slow
def test_a_run_goes_on_from_another_and_no_longer_needs_it(galvae, trained, tmp_path):
    first = shutil.copytree(trained("vae"), tmp_path / "outputs" / "train" / "first")
    mark_latest(LATEST, first)
    config = read_config(first / "config.yaml")
    ids = [f"G{number:03d}" for number in range(10, 60)]
    Table({"id": ids}).write(tmp_path / "some.csv")
    words = (
        *(
            "dataset=files",
            f"dataset.path={config.dataset.path}",
            "dataset.images=images",
            "dataset.axes=NHWC",
        ),
        *("dataset.ids=name", "dataset.select=some.csv", *CHOICES, "init=latest", "hydra.run.dir=second"),
        *("learning_rate=1e-30", "schedule.warmup=0", "epochs=1"),
    )
    status, _, err = galvae("train", *words)
    assert status == 0, err
    second, best = tmp_path / "second", RunDirectory.open(first).checkpoint()
    environment = json.loads((second / "environment.json").read_text())
    assert environment["init"] == {
        "run": str(first),
        "weights_sha256": checkpoints.weights_digest(best[0]),
        "epoch": best[1].best_epoch,
    }
    assert read_config(second / "config.yaml").init == str(first)
    shutil.rmtree(first)
    theirs = TrainedRun.open(trained("vae")).model.get_weights()
    for own, expected in zip(TrainedRun.open(second).model.get_weights(), theirs, strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-20)
    assert len(TrainedRun.open(second).dataset.split("all")) == 50
    status, _, err = galvae("train", "resume=second", "epochs=2")
    assert status == 0, err
    assert json.loads((second / "environment.json").read_text())["init"] == environment["init"]
