import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import blobs

from galvae import devices
from galvae.data.dataset import GalaxyDataset, make_splits
from galvae.devices import choose_precision
from galvae.errors import GalvaeError


@pytest.mark.parametrize(
    ("request_", "kind", "backend", "flags", "chosen"),
    [
        ("auto", "cpu", "tensorflow", {"avx512_bf16"}, "bfloat16"),
        ("auto", "cpu", "tensorflow", {"amx_bf16"}, "bfloat16"),
        ("auto", "cpu", "tensorflow", {"avx2"}, "float32"),
        ("auto", "cpu", "jax", {"avx512_bf16"}, "float32"),
        ("auto", "gpu", "jax", set(), "bfloat16"),
        ("auto", "gpu", "tensorflow", set(), "bfloat16"),
        ("float32", "gpu", "tensorflow", {"amx_bf16"}, "float32"),
        ("float32", "cpu", "tensorflow", {"amx_bf16"}, "float32"),
        ("bfloat16", "cpu", "tensorflow", {"amx_bf16"}, "bfloat16"),
    ],
)
def test_precision_follows_the_device(request_, kind, backend, flags, chosen, caplog):
    assert choose_precision(request_, kind, backend, flags) == chosen
    assert not caplog.records


def test_bfloat16_on_a_processor_without_it_warns_and_goes_on(caplog):
    assert choose_precision("bfloat16", "cpu", "tensorflow", {"avx2"}) == "float32"
    assert "expected a GPU" in caplog.text


@pytest.mark.parametrize(
    ("asked", "available", "kind", "chosen"),
    [("auto", 4, "gpu", 4), ("auto", 2, "cpu", 1), ("auto", 0, "cpu", 1), (3, 4, "gpu", 3), (2, 2, "cpu", 2)],
)
def test_auto_is_every_gpu_and_a_number_is_that_number(asked, available, kind, chosen, caplog):
    assert devices.choose_count(asked, available, kind, 32) == chosen
    assert not caplog.records


def test_more_devices_than_there_are_warn_and_all_of_them_are_taken(caplog):
    assert devices.choose_count(8, 2, "gpu", 32) == 2
    assert "devices=8: expected at most 2, the number of GPUs there are; going on with 2" in caplog.text
    assert devices.setup("tensorflow", "float32", count=2).count == 1  # the tests' processor is one device
    assert "devices=2: expected at most 1, the number of CPUs there are; going on with 1" in caplog.text


def test_auto_leaves_out_gpus_that_cannot_share_the_batch_equally(caplog):
    assert devices.choose_count("auto", 6, "gpu", 32) == 4
    assert "4 of the 6 GPUs share a batch of 32 equally; a multiple of 6 uses all" in caplog.text


def test_xla_is_left_out_where_tensorflow_s_gpus_talk_to_each_other():
    def jit(backend, kind, count):
        return devices.Device(backend, kind, "", count, "float32", 2).jit

    assert jit("tensorflow", "gpu", 1)
    assert not jit("tensorflow", "gpu", 2)
    assert not jit("tensorflow", "cpu", 1)
    assert jit("jax", "gpu", 2)


@pytest.mark.parametrize(
    ("images", "shares"), [(6, [[0, 1, 2], [3, 4, 5]]), (5, [[0, 1, 2, 3, 4]] * 2), (1, [[0]] * 2)]
)
def test_devices_get_equal_parts_of_a_batch_or_all_of_it(images, shares):
    stored = np.arange(images, dtype=np.uint8).reshape(images, 1, 1, 1)
    data = GalaxyDataset(
        name="test", images=stored, pixel_range=(0, 255), splits={"train": np.arange(images)[::-1]}
    )
    batches = data.batches("train", 8)
    parts = [devices._part(batches, 0, device, 2) for device in (0, 1)]
    assert [part["rows"].tolist() for part in parts] == shares
    weights = np.zeros(images)
    for part in parts:
        np.testing.assert_array_equal(part["images"].ravel(), images - 1 - part["rows"])
        weights[part["rows"]] += part["weight"]
    np.testing.assert_array_equal(weights, 1)


def test_setup_reports_the_device_and_resets_keras(keras):
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    device = devices.setup("tensorflow", "float32", seed=3)
    first = np.asarray(keras.random.normal((3,)))
    assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")
    assert (device.backend, device.precision, device.count) == ("tensorflow", "float32", 1)
    assert device.threads == len(os.sched_getaffinity(0))
    assert device.jit == (device.kind == "gpu")
    devices.setup("tensorflow", "float32", seed=3)
    np.testing.assert_array_equal(keras.random.normal((3,)), first)


def test_another_backend_in_one_process_is_refused(keras):
    with pytest.raises(
        GalvaeError, match="already runs Keras on tensorflow; expected the same, received jax"
    ):
        devices.setup("jax", "float32", 0)


def test_the_users_keras_json_changes_nothing_and_is_not_written(tmp_path):
    folder = tmp_path / ".keras"
    folder.mkdir()
    settings = (
        '{"floatx": "float16", "image_data_format": "channels_first", "backend": "torch", "epsilon": 1}'
    )
    (folder / "keras.json").write_text(settings)
    program = (
        "from galvae import devices; devices.setup('tensorflow', 'float32', 0); import keras;"
        "print(keras.config.backend(), keras.config.floatx(), keras.config.image_data_format(),"
        "keras.config.epsilon())"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "1e-07"]
    assert done.stderr == ""
    assert (folder / "keras.json").read_text() == settings


def test_feed_is_the_batches_in_their_order(keras):
    redshift = np.arange(20, dtype=np.float32)[:, None]
    data = GalaxyDataset(
        name="test",
        images=blobs(20, 8),
        pixel_range=(0, 255),
        condition=redshift,
        splits=make_splits(20, [0.6, 0.2, 0.2], 0),
    )
    batches = data.batches("train", 5, seed=4)
    feed = iter(devices.feed(batches))
    plain = devices._endless(data.batches("train", 5, seed=4))
    for step in range(7):  # beyond two epochs of three steps
        (inputs,), (same,) = next(feed), next(plain)
        indices = batches.step(step)
        assert inputs["images"].dtype == np.uint8
        for name, expected in (("images", data.images[indices]), ("condition", redshift[indices])):
            np.testing.assert_array_equal(inputs[name], expected)
            np.testing.assert_array_equal(same[name], expected)


def test_memory_grows_with_an_array_and_not_with_a_map(tmp_path):
    before = devices.memory_mb()
    np.save(tmp_path / "zeros.npy", np.zeros(50_000_000, np.uint8))
    mapped = np.load(tmp_path / "zeros.npy", mmap_mode="r")
    assert mapped.sum() == 0
    assert devices.memory_mb() - before < 25
    # Asked of the system itself: in a process that has run for long, NumPy may be given memory that it had before.
    fresh = mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held = np.frombuffer(fresh, np.uint8)
    held[:] = 1
    assert devices.memory_mb() - before > 45
    assert held.sum() == 50_000_000
