"""Training: against what users would take instead, against its own step, and as the data grow."""

import importlib.util
import json
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarking.measuring import GALVAE, in_turns, medians, program, row, run, seconds_of
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits

SHARES = [0.8, 0.1, 0.1]  # of train, val and test, as conf/ has them
KERAS = "Keras tutorial way"


def train(quick):
    """Whole runs of the blog's network and of `slim`, from the first step's compiling to the last checkpoint."""
    count, epochs, rounds = (640, 1, 1) if quick else (1920, 5, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = tiled(folder, "colour", count, 128, 3)
        images = {"images": str(path), "train": splits(count)["train"]}
        tutorial = {**images, "val": [], "epochs": epochs}
        measures = {
            f"conv 128 px, {KERAS}": (
                epochs * len(images["train"]),
                lambda: program("keras_tutorial", **tutorial),
            ),
            **ours("conv 128 px", path, count, "galaxy10_blog", epochs),
            **ours("slim 128 px", path, count, "galaxy10_recommended", epochs),
        }
        # PyTorch compiles nothing at its first step, hence an epoch tells as much as several.
        measures |= in_pytorch("conv 128 px", {**images, "batch": 128, "epochs": 1})
        if quick:
            measures = {name: measures[name] for name in measures if name.endswith((KERAS, "galvae"))}
        return whole_runs(measures, rounds)


def dcgan(quick):
    """Whole runs of vae-project's network, against plain PyTorch as vae-project trains it, and with channels last."""
    count, epochs, rounds = (80, 1, 1) if quick else (960, 4, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = tiled(folder, "grey", count, 158, 1)
        images = {"images": str(path), "train": splits(count)["train"]}
        measures = ours("dcgan 158 px", path, count, "cosmos_vae", epochs)
        return whole_runs(measures | in_pytorch("dcgan 158 px", {**images, "batch": 64, "epochs": 1}), rounds)


def ours(what, path, count, experiment, epochs):
    """Whole runs of galvae as `whole_runs` takes them, in the precision that it chooses and in float32."""
    words = [f"experiment={experiment}", "latent_dim=8", f"epochs={epochs}"]
    seen = epochs * len(splits(count)["train"])
    return {
        f"{what}, {name}": (seen, lambda p=precision: galvae(path, [*words, f"precision={p}"]))
        for name, precision in (("galvae", "auto"), ("galvae in float32", "float32"))
    }


def in_pytorch(what, given):
    """Whole runs of a network in PyTorch and under Pythae, as `whole_runs` takes them; without those, none."""
    network, seen, measures = what.split()[0], given["epochs"] * len(given["train"]), {}
    if installed("torch"):
        for order in ("contiguous", "channels_last"):
            options = {**given, "network": network, "channels_last": order == "channels_last"}
            measures[f"{what}, plain PyTorch, {order}"] = seen, lambda o=options: program("pytorch", **o)
    if network == "conv" and installed("pythae"):
        measures[f"{what}, Pythae"] = seen, lambda: program("pythae", **given)
    return measures


def whole_runs(measures, rounds):
    """Rows of runs in images per second, those of galvae with their ratio to each of the others.

    Args:
        measures: "network size px, who" -> images that the run trains on, and the function that runs it.
        rounds: how often each is run, in turns.
    """
    found = in_turns({name: run_it for name, (_, run_it) in measures.items()}, rounds)
    limits = machine()
    shapes = {"128": (128, 128, 3), "158": (158, 158, 1)}
    operations = {}
    for what in {name.partition(", ")[0] for name in measures}:
        network, size, _ = what.split()
        operations[what] = program("operations", network=network, shape=shapes[size])["operations"]
    speeds, peaks, parameters = {}, {}, {}
    for name, results in found.items():
        what = name.partition(", ")[0]
        if parameters.setdefault(what, results[0]["parameters"]) != results[0]["parameters"]:
            raise SystemExit(
                f"{name}: expected {parameters[what]} parameters, received {results[0]['parameters']}"
            )
        speeds[name] = measures[name][0] / statistics.median(result["seconds"] for result in results)
        peaks[name] = max(result["peak_mb"] for result in results)
    rows = []
    for name, speed in sorted(speeds.items()):
        what, _, who = name.partition(", ")
        share = 3 * operations[what] * speed / limits[limits["precision"] if who == "galvae" else "float32"]
        references = (
            [other for other in speeds if reference_of(other, what)] if who.startswith("galvae") else []
        )
        first, *others = references or [None]
        ratio = None if first is None else speed / speeds[first]
        rows.append(row(f"train {name}", f"{speed:.0f} images/s", ratio, first, share, peaks[name]))
        rows += [row(f"train {name}", "", speed / speeds[other], other) for other in others]
    return rows


def reference_of(other, what):
    """Whether a measurement is one that galvae's training of a network is compared with."""
    network, _, who = other.partition(", ")
    return not who.startswith("galvae") and (network == what or (what.startswith("slim") and who == KERAS))


def quality(quick):
    """Validation loss against time on simulated galaxies: the published settings and the recommended recipe."""
    count, budget = (400, 10) if quick else (7500, 200)
    size = ["dataset=simulated", f"dataset.count={count}", "dataset.image_size=128"]
    recipe = ["experiment=galaxy10_recommended", *size]
    with tempfile.TemporaryDirectory() as folder:
        environment = {"GALVAE_CACHE": folder}
        run([*GALVAE, "prepare", *size], environment, folder)
        images = next(Path(folder).glob("simulated-*/images.npy"))
        parts = splits(count)
        published = program(
            "keras_tutorial", images=str(images), train=parts["train"], val=parts["val"], seconds=budget
        )["curve"]
        goal = published[-1][1]
        curves = {f"conv, {KERAS}": published}
        for network in ("slim", "conv"):
            words = [*recipe, f"network={network}", f"dataset.cache_dir={folder}"]
            directory = f"hydra.run.dir={folder}/{network}"
            # The learning rate falls towards the last epoch: how many fit into the time has to be known before.
            trial = program("galvae", overrides=[*words, "epochs=2", f"{directory}-trial"])
            epochs = max(2, int(budget / trial["history"][-1]["seconds"]))
            found = program("galvae", overrides=[*words, f"epochs={epochs}", directory])
            # What the epochs' own seconds leave out, checkpoints above all, is spread evenly over them.
            passed = np.cumsum([epoch["seconds"] for epoch in found["history"]])
            passed *= found["seconds"] / passed[-1]
            curves[f"{network}, recommended recipe"] = [
                [float(at), epoch["val_loss"]] for at, epoch in zip(passed, found["history"], strict=True)
            ]
    rows = []
    for name, curve in curves.items():
        reached = next((at for at, loss in curve if loss <= goal), None)
        text = "; ".join(f"{at:.0f} s: {loss:.1f}" for at, loss in thinned(curve))
        rows.append(row(f"validation loss, {name}", text))
        if curve is not published:
            measured = "not reached" if reached is None else f"{reached:.0f} s"
            ratio = None if reached is None else reached / published[-1][0]
            case = f"time to the loss of the {KERAS} after {published[-1][0]:.0f} s, {name}"
            rows.append(row(case, measured, ratio, KERAS))
    return rows


def feed(quick):
    """Training from the memory-mapped cache, against the same step on one fixed batch."""
    with tempfile.TemporaryDirectory() as folder:
        images = np.load(tiled(folder, "colour", 1000 if quick else 4000, 128, 3), mmap_mode="r")
        steps = (4, 3) if quick else (15, 7)
        return fed("conv", {"one fixed batch": (images, 0), "the cache": (images, len(images))}, 128, *steps)


def larger_than_memory(quick):
    """Training from 300,000 stamps of 158 pixels in float32, 30 GB, against the same from 5,000 of them."""
    count, steps, rounds = (10_000, 50, 1) if quick else (300_000, 500, 3)
    few = min(5000, count // 2)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = tiled(folder, "grey", count, 158, 1, np.float32)
        with open(path, "rb") as file:  # what the writing has left in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        images = np.load(path, mmap_mode="r")
        images[:few].max()  # the few are in memory
        measures = {f"{few:,} stamps, in memory": (images, few), f"{count:,} stamps": (images, count)}
        rows = fed("slim", measures, 32, steps, rounds)
    return [{**found, "case": f"{found['case']}, {images.nbytes / 1e9:.0f} GB file"} for found in rows]


def fed(network, sources, batch, steps, rounds):
    """Speed of one network's steps from several sources; the first is the reference.

    Args:
        network: name of a network.
        sources: name -> memory-mapped images, and how many of them; 0: one fixed batch.
        batch: images per step.
        steps: of each measurement, which goes on where the one before ended.
        rounds: of measurements.
    """
    from galvae.backend.hardware import memory_mb
    from galvae.backend.input_pipeline import feed
    from galvae.backend.setup import setup

    device = setup("tensorflow", "auto", 0)
    import keras
    import tensorflow as tf

    from galvae.models.build import VAE

    shape = next(iter(sources.values()))[0].shape[1:]
    model = VAE(shape, 8, network_config(network), pixel_range=(0, 255), augment=True)
    model.build_all()
    model.compile(optimizer=keras.optimizers.Adam(1e-4, name="adam"), jit_compile=device.jit)
    taken, peaks = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0.0)

    def inputs(images, count, start):
        data = GalaxyDataset(
            name="benchmark",
            images=images,
            pixel_range=(0, 255),
            splits=make_splits(count or len(images), SHARES, 0),
        )
        batches = data.batches("train", batch, seed=0)
        if count:
            return feed(batches, start)
        options = tf.data.Options()
        options.autotune.enabled = False  # as feed has it: its thread would blur the measurement
        return tf.data.Dataset.from_tensors((batches.gather(batches.step(0)),)).repeat().with_options(options)

    def fit(name, steps):
        given = inputs(*sources[name], taken[name])
        seconds = seconds_of(lambda: model.fit(given, steps_per_epoch=steps, shuffle=False, verbose=0))
        taken[name] += steps
        peaks[name] = max(peaks[name], memory_mb())
        return seconds

    for name in sources:
        fit(name, 2)  # traces the step
    seconds = medians({name: lambda n=name: fit(n, steps) for name in sources}, rounds)
    reference = next(iter(seconds))
    return [
        row(
            f"{network} {shape[0]} px, steps of {batch} from {name}",
            f"{steps * batch / value:.0f} images/s",
            seconds[reference] / value,
            reference,
            peak_mb=peaks[name],
        )
        for name, value in seconds.items()
    ]


def memory(quick):
    """Peak memory of training 17,736 images of 128x128x3 above that of the framework, against float32 in memory."""
    count = 640 if quick else 17_736
    with tempfile.TemporaryDirectory() as folder:
        images = tiled(folder, "colour", count, 128, 3)
        idle = program("framework")["peak_mb"]
        whole = program("keras_tutorial", images=str(images), train=list(range(count)), val=[], epochs=1)
        ours = galvae(images, ["experiment=galaxy10_blog", "precision=auto", "epochs=1"])
    peaks = {f"{KERAS}, float32 in memory": whole["peak_mb"], "galvae": ours["peak_mb"]}
    return [
        row(
            f"train conv on {count:,} images of 128 px, peak memory above TensorFlow's {idle:.0f} MB, {name}",
            f"{peak - idle:.0f} MB",
            None if peak == whole["peak_mb"] else (peak - idle) / (whole["peak_mb"] - idle),
            None if peak == whole["peak_mb"] else KERAS,
            peak_mb=peak,
        )
        for name, peak in peaks.items()
    ]


def growth(quick):
    """Cost of a galaxy of 32 px in an epoch, and peak memory, from 5,000 to 500,000 of them."""
    counts = (500, 5000) if quick else (5000, 500_000)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            images = tiled(folder, f"small{count}", count, 32, 3)
            # The first epoch compiles, which counts where there are few galaxies.
            found[count] = galvae(images, [f"epochs={1 if count == counts[-1] else 11}"])
    rows, first = [], None
    for count in counts:
        history = found[count]["history"]
        cost = statistics.median(epoch["seconds"] for epoch in history[1:] or history) / count
        first = first or cost
        rows.append(
            row(
                f"an epoch of {count:,} galaxies of 32 px",
                f"{1e6 * cost:.0f} us per galaxy",
                cost / first,
                f"{counts[0]:,} galaxies",
                peak_mb=found[count]["peak_mb"],
            )
        )
    return rows


def gpu(quick):
    """On a GPU: the blog's run, its images held on the device or fed from the cache, on each backend there is."""
    count, epochs = (2000, 2) if quick else (17_736, 6)
    rows, speeds = [], {}
    with tempfile.TemporaryDirectory() as folder:
        images = tiled(folder, "colour", count, 128, 3)
        train = splits(count)["train"]
        for backend in filter(installed, ("tensorflow", "jax")):
            limits = machine(backend)
            if limits["kind"] != "gpu":
                continue
            operations = program("operations", backend=backend, network="conv", shape=(128, 128, 3))[
                "operations"
            ]
            if backend == "tensorflow":
                found = program("keras_tutorial", images=str(images), train=train, val=[], epochs=epochs)
                speeds[KERAS] = epochs * len(train) / found["seconds"]
            for resident in ("auto", "false"):
                words = ["experiment=galaxy10_blog", "precision=auto", f"epochs={epochs}"]
                found = galvae(images, [*words, f"backend={backend}", f"resident={resident}"])
                name = f"galvae, {backend}, resident={resident}"
                speeds[name] = statistics.median(epoch["images_per_second"] for epoch in found["history"][1:])
                share = 3 * operations * speeds[name] / limits[limits["precision"]]
                whole = (
                    f"{speeds[name]:.0f} images/s; 300 epochs of 17,736: {300 * 17_736 / speeds[name]:.0f} s"
                )
                reference = next(iter(speeds))
                ratio = speeds[name] / speeds[reference]
                rows.append(row(f"{limits['name']}, conv 128 px, {name}", whole, ratio, reference, share))
    return rows or [row("conv 128 px on a GPU", "no GPU here")]


def precision(quick):
    """Validation loss after 20 epochs as `precision=auto` chooses, against float32 with the same seeds."""
    epochs = 2 if quick else 20
    cross_entropy = ["reconstruction.loss=bce", "reconstruction.weight=1"]  # the blog's objective
    words = {
        "hdf": ([], 6),
        "hdf, cross-entropy": (cross_entropy, 6),
        "simulated": (["experiment=simulated_recommended"], 3),
    }
    rows = []
    for name, (chosen, seeds) in words.items():
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(1 if quick else seeds):
                losses = []
                for kind in ("auto", "float32"):
                    directory = f"hydra.run.dir={folder}/{seed}-{kind}"
                    run_words = [*chosen, f"seed={seed}", f"precision={kind}", f"epochs={epochs}", directory]
                    found = program("galvae", overrides=[*run_words, f"dataset.cache_dir={folder}"])
                    losses.append(found["metrics"]["val_loss"])
                ratios.append(losses[0] / losses[1])
        mean = statistics.mean(ratios)
        error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
        text = f"{mean:.4f} +- {error:.4f}, {len(ratios)} seeds"
        rows.append(row(f"{name}, {epochs} epochs, precision=auto, validation loss", text, mean, "float32"))
    return rows


def default_train(quick):
    """`galvae train` with all defaults and an empty cache, from the command to the figures."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = ["epochs=30"] if quick else []
        done = run([*GALVAE, "train", *overrides], {"GALVAE_CACHE": folder}, folder)
        path = Path(folder, done.output.splitlines()[-1])
        metrics = json.loads((path / "metrics.json").read_text())
        device = json.loads((path / "environment.json").read_text())
    name = f"galvae train {' '.join(overrides)}".strip()
    whole = f"{name}, whole ({device['precision']}, {device['threads']} threads)"
    speed = f"{metrics['seconds']:.0f} s, {metrics['images_per_second']:.0f} images/s"
    return [
        row(whole, f"{done.seconds:.0f} s", peak_mb=done.peak_mb),
        row(f"{name}, fit alone", speed, metrics["seconds"] / done.seconds, "whole"),
    ]


def checkpoint(quick):
    """Time for snapshots and checkpoints, against that of the epochs, as often as `auto` writes and always."""
    rows = []
    for every in ("auto", "1"):
        with tempfile.TemporaryDirectory() as folder:
            epochs = f"epochs={20 if quick else 100}"
            words = [f"checkpoint.every={every}", epochs, f"hydra.run.dir={folder}/run"]
            found = program("checkpoints", overrides=words)
        name = f"checkpoints and snapshots of galvae train, checkpoint.every={every}"
        ratio = found["spent"] / found["metrics"]["seconds"]
        rows.append(row(name, f"{found['spent']:.2f} s", ratio, "time of the epochs"))
    return rows


def sweep_memory(quick):
    """Peak memory of the jobs of a sweep in one process, from the first to the tenth."""
    count = 4 if quick else 10
    with tempfile.TemporaryDirectory() as folder:
        words = [f"seed=range({count})", "epochs=2", f"hydra.sweep.dir={folder}/sweep"]
        run([*GALVAE, "train", "-m", *words])
        peaks = {}
        for path in Path(folder, "sweep").glob("*/metrics.json"):
            number = int(path.parent.name.partition("_")[0]) + 1
            peaks[number] = json.loads(path.read_text())["peak_memory_mb"]
    return [
        row(
            f"job {number} of a sweep in one process, peak memory",
            f"{peaks[number]:.0f} MB",
            peaks[number] / peaks[1],
            "job 1",
        )
        for number in sorted({1, 2, count // 2, count})
    ]


def galvae(images, overrides):
    """A whole run of galvae on a file of images, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["dataset=files", f"dataset.path={images}", "dataset.stretch=none"]
        cache = [f"dataset.cache_dir={images.parent}", f"hydra.run.dir={folder}/run"]
        return program("galvae", overrides=[*overrides, *words, *cache])


def machine(backend="tensorflow"):
    """Kind and name of the device, the precision that galvae chooses on it, and its rate of matrix products in each."""
    found = program("device", backend=backend)
    for name in {"float32", found["precision"]}:
        found[name] = program("matrix_products", backend=backend, precision=name)["rate"]
    return found


def splits(count):
    """Numbers of the images of train, val and test, as galvae splits them."""
    return {name: indices.tolist() for name, indices in make_splits(count, SHARES, 0).items()}


def tiled(folder, name, count, size, bands, dtype=np.uint8):
    """An .npy of `count` galaxies, (N, size, size, bands) from 0 to 255, of which a hundred are drawn and repeated."""
    drawn = np.stack([galaxy(seed, size, bands) for seed in range(min(count, 100))]).astype(dtype)
    path = Path(folder, f"{name}.npy")
    images = np.lib.format.open_memmap(path, "w+", dtype, (count, size, size, bands))
    for start in range(0, count, len(drawn)):
        images[start : start + len(drawn)] = drawn[: count - start]
    images.flush()
    return path


def galaxy(seed, size, bands):
    """An exponential disc of random size, shape and colour on a noisy sky, (size, size, bands) from 0 to 255."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle, flat = generator.uniform(0, np.pi), generator.uniform(0.3, 1)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = (y * np.cos(angle) - x * np.sin(angle)) / flat
    light = np.exp(-np.hypot(along, across) / (size * generator.uniform(0.03, 0.1)))
    image = light[..., None] * generator.uniform(100, 220, bands) + generator.normal(
        20, 4, (size, size, bands)
    )
    return np.clip(image, 0, 255)


def network_config(name):
    """The configuration of a network, as conf/ has it."""
    from galvae.config.model import ConvConfig, DcganConfig, SlimConfig

    kinds = {"conv": ConvConfig, "slim": SlimConfig, "dcgan": DcganConfig}
    return kinds[name](**settings(f"network/{name}"))


def settings(name):
    """The values of a file of conf/."""
    import yaml

    from galvae.cli.help import CONF

    return yaml.safe_load((CONF / f"{name}.yaml").read_text())


def installed(package):
    """Whether a package can be imported here."""
    return importlib.util.find_spec(package) is not None


def thinned(curve, most=8):
    """At most so many points of a curve, the last among them."""
    return [curve[i] for i in sorted({int(i) for i in np.linspace(0, len(curve) - 1, most)})]
