"""The Gaussian likelihood of an image given its decoded one, whose noise is learned with the model."""

import math

import keras
import numpy as np
from keras import ops

from galvae.models import losses

SMALLEST_STD = 1e-3  # of the noise in network units, a quarter of a step of 8 bits: keeps the density finite
FIRST_STD = 0.1  # at the start of training, when the decoder knows little
FAINTEST = 0.01  # intensity below which the noise hardly depends on it
DEGREE = 3  # of the polynomial in the logarithm of the intensity
# Adam moves every variable by about the learning rate at each step, and the logarithm of the variance has to fall by
# four or more while the kernels change by tenths.
SPEED = 10.0


class GaussianLikelihood(keras.layers.Layer):
    """Gaussian noise, independent from pixel to pixel, whose variance is learned.

    The variance is the only weight between the reconstruction and the KL term: with its best value, the mean squared
    residual, nothing is left to tune.

    Args:
        bands: number C of bands.
        noise: "scalar", one variance; "band", one for each band; "covariance", those and the correlation of the bands,
            so that colours, in which residuals are small, count more than the light that all bands share; or
            "brightness", for each band a smooth function of the decoded intensity, whose logarithm is a cubic
            polynomial of that of the intensity.
        name: name of the layer.

    Reference:
        Rybkin, Daniilidis & Levine 2021 (arXiv:2006.13202), the sigma-VAE; "covariance" and "brightness" are ours.
    """

    def __init__(self, bands, noise, name):
        super().__init__(name=name, dtype="float32")
        self.noise = noise
        self.coefficients = self.add_weight(
            shape=(1 + DEGREE if noise == "brightness" else 1, 1 if noise == "scalar" else bands),
            initializer="zeros",
            name="coefficients",
        )
        # What each band has of the residuals of the bands before it, which makes them uncorrelated (the modified
        # Cholesky decomposition; its determinant is one, so that the density needs no other term).
        self.mixing = None
        if noise == "covariance":
            self.mixing = self.add_weight(shape=(bands, bands), initializer="zeros", name="mixing")
        self.built = True

    def variance(self, images):
        """Variance of the (uncorrelated) noise, at least SMALLEST_STD squared, broadcast to the shape of the images.

        Args:
            images: (B, H, W, C) decoded intensities in [0, 1]. The variance follows them; no gradient flows from it
                to them, which would darken a decoder's pixels for the sake of their noise.
        """
        log_variance = SPEED * self.coefficients[0] + 2 * math.log(FIRST_STD)
        if self.noise == "brightness":
            # From 0, of a black pixel, to 1.
            brightness = 1 - ops.log(ops.stop_gradient(images) + FAINTEST) / math.log(FAINTEST)
            for power in range(1, 1 + DEGREE):
                log_variance = log_variance + SPEED * self.coefficients[power] * brightness**power
        return SMALLEST_STD**2 + ops.exp(log_variance)

    def call(self, images, targets, mask=None):
        """Negative logarithm of the density of images, (B,) nats, summed over pixels and bands.

        Args:
            images: (B, H, W, C) decoded intensities in [0, 1].
            targets: (B, H, W, C) intensities.
            mask: (B, H, W, C), 1 where a pixel is set aside, else 0; or None.
        """
        residuals = targets - images
        if self.mixing is not None:
            if mask is not None:  # a band that is set aside says nothing of the others
                residuals = residuals * (1.0 - ops.cast(mask, residuals.dtype))
            residuals = ops.matmul(residuals, ops.transpose(self._unmixing()))
        return losses.gaussian(residuals, ops.zeros_like(residuals), self.variance(images), mask)

    def draw(self, images, normal):
        """Noise of this distribution, (B, H, W, C) in network units.

        Args:
            images: (B, H, W, C) decoded intensities in [0, 1].
            normal: (B, H, W, C) standard normal numbers.
        """
        noise = ops.sqrt(self.variance(images)) * normal
        return noise if self.mixing is None else ops.matmul(noise, ops.transpose(ops.inv(self._unmixing())))

    def _unmixing(self):
        """Matrix (C, C), ones on its diagonal and zeros above it, that makes the bands' residuals uncorrelated."""
        bands = self.mixing.shape[0]
        below = np.tril(np.ones((bands, bands), np.float32), -1)
        return ops.eye(bands) + self.mixing * (SPEED * below)
