"""Random numbers for images, the same on one device and on several that share a batch."""

import contextlib
import threading

from keras import ops

from galvae.backend.replicas import replicas

_share = threading.local()  # TensorFlow traces a step once per device, each time in a thread of its own


@contextlib.contextmanager
def rows_of_batch(rows):
    """Context in which `draw` gives each image the random numbers of its row in the whole batch.

    Args:
        rows: (B,) rows of this device's images in the batch that devices share; None: it has the whole batch.
    """
    before, _share.rows = getattr(_share, "rows", None), rows
    try:
        yield
    finally:
        _share.rows = before


def draw(distribution, shape, generator):
    """Random numbers for the images of a batch, or of this device's part of it.

    Args:
        distribution: keras.random.normal or keras.random.uniform.
        shape: its first axis runs over the images of this device.
        generator: SeedGenerator.

    Returns:
        Array of this shape, float32.
    """
    rows = getattr(_share, "rows", None)
    if rows is None:
        return distribution(shape, dtype="float32", seed=generator)
    whole = distribution((replicas() * shape[0], *shape[1:]), dtype="float32", seed=generator)
    return ops.take(whole, rows, axis=0)
