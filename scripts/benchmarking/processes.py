"""Benchmark case of several processes that train one run, against one process with as many threads."""

import csv
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from benchmarking.measuring import GALVAE, alternating, row


def processes(quick):
    """Images per second of two JAX processes, each on half of the processors, against one that has them all."""
    rows = []
    for network, side, count in [("slim", 64, 640)] if quick else [("slim", 64, 1280), ("conv", 128, 640)]:
        rows += _two_beside_one(network, side, count, epochs=3 if quick else 4, rounds=1 if quick else 3)
    return rows


def _two_beside_one(network, side, count, epochs, rounds):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
        np.save(path, images)
        overrides = ["dataset=files", f"dataset.path={path}", "dataset.axes=NHWC", f"network={network}"]
        overrides += ["batch=64", "backend=jax", "prior=none", "precision=float32", f"epochs={epochs}"]
        runs = iter(range(1000))
        measures = {
            number: lambda n=number: rate(n, overrides, Path(folder, f"{next(runs)}")) for number in (1, 2)
        }
        speeds = {number: statistics.median(rates) for number, rates in alternating(measures, rounds).items()}
    one, two = (f"{network} {side} px, JAX, {text}" for text in ("1 process", "2 processes"))
    return [
        row(one, f"{speeds[1]:.0f} images/s"),
        row(two, f"{speeds[2]:.0f} images/s", ratio=speeds[2] / speeds[1], reference=one),
    ]


def rate(number, overrides, folder):
    """Median images per second of the epochs of a run, without the first, which compiles.

    Args:
        number: of processes.
        overrides: words of the command line.
        folder: of the run.
    """
    port = 30_000 + os.getpid() % 1000
    started = []
    for rank in range(number):
        place = {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": number,
            "JAX_PROCESS_ID": rank,
        }
        environment = {**os.environ, **{name: str(value) for name, value in place.items()}}
        environment["GALVAE_CACHE"] = str(folder.with_name("cache"))
        command = [*GALVAE, "train", *overrides, f"hydra.run.dir={folder}"]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, env=environment, cwd=folder.parent, stdout=pipe, stderr=pipe)
        )
    for process in started:
        _, errors = process.communicate()
        if process.returncode:
            raise SystemExit(
                f"a run of {number} processes: exit status {process.returncode}\n{errors.decode()}"
            )
    with open(folder / "history.csv") as file:
        return statistics.median([float(line["images_per_second"]) for line in csv.DictReader(file)][1:])
