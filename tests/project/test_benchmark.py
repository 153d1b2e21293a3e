"""The benchmark's references train the same networks, and its counts are right."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from benchmarking import training
from benchmarking.measuring import alternating, program, run

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_measurements_alternate():
    calls = []
    results = alternating({name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}, 3)
    assert calls == ["a", "b"] * 3
    assert results == {"a": [1, 3, 5], "b": [2, 4, 6]}


def test_peak_memory_of_a_process_is_what_it_allocates():
    allocate = "import time; block = bytearray(200_000_000); time.sleep(0.3); print(len(block))"
    done = run([sys.executable, "-c", allocate])
    assert done.output == "200000000\n"
    assert 200 < done.peak_mb < 250


def test_tiled_images_are_the_same_galaxies_again(tmp_path):
    images = np.load(training.tiled(tmp_path, "galaxies", 250, 16, 3), mmap_mode="r")
    assert images.shape == (250, 16, 16, 3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[100:200], images[:100])
    np.testing.assert_array_equal(images[200:], images[:50])
    assert len(np.unique(images[:100].reshape(100, -1), axis=0)) == 100


def test_an_unknown_case_is_refused():
    done = subprocess.run(
        [sys.executable, SCRIPTS / "benchmark.py", "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "unknown case nothing; expected startup, " in done.stderr


@pytest.mark.slow
def test_operations_are_those_of_the_layers():
    # Patches of 4 pixels: 4x4x16, a 3x3 convolution to 32, dense to 256; dense to 4x4x32, a 3x3 convolution to 16.
    by_hand = 2 * (16 * 9 * 16 * 32 + 512 * 256 + 8 * 512 + 16 * 9 * 32 * 16)
    assert program("operations", network="slim", shape=(16, 16, 1))["operations"] == by_hand


@pytest.mark.slow
def test_the_keras_tutorial_trains_the_network_that_galvae_trains(tmp_path):
    path = training.tiled(tmp_path, "galaxies", 40, 128, 3)
    parts = training.splits(40)
    tutorial = program(
        "keras_tutorial", images=str(path), train=parts["train"], val=parts["val"], seconds=0.1
    )
    ours = training.galvae(
        path, ["experiment=galaxy10_blog", "latent_dim=8", "epochs=1", "precision=float32"]
    )
    assert tutorial["parameters"] == ours["parameters"]
    assert len(tutorial["curve"]) == 1
    assert ours["history"][0]["val_loss"] == pytest.approx(tutorial["curve"][0][1], rel=0.05)
