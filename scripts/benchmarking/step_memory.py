"""Benchmark case of the keys that save memory in training, against training without them."""

import statistics
import tempfile

from benchmarking.measuring import alternating, program, row
from benchmarking.training import installed, of_file, tiled

PLAIN = "plain"
KEYS = {PLAIN: [], "accumulate=4": ["accumulate=4"], "remat=true": ["remat=true"]}


def saving_memory(quick):
    """Time of training and memory of the process, with accumulate=4 and with remat=true, against neither."""
    count, size, epochs, rounds = (320, 64, 2, 1) if quick else (320, 128, 3, 1)
    backends = ["tensorflow", *(["jax"] if installed("jax") else [])]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = tiled(folder, "colour", count, size, 3)
        for backend in backends:
            measures = {
                name: lambda k=keys, b=backend: _trained(path, b, epochs, k) for name, keys in KEYS.items()
            }
            results_of = alternating(measures, rounds)
            speeds, peaks = (
                {
                    name: statistics.median(result[key] for result in results)
                    for name, results in results_of.items()
                }
                for key in ("speed", "peak_mb")
            )
            rows += [
                row(
                    f"conv {size} px, batch 64, {backend}, {name}",
                    f"{speeds[name]:.0f} images/s",
                    *(() if name == PLAIN else (speeds[name] / speeds[PLAIN], PLAIN)),
                    peak_mb=peaks[name],
                )
                for name in KEYS
            ]
    return rows


def _trained(path, backend, epochs, keys):
    """Images per second in the last epoch of a run, "speed", and the peak memory of its process, "peak_mb"."""
    with tempfile.TemporaryDirectory() as folder:
        common = ["network=conv", "batch=64", "precision=float32", "prior=none", f"backend={backend}"]
        words = [*common, f"epochs={epochs}", *keys, *of_file(path), f"hydra.run.dir={folder}/run"]
        result = program("galvae", overrides=words)
    return {"speed": result["history"][-1]["images_per_second"], "peak_mb": result["peak_mb"]}
