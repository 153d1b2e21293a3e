"""Cases of the benchmark: the morphology of stamps, against galsim's moments alone, and the physics card of a run."""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarking.commands import write_galaxy10
from benchmarking.measuring import GALVAE, alternating, row, run
from benchmarking.training import tiled

REFERENCE = 300  # stamps measured with galsim
THRESHOLD = 16.0  # four standard deviations of the noise of the drawn galaxies


def morphology(quick):
    """Time to measure stamps of 64 and 128 px on one core, and memory, against galsim's adaptive moments alone."""
    count = 1000 if quick else 10_000
    with tempfile.TemporaryDirectory() as folder:
        return [row for side in (64, 128) for row in stamps_of(folder, side, count, 1 if quick else 3)]


def stamps_of(folder, side, count, rounds):
    """Rows for stamps of one size.

    Args:
        folder: where the stamps are written.
        side: of a stamp in pixels.
        count: number of stamps.
        rounds: number of measurements.
    """
    path = tiled(folder, f"stamps{side}", count, side, 3)
    counts = {"few": count // 4, "many": count}
    measure_stamps(path, 10)  # compiles
    measures = {name: lambda n=number: measure_stamps(path, n) for name, number in counts.items()}
    measures["galsim"] = lambda: moments_by_galsim(np.load(path, mmap_mode="r")[:REFERENCE])
    results = alternating(measures, rounds)
    seconds = {
        name: float(np.median([float(done.output) for done in results[name]])) / number
        for name, number in counts.items()
    }
    galsim = float(np.median(results["galsim"])) / REFERENCE
    memory = {name: max(done.peak_mb for done in results[name]) for name in counts}
    what = f"{side} px, 3 bands, one core"
    return [
        row(
            f"morphology of {count:,} stamps, {what}",
            f"{count * seconds['many']:.1f} s",
            seconds["many"] / galsim,
            "galsim.hsm alone",
            peak_mb=memory["many"],
        ),
        row(
            f"morphology, time per stamp, {what}",
            f"{1e3 * seconds['many']:.2f} ms",
            seconds["many"] / seconds["few"],
            f"{counts['few']:,} stamps",
            peak_mb=memory["few"],
        ),
    ]


def measure_stamps(path, count):
    """A process on one core that measures the first stamps of an .npy file and prints the seconds of processor time.

    Args:
        path: Path of the file.
        count: number of stamps.

    Returns:
        ProcessResult.
    """
    core = min(os.sched_getaffinity(0))
    program = (
        f"import os, time\nos.sched_setaffinity(0, [{core}])\nimport numpy as np\n"
        "from galvae.morphology.measure import measure_blocks\n"
        f"images = np.load({str(path)!r}, mmap_mode='r')\n"
        f"measure_blocks([(images[:2], None)], 2, {THRESHOLD}, '012')\n"
        f"blocks = ((images[i : min(i + 256, {count})], None) for i in range(0, {count}, 256))\n"
        f"start = time.process_time()\nmeasure_blocks(blocks, {count}, {THRESHOLD}, '012')\n"
        "print(time.process_time() - start)"
    )
    return run([sys.executable, "-c", program])


def moments_by_galsim(images):
    """Seconds of processor time that galsim takes for adaptive moments of stamps, failures included."""
    import galsim

    stamps = [galsim.Image(image.mean(axis=-1) - 20) for image in images]
    start = time.process_time()
    for stamp in stamps:
        galsim.hsm.FindAdaptiveMom(stamp, strict=False)
    return time.process_time() - start


def card(quick):
    """Time and memory of `galvae evaluate` with every card, and with the physics card alone, of as many as Galaxy10."""
    count = 1000 if quick else 17_736
    with tempfile.TemporaryDirectory() as folder:
        write_galaxy10(Path(folder, "galaxies.h5"), count)
        cache = {"GALVAE_CACHE": f"{folder}/cache"}
        data = ["dataset=galaxy10", f"dataset.path={folder}/galaxies.h5", "dataset.image_size=64"]
        run([*GALVAE, "train", *data, "epochs=1", f"hydra.run.dir={folder}/run"], cache)
        evaluate = [*GALVAE, "evaluate", f"run={folder}/run"]
        measures = {
            "every card, galaxies measured for the first time": lambda: run(evaluate, cache),
            "every card": lambda: run(evaluate, cache),
            "the physics card alone": lambda: run([*evaluate, "cards=[card]"], cache),
        }
        results = alternating(measures, 1)
    reference = results["the physics card alone"][0].seconds
    return [
        row(
            f"galvae evaluate of {count:,} galaxies of 64 px, {name}",
            f"{done.seconds:.0f} s",
            done.seconds / reference,
            "the physics card alone",
            peak_mb=done.peak_mb,
        )
        for name, (done,) in results.items()
    ]
