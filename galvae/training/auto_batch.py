"""batch=auto: the largest batch whose steps fit in the memory."""

import dataclasses
import gc
import logging
import math

from galvae.backend import processes
from galvae.backend.devices import free_memory
from galvae.backend.input_pipeline import MEMORY_SHARE
from galvae.backend.optimizer import adam
from galvae.backend.setup import MOST_STEPS
from galvae.backend.step_memory import StepMemory
from galvae.errors import GalvaeError
from galvae.models.build import build_model

SHARE = 0.9  # of the free memory that a step may take: allocators leave gaps
FIRST, FACTOR = 8, 4  # images of the first step that is measured, and how many times more the second one has
FEW = 10  # steps of an epoch, of which fewer learn little

log = logging.getLogger(__name__)


def with_batch(config, dataset, device, resident, remat):
    """The configuration with the number for which batch=auto stands.

    A part, what a device computes at once, has the largest power of two of images that fits; the batch is as many
    parts as devices share it, times `accumulate`, and at most the training split. Measured on one device, before the
    model of the run is built; `setup` must be called again, since random numbers are drawn here.

    Args:
        config: TrainConfig whose batch is "auto".
        dataset: GalaxyDataset.
        device: Device.
        resident: whether training holds the images in the device's memory: True, False or "auto".
        remat: whether activations are computed again.

    Returns:
        TrainConfig.

    Raises:
        GalvaeError: if the device does not say how much memory is free, the training split has fewer images than there
            are parts, or the memory not one image's step.
    """
    train = len(dataset.split("train"))
    parts = device.count * config.accumulate
    if train < parts:
        raise GalvaeError(
            f"batch: auto divides each batch into {parts} parts (accumulate={config.accumulate} times "
            f"{device.count} for the devices); expected at least as many training images, received {train}"
        )
    free = free_memory(device.kind)
    if not free:
        raise GalvaeError(
            f"batch: the {device.kind.upper()} does not say how much of its memory is free; expected a number, "
            "received auto"
        )
    if device.kind == "cpu":  # whose devices and processes share it
        free = free * device.nodes / device.count
    room = SHARE * free - _images_bytes(dataset, device, resident, free)
    try:
        size, known = largest_power(_measurer(config, dataset, device, remat), room, train // parts)
    finally:
        gc.collect()
    if size is None:
        raise GalvaeError(
            f"batch: auto found no batch that fits: a step of {min(known)} image takes {_gb(known[min(known)])} GB, of "
            f"{_gb(room)} that are free on the {device.kind.upper()}; expected a smaller dataset.image_size, fewer "
            f"network.filters{'' if remat else ', or remat=true'}"
        )
    size = min(processes.gather("images of a part", size))
    batch = size * parts
    measured = ", ".join(f"{number}: {_gb(need)}" for number, need in sorted(known.items()))
    log.info(
        "batch=auto: %d, in parts of %d images on each device (GB that steps take, by their images: %s; %s are free)"
        "; learning_rate=%g is as given",
        *(batch, size, measured, _gb(room), config.learning_rate),
    )
    steps = math.ceil(train / batch)
    if steps < FEW:
        log.warning(
            "batch=auto: an epoch of %d training images has %s, and the fewer it has, the less it learns: "
            "give a smaller batch as a number, or more epochs",
            *(train, "1 step" if steps == 1 else f"{steps} steps"),
        )
    return dataclasses.replace(config, batch=batch)


def largest_power(measure, room, most):
    """The largest power of two of images whose step fits.

    What a step needs grows in proportion to its images, so that two steps tell about where to look, and a larger one is
    tried only if it should fit.

    Args:
        measure: function of a number of images that returns bytes, or None where that is not measured.
        room: bytes that a step may take.
        most: images.

    Returns:
        (number, known): the number, None if not one image fits, and a dict of the bytes that steps need, by their
        numbers of images, of which the largest may be estimated from the two before.
    """
    top = 2 ** (most.bit_length() - 1)
    known, least, too_large = {}, 0, 2 * top
    size = min(FIRST, top)
    while True:
        need = measure(size)
        if need is None:  # too long a step: what the line says counts
            need = _line(known, size)
        known[size] = need
        if need <= room:
            least = size
        else:
            too_large = size
        if too_large <= max(1, 2 * least):
            return least or None, known
        sizes = [2**power for power in range(top.bit_length()) if least < 2**power < too_large]
        fitting = [size for size in sizes if _line(known, size) <= room]
        if not least:
            size = (
                fitting[-1]
                if len(known) > 1 and fitting
                else sizes[len(sizes) // 2 if len(known) == 1 else 0]
            )
        elif len(known) == 1:
            size = min(FACTOR * least, sizes[-1])
        elif fitting:
            size = fitting[-1]
        else:
            return least, known


def _line(known, size):
    """Bytes that a step of some images should need, by the two largest steps that are known."""
    finite = sorted((number, need) for number, need in known.items() if math.isfinite(need))[-2:]
    if len(finite) < 2:
        return 0  # nothing speaks against it
    (first, low), (last, high) = finite
    return high + max(0, high - low) / (last - first) * (size - last)


def _measurer(config, dataset, device, remat):
    """The `measure` of `largest_power`, for parts of batches of a run."""
    memory = StepMemory(device.kind)
    model = build_model(
        config, dataset.image_shape, dataset.pixel_range, dataset.stretch, len(dataset.condition_names)
    )
    model.recompute(remat)
    model.compile(optimizer=adam(config.learning_rate, config.clip_norm), jit_compile=device.jit)
    model.optimizer.build(model.trainable_variables)

    def measure(size):
        if size > memory.largest:
            return None
        batches = dataset.batches("train", size, seed=config.seed)
        inputs = batches.gather(batches.step(0))
        waiting = MOST_STEPS * sum(array.nbytes for array in inputs.values()) if device.kind == "gpu" else 0
        return memory.measure(model, inputs) + waiting

    return measure


def _images_bytes(dataset, device, resident, free):
    """Bytes of the images that training will hold in the device's memory, see `make_resident`."""
    if resident is False or device.count > 1 or (resident == "auto" and device.kind == "cpu"):
        return 0
    count = len(dataset.split("train")) + len(dataset.split("val"))
    needed = count * sum(array.nbytes // len(array) for array in dataset.model_arrays.values())
    return needed if needed <= MEMORY_SHARE * free else 0


def _gb(number):
    return f"{number / 1e9:.3g}"
