"""Every key of a run reaches what it is for: the model, the optimizer, the schedules, the callbacks or the device.

Runs with different values of every key are built, and stopped when Keras would begin to train.
"""

import copy
import functools
from dataclasses import fields, is_dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from builders.configs import train_command, train_config
from builders.galaxies import dataset, ellipses, redshift_dataset

from galvae.backend.setup import Device
from galvae.commands import train
from galvae.config.registry import GROUPS
from galvae.config.train import TrainConfig
from galvae.models.build import build_model
from galvae.models.likelihood import DEGREE, FIRST_STD, SMALLEST_STD
from galvae.training import session
from galvae.training.callbacks import BetaSchedule, Checkpointing, DivergenceGuard, EarlyStop, Progress
from galvae.training.fit import fit
from galvae.training.state import TrainingState

DATA = redshift_dataset()  # 40 galaxies of 16 pixels: 32 for training, 4 for validation
CONV = ("network.kernels=[3]", "network.depth=1", "network.output_kernel=7", "network.output_bias=zero")
RUNS = {
    "one": (
        *("model=fancy_cvae", "model.prediction=published", "model.prediction_weight=6", "latent_dim=3"),
        *("model.condition_scaling=none", "network.filters=[4]", "network.dense=9", *CONV),
        *("network.initializer=glorot", "beta=warmup", "beta.value=0.5", "beta.start=0.1", "beta.epochs=4"),
        *("reconstruction.loss=bce", "reconstruction.weight=3", "learning_rate=0.25", "clip_norm=0.75"),
        *("schedule.name=constant", "schedule.warmup=0.25", "early_stopping=3", "checkpoint.every=4"),
        *("on_nan=rollback", "seed=7", "epochs=8", "batch=5", "dataset.augment=false"),
        "accumulate=5",
    ),
    "two": (
        *(
            "model=fancy_cvae",
            "network.filters=[8,6]",
            "network.kernels=[5]",
            "network.dense=16",
            "latent_dim=2",
        ),
        *(
            "beta=cyclical",
            "beta.value=2",
            "beta.start=1",
            "beta.cycles=2",
            "beta.rise=0.75",
            "learning_rate=0.5",
        ),
        *("schedule.warmup=0", "schedule.final=0.5", "epochs=6", "batch=16"),
        *("reconstruction.loss=mse", "reconstruction.weight=15", "clip_norm=null"),
    ),
    "ae": (
        "model=ae",
        "model.code_activation=relu",
        "network=slim",
        "network.patch=2",
        "network.filters=[4]",
        *("reconstruction.loss=mse", "reconstruction.weight=15"),
    ),
    "plain ae": (
        *("model=ae", "network=slim", "network.filters=[4]"),
        *("network.refine=none", "network.padding=zeros"),
    ),
    "dcgan": (
        "network=dcgan",
        "network.bottleneck=3",
        "network.filters=[4]",
        "reconstruction.noise=brightness",
        "beta=per_epoch",
        "beta.values=[0,3]",
    ),
}


class Begun(Exception):
    """Keras would train now."""


@functools.cache
def begun(name, checkpoint=None, start=None):
    """What there is when Keras begins to train: the model, and the arguments of its fit."""
    config, given = train_config("dataset=simulated", *RUNS[name]), {}
    model = build_model(config, (16, 16, 3), (0, 255), "none", 1)

    def begin(feed, **arguments):
        given.update(arguments, feed=feed)
        raise Begun

    model.fit = begin
    with pytest.raises(Begun):
        fit(
            model,
            DATA,
            config,
            SimpleNamespace(),
            Device("tensorflow", "cpu", "", 1, "float32", 2),
            checkpoint,
            start=start,
        )
    callbacks = {type(callback): callback for callback in given.pop("callbacks")}
    assert list(callbacks)[-1] is Progress
    return SimpleNamespace(model=model, callbacks=callbacks, layer=layer_of(model), **given)


def layer_of(model):
    """Function that finds a layer of the encoder or the decoder by its name; None if there is none."""
    layers = {layer.name: layer for stack in (model.encoder, model.decoder) for layer in stack.layers}
    return layers.get


def convolutions(run):
    """The encoder's convolutions."""
    return [layer for layer in run.model.encoder.layers if "_conv" in layer.name]


def loss_of_gray(run):
    """The reconstruction term of a black image of 16 x 16 pixels that the decoder draws at one half."""
    zeros, image = np.zeros((1, 1), np.float32), np.zeros((1, 16, 16, 3), np.float32)
    outputs = dict.fromkeys(("mean", "log_variance", "predicted", "condition"), zeros)
    return float(run.model.loss_terms({**outputs, "logits": image, "target": image})["reconstruction"][0])


def weight_of(run, term):
    """The factor of a term in the objective of training."""
    zeros = dict.fromkeys(run.model.terms, 0.0)
    return float(run.model.total_loss({**zeros, term: 1.0}, training=True))


def betas(run):
    schedule = run.callbacks.get(BetaSchedule)
    return None if schedule is None else schedule.values[:8].tolist()


def rates(run):
    """The learning rate at every step."""
    schedule = run.model.optimizer._learning_rate
    return [float(schedule(step)) for step in range(run.epochs * run.steps_per_epoch)]


def stops_after_three(run):
    """Whether three epochs that are no better than the first end the run."""
    state = copy.copy(run.callbacks[EarlyStop].state)
    state.history = [{}] * 4
    state.best_epoch = 1
    return state.is_done


def first_images(run):
    """The first batch of training."""
    return np.asarray(next(iter(run.feed))[0]["images"])


def shuffled(seed, count):
    """The first images of an epoch in the order of a seed."""
    train = DATA.splits["train"]
    return DATA.images[train[np.random.default_rng([seed, 0]).permutation(32)][:count]]


def bias(run):
    """The smallest and the largest bias of the decoder's output in each band."""
    values = np.asarray(run.layer("decoder_image").bias).reshape(-1, 3)
    return [values.min(axis=0), values.max(axis=0)]


FIRST_VARIANCE = FIRST_STD**2 + SMALLEST_STD**2
GRAY_NATS = 256 * 3 * 0.5 * (0.25 / FIRST_VARIANCE + np.log(2 * np.pi * FIRST_VARIANCE))
TRAIN = DATA.splits["train"]
MEDIAN = np.median(DATA.images[TRAIN] / 255, axis=(0, 1, 2)).clip(0.01, 0.99)
RISE = np.minimum(np.arange(56) / 14, 1) / 4  # 7 steps in each of 8 epochs, a quarter of them for the rise
FALL = 0.5 * (0.5 + 0.5 * (1 + np.cos(np.pi * np.arange(12) / 12)) / 2)  # 2 steps in each of 6 epochs
BATCHES = {"one": (7, 5), "two": (2, 16)}
RATES = {"one": RISE, "two": FALL}
BETAS = {
    "one": [0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.5],
    "two": [1, 1 + 4 / 9, 1 + 8 / 9, 1, 1 + 4 / 9, 1 + 8 / 9],
    "dcgan": [0, 3, 1, 1, 1, 1, 1, 1],
    "ae": None,
}
KEYS = {
    "model.name": (
        lambda run: type(run.model).__name__,
        {"one": "FancyCVAE", "ae": "Autoencoder", "dcgan": "VAE"},
    ),
    "model.code_activation": (
        lambda run: run.model.mean_head.activation.__name__,
        {"ae": "relu", "plain ae": "linear"},
    ),
    "model.condition_scaling": (
        lambda run: [float(run.model.condition_mean[0]), float(run.model.condition_std[0])],
        {"one": [0, 1], "two": [DATA.condition[TRAIN].mean(), DATA.condition[TRAIN].std()]},
    ),
    "model.prediction": (lambda run: hasattr(run.model, "predictor"), {"one": False, "two": True}),
    "model.prediction_weight": (lambda run: weight_of(run, "condition_error"), {"one": 6, "two": 1}),
    "network.name": (
        lambda run: [run.layer(name) is not None for name in ("encoder_dense", "encoder_patches")],
        {"two": [True, False], "ae": [True, True], "dcgan": [False, False]},
    ),
    "network.filters": (
        lambda run: [layer.filters for layer in convolutions(run)],
        {"one": [4], "two": [8, 6], "plain ae": [4], "dcgan": [4]},
    ),
    "network.kernels": (
        lambda run: [layer.kernel_size[0] for layer in convolutions(run)],
        {"one": [3], "two": [5, 5]},
    ),
    "network.dense": (lambda run: run.layer("encoder_dense").units, {"one": 9, "two": 16, "ae": 256}),
    "network.depth": (lambda run: len(convolutions(run)), {"one": 1, "two": 2}),
    "network.output_kernel": (
        lambda run: (type(run.layer("decoder_image")).__name__, run.layer("decoder_image").kernel_size),
        {"one": ("Conv2D", (7, 7)), "two": ("Conv2DTranspose", (5, 5))},
    ),
    "network.initializer": (
        lambda run: type(run.layer("encoder_dense").kernel_initializer).__name__,
        {"one": "GlorotUniform", "two": "HeNormal"},
    ),
    "network.output_bias": (
        bias,
        {
            "one": np.zeros((2, 3)),
            **{name: [np.log(MEDIAN / (1 - MEDIAN))] * 2 for name in ("two", "ae", "dcgan")},
        },
    ),
    "network.bottleneck": (lambda run: run.layer("encoder_bottleneck").filters, {"dcgan": 3}),
    "network.refine": (
        lambda run: type(run.layer("decoder_image")).__name__,
        {"ae": "SmoothPatches", "plain ae": "Conv2D"},
    ),
    "network.padding": (lambda run: run.layer("decoder_edges") is None, {"ae": False, "plain ae": True}),
    "network.patch": (lambda run: run.layer("encoder_patches").factor, {"ae": 2, "plain ae": 4}),
    **{f"beta.{name}": (betas, BETAS) for name in ("name", "start", "epochs", "cycles", "rise", "values")},
    "beta.value": (lambda run: run.model.final_beta, {"one": 0.5, "two": 2, "dcgan": 1}),
    "reconstruction.loss": (loss_of_gray, {"one": 256 * np.log(2), "two": 256 / 4, "dcgan": GRAY_NATS}),
    "reconstruction.noise": (
        lambda run: tuple(run.model.likelihood.coefficients.shape),
        {"dcgan": (1 + DEGREE, 3), "plain ae": (1, 3)},
    ),
    "reconstruction.weight": (lambda run: weight_of(run, "reconstruction"), {"one": 3, "two": 15, "ae": 15}),
    **{f"schedule.{name}": (rates, RATES) for name in ("name", "warmup", "final")},
    "checkpoint.every": (lambda run: run.callbacks[Checkpointing].every, {"one": 4, "two": "auto"}),
    "latent_dim": (lambda run: run.model.mean_head.units, {"one": 3, "two": 2}),
    "epochs": (lambda run: run.epochs, {"one": 8, "two": 6}),
    "batch": (lambda run: (run.steps_per_epoch, len(first_images(run))), BATCHES),
    "accumulate": (lambda run: run.model.accumulate, {"one": 5, "two": 1}),
    "learning_rate": (rates, RATES),
    "clip_norm": (lambda run: run.model.optimizer.global_clipnorm, {"one": 0.75, "two": None}),
    "early_stopping": (stops_after_three, {"one": True, "two": False}),
    "seed": (first_images, {"one": shuffled(7, 5), "two": shuffled(0, 16)}),
    "on_nan": (lambda run: run.callbacks[DivergenceGuard].on_nan, {"one": "rollback", "two": "stop"}),
    "dataset.augment": (lambda run: run.model.augmentation is None, {"one": True, "two": False}),
}
# Of the device, of what follows the training, and of the weights that come before it, see below.
ELSEWHERE = ("backend", "precision", "prior", "init")


@pytest.mark.parametrize("key", KEYS)
def test_the_key_reaches_what_it_is_for(key):
    read, values = KEYS[key]
    for name, expected in values.items():
        received = read(begun(name))
        if isinstance(expected, str | tuple | bool | None):
            assert received == expected
        else:
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)
    assert len(values) > 1 or key == "network.bottleneck"


def test_no_key_is_forgotten():
    sections = {field.name: [field.type] for field in fields(TrainConfig) if is_dataclass(field.type)}
    sections |= {name: GROUPS[name].values() for name in ("model", "network", "beta")}
    del sections["dataset"]  # its keys, but one, concern the reading of files
    keys = {field.name for field in fields(TrainConfig)} - {"dataset", *sections} - set(ELSEWHERE)
    for section, kinds in sections.items():
        keys |= {f"{section}.{field.name}" for kind in kinds for field in fields(kind)}
    assert keys | {"dataset.augment"} == set(KEYS)


def test_training_and_validation_are_fed_by_their_own_splits():
    run, indices = begun("one"), DATA.splits["val"]
    feed = iter(run.feed)
    epoch = np.concatenate([next(feed)[0]["images"] for _ in range(run.steps_per_epoch)])
    train = DATA.splits["train"]
    np.testing.assert_array_equal(epoch, DATA.images[train[np.random.default_rng([7, 0]).permutation(32)]])
    assert (run.validation_steps, run.shuffle, run.initial_epoch) == (1, False, 0)
    inputs = next(iter(run.validation_data))[0]
    np.testing.assert_array_equal(inputs["images"], DATA.images[indices])
    np.testing.assert_array_equal(inputs["condition"], DATA.condition[indices])


def test_the_command_passes_on_what_it_was_asked_for(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "train", lambda *arguments: arguments)
    command = train_command(
        "dataset=simulated", "latent_dim=3", "devices=2", "resident=true", "tracker=wandb"
    )
    assert command.run.latent_dim == 3
    assert train.main(command, tmp_path) == (command, command.run, command.run, tmp_path, True)


def test_what_belongs_to_a_call_is_in_the_command_that_resumes_its_run():
    usual = train_command("dataset=simulated", "latent_dim=3")
    assert session._words(usual) == []
    changes = ("devices=2", "resident=false", "remat=true", "tracker=wandb")
    assert session._words(train_command("dataset=simulated", "latent_dim=3", *changes)) == list(changes)


def test_a_resumed_run_begins_where_its_last_epoch_ended(monkeypatch):
    def load(self, path, saved):
        self.history, self.learning_rate_scale, self.best_epoch = [{}, {}], 0.5, 2

    monkeypatch.setattr(TrainingState, "load", load)
    run = begun("two", ("checkpoint", None))
    assert (run.initial_epoch, run.epochs, run.steps_per_epoch) == (2, 6, 2)
    order = DATA.splits["train"][np.random.default_rng([0, 2]).permutation(32)]  # of the third epoch
    np.testing.assert_array_equal(first_images(run), DATA.images[order[:16]])
    np.testing.assert_allclose(rates(run), FALL / 2, rtol=1e-5)
    # Its weights, and what was computed from its data, come from the checkpoint.
    np.testing.assert_array_equal(run.model.condition_mean, [0])
    assert not np.asarray(run.layer("decoder_image").bias).any()
    assert run.callbacks[Progress].bar.n == 64


def test_a_run_that_starts_from_another_has_its_weights_and_nothing_of_its_data():
    class Ones:
        def restore(self, model):
            model.set_weights([np.ones_like(weights) for weights in model.get_weights()])

    run = begun("two", start=Ones())
    assert all((weights == 1).all() for weights in run.model.get_weights())
    assert run.initial_epoch == 0 and rates(run) == rates(begun("two"))


def test_device_and_model_are_those_of_the_configuration_and_its_data(monkeypatch, tmp_path):
    config, calls = train_config("dataset=simulated", "precision=bfloat16", "seed=7", "batch=5"), {}
    data = dataset(
        images=ellipses(25, (12, 16)),
        pixel_range=(-3.0, 300.0),
        stretch="asinh",
        condition_names=["redshift", "mass"],
    )

    def noted(name, result=None):
        def call(*arguments):
            calls[name] = arguments
            if result is None:
                raise Begun
            return result

        monkeypatch.setattr(session, name, call)

    noted("setup", Device("tensorflow", "cpu", "", 1, "float32", 2))
    noted("dataset_for_model", data)
    noted("checked", data)
    noted("build_model")
    source = train_config("dataset=simulated", "seed=8")  # by which an untrusted run reads its data
    with pytest.raises(Begun):
        session.train(SimpleNamespace(devices=3), config, source, tmp_path)
    assert calls == {
        "setup": ("tensorflow", "bfloat16", 7, 3, 5),
        "dataset_for_model": (source,),
        "checked": (data, "gaussian"),
        "build_model": (config, (12, 16, 3), (-3.0, 300.0), "asinh", 2),
    }
    model = build_model(*calls["build_model"])
    np.testing.assert_allclose(model.scaling(data.images[:2]), data.to_unit(data.images[:2]), atol=1e-6)
