"""Checks of TensorFlow on a GPU, and of several GPUs."""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking import training
from benchmarking.measuring import GALVAE, run

from gpu_checking import training as speeds
from gpu_checking.check import BLOG, difference, row, speed
from gpu_checking.processes import Process, history, how_it_ended
from gpu_checking.training import DETERMINISTIC

FLAT = 1.1  # times the memory of the first jobs that the last ones of a sweep may take
JOBS = 10
ROUNDING = 1e-3  # relative, of the losses of two epochs in float32
POLL = 0.2  # seconds between two looks at the memory of the card


def tensorflow(settings):
    """TensorFlow: gather of uint8 variables, XLA and memory growth on the card, beside a plain Keras fit."""
    chosen = replace(settings, backend="tensorflow", limits=training.device_limits("tensorflow"))
    if chosen.limits["kind"] != settings.kind:
        yield row("TensorFlow", "does not see the GPU", False, "installed with CUDA: pip install -e '.[gpu]'")
        return
    yield from speeds.throughput(chosen)
    yield from speeds.resident(chosen)


def tensorflow_sweep(settings):
    """An in-process sweep of ten jobs on TensorFlow: the memory of process and card stays flat."""
    path, jobs = settings.images(count=1000), JOBS if settings.kind == "gpu" else 2
    with TemporaryDirectory() as folder:
        words = [*BLOG, "backend=tensorflow", "epochs=2", f"seed=range({jobs})", f"hydra.sweep.dir={folder}"]
        used = watched_memory(lambda: run([*GALVAE, "train", "-m", *words, *training.of_file(path)]))
        paths = sorted(
            Path(folder).glob("*/metrics.json"), key=lambda path: int(path.parent.name.partition("_")[0])
        )
        metrics = [json.loads(path.read_text()) for path in paths]
    finished = sum(one["status"] == "finished" for one in metrics)
    yield row(f"sweep of {jobs} jobs", f"{finished} finished", finished == jobs, "all finished")
    host = [one["peak_memory_mb"] for one in metrics[1:]]  # the first one loads and compiles
    yield row(
        "memory of the process, last job / second",
        f"{host[-1] / host[0]:.2f}",
        settings.on_gpu(host[-1] / host[0] <= FLAT),
        f"at most {FLAT}",
        value=host[-1] / host[0],
    )
    if used:
        middle = used[len(used) // 4 : len(used) // 2]
        ratio = max(used) / max(statistics.median(middle), 1)
        measured = f"{max(used):,.0f} MB, {ratio:.2f}"
        yield row(
            "memory of the card, peak, and its ratio to the second quarter of the sweep",
            *(measured, settings.on_gpu(ratio <= FLAT), f"at most {FLAT}", max(used)),
            value=ratio,
        )


def several_gpus(settings):
    """Two GPUs that share every batch: the losses of one, and how much faster."""
    words, count = ["epochs=3", "precision=float32", "resident=false"], 2000
    one, two = (
        settings.trained(*words, f"devices={n}", count=count, environment=DETERMINISTIC)["history"]
        for n in (1, 2)
    )
    yield from _beside_one(one, two, "two GPUs")


def several_processes(settings):
    """Two processes that train one model, each with a GPU of its own: the losses of one, and how much faster."""
    words, count = ["epochs=3", "precision=float32", "resident=false"], 2000
    path = settings.images(count=count)
    one = settings.trained(*words, count=count, environment=DETERMINISTIC)["history"]
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        command = [*GALVAE, "train", *BLOG, "backend=jax", *words, *training.of_file(path)]
        places = [
            {"JAX_COORDINATOR_ADDRESS": address, "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(rank)}
            for rank in range(2)
        ]
        if settings.kind == "gpu":
            visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0,1").split(",")
            places = [{**place, "CUDA_VISIBLE_DEVICES": visible[rank]} for rank, place in enumerate(places)]
        processes = [
            stack.enter_context(
                Process([*command, f"hydra.run.dir={folder}/run"], {**DETERMINISTIC, **place}, folder)
            )
            for place in places
        ]
        ends = [how_it_ended(*process.end()) for process in processes]
        two = history(Path(folder, "run"))
    if ends != ["finished"] * 2:
        yield row("two processes that train one model", "; ".join(ends), False, "both finished")
        return
    yield from _beside_one(one, two, "two processes")


def _beside_one(one, two, name):
    """Rows that compare the histories of a run on one device and of the same run on two."""
    differs = difference(one, two)
    yield row(
        *(f"losses of {name}, against one", f"differ by {differs:.1g}", differs <= ROUNDING),
        f"at most {ROUNDING:g}",
        value=differs,
    )
    ratio = speed({"history": two}) / speed({"history": one})
    yield row(f"speed of {name} / one", f"{speed({'history': two}):,.0f} images/s, {ratio:.2f}", value=ratio)


def watched_memory(function):
    """Calls a function and returns the memory of the first card in MB, looked at again and again meanwhile.

    The list is empty where nvidia-smi is not to be had.
    """
    done, used = threading.Event(), []

    def watch():
        while not done.is_set():
            lines = nvidia_smi("memory.used")
            used.extend(float(line) for line in lines[:1])
            if not lines:
                return
            done.wait(POLL)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function()
    finally:
        done.set()
        watcher.join()
    return used


def nvidia_smi(fields):
    """What nvidia-smi says of each GPU; an empty list where it is not to be had.

    Args:
        fields: names of fields, separated by commas.

    Returns:
        List of texts, one for each GPU, whose values are separated by commas.
    """
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
