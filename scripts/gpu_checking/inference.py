"""Checks of validation, encoding and decoding, beside the bare forward pass of the network."""

import numpy as np
from benchmarking import commands
from benchmarking.measuring import medians, seconds_of
from benchmarking.training import network_config

from gpu_checking.check import row

WANTED = 0.9  # of the speed of the bare forward pass
BATCH = 128


def coding(settings):
    """Encoding and decoding of a dataset by conv at 128 pixels, against the networks alone on one fixed batch."""
    small = settings.kind == "cpu"
    side, count = settings.side(128), None if small else 25_600
    for result in commands.encode(small, settings.backend, "auto", side, count):
        judged = None if result["case"].endswith("alone") else settings.on_gpu(result["ratio"] >= WANTED)
        yield row(
            f"{result['case']}, ratio to {result['reference']}",
            f"{result['measured']}, {result['ratio']:.2f}",
            judged,
            "" if judged is None else f"at least {WANTED}",
            value=result["ratio"],
        )


def validation(settings):
    """Keras' evaluation of a model as training validates it, against the bare forward pass on one fixed batch."""
    from galvae.backend.setup import setup

    device = setup(settings.backend, "auto", 0)
    import keras

    from galvae.backend import input_pipeline
    from galvae.backend.graph import compiled
    from galvae.data.dataset import GalaxyDataset
    from galvae.models.build import VAE

    images = np.load(settings.images(), mmap_mode="r")
    images = images[: len(images) // BATCH * BATCH]
    everything = np.arange(len(images))
    data = GalaxyDataset(name="check", images=images, pixel_range=(0, 255), splits={"val": everything})
    batches = data.batches("val", BATCH)
    model = VAE(images.shape[1:], 8, network_config("conv"), pixel_range=(0, 255))
    model.build_all()
    model.compile(steps_per_execution=device.steps_at_once(len(batches)), jit_compile=device.jit)

    def losses(images):
        with keras.StatelessScope():  # so that the state of the random numbers stays as it is
            return model.loss_terms(model.forward({"images": images}, training=False))

    forward, batch = compiled(losses, model), keras.ops.convert_to_tensor(np.asarray(images[:BATCH]))
    everything_resident = input_pipeline.ResidentImages(data, everything)

    def bare():
        for _ in range(len(batches)):
            terms = forward(batch)
        np.asarray(terms["kl"])  # waits for all of them, which run in order

    def evaluate(resident):
        model.resident = resident
        feed = input_pipeline.feed(batches, endless=False, resident=resident)
        model.evaluate(feed, steps=len(batches), verbose=0)

    measures = {
        "the bare forward pass": bare,
        "validation, resident images": lambda: evaluate(everything_resident),
    }
    for measure in measures.values():
        measure()  # compiles
    timed = {name: lambda m=measure: seconds_of(m) for name, measure in measures.items()}
    seconds = medians(timed, 1 if settings.kind == "cpu" else 3)
    reference, *others = seconds
    yield row(f"conv {images.shape[1]} px, {reference}", f"{len(images) / seconds[reference]:,.0f} images/s")
    for name in others:
        ratio = seconds[reference] / seconds[name]
        yield row(
            f"conv {images.shape[1]} px, {name}, ratio to {reference}",
            f"{len(images) / seconds[name]:,.0f} images/s, {ratio:.2f}",
            settings.on_gpu(ratio >= WANTED),
            f"at least {WANTED}",
            value=ratio,
        )
