"""The input pipeline: batches prepared while the previous step runs, or gathered from images on the device."""

import logging

import keras
import numpy as np

from galvae.backend.devices import free_memory, out_of_memory
from galvae.backend.replicas import replicas
from galvae.errors import line_of

if keras.config.backend() == "tensorflow":
    import tensorflow as tf
else:
    import jax

READ_BYTES = 64_000_000  # copied to the device at a time
MEMORY_SHARE = 0.5  # of the free memory that resident images may take; a step needs the rest

log = logging.getLogger(__name__)


def feed(batches, start=0, endless=True, resident=None):
    """Batches in the form that Keras' fit consumes fastest, prepared while the previous step runs.

    Several devices, those of the `Device.scope` around this call, get equal parts of each batch. A batch that
    cannot be divided equally is given whole to each of them, so that the mean over devices is always the mean
    over the batch.

    Args:
        batches: a galvae Batches.
        start: the first step.
        endless: whether more epochs follow the first.
        resident: ResidentImages, if the model is to receive positions in them instead of images; or None.

    Returns:
        An iterable of (inputs,) for `fit`, of which an epoch is `len(batches)` steps.
    """
    if keras.config.backend() != "tensorflow":
        return _sequence(batches, start, endless, resident)
    count = replicas()

    def take(number):
        if count == 1:
            return (resident or batches).gather(batches.step(number))
        return _shard(batches, *divmod(number, count), count)

    sample = take(0)
    names, dtypes = list(sample), [array.dtype for array in sample.values()]

    def gather(number):
        return list(take(int(number)).values())

    def inputs(number):
        arrays = tf.numpy_function(gather, [number], dtypes)
        for array, name in zip(arrays, names, strict=True):
            array.set_shape((None, *sample[name].shape[1:]))
        return (dict(zip(names, arrays, strict=True)),)

    # There is nothing to tune here, and the end of training would wait for the tuner's thread, which sleeps for
    # up to a minute at a time.
    options = tf.data.Options()
    options.autotune.enabled = False
    numbers = tf.data.Dataset.counter(start * count)
    if not endless:
        numbers = numbers.take(len(batches) * count)
    dataset = numbers.map(inputs).prefetch(2 * count).with_options(options)
    if count == 1:
        return dataset
    return tf.distribute.get_strategy().distribute_datasets_from_function(lambda _: dataset)


class ResidentImages:
    """Images, conditions and masks in the device's memory, as they are stored, from which each step gathers its batch.

    TensorFlow's steps refer to the arrays. JAX would compile arrays that a step refers to as constants, so its steps
    receive them, without a copy, together with the row positions of their images.

    Args:
        dataset: GalaxyDataset.
        indices: of the images to hold.
    """

    def __init__(self, dataset, indices):
        self.indices = np.unique(indices)  # in order, so that the memory map is read from front to back
        self.arrays = {name: _on_device(array, self.indices) for name, array in dataset.model_arrays.items()}

    def gather(self, indices):
        """What a step receives instead of the images of `Batches.gather`: their row positions in the arrays.

        Args:
            indices: (B,) of images in the dataset.

        Returns:
            dict of positions (B,) and, on JAX, the arrays themselves.
        """
        inputs = {"positions": np.searchsorted(self.indices, indices)}
        return inputs if keras.config.backend() == "tensorflow" else {**inputs, "resident": self.arrays}

    def take(self, inputs):
        """Gathers the images themselves, within a step.

        Args:
            inputs: what `gather` returned, as tensors.

        Returns:
            dict of tensors: images (B, H, W, C) as stored and, if the dataset has them, condition (B, K) and mask
            (B, H, W, C).
        """
        positions = inputs["positions"]
        if "resident" in inputs:
            return {name: array[positions] for name, array in inputs["resident"].items()}
        # The arrays are variables: of those, unlike of tensors, a GPU gathers rows of uint8 too.
        return {name: tf.gather(array, positions) for name, array in self.arrays.items()}


def make_resident(requested, device, dataset, indices):
    """Copies the images of a run to its device, if that is requested and they fit.

    If they do not fit or cannot be copied, a log message says why.

    Args:
        requested: True, False, or "auto": on a GPU.
        device: Device.
        dataset: GalaxyDataset.
        indices: of the images that training and validation need.

    Returns:
        ResidentImages, or None.
    """
    if requested is False or (requested == "auto" and (device.kind == "cpu" or device.count > 1)):
        return None
    if device.count > 1:
        log.warning(
            "resident=true: expected one device, received %d; batches come from the cache", device.count
        )
        return None
    needed = len(indices) * sum(array.nbytes // len(array) for array in dataset.model_arrays.values())
    most = MEMORY_SHARE * free_memory(device.kind)
    if needed > most:
        log.log(
            logging.INFO if requested == "auto" else logging.WARNING,
            "resident=%s: expected images of at most %.3g MB, half of the %s's free memory, received %.3g MB; "
            "batches come from the cache",
            *(str(requested).lower(), most / 1e6, device.kind.upper(), needed / 1e6),
        )
        return None
    try:
        resident = ResidentImages(dataset, indices)
    except out_of_memory() as error:  # another process has taken what was free
        log.warning(
            "resident=%s: expected %.3g MB of memory on the %s, received %s; batches come from the cache",
            *(str(requested).lower(), needed / 1e6, device.kind.upper(), line_of(error)),
        )
        return None
    log.info("%.3g MB of images are held in the %s's memory", needed / 1e6, device.kind.upper())
    return resident


def _on_device(stored, indices):
    """Rows of an array on the device, copied block by block, so that main memory never holds all of them."""
    shape, rows = (len(indices), *stored.shape[1:]), max(1, READ_BYTES * len(stored) // stored.nbytes)
    # The last block begins early enough to be as long as the others.
    starts = [min(start, max(0, len(indices) - rows)) for start in range(0, len(indices), rows)]
    blocks = ((start, stored[indices[start : start + rows]]) for start in starts)
    if keras.config.backend() == "tensorflow":
        array = tf.Variable(lambda: tf.zeros(shape, stored.dtype), trainable=False)
        for start, block in blocks:
            array.scatter_update(tf.IndexedSlices(block, np.arange(start, start + len(block))))
        return array
    array = jax.numpy.zeros(shape, stored.dtype)
    update = jax.jit(jax.lax.dynamic_update_slice_in_dim, static_argnums=3, donate_argnums=0)
    for start, block in blocks:
        array = update(array, block, start, 0)
        array.block_until_ready()  # else blocks would queue up in memory
    return array


def _shard(batches, step, device, count):
    """The part of a step's batch that one of several devices computes.

    Args:
        batches: a galvae Batches.
        step: number of the step.
        device: number of the device.
        count: of devices.

    Returns:
        dict of what `Batches.gather` returns and, for each image, its row in the whole batch and its weight in
        means over images, so that the weights of an image sum to one over all devices.
    """
    indices = batches.step(step)
    rows, weight = np.arange(len(indices), dtype=np.int32), 1 / count
    if len(indices) % count == 0:
        rows, weight = np.split(rows, count)[device], 1
    return {
        **batches.gather(indices[rows]),
        "rows": rows,
        "weight": np.full(len(rows), weight, np.float32),
    }


def _sequence(batches, start, endless, resident):
    """Batches for JAX, where every device sees the whole batch, wherever its parts are stored."""
    distribution = keras.distribution.distribution()

    # Not a generator: each validation would repeat the first two batches of one, and then continue where the last
    # validation ended.
    class Sequence(keras.utils.PyDataset):
        """The batches by their number."""

        num_batches = None if endless else len(batches)

        def __getitem__(self, index):
            indices = batches.step(start + index)
            if distribution is None:
                return ((resident or batches).gather(indices),)
            own = _own_rows(len(indices), distribution)
            inputs = batches.gather(indices[own])
            return (
                {name: _sharded(array, own, len(indices), distribution) for name, array in inputs.items()},
            )

    return Sequence()


def _layout(shape, distribution):
    """How an array's first axis is divided among JAX devices; if they cannot divide it equally, each has all of it."""
    layout = distribution.get_data_layout(shape)
    if shape[0] % distribution.num_model_replicas:
        layout = keras.distribution.TensorLayout([None] * len(shape), distribution.device_mesh)
    return layout.backend_layout


def _own_rows(count, distribution):
    """The slice of a batch's rows that the devices of this process need, which are neighbours."""
    needed = _layout((count,), distribution).addressable_devices_indices_map((count,)).values()
    bounds = [rows.indices(count)[:2] for (rows,) in needed]
    return slice(min(start for start, _ in bounds), max(stop for _, stop in bounds))


def _sharded(array, own, count, distribution):
    """An array divided among JAX devices, see `_layout`.

    Args:
        array: the rows that the devices of this process need.
        own: their slice of the whole batch.
        count: number of rows of the whole batch.
        distribution: keras.distribution.DataParallel.
    """

    def part(index):
        start, stop, _ = index[0].indices(count)
        return array[(slice(start - own.start, stop - own.start), *index[1:])]

    shape = (count, *array.shape[1:])
    return jax.make_array_from_callback(shape, _layout(shape, distribution), part)
