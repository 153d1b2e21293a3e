import mmap
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from galvae.backend import setup as module
from galvae.backend.devices import free_memory
from galvae.backend.hardware import memory_mb
from galvae.backend.precision import choose_precision, set_precision
from galvae.backend.replicas import choose_count
from galvae.backend.setup import Device, load, setup
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


@pytest.mark.parametrize(
    ("backend", "flags"),
    [
        ("tensorflow", set()),
        ("tensorflow", {"avx2", "avx512f", "avx512_fp16", "amx_tile", "amx_int8"}),
        ("jax", {"avx512_bf16", "amx_bf16"}),
    ],
)
def test_bfloat16_on_a_processor_without_it_is_a_warning(backend, flags, caplog):
    assert choose_precision("bfloat16", "cpu", backend, flags) == "float32"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "expected a GPU, or tensorflow on a processor with amx_bf16 or avx512_bf16" in caplog.text


@pytest.mark.parametrize(
    ("flags", "asked", "chosen"),
    [
        ({"avx2"}, "auto", "float32"),
        ({"avx2"}, "bfloat16", "float32"),
        ({"amx_bf16"}, "auto", "bfloat16"),
        ({"amx_bf16"}, "float32", "float32"),
    ],
)
def test_a_processor_computes_in_what_its_flags_allow(flags, asked, chosen, monkeypatch):
    monkeypatch.setattr(module, "processor_flags", lambda: flags)
    assert setup("tensorflow", asked).precision == chosen
    # By a rewrite of the graph, which Keras' layers know nothing of.
    options = tf.config.optimizer.get_experimental_options()
    assert options.get("auto_mixed_precision_onednn_bfloat16", False) == (chosen == "bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    monkeypatch.undo()
    setup("tensorflow", "float32")


def test_a_gpu_computes_in_keras_mixed_precision():
    set_precision("bfloat16", "gpu")
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    assert not tf.config.optimizer.get_experimental_options().get(
        "auto_mixed_precision_onednn_bfloat16", False
    )
    setup("tensorflow", "float32")
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("asked", "available", "kind", "chosen"),
    [("auto", 4, "gpu", 4), ("auto", 2, "cpu", 1), ("auto", 0, "cpu", 1), (3, 4, "gpu", 3), (2, 2, "cpu", 2)],
)
def test_auto_is_every_gpu_and_a_number_is_that_number(asked, available, kind, chosen, caplog):
    assert choose_count(asked, available, kind, 32) == chosen
    assert not caplog.records


def test_more_devices_than_there_are_warn_and_all_of_them_are_taken(caplog):
    assert choose_count(8, 2, "gpu", 32) == 2
    assert "devices=8: expected at most 2, the number of GPUs there are; using 2" in caplog.text
    assert setup("tensorflow", "float32", count=2).count == 1  # the tests' processor is one device
    assert "devices=2: expected at most 1, the number of CPUs there are; using 1" in caplog.text


def test_auto_leaves_out_gpus_that_cannot_share_the_batch_equally(caplog):
    assert choose_count("auto", 6, "gpu", 32) == 4
    assert "4 of the 6 GPUs share a batch of 32 equally; a multiple of 6 uses all" in caplog.text


def test_xla_is_left_out_where_tensorflow_s_gpus_talk_to_each_other():
    def jit(backend, kind, count):
        return Device(backend, kind, "", count, "float32", 2).jit

    assert jit("tensorflow", "gpu", 1)
    assert not jit("tensorflow", "gpu", 2)
    assert not jit("tensorflow", "cpu", 1)
    assert jit("jax", "gpu", 2)


@pytest.mark.parametrize(
    ("backend", "kind", "count", "steps", "at_once"),
    [
        ("tensorflow", "cpu", 1, 64, 1),
        ("jax", "cpu", 2, 64, 1),
        ("tensorflow", "gpu", 1, 64, 16),
        ("tensorflow", "gpu", 1, 111, 3),  # 3 x 37
        ("tensorflow", "gpu", 1, 6, 6),
        ("tensorflow", "gpu", 1, 109, 1),  # a prime
        ("jax", "gpu", 1, 64, 1),
        ("tensorflow", "gpu", 2, 64, 1),
    ],
)
def test_a_gpu_takes_a_divisor_of_an_epochs_steps_at_once(backend, kind, count, steps, at_once):
    device = Device(backend, kind, "", count, "float32", 2)
    assert device.steps_at_once(steps) == at_once
    assert device.steps_unread == (16 if kind == "gpu" else 1)


def test_setup_reports_the_device_and_resets_keras():
    keras.config.set_floatx("float16")
    keras.config.set_image_data_format("channels_first")
    device = setup("tensorflow", "float32", seed=3)
    first = np.asarray(keras.random.normal((3,)))
    assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")
    assert (device.backend, device.precision, device.count) == ("tensorflow", "float32", 1)
    assert device.threads == len(os.sched_getaffinity(0))
    assert device.jit == (device.kind == "gpu")
    for seed in (3, 4):
        setup("tensorflow", "float32", seed=seed)
        assert np.array_equal(keras.random.normal((3,)), first) == (seed == 3)


def test_another_backend_in_one_process_is_refused():
    with pytest.raises(
        GalvaeError, match="already runs Keras on tensorflow; expected the same, received jax"
    ):
        load("jax")


def test_the_users_keras_json_changes_nothing_and_is_not_written(tmp_path):
    folder = tmp_path / ".keras"
    folder.mkdir()
    settings = (
        '{"floatx": "float16", "image_data_format": "channels_first", "backend": "torch", "epsilon": 1}'
    )
    (folder / "keras.json").write_text(settings)
    program = (
        "from galvae.backend.setup import setup; setup('tensorflow', 'float32', 0); import keras;"
        "print(keras.config.backend(), keras.config.floatx(), keras.config.image_data_format(),"
        "keras.config.epsilon())"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "KERAS_BACKEND": "torch"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "1e-07"]
    assert done.stderr == ""
    assert (folder / "keras.json").read_text() == settings


def test_memory_grows_with_an_array_and_not_with_a_map(tmp_path):
    before = memory_mb()
    np.save(tmp_path / "zeros.npy", np.zeros(50_000_000, np.uint8))
    mapped = np.load(tmp_path / "zeros.npy", mmap_mode="r")
    assert mapped.sum() == 0
    assert memory_mb() - before < 25
    # Asked of the system itself: in a process that has run for long, NumPy may be given memory that it had before.
    fresh = mmap.mmap(-1, 50_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    array = np.frombuffer(fresh, np.uint8)
    array[:] = 1
    assert memory_mb() - before > 45
    assert array.sum() == 50_000_000


def test_the_free_memory_of_a_processor_is_what_the_system_calls_available():
    lines = Path("/proc/meminfo").read_text().splitlines()
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert free_memory("cpu") == pytest.approx(1024 * kilobytes["MemAvailable:"], rel=0.2)


def test_keras_is_imported_by_load_and_not_before():
    program = (
        "import sys\n"
        "from galvae.backend.setup import load\n"
        "print('keras' in sys.modules)\n"
        "load('tensorflow')\n"
        "print(sys.modules['keras'].config.backend())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "tensorflow"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (ModuleNotFoundError("No module named 'optree'", name="optree"), "optree"),
        (ModuleNotFoundError("No module named 'jax'", name="jax"), "jax"),
        (ImportError("cannot import name 'core' from 'jax._src'", name="jax._src"), "jax"),
        (ImportError("libcuda.so: cannot open shared object file"), "jax"),
    ],
)
def test_the_package_that_is_missing_is_named(error, named, monkeypatch):
    def fail(name, *arguments):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("builtins.__import__", fail)
        with pytest.raises(GalvaeError) as refused:
            module._import("jax")
    assert (
        str(refused.value)
        == f"backend: expected {named} to be installed (pip install {named}), received {error}"
    )


@pytest.mark.slow
def test_keras_loads_nothing_that_is_not_used_and_it_can_be_loaded_later():
    program = (
        "import sys\n"
        "from galvae.backend.setup import setup\n"
        "setup('tensorflow')\n"
        "print([name for name in ('jax', 'matplotlib', 'pandas', 'sklearn') if name in sys.modules])\n"
        "import importlib.util, matplotlib.pyplot, pandas, sklearn.neighbors\n"
        "if importlib.util.find_spec('jax'): import jax\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
