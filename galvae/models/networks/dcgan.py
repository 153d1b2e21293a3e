"""The network `dcgan`: vae-project's convolutions with batch normalisation and a narrow bottleneck."""

import logging

from galvae.errors import GalvaeError
from galvae.models.networks.conv import padded
from galvae.models.networks.parts import (
    Conv,
    Dense,
    Flatten,
    Normalisation,
    Rectifier,
    Reshape,
    Transposed,
)

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
        list of parts, (H, W, C) -> (features,).

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
    plan = []
    for i in range(depth):
        kernel = 4 if sides[i] % 2 == 0 else 3
        plan.append(Conv(f"{name}_conv{i + 1}", filters[i], kernel, stride=2, bias=False))
        if i > 0:
            plan.append(Normalisation(f"{name}_norm{i + 1}", **NORMALISATION))
        plan.append(Rectifier(f"{name}_relu{i + 1}", SLOPE))
    return [
        *plan,
        Conv(f"{name}_bottleneck", network.bottleneck, **bottleneck_options(sides), bias=False),
        Flatten(f"{name}_flatten"),
    ]


def dcgan_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `dcgan_encoder`: a dense layer to the bottleneck, then transposed convolutions.

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output; H and W are equal.
        network: the network's configuration.

    Returns:
        list of parts, (code_dim,) -> (H, W, C).

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
    plan = [
        Dense("decoder_dense", units),
        Reshape("decoder_reshape", sides[-1], sides[-1], network.bottleneck),
        Transposed(f"decoder_conv{depth + 1}", channels[-1], **bottleneck_options(sides), bias=False),
    ]
    for i in range(depth, 0, -1):
        odd = sides[i - 1] % 2
        plan += [
            Normalisation(f"decoder_norm{i + 1}", **NORMALISATION),
            Rectifier(f"decoder_relu{i + 1}"),
            Transposed(
                "decoder_image" if i == 1 else f"decoder_conv{i}",
                channels[i - 1],
                3 if odd else 4,
                output_padding=0 if odd else None,  # from 40 to 79 pixels, not 80
                # Published without biases; the median pixel needs one.
                bias=i == 1 and network.output_bias == "median",
            ),
        ]
    return plan


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
        dict of arguments of a `Conv` or `Transposed`.
    """
    if _is_halved(sides[-2]):
        return {"kernel": 4, "stride": 2, "padding": "same"}
    return {"kernel": 5, "stride": 1, "padding": "valid"}


def _is_halved(side):
    return side > 8 and side % 2 == 0
