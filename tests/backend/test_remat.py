"""Activations computed again, against those that are kept; compiled steps are compared in test_accumulation.py."""

import builders.models
import keras
import numpy as np
import pytest
import tensorflow as tf
from builders.configs import train_config
from builders.galaxies import ellipses

from galvae.backend.remat import Stack
from galvae.models.build import build_model


def stack():
    """A small stack with batch normalisation, whose kernels are always the same."""
    keras.utils.set_random_seed(3)
    return Stack(
        [
            keras.layers.Input((8, 8, 2)),
            keras.layers.Conv2D(3, 3, name="conv"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.ReLU(),
        ],
        name="stack",
    )


def derived(remat):
    """A stack, what it returns for a batch in training, and its gradients by inputs and variables."""
    network = stack()
    network.remat = remat
    inputs = tf.constant(np.random.default_rng(0).normal(size=(5, 8, 8, 2)), "float32")
    calls, conv = [], network.layers[0]
    call = conv.call
    conv.call = lambda features: calls.append(0) or call(features)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = network(inputs, training=True)
        loss = tf.reduce_sum(outputs**2 * tf.range(3.0))
    forward = len(calls)
    kernels = [variable.value for variable in network.trainable_variables]
    return network, outputs, tape.gradient(loss, [inputs, *kernels]), (forward, len(calls))


def test_values_gradients_and_statistics_are_the_same_and_computed_twice():
    plain, outputs, gradients, calls = derived(False)
    again, same_outputs, same_gradients, twice = derived(True)
    assert (calls, twice) == ((1, 1), (1, 2))
    np.testing.assert_allclose(same_outputs, outputs, rtol=1e-5, atol=1e-6)
    for received, expected in zip(same_gradients, gradients, strict=True):
        np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(gradients[1]).max() > 1
    for received, expected in zip(again.variables, plain.variables, strict=True):
        assert received.path == expected.path
        np.testing.assert_allclose(received, expected, rtol=1e-5)
    mean = plain.layers[1].moving_mean
    assert np.abs(mean).max() > 1e-4  # moved once: a second time it would be nearly twice as far


def test_outside_of_training_nothing_is_computed_again(monkeypatch):
    network = stack()
    inputs = np.random.default_rng(0).normal(size=(5, 8, 8, 2)).astype(np.float32)
    expected = network(inputs, training=False)
    network.remat = True
    monkeypatch.setattr(tf, "recompute_grad", None)
    np.testing.assert_array_equal(network(inputs, training=False), expected)


@pytest.mark.parametrize("network", ["conv", "dcgan", "slim"])
def test_every_stack_of_a_model_follows(network):
    config = train_config("dataset=simulated", "model=fancy_cvae", f"network={network}", "latent_dim=2")
    model = build_model(config, (32, 32, 3), (0, 255), "none", 1)
    model.recompute(True)
    assert [part.remat for part in (model.encoder, model.decoder, model.predictor)] == [True] * 3
    model.recompute(False)
    assert not any(part.remat for part in (model.encoder, model.decoder, model.predictor))


def test_a_models_outputs_in_training_are_the_same():
    outputs = []
    for remat in (False, True):
        keras.utils.set_random_seed(0)
        model = builders.models.build("vae", augment=True)
        model.recompute(remat)
        outputs.append(np.asarray(model({"images": ellipses(4, 16)}, training=True)["logits"]))
    np.testing.assert_allclose(outputs[1], outputs[0], rtol=1e-5, atol=1e-6)
