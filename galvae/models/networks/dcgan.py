"""The network `dcgan`: vae-project's convolutions with batch normalisation and a narrow bottleneck."""

import logging

import keras
from keras import layers

from galvae.backend.fused_ops import BatchNormalization
from galvae.backend.transposed import Conv2DTranspose
from galvae.errors import GalvaeError
from galvae.models.initializers import initializer, transposed_initializer
from galvae.models.networks.conv import padded

LARGEST_BEFORE_BOTTLENECK = 10  # pixels
SLOPE = 0.2  # of LeakyReLU below zero
NORMALISATION = {"momentum": 0.9, "epsilon": 1e-5}  # PyTorch's defaults, with which the network was published

log = logging.getLogger(__name__)


def dcgan_encoder(image_shape, network, name):
    """Encoder of strided convolutions, then one to `network.bottleneck` channels, flattened.

    Args:
        image_shape: (H, W, C) of its input; H and W are equal.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        keras.Sequential, (B, H, W, C) -> (B, features).

    Raises:
        GalvaeError: if images are not square, or too small.

    Reference:
        vae-project's networks for 128 and 158 pixels (filters 64, 128, 256, 512; kernels of 4, or of 3 where a
        side is odd; no biases; batch normalisation from the second convolution on; a one-channel bottleneck of
        4x4 or 5x5), derived for other square sizes by halving while a side is above 10. The bottleneck's
        convolution is 5x5 without padding, or, from an even side above 8, 4x4 with stride 2.
    """
    sides = dcgan_sides(image_shape)
    depth = len(sides) - 2
    filters = padded(network.filters, depth)
    stack = []
    for i in range(depth):
        stack.append(
            layers.Conv2D(
                filters[i],
                4 if sides[i] % 2 == 0 else 3,
                strides=2,
                padding="same",
                use_bias=False,
                kernel_initializer=initializer(network),
                name=f"{name}_conv{i + 1}",
            )
        )
        if i > 0:
            stack.append(BatchNormalization(**NORMALISATION, name=f"{name}_norm{i + 1}"))
        stack.append(layers.LeakyReLU(SLOPE, name=f"{name}_relu{i + 1}"))
    stack += [
        layers.Conv2D(
            network.bottleneck,
            **bottleneck_options(sides),
            use_bias=False,
            kernel_initializer=initializer(network),
            name=f"{name}_bottleneck",
        ),
        layers.Flatten(name=f"{name}_flatten"),
    ]
    return keras.Sequential([layers.Input(image_shape, name=f"{name}_input"), *stack], name=name)


def dcgan_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `dcgan_encoder`: a dense layer to the bottleneck, then transposed convolutions.

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output; H and W are equal.
        network: the network's configuration.

    Returns:
        keras.Sequential, (B, code_dim) -> (B, H, W, C).

    Raises:
        GalvaeError: if images are not square, or too small.
    """
    sides = dcgan_sides(image_shape)
    depth = len(sides) - 2
    channels = [image_shape[-1], *padded(network.filters, depth)]
    units = sides[-1] ** 2 * network.bottleneck
    if code_dim > units:
        log.warning(
            "the decoder has %d inputs and a bottleneck of only %d units (%dx%d, %d channels): some latent "
            "dimensions will carry no information; network.bottleneck=%d has room for all",
            *(code_dim, units, sides[-1], sides[-1], network.bottleneck, -(-code_dim // sides[-1] ** 2)),
        )
    options = bottleneck_options(sides)
    stack = [
        layers.Dense(units, kernel_initializer=initializer(network), name="decoder_dense"),
        layers.Reshape((sides[-1], sides[-1], network.bottleneck), name="decoder_reshape"),
        Conv2DTranspose(
            channels[-1],
            **options,
            use_bias=False,
            kernel_initializer=transposed_initializer(
                network, network.bottleneck, options["kernel_size"], options["strides"]
            ),
            name=f"decoder_conv{depth + 1}",
        ),
    ]
    for i in range(depth, 0, -1):
        stack += [
            BatchNormalization(**NORMALISATION, name=f"decoder_norm{i + 1}"),
            layers.ReLU(name=f"decoder_relu{i + 1}"),
        ]
        odd = sides[i - 1] % 2
        kernel = 3 if odd else 4
        stack.append(
            Conv2DTranspose(
                channels[i - 1],
                kernel,
                strides=2,
                padding="same",
                output_padding=0 if odd else None,  # from 40 to 79 pixels, not 80
                # Published without biases; the median pixel needs one.
                use_bias=i == 1 and network.output_bias == "median",
                kernel_initializer=transposed_initializer(network, channels[i], kernel),
                name="decoder_image" if i == 1 else f"decoder_conv{i}",
            )
        )
    return keras.Sequential([layers.Input((code_dim,), name="decoder_input"), *stack], name="decoder")


def dcgan_sides(image_shape):
    """Sides of the feature maps: before each halving, after the last one, and of the bottleneck.

    Args:
        image_shape: (H, W, C).

    Returns:
        list of integers, in pixels.

    Raises:
        GalvaeError: if images are not square, or too small.
    """
    height, width = image_shape[:2]
    if height != width or height < 16:
        raise GalvaeError(
            f"image size: network dcgan expects squares of at least 16 pixels, received {height}x{width}"
        )
    sides = [height]
    while sides[-1] > LARGEST_BEFORE_BOTTLENECK:
        sides.append(-(-sides[-1] // 2))
    return [*sides, sides[-1] // 2 if _is_halved(sides[-1]) else sides[-1] - 4]


def bottleneck_options(sides):
    """Kernel, stride and padding of the convolution between the last feature map and the bottleneck.

    Args:
        sides: see `dcgan_sides`.

    Returns:
        dict of arguments of a convolution layer.
    """
    if _is_halved(sides[-2]):
        return {"kernel_size": 4, "strides": 2, "padding": "same"}
    return {"kernel_size": 5, "strides": 1, "padding": "valid"}


def _is_halved(side):
    return side > 8 and side % 2 == 0
