"""Speed and memory, measured side by side: `python scripts/benchmark.py [--quick] [--json FILE] [CASE ...]`.

Each case prints its rows: what was measured, its median, and the ratio to a reference that was measured in
the same run, in turns with it, so that a machine that is busy slows both.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

GALVAE = [sys.executable, "-m", "galvae"]
TAB = {"COMP_LINE": "galvae train model=", "COMP_POINT": "19"}


def startup(quick):
    """`galvae --help` and one TAB, against Python's own start."""
    commands = {
        "python -c pass": ([sys.executable, "-c", "pass"], {}),
        "galvae --help": ([*GALVAE, "--help"], {}),
        "galvae train --help": ([*GALVAE, "train", "--help"], {}),
        "galvae <TAB>": ([*GALVAE, "-sc", "query=bash"], TAB),
    }
    seconds = in_turns({name: lambda c=c: run(*c)[0] for name, c in commands.items()}, 3 if quick else 9)
    reference = seconds["python -c pass"]
    return [
        row(name, f"{value:.3f} s", value / reference, "python -c pass") for name, value in seconds.items()
    ]


def default_train(quick):
    """`galvae train` with all defaults and an empty cache, from the command to the figures."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = ["epochs=30"] if quick else []
        environment = {"GALVAE_CACHE": folder}
        seconds, output = run([*GALVAE, "train", *overrides], environment, folder)
        path = Path(folder, output.splitlines()[-1])
        metrics = json.loads((path / "metrics.json").read_text())
        device = json.loads((path / "environment.json").read_text())
    name = f"galvae train {' '.join(overrides)}".strip()
    return [
        row(f"{name}, whole ({device['precision']}, {device['threads']} threads)", f"{seconds:.0f} s"),
        row(f"{name}, fit alone", f"{metrics['seconds']:.0f} s", metrics["seconds"] / seconds, "whole"),
        row(f"{name}, speed", f"{metrics['images_per_second']:.0f} images/s"),
        row(f"{name}, peak memory", f"{metrics['peak_memory_mb']:.0f} MB"),
    ]


def feed(quick):
    """Training from the memory-mapped cache, against the same step on one fixed batch."""
    import numpy as np

    from galvae import devices

    device = devices.setup("tensorflow", "auto", 0)
    import keras
    import tensorflow as tf

    from galvae.data.dataset import GalaxyDataset, make_splits
    from galvae.models import VAE

    count, steps = (1000, 4) if quick else (4000, 15)
    conv = network()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 128, 128, 3))
        images[:] = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3))
        data = GalaxyDataset(
            name="benchmark",
            images=np.load(path, mmap_mode="r"),
            pixel_range=(0, 255),
            splits=make_splits(count, [0.9, 0.05, 0.05], 0),
        )
        batches = data.batches("train", 128, seed=0)
        options = tf.data.Options()
        options.autotune.enabled = False  # as devices.feed has it: its thread would blur the measurement
        fixed = (
            tf.data.Dataset.from_tensors((batches.gather(batches.step(0)),)).repeat().with_options(options)
        )
        model = VAE((128, 128, 3), 8, conv, augment=True)
        model.build_all()
        model.compile(optimizer=keras.optimizers.Adam(1e-4, name="adam"), jit_compile=device.jit)
        inputs = {"one fixed batch": fixed, "the cache": devices.feed(batches)}

        def fit(source):
            started = time.perf_counter()
            model.fit(source, steps_per_epoch=steps, epochs=1, shuffle=False, verbose=0)
            return (time.perf_counter() - started) / steps

        for source in inputs.values():
            fit(source)  # traces the step
        seconds = in_turns({name: lambda s=s: fit(s) for name, s in inputs.items()}, 3 if quick else 7)
    reference = seconds["one fixed batch"]
    return [
        row(
            f"conv 128 px, a step of 128 from {name}",
            f"{128 / s:.0f} images/s",
            reference / s,
            "one fixed batch",
        )
        for name, s in seconds.items()
    ]


def skipped(quick):
    """`galvae train` in the directory of a run that is finished, against Python's own start."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*GALVAE, "train", "epochs=1", f"hydra.run.dir={folder}/run"]
        run(command, {})
        measures = {
            "python -c pass": lambda: run([sys.executable, "-c", "pass"], {})[0],
            "galvae train, finished already": lambda: run(command, {})[0],
        }
        seconds = in_turns(measures, 3 if quick else 9)
    reference = seconds["python -c pass"]
    return [
        row(name, f"{value:.3f} s", value / reference, "python -c pass") for name, value in seconds.items()
    ]


def sweep_memory(quick):
    """Peak memory of the jobs of a sweep in one process, from the first to the twentieth."""
    count = 4 if quick else 20
    with tempfile.TemporaryDirectory() as folder:
        run(
            [*GALVAE, "train", "-m", f"seed=range({count})", "epochs=2", f"hydra.sweep.dir={folder}/sweep"],
            {},
        )
        peaks = {}
        for path in Path(folder, "sweep").glob("*/metrics.json"):
            number = int(path.parent.name.partition("_")[0]) + 1
            peaks[number] = json.loads(path.read_text())["peak_memory_mb"]
    return [
        row(
            f"peak memory of job {number} of a sweep in one process",
            f"{peaks[number]:.0f} MB",
            peaks[number] / peaks[1],
            "job 1",
        )
        for number in sorted({1, 2, count // 2, count})
    ]


def prepare(quick):
    """`galvae prepare` of a file in Galaxy10's layout and size, against reading it with h5py alone."""
    import h5py
    import numpy as np

    count = 2000 if quick else 17_736
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "galaxies.h5")
        block = np.random.default_rng(0).integers(0, 256, (64, 256, 256, 3), dtype=np.uint8)
        with h5py.File(path, "w") as file:
            images = file.create_dataset("images", (count, 256, 256, 3), np.uint8)
            for start in range(0, count, 64):
                images[start : start + 64] = block[: count - start]
            file["ans"] = (np.arange(count) % 10).astype(np.uint8)
        read = (
            f"import h5py\nwith h5py.File({str(path)!r}) as f:\n"
            " for i in range(0, len(f['images']), 128): f['images'][i:i+128]"
        )
        overrides = ["dataset=galaxy10", f"dataset.path={path}"]
        peaks = []

        def prepared():
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                environment = {"GALVAE_CACHE": cache}
                seconds, peak = watched([*GALVAE, "prepare", *overrides], environment, cache)
            peaks.append(peak)
            return seconds

        measures = {
            "h5py alone": lambda: run([sys.executable, "-c", read], {})[0],
            "galvae prepare": prepared,
        }
        seconds = in_turns(measures, 1 if quick else 3)
    reference = seconds["h5py alone"]
    rows = [
        row(f"{name}, {count} images of 256 px", f"{count / s:.0f} images/s", reference / s, "h5py alone")
        for name, s in seconds.items()
    ]
    return [*rows, row("galvae prepare, peak memory", f"{max(peaks):.0f} MB")]


def stamps(quick):
    """`galvae prepare` of 20,000 simulated stamps of 158 px in vae-project's COSMOS layout."""
    count = 1000 if quick else 20_000
    script = Path(__file__).with_name("write_simulated.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cosmos.h5")
        # Few galaxies are drawn and their stamps repeated: what is measured is the reading.
        run([sys.executable, str(script), "cosmos", str(path), "--count", "500"], {})
        repeat(path, count)
        overrides = ["dataset=cosmos", f"dataset.path={path}"]
        seconds, peak = watched([*GALVAE, "prepare", *overrides], {"GALVAE_CACHE": folder}, folder)
    return [
        row(f"galvae prepare, {count} stamps of 158 px", f"{count / seconds:.0f} images/s"),
        row(f"galvae prepare, {count} stamps of 158 px, peak memory", f"{peak:.0f} MB"),
    ]


def memory(quick):
    """Peak memory of `prepare` and of an epoch, at 5,000 and at 50,000 simulated galaxies of 32 px."""
    counts = (500, 5000) if quick else (5000, 50_000)
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            overrides = ["dataset=simulated", f"dataset.count={count}", "dataset.image_size=32"]
            for command, more in (("prepare", []), ("train", ["epochs=1"])):
                environment = {"GALVAE_CACHE": folder}
                _, peaks[command, count] = watched([*GALVAE, command, *overrides, *more], environment, folder)
    return [
        row(
            f"galvae {command}, {count} galaxies, peak memory",
            f"{peak:.0f} MB",
            peak / peaks[command, counts[0]],
            f"{counts[0]} galaxies",
        )
        for (command, count), peak in sorted(peaks.items())
    ]


def simulated(quick):
    """Galaxies drawn by one process, 64 px, 3 bands."""
    import yaml

    from galvae.config import SimulatedConfig
    from galvae.data import simulated as reader
    from galvae.help import CONF

    values = yaml.safe_load((CONF / "dataset" / "simulated.yaml").read_text())
    count = 600 if quick else 3000
    config = SimulatedConfig(**{**values, "count": count, "workers": 1})
    list(reader.read(SimulatedConfig(**{**values, "count": 10, "workers": 1})).blocks)  # imports galsim
    started = time.perf_counter()
    drawn = sum(len(block) for block in reader.read(config).blocks)
    return [
        row("simulated, 64 px, 3 bands, one core", f"{drawn / (time.perf_counter() - started):.0f} images/s")
    ]


def encode(quick):
    """Posterior means of a memory-mapped dataset, against the compiled encoder on one fixed batch."""
    import numpy as np

    from galvae import devices

    devices.setup("tensorflow", "float32", 0)
    from galvae import latent
    from galvae.data.dataset import GalaxyDataset
    from galvae.models import VAE

    count = latent.COMPILED if quick else 2 * latent.COMPILED
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "images.npy")
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 128, 128, 3))
        images[:] = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3))
        data = GalaxyDataset(name="benchmark", images=np.load(path, mmap_mode="r"), pixel_range=(0, 255))
        model = VAE((128, 128, 3), 8, network())
        model.build_all()
        forward = devices.compiled(model.encode)
        batch = np.array(data.images[: latent.BATCH])
        forward(batch)  # traces it
        indices = np.random.default_rng(0).permutation(count)

        def fixed():
            started = time.perf_counter()
            for _ in range(count // latent.BATCH):
                np.asarray(forward(batch)[0])
            return time.perf_counter() - started

        def encoded():
            started = time.perf_counter()
            latent.encode_dataset(model, data, indices)
            return time.perf_counter() - started

        seconds = in_turns({"forward pass alone": fixed, "encode_dataset": encoded}, 1 if quick else 5)
    reference = seconds["forward pass alone"]
    return [
        row(f"conv 128 px, {name}", f"{count / s:.0f} images/s", reference / s, "forward pass alone")
        for name, s in seconds.items()
    ]


def figures(quick):
    """A figure of 400 galaxies of 128 px, drawn and written."""
    import numpy as np

    from galvae import figures as drawing

    images = np.random.default_rng(0).random((100 if quick else 400, 128, 128, 3), np.float32)
    with tempfile.TemporaryDirectory() as folder:

        def drawn(ending):
            started = time.perf_counter()
            style = drawing.Style(ending)
            drawing.save(drawing.grid(images, style=style), Path(folder, "grid"), style)
            return time.perf_counter() - started

        measures = {ending: lambda e=ending: drawn(e) for ending in ("png", "pdf", "svg")}
        seconds = in_turns(measures, 1 if quick else 3)
    return [row(f"figure of {len(images)} galaxies, {name}", f"{s:.2f} s") for name, s in seconds.items()]


def umap(quick):
    """The embedding of 17,736 codes and its scatter, against umap-learn's own fit with the same seed."""
    import warnings

    from galvae import embedding, figures

    settings = umap_settings(quick)
    count = 5000 if quick else 17_736
    codes = galaxy_codes(count)

    def own():
        from umap import UMAP

        names = ("n_neighbors", "min_dist", "metric", "n_epochs")
        return UMAP(**{name: settings[name] for name in names}, random_state=0, n_jobs=1).fit(codes)

    def ours():
        found = embedding.fit("", range(count), codes, settings)
        with tempfile.TemporaryDirectory() as folder:
            figures.save(
                figures.scatter(*found.plane.T, ("UMAP 1", "UMAP 2"), equal=True), Path(folder, "umap")
            )
        return found

    def seconds_of(measure):
        started = time.perf_counter()
        measure()
        return time.perf_counter() - started

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = {"umap-learn": seconds_of(own), "galvae": seconds_of(ours)}  # imports and compiles
        measures = {"umap-learn": lambda: seconds_of(own), "galvae": lambda: seconds_of(ours)}
        seconds = in_turns(measures, 1 if quick else 3)
        found = ours()
        points = found.plane[:: count // 400][:400]
        again = seconds_of(lambda: embedding.inverse(found, points))
    reference = seconds["umap-learn"]
    what = {"umap-learn": "fit", "galvae": "fit, neighbours and scatter"}
    rows = [
        row(f"{name}, {what[name]} of {count} codes", f"{s:.1f} s", s / reference, "umap-learn")
        for name, s in seconds.items()
    ]
    rows.append(row("umap-learn, the first fit, with imports and compiling", f"{first['umap-learn']:.1f} s"))
    rows.append(
        row(f"galvae, inverse of 400 places among {count} codes, with the restoring", f"{again:.1f} s")
    )
    return rows


def umap_memory(quick):
    """Peak memory of an embedding of 50,000 and of 300,000 codes, and of the inverse of 400 places."""
    counts = (5000, 20_000) if quick else (50_000, 300_000)
    rows, peaks = [], {}
    for more in counts:
        program = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "import benchmark\nfrom galvae import embedding\n"
            f"codes = benchmark.galaxy_codes({more})\n"
            f"found = embedding.fit('', range({more}), codes, {umap_settings(quick)})\n"
            "embedding.inverse(found, found.plane[:400])"
        )
        seconds, peaks[more] = watched([sys.executable, "-c", program], {}, None)
        rows.append(row(f"galvae, embedding of {more} codes and 400 inverses", f"{seconds:.0f} s"))
        ratio = peaks[more] / peaks[counts[0]]
        memory_row = f"galvae, embedding of {more} codes, peak memory"
        rows.append(row(memory_row, f"{peaks[more]:.0f} MB", ratio, f"{counts[0]} codes"))
    return rows


def checkpoint(quick):
    """Time for snapshots and checkpoints, against the time of the epochs, as often as `auto` writes and always."""
    from galvae import checkpoints, cli, devices

    devices.setup("tensorflow", "auto")
    from galvae import keeper  # after setup: Keras takes its settings when it is imported

    rows = []
    spent = []
    # What each epoch does for a checkpoint: copies of all variables, and, if it is due, the files.
    for owner, name in ((keeper.Keeper, "snapshot"), (checkpoints, "save")):
        setattr(owner, name, timed(getattr(owner, name), spent))
    for every in ("auto", "1"):
        with tempfile.TemporaryDirectory() as folder:
            spent.clear()
            overrides = [
                f"checkpoint.every={every}",
                f"epochs={20 if quick else 100}",
                f"hydra.run.dir={folder}/run",
            ]
            with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
                cli.main(["train", *overrides])
            epochs = json.loads(Path(folder, "run", "metrics.json").read_text())["seconds"]
        name = f"checkpoints and snapshots of galvae train, checkpoint.every={every}"
        rows.append(row(name, f"{sum(spent):.2f} s", sum(spent) / epochs, "time of the epochs"))
    return rows


def timed(function, spent):
    """A function whose seconds are appended to a list."""

    def call(*arguments, **options):
        started = time.perf_counter()
        result = function(*arguments, **options)
        spent.append(time.perf_counter() - started)
        return result

    return call


CASES = {
    "startup": startup,
    "default_train": default_train,
    "feed": feed,
    "checkpoint": checkpoint,
    "skipped": skipped,
    "sweep_memory": sweep_memory,
    "prepare": prepare,
    "stamps": stamps,
    "memory": memory,
    "simulated": simulated,
    "encode": encode,
    "figures": figures,
    "umap": umap,
    "umap_memory": umap_memory,
}


def umap_settings(quick):
    """Settings of galvae.embedding.fit, as conf/ has them but for the epochs of a quick run."""
    import yaml

    from galvae.help import CONF

    values = yaml.safe_load((CONF / "umap.yaml").read_text())
    names = ("n_neighbors", "min_dist", "metric", "n_epochs", "fitted")
    settings = {**{name: values[name] for name in names}, "seed": 0}
    return {**settings, "n_epochs": 100} if quick else settings


def galaxy_codes(count):
    """Codes of eight dimensions in ten overlapping clusters, (count, 8) float32."""
    import numpy as np

    generator = np.random.default_rng(0)
    centres = 1.5 * generator.normal(size=(10, 8))
    return (centres[generator.integers(0, 10, count)] + generator.normal(size=(count, 8))).astype(np.float32)


def repeat(path, count):
    """Lengthens every data set of an HDF5 file to `count` rows by repeating it."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        for name in list(file):
            old = file[name][()]
            del file[name]
            new = file.create_dataset(name, (count, *old.shape[1:]), old.dtype)
            for start in range(0, count, len(old)):
                stop = min(count, start + len(old))
                new[start:stop] = old[: stop - start]
            assert np.array_equal(new[0], old[0])


def network():
    """The configuration of network=conv, as conf/ has it."""
    import yaml

    from galvae.config import ConvConfig
    from galvae.help import CONF

    return ConvConfig(**yaml.safe_load((CONF / "network" / "conv.yaml").read_text()))


def in_turns(measures, rounds):
    """Median of each measure, all measured once in each round."""
    values = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            values[name].append(measure())
    return {name: statistics.median(found) for name, found in values.items()}


def run(command, environment, folder=None):
    """Wall time in seconds and standard output of a process."""
    started = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=folder, capture_output=True, text=True, check=True
    )
    return time.perf_counter() - started, done.stdout


def watched(command, environment, folder):
    """Wall time in seconds and peak anonymous and shared memory in MB of a process, sampled."""
    started, peak = time.perf_counter(), 0
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
                held = [int(line.split()[1]) for line in lines if line.startswith(("RssAnon", "RssShmem"))]
                peak = max(peak, sum(held) / 1e3)
            time.sleep(0.02)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - started, peak


def row(case, measured, ratio=None, reference=None):
    """A line of the table."""
    return {"case": case, "measured": measured, "ratio": ratio, "reference": reference}


def main():
    """Runs the cases and prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"{', '.join(CASES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a minute's worth")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - set(CASES)
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; expected {', '.join(CASES)}")
    rows = []
    print("| case | measured | ratio | reference |\n| --- | --- | --- | --- |")
    for name in arguments.cases or CASES:
        for found in CASES[name](arguments.quick):
            rows.append(found)
            ratio = "" if found["ratio"] is None else f"{found['ratio']:.2f}"
            print(
                f"| {found['case']} | {found['measured']} | {ratio} | {found['reference'] or ''} |",
                flush=True,
            )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
