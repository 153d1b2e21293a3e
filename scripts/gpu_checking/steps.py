"""The check of one training step: how long each part of it takes, and whether the card ever waits for the host."""

import tempfile
from pathlib import Path

import numpy as np
from benchmarking.measuring import medians, seconds_of
from benchmarking.training import network_config

from gpu_checking.check import row

BATCH = 128
BUSY = 0.9  # of a step's time that the card should compute
# Parts of the names of kernels and of XLA's operations that multiply matrices or convolve.
CONVOLUTIONS = ("conv", "cudnn", "xmma", "gemm", "cutlass", "cublas", "dgrad", "wgrad", "fprop", "dot")
COPIES = ("memcpy", "memset", "copy")
# Without CUDA graphs, whose kernels a trace does not name.
BY_KERNEL = {"XLA_FLAGS": "--xla_gpu_enable_command_buffer="}


def profile(settings):
    """One step of conv at 128 pixels: shares of convolutions, gather, augmentation, optimizer; nothing on the host."""
    from galvae.backend.setup import setup

    device = setup("jax", "auto", 0)
    steps, rounds = (160, 3) if settings.kind == "gpu" else (4, 1)
    fits = {name: _fit(settings, device, steps, **changes) for name, changes in VARIANTS.items()}
    timed = {name: lambda fit=fit: seconds_of(fit) / steps for name, fit in fits.items()}
    for fit in fits.values():
        fit()  # compiles
    seconds = medians(timed, rounds)
    whole = seconds["all"]
    yield row(f"a step of {BATCH} images, {device.precision}", f"{1e3 * whole:.2f} ms", value=1e3 * whole)
    for name in [name for name in VARIANTS if name != "all"]:
        share = 1 - seconds[name] / whole
        yield row(f"share of {name} in a step, from steps without it", f"{share:.0%}", value=share)
    with tempfile.TemporaryDirectory() as folder:
        events = traced(fits["all"], folder)
    if not events:
        yield row("trace of a step", "no event of the device", False, "the driver lets CUPTI trace")
        return
    total = sum(duration for _, _, duration in events)
    for name, words in (("convolutions and matrix products", CONVOLUTIONS), ("copies", COPIES)):
        share = sum(d for event, _, d in events if any(word in event for word in words)) / total
        yield row(f"share of {name} in a step, from its trace", f"{share:.0%}", value=share)
    busy = busy_share(events)
    yield row(
        "time in which the card computes, without CUDA graphs",
        f"{busy:.0%}",
        settings.on_gpu(busy >= BUSY),
        f"at least {BUSY:.0%}",
        value=busy,
    )
    to_host = sum(is_to_host(event) for event, _, _ in events) / steps
    yield row(
        "copies from the card to the host in a step",
        f"{to_host:.2f}",
        settings.on_gpu(to_host <= 1),
        "at most 1: losses, once per several steps",
        value=to_host,
    )


# What a step is measured without.
VARIANTS = {
    "all": {},
    "augmentation": {"augment": False},
    "gather": {"gathered": False},
    "optimizer": {"adam": False},
}


def _fit(settings, device, steps, augment=True, gathered=True, adam=True):
    """A function that trains some steps with Keras' fit, as `galvae train` does.

    Args:
        settings: Settings.
        device: Device.
        steps: number of steps of a call.
        augment: whether images are flipped and rotated.
        gathered: whether each step gathers its images; else all have the same ones.
        adam: whether the optimizer is Adam; else it subtracts gradients, multiplied by zero.
    """
    import jax
    import keras

    from galvae.backend import input_pipeline
    from galvae.backend.optimizer import adam as galvae_adam
    from galvae.data.dataset import GalaxyDataset
    from galvae.models.build import VAE

    images = np.load(settings.images(count=5000), mmap_mode="r")
    everything = np.arange(len(images))
    data = GalaxyDataset(name="check", images=images, pixel_range=(0, 255), splits={"train": everything})
    batches = data.batches("train", BATCH, seed=0)
    model = VAE(images.shape[1:], 8, network_config("conv"), pixel_range=(0, 255), augment=augment)
    model.build_all()
    if gathered:
        model.resident = input_pipeline.ResidentImages(data, everything)
        feed = input_pipeline.feed(batches, resident=model.resident)
    else:
        first = {"images": jax.device_put(np.asarray(images[: batches.batch]))}

        class Same(keras.utils.PyDataset):
            """The first batch, again and again."""

            num_batches = None

            def __getitem__(self, index):
                return (first,)

        feed = Same()
    model.compile(
        optimizer=galvae_adam(1e-4, None) if adam else keras.optimizers.SGD(0.0),
        steps_per_execution=device.steps_at_once(steps),
        jit_compile=device.jit,
    )
    return lambda: model.fit(feed, steps_per_epoch=steps, shuffle=False, verbose=0)


def traced(function, folder):
    """Calls a function and returns the events of JAX's devices meanwhile, see `device_events`.

    Args:
        function: without arguments.
        folder: for the trace.
    """
    import jax

    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = options.host_tracer_level = 0
    if jax.default_backend() == "cpu":
        options.host_tracer_level = 2  # the processor's own operations are the host's
    with jax.profiler.trace(str(folder), profiler_options=options):
        function()
    (path,) = Path(folder).rglob("*.xplane.pb")
    return device_events(jax.profiler.ProfileData.from_file(str(path)).planes)


def device_events(planes):
    """What the devices of a trace computed and copied.

    Args:
        planes: of `jax.profiler.ProfileData`.

    Returns:
        List of (name in small letters, start in ns, duration in ns); a name has that of XLA's operation too, if known.
    """
    planes = list(planes)
    gpus = [plane for plane in planes if plane.name.startswith("/device:GPU")]
    events = []
    for plane in gpus or [plane for plane in planes if plane.name == "/host:CPU"]:
        for line in plane.lines:
            if gpus and not line.name.lower().startswith("stream"):
                continue  # the same time again, by step, module or operation
            for event in line.events:
                operation = dict(event.stats).get("hlo_op")
                if gpus or operation:
                    events.append(
                        (f"{event.name} {operation or ''}".lower(), event.start_ns, event.duration_ns)
                    )
    return events


def busy_share(events):
    """Share of the time between the first and the last event in which any was running.

    Args:
        events: see `device_events`.
    """
    spans = sorted((start, start + duration) for _, start, duration in events)
    busy, reached = 0, spans[0][0]
    for start, end in spans:
        busy += max(0, end - max(start, reached))
        reached = max(reached, end)
    return busy / max(reached - spans[0][0], 1)


def is_to_host(name):
    """Whether an event, by its name in small letters, is a copy from the device to the host."""
    return any(word in name for word in ("memcpyd2h", "memcpy dtoh", "memcpydtoh", "d2h"))
