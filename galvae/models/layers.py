"""The small layers that the models share: pixel scaling, augmentation, sampling, code statistics."""

import keras
import numpy as np
from keras import ops


class UnitScaling(keras.layers.Layer):
    """Maps stored pixel values to floats, so that images cross to the device as they lie on disk.

    Args:
        low, high: the stored values that become 0 and 1.
    """

    def __init__(self, low, high, name):
        # Kept in float32 under mixed precision: the result is also the target of the reconstruction.
        super().__init__(name=name, dtype="float32")
        self.low = float(low)
        self.high = float(high)

    def call(self, images):
        return (ops.cast(images, "float32") - self.low) / (self.high - self.low)

    def compute_output_spec(self, images):
        return keras.KerasTensor(images.shape, dtype="float32")


class RandomDihedral(keras.layers.Layer):
    """Flips and quarter turns, drawn anew for every image: galaxies have no preferred orientation.

    A left-right flip, an up-down flip and, for square images, a transposition, each with probability one
    half, reach the eight elements of the dihedral group (four for images that are not square) equally often.

    Args:
        seed: integer.
    """

    def __init__(self, seed, name):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_seed")

    def call(self, images):
        coins = keras.random.uniform((3, ops.shape(images)[0], 1, 1, 1), seed=self.seed_generator) < 0.5
        images = ops.where(coins[0], ops.flip(images, axis=2), images)
        images = ops.where(coins[1], ops.flip(images, axis=1), images)
        if images.shape[1] == images.shape[2]:
            images = ops.where(coins[2], ops.transpose(images, (0, 2, 1, 3)), images)
        return images


class Sampling(keras.layers.Layer):
    """Draws codes from diagonal Gaussians by the reparametrisation trick.

    Args:
        seed: integer.

    Reference:
        Kingma & Welling 2014 (arXiv:1312.6114), section 2.4.
    """

    def __init__(self, seed, name):
        super().__init__(name=name, dtype="float32")
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_seed")

    def call(self, mean, log_variance):
        noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class CodeMoments(keras.layers.Layer):
    """Running mean and covariance of the codes seen in training: what a plain autoencoder samples from.

    Passes codes through unchanged. The moments are decayed sums divided by the decayed count, so that they
    are unbiased from the first batch on.

    Args:
        latent_dim: number of latent dimensions.
        momentum: share of the past that one batch keeps.
    """

    def __init__(self, latent_dim, name, momentum=0.99):
        super().__init__(name=name, dtype="float32")
        self.latent_dim = latent_dim
        self.momentum = momentum

    def build(self, input_shape):
        zeros = {"initializer": "zeros", "trainable": False}
        self.count = self.add_weight(shape=(), name="count", **zeros)
        self.first = self.add_weight(shape=(self.latent_dim,), name="first", **zeros)
        self.second = self.add_weight(shape=(self.latent_dim, self.latent_dim), name="second", **zeros)

    def call(self, codes, training=False):
        if training:
            kept, new = self.momentum, 1.0 - self.momentum
            outer = ops.matmul(ops.transpose(codes), codes) / ops.cast(ops.shape(codes)[0], "float32")
            self.count.assign(kept * self.count + new)
            self.first.assign(kept * self.first + new * ops.mean(codes, axis=0))
            self.second.assign(kept * self.second + new * outer)
        return codes

    def moments(self):
        """Mean (latent_dim,) and covariance (latent_dim, latent_dim) of the codes as NumPy arrays."""
        count, first, second = (
            np.asarray(ops.convert_to_tensor(weight)) for weight in (self.count, self.first, self.second)
        )
        count = max(count, 1e-12)
        mean = first / count
        return mean, second / count - np.outer(mean, mean)
