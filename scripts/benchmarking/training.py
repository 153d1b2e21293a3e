"""Benchmark cases of training: against alternatives, against the bare training step, and with growing data."""

import importlib.util
import json
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np

from benchmarking.measuring import GALVAE, alternating, medians, program, row, run, seconds_of
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits

SHARES = [0.8, 0.1, 0.1]  # of train, val and test, the default of conf/
KERAS = "Keras tutorial way"  # name in the table


def train(quick):
    """Speed of whole runs of the Galaxy10 blog's network and of `slim`, with compilation and checkpoints."""
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
            **galvae_runs("conv 128 px", path, count, "galaxy10_blog", epochs),
            **galvae_runs("slim 128 px", path, count, "galaxy10_recommended", epochs),
        }
        # PyTorch compiles nothing at its first step, so that one epoch measures its speed as well as several.
        measures |= pytorch_runs("conv 128 px", {**images, "batch": 128, "epochs": 1})
        if quick:
            measures = {name: measures[name] for name in measures if name.endswith((KERAS, "galvae"))}
        return compare_runs(measures, rounds)


def dcgan(quick):
    """Speed of whole runs of vae-project's network, against plain PyTorch with channels first and channels last."""
    count, epochs, rounds = (80, 1, 1) if quick else (960, 4, 3)
    with tempfile.TemporaryDirectory() as folder:
        path = tiled(folder, "grey", count, 158, 1)
        images = {"images": str(path), "train": splits(count)["train"]}
        measures = galvae_runs("dcgan 158 px", path, count, "cosmos_vae", epochs)
        return compare_runs(
            measures | pytorch_runs("dcgan 158 px", {**images, "batch": 64, "epochs": 1}), rounds
        )


def galvae_runs(what, path, count, experiment, epochs):
    """Runs of galvae for `compare_runs`, in the precision that it chooses and in float32.

    Args:
        what: "network size px".
        path: .npy file of the images.
        count: number of its images.
        experiment: name of an experiment of conf/.
        epochs: number of epochs.
    """
    overrides = [f"experiment={experiment}", "latent_dim=8", f"epochs={epochs}"]
    image_count = epochs * len(splits(count)["train"])
    return {
        f"{what}, {name}": (image_count, lambda p=precision: galvae(path, [*overrides, f"precision={p}"]))
        for name, precision in (("galvae", "auto"), ("galvae in float32", "float32"))
    }


def pytorch_runs(what, arguments):
    """Runs in PyTorch and with Pythae for `compare_runs`, as far as these are installed.

    Args:
        what: "network size px".
        arguments: dict of arguments, see `benchmarking.programs.pythae`.
    """
    network, image_count, measures = what.split()[0], arguments["epochs"] * len(arguments["train"]), {}
    if installed("torch"):
        for order in ("contiguous", "channels_last"):
            options = {**arguments, "network": network, "channels_last": order == "channels_last"}
            measures[f"{what}, plain PyTorch, {order}"] = (
                image_count,
                lambda o=options: program("pytorch", **o),
            )
    if network == "conv" and installed("pythae"):
        measures[f"{what}, Pythae"] = image_count, lambda: program("pythae", **arguments)
    return measures


def compare_runs(measures, rounds):
    """Measures training runs in images per second, and the ratio of galvae's to each of the others.

    Args:
        measures: "network size px, program" -> (images that the run trains on, function that runs it).
        rounds: number of times that each is run, alternating.

    Returns:
        List of rows.

    Raises:
        SystemExit: if two programs train networks with different numbers of parameters.
    """
    results_of = alternating({name: run_it for name, (_, run_it) in measures.items()}, rounds)
    limits = device_limits()
    shapes = {"128": (128, 128, 3), "158": (158, 158, 1)}
    operations = {}
    for what in {name.partition(", ")[0] for name in measures}:
        network, size, _ = what.split()
        operations[what] = program("operations", network=network, shape=shapes[size])["operations"]
    speeds, peaks, parameters = {}, {}, {}
    for name, results in results_of.items():
        what = name.partition(", ")[0]
        if parameters.setdefault(what, results[0]["parameters"]) != results[0]["parameters"]:
            raise SystemExit(
                f"{name}: expected {parameters[what]} parameters, received {results[0]['parameters']}"
            )
        speeds[name] = measures[name][0] / statistics.median(result["seconds"] for result in results)
        peaks[name] = max(result["peak_mb"] for result in results)
    rows = []
    for name, speed in sorted(speeds.items()):
        what, _, trainer = name.partition(", ")
        share = (
            3 * operations[what] * speed / limits[limits["precision"] if trainer == "galvae" else "float32"]
        )
        references = (
            [other for other in speeds if is_reference(other, what)] if trainer.startswith("galvae") else []
        )
        first, *others = references or [None]
        ratio = None if first is None else speed / speeds[first]
        rows.append(row(f"train {name}", f"{speed:.0f} images/s", ratio, first, share, peaks[name]))
        rows += [row(f"train {name}", "", speed / speeds[other], other) for other in others]
    return rows


def is_reference(other, what):
    """Whether a measurement is a reference for galvae's training of a network."""
    network, _, trainer = other.partition(", ")
    return not trainer.startswith("galvae") and (
        network == what or (what.startswith("slim") and trainer == KERAS)
    )


def quality(quick):
    """Validation loss against training time on simulated galaxies, for published and recommended settings."""
    count, budget = (400, 10) if quick else (7500, 200)
    size = ["dataset=simulated", f"dataset.count={count}", "dataset.image_size=128"]
    # The published objective, whatever the recommended one is, so that losses can be compared.
    objective = ["reconstruction.loss=bce", "reconstruction.weight=1", "latent_dim=8", "prior=none"]
    recipe = ["experiment=galaxy10_recommended", *size, *objective, "clip_norm=1000"]
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
            overrides = [*recipe, f"network={network}", f"dataset.cache_dir={folder}"]
            directory = f"hydra.run.dir={folder}/{network}"
            # The learning rate falls towards the last epoch, so that the number of epochs must be chosen beforehand.
            trial = program("galvae", overrides=[*overrides, "epochs=2", f"{directory}-trial"])
            epochs = max(2, int(budget / trial["history"][-1]["seconds"]))
            result = program("galvae", overrides=[*overrides, f"epochs={epochs}", directory])
            # The time outside the epochs, mostly for checkpoints, is distributed evenly over them.
            elapsed = np.cumsum([epoch["seconds"] for epoch in result["history"]])
            elapsed *= result["seconds"] / elapsed[-1]
            curves[f"{network}, recommended recipe"] = [
                [float(seconds), epoch["val_loss"]]
                for seconds, epoch in zip(elapsed, result["history"], strict=True)
            ]
    rows = []
    for name, curve in curves.items():
        reached = next((seconds for seconds, loss in curve if loss <= goal), None)
        text = "; ".join(f"{seconds:.0f} s: {loss:.1f}" for seconds, loss in thinned(curve))
        rows.append(row(f"validation loss, {name}", text))
        if curve is not published:
            measured = "not reached" if reached is None else f"{reached:.0f} s"
            ratio = None if reached is None else reached / published[-1][0]
            case = f"time to the loss of the {KERAS} after {published[-1][0]:.0f} s, {name}"
            rows.append(row(case, measured, ratio, KERAS))
    return rows


def feed(quick):
    """Speed of training from the memory-mapped cache, against the same step on one fixed batch."""
    with tempfile.TemporaryDirectory() as folder:
        images = np.load(tiled(folder, "colour", 1000 if quick else 4000, 128, 3), mmap_mode="r")
        steps = (4, 3) if quick else (15, 7)
        return compare_sources(
            "conv", {"one fixed batch": (images, 0), "the cache": (images, len(images))}, 128, *steps
        )


def larger_than_memory(quick):
    """Speed of training from 300,000 stamps of 158 px in float32 (30 GB), against 5,000 of them."""
    count, steps, rounds = (10_000, 50, 1) if quick else (300_000, 500, 3)
    few = min(5000, count // 2)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = tiled(folder, "grey", count, 158, 1, np.float32)
        with open(path, "rb") as file:  # drop the pages that writing left in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        images = np.load(path, mmap_mode="r")
        images[:few].max()  # reads these few into memory
        measures = {f"{few:,} stamps, in memory": (images, few), f"{count:,} stamps": (images, count)}
        rows = compare_sources("slim", measures, 32, steps, rounds)
    return [{**row, "case": f"{row['case']}, {images.nbytes / 1e9:.0f} GB file"} for row in rows]


def compare_sources(network, sources, batch, steps, rounds):
    """Measures the speed of a network's training steps on images from several sources; the first is the reference.

    Args:
        network: name of a network.
        sources: name -> (memory-mapped images, number of them to train on); 0 stands for one fixed batch.
        batch: images per step.
        steps: steps of a measurement, each of which continues where the previous one of its source ended.
        rounds: number of measurements of each source, alternating.
    """
    from galvae.backend.hardware import memory_mb
    from galvae.backend.setup import setup

    device = setup("tensorflow", "auto", 0)
    import keras  # after setup, as are the modules that import it
    import tensorflow as tf

    from galvae.backend.input_pipeline import feed
    from galvae.models.build import VAE

    shape = next(iter(sources.values()))[0].shape[1:]
    model = VAE(shape, 8, network_config(network), pixel_range=(0, 255), augment=True)
    model.build_all()
    model.compile(optimizer=keras.optimizers.Adam(1e-4, name="adam"), jit_compile=device.jit)
    steps_done, peaks = dict.fromkeys(sources, 0), dict.fromkeys(sources, 0.0)

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
        options.autotune.enabled = False  # as in `feed`, since its thread would disturb the measurement
        return tf.data.Dataset.from_tensors((batches.gather(batches.step(0)),)).repeat().with_options(options)

    def fit(name, steps):
        batches = inputs(*sources[name], steps_done[name])
        seconds = seconds_of(lambda: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0))
        steps_done[name] += steps
        peaks[name] = max(peaks[name], memory_mb())
        return seconds

    for name in sources:
        fit(name, 2)  # traces the training step
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
    """Peak memory, above the framework's, of training on 17,736 images of 128x128x3, against float32 in memory."""
    count = 640 if quick else 17_736
    with tempfile.TemporaryDirectory() as folder:
        images = tiled(folder, "colour", count, 128, 3)
        idle = program("framework")["peak_mb"]
        tutorial = program("keras_tutorial", images=str(images), train=list(range(count)), val=[], epochs=1)
        result = galvae(images, ["experiment=galaxy10_blog", "precision=auto", "epochs=1"])
    peaks = {f"{KERAS}, float32 in memory": tutorial["peak_mb"], "galvae": result["peak_mb"]}
    return [
        row(
            f"train conv on {count:,} images of 128 px, peak memory above TensorFlow's {idle:.0f} MB, {name}",
            f"{peak - idle:.0f} MB",
            None if peak == tutorial["peak_mb"] else (peak - idle) / (tutorial["peak_mb"] - idle),
            None if peak == tutorial["peak_mb"] else KERAS,
            peak_mb=peak,
        )
        for name, peak in peaks.items()
    ]


def growth(quick):
    """Training time per galaxy of 32 px and epoch, and peak memory, for 5,000 and 500,000 galaxies."""
    counts = (500, 5000) if quick else (5000, 500_000)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            images = tiled(folder, f"small{count}", count, 32, 3)
            # The first epoch compiles, which matters where there are few galaxies.
            results[count] = galvae(images, [f"epochs={1 if count == counts[-1] else 11}"])
    rows, first = [], None
    for count in counts:
        history = results[count]["history"]
        cost = statistics.median(epoch["seconds"] for epoch in history[1:] or history) / count
        first = first or cost
        rows.append(
            row(
                f"an epoch of {count:,} galaxies of 32 px",
                f"{1e6 * cost:.0f} us per galaxy",
                cost / first,
                f"{counts[0]:,} galaxies",
                peak_mb=results[count]["peak_mb"],
            )
        )
    return rows


def precision(quick):
    """Validation loss after 20 epochs in the precision of `precision=auto`, against float32 with the same seeds."""
    epochs = 2 if quick else 20
    cross_entropy = ["reconstruction.loss=bce", "reconstruction.weight=1"]  # the blog's objective
    overrides_of = {
        "hdf": ([], 6),
        "hdf, cross-entropy": (cross_entropy, 6),
        "simulated": (["experiment=simulated_recommended"], 3),
    }
    rows = []
    for name, (overrides, seeds) in overrides_of.items():
        ratios = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(1 if quick else seeds):
                losses = []
                for kind in ("auto", "float32"):
                    directory = f"hydra.run.dir={folder}/{seed}-{kind}"
                    settings_of_run = [f"seed={seed}", f"precision={kind}", f"epochs={epochs}", directory]
                    cache = f"dataset.cache_dir={folder}"
                    result = program("galvae", overrides=[*overrides, *settings_of_run, cache])
                    losses.append(result["metrics"]["val_loss"])
                ratios.append(losses[0] / losses[1])
        mean = statistics.mean(ratios)
        error = statistics.stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else float("nan")
        text = f"{mean:.4f} +- {error:.4f}, {len(ratios)} seeds"
        rows.append(row(f"{name}, {epochs} epochs, precision=auto, validation loss", text, mean, "float32"))
    return rows


def default_train(quick):
    """Time of the whole command `galvae train` with all defaults and an empty cache, and of its fit alone."""
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
    """Time for snapshots and checkpoints relative to that of the epochs, for `checkpoint.every` of auto and 1."""
    rows = []
    for every in ("auto", "1"):
        with tempfile.TemporaryDirectory() as folder:
            epochs = f"epochs={20 if quick else 100}"
            overrides = [f"checkpoint.every={every}", epochs, f"hydra.run.dir={folder}/run"]
            result = program("checkpoints", overrides=overrides)
        name = f"checkpoints and snapshots of galvae train, checkpoint.every={every}"
        ratio = result["spent"] / result["metrics"]["seconds"]
        rows.append(row(name, f"{result['spent']:.2f} s", ratio, "time of the epochs"))
    return rows


def sweep_memory(quick):
    """Peak memory of the first to the tenth job of a sweep in one process."""
    count = 4 if quick else 10
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"seed=range({count})", "epochs=2", f"hydra.sweep.dir={folder}/sweep"]
        run([*GALVAE, "train", "-m", *overrides])
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


def galvae(images, overrides, environment=None):
    """Runs `galvae train` on an .npy file of images in a separate process; see `benchmarking.programs.galvae`."""
    with tempfile.TemporaryDirectory() as folder:
        overrides = [*overrides, *of_file(images), f"hydra.run.dir={folder}/run"]
        return program("galvae", environment, overrides=overrides)


def of_file(images):
    """Keys with which galvae trains on an .npy file of images as they are; its cache lies beside the file."""
    return [
        "dataset=files",
        f"dataset.path={images}",
        "dataset.stretch=none",
        f"dataset.cache_dir={images.parent}",
    ]


def device_limits(backend="tensorflow"):
    """What `benchmarking.programs.device` says, and the rate of matrix products in float32 and the chosen precision."""
    limits = program("device", backend=backend)
    for name in {"float32", limits["precision"]}:
        limits[name] = program("matrix_products", backend=backend, precision=name)["rate"]
    return limits


def splits(count):
    """Row indices of the images in train, val and test, as galvae splits them."""
    return {name: indices.tolist() for name, indices in make_splits(count, SHARES, 0).items()}


def tiled(folder, name, count, size, bands, dtype=np.uint8):
    """Writes an .npy file of galaxies, (count, size, size, bands) from 0 to 255, that repeats up to 100 drawn ones.

    Args:
        folder: where the file is written.
        name: of the file, without its ending.
        count: number of galaxies.
        size: side of an image in pixels.
        bands: number of bands.
        dtype: of the pixels.

    Returns:
        Path of the file.
    """
    drawn = np.stack([galaxy(seed, size, bands) for seed in range(min(count, 100))]).astype(dtype)
    path = Path(folder, f"{name}.npy")
    images = np.lib.format.open_memmap(path, "w+", dtype, (count, size, size, bands))
    for start in range(0, count, len(drawn)):
        images[start : start + len(drawn)] = drawn[: count - start]
    images.flush()
    return path


def galaxy(seed, size, bands):
    """Draws an exponential disc of random size, shape and colour on a noisy sky, (size, size, bands) from 0 to 255."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    angle, axis_ratio = generator.uniform(0, np.pi), generator.uniform(0.3, 1)
    major = x * np.cos(angle) + y * np.sin(angle)
    minor = (y * np.cos(angle) - x * np.sin(angle)) / axis_ratio
    light = np.exp(-np.hypot(major, minor) / (size * generator.uniform(0.03, 0.1)))
    image = light[..., None] * generator.uniform(100, 220, bands) + generator.normal(
        20, 4, (size, size, bands)
    )
    return np.clip(image, 0, 255)


def network_config(name):
    """Configuration of a network with the values of conf/."""
    from galvae.config.model import ConvConfig, DcganConfig, SlimConfig

    kinds = {"conv": ConvConfig, "slim": SlimConfig, "dcgan": DcganConfig}
    return kinds[name](**settings(f"network/{name}"))


def settings(name):
    """Values of a file of conf/, such as "network/conv"."""
    import yaml

    from galvae.config.defaults import CONF

    return yaml.safe_load((CONF / f"{name}.yaml").read_text())


def installed(package):
    """Whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def thinned(curve, most=8):
    """At most `most` evenly spaced points of a curve, including the last."""
    return [curve[i] for i in sorted({int(i) for i in np.linspace(0, len(curve) - 1, most)})]
