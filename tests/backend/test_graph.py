"""Functions that are compiled for the device, and models that are built without computing anything."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from builders.models import build
from builders.processes import child_environment

from galvae.backend.graph import compiled

ON_JAX = """
import logging
from pathlib import Path

from galvae.backend.setup import setup

setup("jax", "float32", 0)
import jax
import numpy as np
from builders.models import build
from galvae.backend import graph

assert jax.config.jax_compilation_cache_dir == FOLDER, jax.config.jax_compilation_cache_dir
graph.keep_compiled(Path("elsewhere"))
assert jax.config.jax_compilation_cache_dir == (FOLDER or "elsewhere")
jax.config.update("jax_compilation_cache_dir", None)

messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logging.getLogger("jax").addHandler(handler)
jax.config.update("jax_log_compiles", True)
model = build("vae")
assert messages
assert not [message for message in messages if "conv_general_dilated" in message]

encode, images = graph.compiled(model.encode, model), np.random.default_rng(0).uniform(size=(3, 16, 16, 3))
messages.clear()
for change in (0, 1):
    model.mean_head.bias.assign(model.mean_head.bias + change)
    found = graph.compiled(model.encode, model)(images)
    np.testing.assert_allclose(found[0], model.encode(images)[0], rtol=1e-4, atol=1e-5)
assert len([message for message in messages if "Compiling jit(call)" in message]) == 1
print("equal")
"""


def test_what_is_compiled_for_a_processor_is_not_compiled_by_xla():
    function = compiled(lambda values: values + 1)
    np.testing.assert_array_equal(function(tf.constant([1.0, 2.0])), [2, 3])
    assert tf.config.optimizer.get_jit() == ""
    with pytest.raises(ValueError, match="jit_compile"):  # only what XLA compiles has code of its own
        function.experimental_get_compiler_ir(tf.constant([1.0, 2.0]))


def test_a_method_is_compiled_once_for_a_model_whatever_its_weights():
    model, other = build("vae"), build("vae")
    images = np.random.default_rng(0).uniform(size=(3, 16, 16, 3)).astype(np.float32)
    encode = compiled(model.encode, model)
    before = encode(images)[0]
    model.mean_head.bias.assign(model.mean_head.bias + 1)
    np.testing.assert_allclose(encode(images)[0], before + 1, rtol=1e-5, atol=1e-5)
    assert compiled(model.encode, model) is encode
    assert compiled(model.decode, model) is not encode
    assert compiled(other.encode, other) is not encode


def test_a_seed_keeps_the_noise_that_it_had_when_building_drew_once():
    generator = build("vae", seed=5).sampling.seed_generator
    np.testing.assert_array_equal(generator.state, [6, 1])


@pytest.mark.slow
@pytest.mark.parametrize("folder", [None, "mine"])
def test_jax_compiles_a_method_once_and_nothing_to_build_a_model(folder, tmp_path):
    pytest.importorskip("jax", reason="jax is an extra")
    environment = {**child_environment(), "JAX_PLATFORMS": "cpu"}
    if folder:
        environment["JAX_COMPILATION_CACHE_DIR"] = folder
    done = subprocess.run(
        [sys.executable, "-c", f"FOLDER = {folder!r}\n{ON_JAX}"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        timeout=240,
        check=False,
    )
    assert done.stdout.endswith("equal\n"), done.stdout + done.stderr
