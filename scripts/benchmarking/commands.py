"""Benchmark cases of the commands around training: start-up, data preparation, encoding, UMAP, figures."""

import sys
import tempfile
import warnings
import zlib
from pathlib import Path

import numpy as np

from benchmarking.measuring import GALVAE, alternating, medians, row, run, seconds_of
from benchmarking.training import network_config, settings, tiled

TAB = {"COMP_LINE": "galvae train model=", "COMP_POINT": "19"}


def startup(quick):
    """Start-up time of `galvae --help`, a TAB completion and a finished run, against that of Python itself."""
    with tempfile.TemporaryDirectory() as folder:
        finished = [*GALVAE, "train", "epochs=1", f"hydra.run.dir={folder}/run"]
        run(finished)
        commands = {
            "python -c pass": ([sys.executable, "-c", "pass"], {}),
            "galvae --help": ([*GALVAE, "--help"], {}),
            "galvae train --help": ([*GALVAE, "train", "--help"], {}),
            "galvae <TAB>": ([*GALVAE, "-sc", "query=bash"], TAB),
            "galvae train, finished already": (finished, {}),
        }
        measures = {name: lambda c=command: run(*c).seconds for name, command in commands.items()}
        seconds = medians(measures, 3 if quick else 9)
    reference = seconds["python -c pass"]
    return [
        row(name, f"{value:.3f} s", value / reference, "python -c pass") for name, value in seconds.items()
    ]


def prepare(quick):
    """Time of `galvae prepare` for a file of Galaxy10's layout and size, against reading it with h5py alone."""
    count = 1000 if quick else 17_736
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "galaxies.h5")
        write_galaxy10(path, count)
        read = (
            f"import h5py\nwith h5py.File({str(path)!r}) as f:\n"
            " for i in range(0, len(f['images']), 128): f['images'][i:i+128]"
        )

        def prepare_once():
            with tempfile.TemporaryDirectory(dir=folder) as cache:
                arguments = ["dataset=galaxy10", f"dataset.path={path}"]
                return run([*GALVAE, "prepare", *arguments], {"GALVAE_CACHE": cache}, cache)

        measures = {"h5py alone": lambda: run([sys.executable, "-c", read]), "galvae prepare": prepare_once}
        results = alternating(measures, 1 if quick else 3)
    return speeds(results, count, f"{count:,} gzipped images of 256 px")


def stamps(quick):
    """Time of `galvae prepare` for 20,000 stamps of 158 px in vae-project's COSMOS layout, against h5py alone."""
    import h5py

    count = 1000 if quick else 20_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cosmos.h5")
        images = np.load(tiled(folder, "stamps", count, 158, 1, np.float32), mmap_mode="r")
        with h5py.File(path, "w") as file:
            file["images"] = images[..., 0]
            file["redshift"] = np.linspace(0.1, 1.5, count, dtype=np.float32)
        read = f"import h5py\nh5py.File({str(path)!r})['images'][()]"
        arguments = ["dataset=cosmos", f"dataset.path={path}", f"dataset.cache_dir={folder}"]
        measures = {
            "h5py alone": lambda: run([sys.executable, "-c", read]),
            "galvae prepare": lambda: run([*GALVAE, "prepare", *arguments], {}, folder),
        }
        results = alternating(measures, 1)
    return speeds(results, count, f"{count:,} stamps of 158 px")


def speeds(results, count, what):
    """Rows with the speeds of processes that read `count` images each; the first is the reference.

    Args:
        results: name -> list of ProcessResult.
        count: number of images.
        what: description of the images.
    """
    seconds = {name: float(np.median([done.seconds for done in runs])) for name, runs in results.items()}
    reference = next(iter(seconds))
    return [
        row(
            f"{name}, {what}",
            f"{count / seconds[name]:.0f} images/s",
            seconds[reference] / seconds[name],
            reference,
            peak_mb=max(done.peak_mb for done in runs),
        )
        for name, runs in results.items()
    ]


def simulated(quick):
    """Speed at which one process draws simulated galaxies of 64 px in 3 bands."""
    from galvae.config.dataset import SimulatedConfig
    from galvae.data.readers import simulated as reader

    values = {**settings("dataset/simulated"), "workers": 1}
    count = 600 if quick else 3000
    source = reader.read(SimulatedConfig(**{**values, "count": count}))
    list(reader.read(SimulatedConfig(**{**values, "count": 10})).blocks)  # imports galsim
    seconds = seconds_of(lambda: [len(block) for block in source.blocks])
    return [row("simulated, 64 px, 3 bands, one core", f"{count / seconds:.0f} images/s")]


def encode(quick, backend="tensorflow", precision="float32", side=128, count=None):
    """Speed of encoding and decoding a memory-mapped dataset, against the forward pass alone on one fixed batch.

    Args:
        quick: whether to measure once, and few images unless `count` is given.
        backend, precision: see `galvae.backend.setup.setup`.
        side: of an image in pixels.
        count: number of images.
    """
    from galvae.backend.setup import setup

    setup(backend, precision, 0)
    from galvae.backend.graph import compiled
    from galvae.data.dataset import GalaxyDataset
    from galvae.latent import inference
    from galvae.models.build import VAE

    count = count or (inference.MIN_COMPILED if quick else 2 * inference.MIN_COMPILED)
    with tempfile.TemporaryDirectory() as folder:
        images = np.load(tiled(folder, "colour", count, side, 3), mmap_mode="r")
        data = GalaxyDataset(name="benchmark", images=images, pixel_range=(0, 255))
        model = VAE((side, side, 3), 8, network_config("conv"))
        model.build_all()
        encoder, decoder = compiled(model.encode, model), compiled(model.decode, model)
        batch = np.array(images[: inference.BATCH])
        decoder(np.asarray(encoder(batch)[0]))  # traces both functions
        indices = np.random.default_rng(0).permutation(count)
        steps = range(count // inference.BATCH)
        measures = {
            "encoder alone": lambda: [np.asarray(encoder(batch)[0]) for _ in steps],
            "encode_dataset": lambda: inference.encode_dataset(model, data, indices),
            "encoder and decoder alone": lambda: [np.asarray(decoder(encoder(batch)[0])) for _ in steps],
            "encode_dataset and decoded_batches": lambda: [
                len(decoded)
                for decoded in inference.decoded_batches(
                    model, inference.encode_dataset(model, data, indices).mean
                )
            ],
        }
        timed = {name: lambda m=measure: seconds_of(m) for name, measure in measures.items()}
        seconds = medians(timed, 1 if quick else 3)
    return _beside_alone(f"conv {side} px", count, seconds)


def encode_command(quick):
    """Speed of `galvae encode`, without and with scores, against encoder and decoder alone on one fixed batch."""
    from galvae.backend.setup import setup

    setup("tensorflow", "float32", 0)
    return [line for network in ("conv", "slim") for line in _encoded_by(network, quick)]


def _encoded_by(network, quick):
    """Rows of `encode_command` for one network."""
    from types import SimpleNamespace

    from galvae.analysis.encoded import Encoder, Scores
    from galvae.backend.graph import compiled
    from galvae.data.dataset import GalaxyDataset
    from galvae.latent import inference
    from galvae.models.build import VAE

    count = inference.MIN_COMPILED if quick else 4 * inference.MIN_COMPILED
    galaxies, steps = np.arange(count), range(count // inference.BATCH)
    run = SimpleNamespace(model=VAE((64, 64, 3), 32, network_config(network)))
    run.model.build_all()
    encoder, decoder = (compiled(function, run.model) for function in (run.model.encode, run.model.decode))
    with tempfile.TemporaryDirectory() as folder:
        images = np.load(tiled(folder, "colour", count, 64, 3), mmap_mode="r")
        data = GalaxyDataset(name="benchmark", images=images, pixel_range=(0, 255), splits={"all": galaxies})
        batch = np.array(images[: inference.BATCH])
        plain, scored = (Encoder(run, data, added, count) for added in ({}, {"scores": Scores(None, None)}))
        decoder(np.asarray(encoder(batch)[0]))  # traces both functions
        plain.encode(galaxies[: inference.BATCH])
        scored.encode(galaxies[: inference.BATCH])
        measures = {
            "encoder alone": lambda: [np.asarray(encoder(batch)[0]) for _ in steps],
            "encode add=[]": lambda: plain.encode(galaxies),
            "encoder and decoder alone": lambda: [
                np.asarray(decoder(np.asarray(encoder(batch)[0]))) for _ in steps
            ],
            "encode add=[scores]": lambda: scored.encode(galaxies),
        }
        timed = {name: lambda m=measure: seconds_of(m) for name, measure in measures.items()}
        seconds = medians(timed, 1 if quick else 5)
    return _beside_alone(f"{network} 64 px", count, seconds)


def _beside_alone(title, count, seconds):
    """Rows of the speed of two commands, each after that of the networks alone, with its ratio to theirs.

    Args:
        title: of what was timed.
        count: number of images.
        seconds: name -> seconds, of the networks alone, a command, other networks alone, another command.
    """
    names = list(seconds)
    return [
        row(
            f"{title}, {name}", f"{count / seconds[name]:.0f} images/s", seconds[alone] / seconds[name], alone
        )
        for alone, name in zip([names[0]] * 2 + [names[2]] * 2, names, strict=True)
    ]


def figures(quick):
    """Time to draw and write a figure of 400 galaxies of 128 px, per file format."""
    from galvae import figures as drawing

    images = np.random.default_rng(0).random((100 if quick else 400, 128, 128, 3), np.float32)
    with tempfile.TemporaryDirectory() as folder:

        def draw(ending):
            style = drawing.Style(ending)
            drawing.save(drawing.grid(images, style=style), Path(folder, "grid"), style)

        measures = {ending: lambda e=ending: seconds_of(lambda: draw(e)) for ending in ("png", "pdf", "svg")}
        seconds = medians(measures, 1 if quick else 3)
    return [row(f"figure of {len(images)} galaxies, {name}", f"{s:.2f} s") for name, s in seconds.items()]


def umap(quick):
    """Time of the UMAP embedding of 17,736 codes and its scatter plot, against umap-learn with the same seed."""
    from galvae import figures as drawing
    from galvae.latent import umap_embedding

    values = umap_settings(quick)
    count = 5000 if quick else 17_736
    codes = galaxy_codes(count)
    embeddings = []

    def fit_with_umap_learn():
        from umap import UMAP

        names = ("n_neighbors", "min_dist", "metric", "n_epochs")
        return UMAP(**{name: values[name] for name in names}, random_state=0, n_jobs=1).fit(codes)

    def fit_with_galvae():
        embeddings[:] = [umap_embedding.fit("", range(count), codes, values)]
        figure = drawing.scatter(*embeddings[0].plane.T, ("UMAP 1", "UMAP 2"), equal=True)
        with tempfile.TemporaryDirectory() as folder:
            drawing.save(figure, Path(folder, "umap"))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measures = {
            "umap-learn": lambda: seconds_of(fit_with_umap_learn),
            "galvae": lambda: seconds_of(fit_with_galvae),
        }
        first = medians(measures, 1)  # includes imports and compilation
        seconds = medians(measures, 1 if quick else 3)
        points = embeddings[0].plane[:: count // 400][:400]
        inverse_seconds = seconds_of(lambda: umap_embedding.inverse(embeddings[0], points))
    what = {"umap-learn": "fit", "galvae": "fit, neighbours and scatter"}
    rows = [
        row(f"{name}, {what[name]} of {count:,} codes", f"{s:.1f} s", s / seconds["umap-learn"], "umap-learn")
        for name, s in seconds.items()
    ]
    rows.append(
        row("umap-learn, the first fit, with imports and compilation", f"{first['umap-learn']:.1f} s")
    )
    return [*rows, row(f"galvae, inverse of 400 positions among {count:,} codes", f"{inverse_seconds:.1f} s")]


def umap_memory(quick):
    """Peak memory of embedding 50,000 and 300,000 codes and inverting 400 positions of the plane."""
    counts = (5000, 20_000) if quick else (50_000, 300_000)
    rows, first = [], None
    for count in counts:
        program = (
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
            "from benchmarking import commands\nfrom galvae.latent import umap_embedding\n"
            f"codes = commands.galaxy_codes({count})\n"
            f"embedding = umap_embedding.fit('', range({count}), codes, {umap_settings(quick)})\n"
            "umap_embedding.inverse(embedding, embedding.plane[:400])"
        )
        done = run([sys.executable, "-c", program])
        first = first or done
        name = f"galvae, embedding of {count:,} codes and 400 inverses"
        ratio = done.peak_mb / first.peak_mb
        reference = f"{counts[0]:,} codes, memory"
        rows.append(row(name, f"{done.seconds:.0f} s", ratio, reference, peak_mb=done.peak_mb))
    return rows


def umap_settings(quick):
    """Settings for galvae.latent.umap_embedding.fit from conf/, with fewer epochs in a quick run."""
    names = ("n_neighbors", "min_dist", "metric", "n_epochs", "fitted")
    values = settings("umap")
    chosen = {**{name: values[name] for name in names}, "seed": 0}
    return {**chosen, "n_epochs": 100} if quick else chosen


def galaxy_codes(count):
    """Random codes in ten overlapping clusters of eight dimensions, (count, 8) float32."""
    generator = np.random.default_rng(0)
    centres = 1.5 * generator.normal(size=(10, 8))
    return (centres[generator.integers(0, 10, count)] + generator.normal(size=(count, 8))).astype(np.float32)


def write_galaxy10(path, count):
    """Writes a file in Galaxy10's layout, compressed image by image, that repeats up to 100 drawn galaxies."""
    import h5py

    shape = (256, 256, 3)
    with tempfile.TemporaryDirectory() as folder:
        drawn = np.load(tiled(folder, "drawn", min(count, 100), shape[0], shape[2]))
    packed = [zlib.compress(image.tobytes(), 4) for image in drawn]
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, *shape), "compression": "gzip", "compression_opts": 4}
        images = file.create_dataset("images", (count, *shape), np.uint8, **options)
        for number in range(count):
            images.id.write_direct_chunk((number, 0, 0, 0), packed[number % len(packed)])
        file["ans"] = (np.arange(count) % 10).astype(np.uint8)
