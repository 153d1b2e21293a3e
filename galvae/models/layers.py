"""The small layers that the models share: pixel scaling, augmentation, sampling, statistics of latent codes."""

import keras
import numpy as np
from keras import ops

from galvae.backend.random_numbers import draw
from galvae.backend.shares import weighted
from galvae.models.networks import smooth
from galvae.stretch import to_unit


class UnitScaling(keras.layers.Layer):
    """Maps stored pixel values to floats, so that images are copied to the device as stored on disk.

    Args:
        pixel_range: (low, high), the stored values that become 0 and 1.
        stretch: see galvae.stretch.
    """

    def __init__(self, pixel_range, stretch, name):
        # In float32 under mixed precision: the result is also the target of the reconstruction.
        super().__init__(name=name, dtype="float32")
        self.pixel_range = tuple(float(value) for value in pixel_range)
        self.stretch = stretch

    def call(self, images):
        return to_unit(ops.cast(images, "float32"), self.stretch, self.pixel_range, ops)

    def compute_output_spec(self, images):
        return keras.KerasTensor(images.shape, dtype="float32")


class RandomDihedral(keras.layers.Layer):
    """Random flips and 90-degree rotations of every image, because galaxies have no preferred orientation.

    A left-right flip, an up-down flip and, for square images, a transposition, each with probability one
    half, reach the eight elements of the dihedral group (four for images that are not square) equally often.

    Args:
        seed: integer.
    """

    def __init__(self, seed, name):
        super().__init__(name=name, dtype="float32", autocast=False)
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_seed")
        self.built = True  # there is nothing to build, and outside of training it is never called

    def call(self, images):
        count = ops.shape(images)[0]
        coins = ops.cast(draw(keras.random.uniform, (count, 3), self.seed_generator) < 0.5, "int32")

        def either(images, others, coins):
            # Whole images are gathered from both arrays, which is faster than to choose pixel by pixel.
            return ops.take(ops.concatenate([images, others]), ops.arange(count) + count * coins, axis=0)

        images = either(images, ops.flip(images, axis=2), coins[:, 0])
        images = either(images, ops.flip(images, axis=1), coins[:, 1])
        if images.shape[1] == images.shape[2]:
            images = either(images, ops.transpose(images, (0, 2, 1, 3)), coins[:, 2])
        return images


class SpaceToDepth(keras.layers.Layer):
    """Turns each square of f x f pixels into channels, (B, H, W, C) -> (B, H/f, W/f, f*f*C).

    It equals `keras.ops.space_to_depth`, whose TensorFlow operation takes twice as long on a CPU, gradient included.

    Args:
        factor: the side f.
    """

    def __init__(self, factor, name):
        super().__init__(name=name)
        self.factor = factor

    def call(self, images):
        f, (_, height, width, channels) = self.factor, images.shape
        blocks = ops.reshape(images, (-1, height // f, f, width // f, f, channels))
        return ops.reshape(
            ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, height // f, width // f, f * f * channels)
        )


class DepthToSpace(keras.layers.Layer):
    """The inverse of `SpaceToDepth`, (B, H, W, f*f*C) -> (B, fH, fW, C).

    Args:
        factor: the side f of the squares of pixels.
    """

    def __init__(self, factor, name):
        super().__init__(name=name)
        self.factor = factor

    def call(self, features):
        f, (_, height, width, depth) = self.factor, features.shape
        blocks = ops.reshape(features, (-1, height, width, f, f, depth // f**2))
        return ops.reshape(
            ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, f * height, f * width, depth // f**2)
        )


class SmoothPatches(keras.layers.Conv2D):
    """A 3x3 convolution that draws patches of f x f pixels which fit together, (B, H, W, N) -> (B, H, W, f*f*C).

    Of its kernel and bias only the smooth part counts, see galvae/models/networks/smooth.py. It takes no longer than a
    convolution with free kernels, since only kernels are smoothed.

    Args:
        channels: of the image, C.
        factor: side f of a patch in pixels.
        kernel_initializer: of the kernels before they are smoothed, a rule whose variance is v / (number of terms that
            a pixel sums), which smoothing keeps.
        **options: see keras.layers.Conv2D.
    """

    def __init__(self, channels, factor, kernel_initializer, **options):
        side = factor + 2
        spread = smooth.spread(factor).astype(np.float32)
        free = keras.initializers.get(kernel_initializer)

        def initial_kernel(shape, dtype=None):
            kernel = free((side, side, shape[2], channels), dtype)
            return ops.reshape(ops.einsum("iua,jvb,abnc->ijnuvc", spread, spread, kernel), shape)

        super().__init__(factor**2 * channels, 3, kernel_initializer=initial_kernel, **options)
        self.factor = factor
        self.projection = smooth.projection(factor).astype(np.float32)

    def call(self, features):
        return self.convolution_op(features, self.smooth_kernel()) + self.even_bias()

    def smooth_kernel(self):
        """The kernel that counts, (3, 3, N, f*f*C)."""
        return ops.cast(smooth.smooth_kernel(self.kernel, self.projection, ops), self.compute_dtype)

    def even_bias(self):
        """The bias that counts, (f*f*C,)."""
        return smooth.even_bias(self.bias, self.factor, ops)


class MirroredEdges(keras.layers.Layer):
    """Feature maps with one more row or column at each edge, mirrored there, (B, H, W, C) -> (B, H + 2, W + 2, C)."""

    def call(self, features):
        return ops.pad(features, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")


class Sampling(keras.layers.Layer):
    """Draws latent codes from diagonal Gaussians by the reparametrisation trick.

    Args:
        seed: integer.

    Reference:
        Kingma & Welling 2014 (arXiv:1312.6114), section 2.4.
    """

    def __init__(self, seed, name):
        super().__init__(name=name, dtype="float32")
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_seed")

    def call(self, mean, log_variance, noise=None):
        if noise is None:
            noise = draw(keras.random.normal, ops.shape(mean), self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class CodeMoments(keras.layers.Layer):
    """Running mean and covariance of the training images' latent codes, which pass through unchanged.

    The moments are decayed sums divided by the decayed count, so that they are unbiased from the first batch on.

    Args:
        latent_dim: number of latent dimensions.
        momentum: factor by which one batch reduces the weight of all earlier ones.
    """

    def __init__(self, latent_dim, name, momentum=0.99):
        super().__init__(name=name, dtype="float32")
        self.latent_dim = latent_dim
        self.momentum = momentum

    def build(self, input_shape):
        zeros = {"initializer": "zeros", "trainable": False, "aggregation": "mean"}  # over devices
        self.count = self.add_weight(shape=(), name="count", **zeros)
        self.first = self.add_weight(shape=(self.latent_dim,), name="first", **zeros)
        self.second = self.add_weight(shape=(self.latent_dim, self.latent_dim), name="second", **zeros)

    def call(self, codes, training=False):
        if training:
            old, new = self.momentum, 1.0 - self.momentum
            shares = weighted(codes)
            outer = ops.matmul(ops.transpose(shares), codes) / ops.cast(ops.shape(codes)[0], "float32")
            self.count.assign(old * self.count + new)
            self.first.assign(old * self.first + new * ops.mean(shares, axis=0))
            self.second.assign(old * self.second + new * outer)
        return codes

    def moments(self):
        """Mean (latent_dim,) and covariance (latent_dim, latent_dim) of the latent codes as NumPy arrays."""
        count, first, second = (
            np.asarray(ops.convert_to_tensor(weight)) for weight in (self.count, self.first, self.second)
        )
        count = max(count, 1e-12)
        mean = first / count
        return mean, second / count - np.outer(mean, mean)
