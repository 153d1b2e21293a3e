"""Masked images on every backend, on one device and on two, and resident on a device, in child processes."""

import importlib.util
import json
import subprocess
import sys

import pytest
from builders.processes import child_environment

pytestmark = pytest.mark.slow  # a process of its own for each backend

CHILD = """
import json, os, sys
backend = sys.argv[1]
if backend == "tensorflow":
    import tensorflow as tf
    processors = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], processors)
else:
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

from galvae.backend.setup import setup
setup(backend)
import keras
import numpy as np
from builders.galaxies import dataset, ellipses
from builders.models import build
from galvae.backend.input_pipeline import ResidentImages, feed

images = ellipses(25, 16)
masks = (ellipses(25, 16, seed=1) > 100).astype(np.uint8)
data = dataset(images=images, masks=masks)
batches = data.batches("train", 6)  # 15 images: two batches that two devices can share, and one that they cannot
measured = {}
for count in (1, 2):
    device = setup(backend, count=count, batch=6)
    for resident in (None, ResidentImages(data, batches.indices)) if count == 1 else (None,):
        with device.scope():
            keras.utils.set_random_seed(0)
            model = build("vae", reconstruction="mse", augment=True)
            model.resident = resident
            model.compile(optimizer=keras.optimizers.Adam(1e-2, name="adam"), jit_compile=device.jit)
            feeds = [feed(batches, endless=endless, resident=resident) for endless in (True, False)]
        history = model.fit(feeds[0], steps_per_epoch=3, epochs=4, shuffle=False, verbose=0).history
        validation = model.evaluate(feeds[1], steps=3, verbose=0, return_dict=True)
        values = [*history["reconstruction"], validation["reconstruction"]]
        measured[f"{count} {resident is not None}"] = values
    if count == 1:  # the same from NumPy
        mean, log_variance = (np.asarray(part) for part in model.encode(images[batches.indices]))
        outputs = model({"images": images[batches.indices], "mask": masks[batches.indices]}, training=False)
        decoded = 1 / (1 + np.exp(-np.asarray(outputs["logits"], np.float64)))
        error = (decoded - images[batches.indices] / 255) ** 2 * (masks[batches.indices] == 0)
        terms = model.loss_terms(outputs)["reconstruction"]
        np.testing.assert_allclose(terms, error.sum(axis=(1, 2, 3)) / 3, rtol=1e-4)
print(json.dumps(measured))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_masked_images_train_alike_however_they_reach_the_device(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip("jax is an extra")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, backend],
        capture_output=True,
        text=True,
        env=child_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout.splitlines()[-1])
    assert sorted(measured) == ["1 False", "1 True", "2 False"]
    for values in measured.values():
        assert values == pytest.approx(measured["1 False"], rel=1e-4)
    assert measured["1 False"][3] < measured["1 False"][0]
