"""Gradients of transposed convolutions on JAX, in a process of its own since this one runs TensorFlow."""

import importlib.util
import os
import subprocess
import sys

import pytest

COMPARE = """
import jax
import keras
import numpy as np
from galvae.backend.transposed import Conv2DTranspose

random = np.random.default_rng(0)
cases = [(5, 32, (16, 16), 3, {}), (3, 8, (7, 9), 4, {"use_bias": False}), (4, 3, (5, 5), 6, {"activation": "relu"})]
for kernel, inputs, size, outputs, options in cases:
    images = random.normal(size=(2, *size, inputs)).astype(np.float32)
    gradients = []
    for layer_class in (keras.layers.Conv2DTranspose, Conv2DTranspose):
        layer = layer_class(outputs, kernel, strides=2, padding="same", **options)
        layer.build(images.shape)
        weights = [variable.value for variable in layer.variables]
        if not gradients:
            start = [random.normal(size=weight.shape).astype(np.float32) for weight in weights]

        def loss(weights, images):
            drawn, _ = layer.stateless_call(weights, [], images)
            return jax.numpy.sum(jax.numpy.sin(drawn))

        function = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
        gradients.append(jax.tree_util.tree_leaves(function(start, images)))
    for own, ours in zip(*gradients, strict=True):
        np.testing.assert_allclose(ours, own, rtol=2e-5, atol=2e-5)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is an extra")
def test_gradients_are_those_of_keras():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        [sys.executable, "-c", COMPARE], capture_output=True, text=True, env=environment, timeout=120
    )
    assert result.stdout.endswith("equal\n"), result.stdout + result.stderr
