"""The feeding of data: batches prepared beside the step, or gathered within it from images held on the device."""

import logging

import numpy as np

from galvae.backend.hardware import free_memory, out_of_memory
from galvae.backend.replicas import replicas
from galvae.errors import line_of

BLOCK = 64_000_000  # bytes that are read at once to fill the device
SHARE = 0.5  # of the free memory that the images may take; a step needs the rest

log = logging.getLogger(__name__)


def feed(batches, start=0, endless=True, resident=None):
    """The batches in the form that Keras' fit takes fastest, prepared beside the step.

    Several devices, those of the `Device.scope` around this call, get equal parts of each batch. A batch that
    cannot be parted equally is given to each of them whole, so that the mean over devices always is the mean
    over the batch.

    Args:
        batches: a galvae Batches.
        start: the first step.
        endless: whether to go on after an epoch.
        resident: the Resident that holds the images, of which the model then is given the places; or None.

    Returns:
        An iterable of (inputs,) for `fit`, of which an epoch is `len(batches)` steps.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return _sequence(batches, start, endless, resident)
    import tensorflow as tf

    count = replicas()

    def take(number):
        if count == 1:
            return (resident or batches).gather(batches.step(number))
        return _part(batches, *divmod(number, count), count)

    sample = take(0)
    names, kinds = list(sample), [array.dtype for array in sample.values()]

    def gather(number):
        return list(take(int(number)).values())

    def inputs(number):
        arrays = tf.numpy_function(gather, [number], kinds)
        for array, name in zip(arrays, names, strict=True):
            array.set_shape((None, *sample[name].shape[1:]))
        return (dict(zip(names, arrays, strict=True)),)

    # There is nothing to tune here, and the tuner's thread, which sleeps for up to a minute between two looks,
    # is waited for when training ends.
    options = tf.data.Options()
    options.autotune.enabled = False
    numbers = tf.data.Dataset.counter(start * count)
    if not endless:
        numbers = numbers.take(len(batches) * count)
    dataset = numbers.map(inputs).prefetch(2 * count).with_options(options)
    if count == 1:
        return dataset
    return tf.distribute.get_strategy().distribute_datasets_from_function(lambda _: dataset)


class Resident:
    """Images and conditions held on the device as they are stored, from which each step takes its batch.

    TensorFlow's steps refer to the arrays. A step of JAX would hold arrays that it refers to as constants: it is
    given them, without a copy, beside the places of its images.

    Args:
        dataset: GalaxyDataset.
        indices: of the images to hold.
    """

    def __init__(self, dataset, indices):
        self.indices = np.unique(indices)  # in order, so that the memory map is read from front to back
        self.arrays = {name: _held(stored, self.indices) for name, stored in _stored(dataset).items()}

    def gather(self, indices):
        """What a model takes of these images, as `Batches.gather`: here their places in the arrays."""
        import keras

        inputs = {"places": np.searchsorted(self.indices, indices)}
        return inputs if keras.config.backend() == "tensorflow" else {**inputs, "resident": self.arrays}

    def take(self, inputs):
        """The images themselves, as dict of tensors, within a step that is given `inputs` by `gather`."""
        arrays, places = inputs.get("resident", self.arrays), inputs["places"]
        if "resident" in inputs:
            return {name: array[places] for name, array in arrays.items()}
        import tensorflow as tf

        # Of a variable, whose rows a GPU takes in uint8 too, as it does not of a tensor.
        return {name: tf.gather(array, places) for name, array in arrays.items()}


def resident(asked, device, dataset, indices):
    """The images of a run held on its device, where that is asked for and they fit.

    Args:
        asked: True, False, or "auto": on a GPU.
        device: Device.
        dataset: GalaxyDataset.
        indices: of the images that training and validation need.

    Returns:
        Resident; or None, with a line that says why if it was expected.
    """
    if asked is False or (asked == "auto" and (device.kind == "cpu" or device.count > 1)):
        return None
    if device.count > 1:
        log.warning(
            "resident=true: expected one device, received %d; batches come from the cache", device.count
        )
        return None
    needed = len(indices) * sum(stored.nbytes // len(stored) for stored in _stored(dataset).values())
    most = SHARE * free_memory(device.backend, device.kind)
    if needed > most:
        log.log(
            logging.INFO if asked == "auto" else logging.WARNING,
            "resident=%s: expected images of at most %.3g MB, half of the %s's free memory, received %.3g MB; "
            "batches come from the cache",
            *(str(asked).lower(), most / 1e6, device.kind.upper(), needed / 1e6),
        )
        return None
    try:
        held = Resident(dataset, indices)
    except out_of_memory(device.backend) as error:  # another process has taken what was free
        log.warning(
            "resident=%s: expected %.3g MB of memory on the %s, received %s; batches come from the cache",
            *(str(asked).lower(), needed / 1e6, device.kind.upper(), line_of(error)),
        )
        return None
    log.info("%.3g MB of images are held in the %s's memory", needed / 1e6, device.kind.upper())
    return held


def _stored(dataset):
    """What a model takes of a dataset, whole."""
    arrays = {"images": dataset.images, "condition": dataset.condition}
    return {name: array for name, array in arrays.items() if array is not None}


def _held(stored, indices):
    """Rows of an array on the device, filled a block at a time, so that the host holds no second copy."""
    import keras

    shape, rows = (len(indices), *stored.shape[1:]), max(1, BLOCK * len(stored) // stored.nbytes)
    # The last block begins early enough to be as long as the others.
    starts = [min(start, max(0, len(indices) - rows)) for start in range(0, len(indices), rows)]
    blocks = ((start, stored[indices[start : start + rows]]) for start in starts)
    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        held = tf.Variable(lambda: tf.zeros(shape, stored.dtype), trainable=False)
        for start, block in blocks:
            held.scatter_update(tf.IndexedSlices(block, np.arange(start, start + len(block))))
        return held
    import jax

    held = jax.numpy.zeros(shape, stored.dtype)
    fill = jax.jit(jax.lax.dynamic_update_slice_in_dim, static_argnums=3, donate_argnums=0)
    for start, block in blocks:
        held = fill(held, block, start, 0)
        held.block_until_ready()  # else blocks would wait in line, all in memory
    return held


def _part(batches, step, device, count):
    """What one of several devices takes of a step.

    Returns:
        dict of what `Batches.gather` gives and, for each image, its row in the whole batch and its weight in
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
    """Batches for JAX, which lets every device see the whole batch, wherever its parts lie."""
    import keras

    distribution = keras.distribution.distribution()

    # No generator: for each validation Keras would repeat its first two batches and go on where the last one ended.
    class Sequence(keras.utils.PyDataset):
        """The batches by their number."""

        num_batches = None if endless else len(batches)

        def __getitem__(self, index):
            inputs = (resident or batches).gather(batches.step(start + index))
            if distribution is not None:
                inputs = {name: _laid_out(array, distribution) for name, array in inputs.items()}
            return (inputs,)

    return Sequence()


def _laid_out(array, distribution):
    """An array whose first axis is parted among JAX devices, or which each of them has whole."""
    import jax
    import keras

    layout = distribution.get_data_layout(array.shape)
    if len(array) % distribution.num_model_replicas:
        layout = keras.distribution.TensorLayout([None] * array.ndim, distribution.device_mesh)
    return jax.make_array_from_callback(array.shape, layout.backend_layout, array.__getitem__)
