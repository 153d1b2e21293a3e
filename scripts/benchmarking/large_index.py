"""Case of the benchmark: the index of ten million galaxies, opened: columns, splits, checks, the order of an epoch.

As a module of `galvae.data.load.SOURCES` it simulates them: ids of 20 characters, positions, redshifts and classes, and
images of 8 pixels, which are noise. `python large_index.py CACHE COUNT` opens them, and prints the seconds.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

SIDE = 8  # pixels of an image
BLOCK = 100_000  # images written at a time
BATCH = 128
STEPS = 3  # batches that are read
SPLITS = {"at random": None, "by id": "id"}
READ = """
import sys, time, numpy as np
started = time.perf_counter()
for path in sys.argv[1:]:
    dict(np.load(path))
print(time.perf_counter() - started)
"""


def large_index(quick):
    """Time and memory to open ten million prepared galaxies, against reading their columns into memory."""
    from benchmarking.measuring import alternating, row, run

    count = 100_000 if quick else 10_000_000
    with tempfile.TemporaryDirectory(dir=".") as folder:
        run([sys.executable, __file__, folder, str(count)])  # prepares them
        columns = [str(path) for path in Path(folder).glob("*/columns.npz")]
        measures = {"numpy.load": lambda: run([sys.executable, "-c", READ, *columns])}
        for name, by in SPLITS.items():
            measures[name] = lambda by=by: run(
                [sys.executable, __file__, folder, str(count), *([by] if by else [])]
            )
        results = alternating(measures, 3)
    seconds = {name: statistics.median(float(one.output) for one in results[name]) for name in results}
    return [
        row(
            f"opening {count:,} galaxies, split {name}",
            f"{seconds[name]:.1f} s",
            seconds["numpy.load"] / seconds[name],
            "numpy.load of their columns",
            peak_mb=max(result.peak_mb for result in results[name]),
        )
        for name in SPLITS
    ]


def open_index(cache, count, split_by=None):
    """Opens the galaxies, prepared first if the cache lacks them, as training does until its first steps.

    Args:
        cache: folder of the cache.
        count: number of galaxies.
        split_by: see `dataset.split_by`.

    Returns:
        Seconds.
    """
    from benchmarking.commands import settings
    from galvae.config.dataset import SimulatedConfig
    from galvae.data import load
    from galvae.data.quality import checked

    load.SOURCES["simulated"] = "benchmarking.large_index"
    changes = {"count": count, "image_size": SIDE, "cache_dir": cache, "split_by": split_by}
    config = SimulatedConfig(**{**settings("dataset/simulated"), **changes})
    started = time.perf_counter()
    dataset = checked(load.load_dataset(config))
    _ = dataset.digest
    batches = dataset.batches("train", BATCH, seed=0)
    for step in range(STEPS):
        batches.gather(batches.step(step))
    return time.perf_counter() - started


def fingerprint(config):
    """What determines the simulated galaxies."""
    return {"count": config.count, "seed": config.seed}


def read(config):
    """The simulated galaxies, as a reader returns them."""
    from galvae.data.source import Source

    count, generator = config.count, np.random.default_rng(config.seed)
    redshift = generator.gamma(2, 0.4, count)
    ids = np.char.add("S", (1237648720142532814 + 7 * np.arange(count)).astype("U19"))
    sizes = [min(BLOCK, count - start) for start in range(0, count, BLOCK)]
    return Source(
        shape=(count, SIDE, SIDE, 1),
        dtype="uint8",
        blocks=(generator.integers(0, 255, (size, SIDE, SIDE, 1), np.uint8) for size in sizes),
        pixel_range=(0, 255),
        labels=generator.integers(0, 10, count),
        class_names=[f"class {number}" for number in range(10)],
        condition=redshift[:, None].astype(np.float32),
        condition_names=["redshift"],
        condition_units=[""],
        catalogue={
            "id": ids.astype("U20"),
            "ra": generator.uniform(0, 90, count),  # a survey of 5,200 square degrees
            "dec": np.degrees(np.arcsin(generator.uniform(0, 1, count))),
            "redshift": redshift,
        },
        catalogue_units={"ra": "deg", "dec": "deg"},
    )


if __name__ == "__main__":
    print(open_index(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
