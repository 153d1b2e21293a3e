"""Random numbers for images, the same whether their batch is computed at once, on several devices or in parts."""

from keras import ops

from galvae.backend.replicas import replicas
from galvae.backend.shares import current


def draw(distribution, shape, generator):
    """Random numbers for the images of a batch, or of the share of it that is computed.

    Args:
        distribution: keras.random.normal or keras.random.uniform.
        shape: its first axis runs over the images that are computed.
        generator: SeedGenerator.

    Returns:
        Array of this shape, float32, of whose rows each is that of its image in the whole batch.
    """
    share = current()
    if share is None:
        return distribution(shape, dtype="float32", seed=generator)
    size = replicas() * shape[0] if share.size is None else share.size
    whole = distribution((size, *shape[1:]), dtype="float32", seed=generator)
    return ops.take(whole, share.rows, axis=0)
