"""The network `slim`, recommended for large images: it is fast, since no convolution is at full resolution."""

import math

from galvae.models.networks.conv import conv_sides, padded
from galvae.models.networks.parts import (
    Conv,
    Dense,
    DepthToSpace,
    Flatten,
    MirroredEdges,
    Pad,
    Reshape,
    SmoothPatches,
    SpaceToDepth,
    Transposed,
    cropped,
)

SMALLEST_MAP = 4  # pixels


def slim_encoder(image_shape, network, name):
    """Encoder that turns patches of pixels into channels: a 3x3 convolution, then strided ones, then a dense layer.

    Sides that are no multiple of `network.patch` are padded with zeros.

    Args:
        image_shape: (H, W, C) of its input.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        list of parts, (H, W, C) -> (network.dense,).
    """
    height, width = slim_map(image_shape, network)
    depth = slim_depth(image_shape, network)
    filters = padded(network.filters, depth + 1)
    pad = (height * network.patch - image_shape[0], width * network.patch - image_shape[1])
    return [
        *([Pad(f"{name}_pad", *pad)] if any(pad) else []),
        SpaceToDepth(f"{name}_patches", network.patch),
        *(
            Conv(f"{name}_conv{i + 1}", filters[i], 3, stride=1 if i == 0 else 2, activation="relu")
            for i in range(depth + 1)
        ),
        Flatten(f"{name}_flatten"),
        Dense(f"{name}_dense", network.dense, activation="relu"),
    ]


def slim_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `slim_encoder`: a last 3x3 convolution draws patches, which become pixels.

    Free kernels of that convolution leave a grid in the image (`network.refine`), and zeros beyond the edges of its
    input a frame (`network.padding`).

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output.
        network: the network's configuration.

    Returns:
        list of parts, (code_dim,) -> (H, W, C).
    """
    depth = slim_depth(image_shape, network)
    filters = padded(network.filters, depth + 1)
    sides = conv_sides(slim_map(image_shape, network), depth)
    plan = [
        Dense("decoder_dense", math.prod(sides[-1]) * filters[-1], activation="relu"),
        Reshape("decoder_reshape", *sides[-1], filters[-1]),
    ]
    for i in range(depth, 0, -1):
        plan.append(Transposed(f"decoder_conv{i + 1}", filters[i - 1], 3, activation="relu"))
        plan += cropped(f"decoder_crop{i + 1}", [2 * side for side in sides[i]], sides[i - 1])
    padding, bands = "same", image_shape[-1]
    if network.padding == "reflect":
        plan.append(MirroredEdges("decoder_edges"))
        padding = "valid"
    plan += [
        SmoothPatches("decoder_image", bands, network.patch, padding=padding)
        if network.refine == "smooth"
        else Conv("decoder_image", network.patch**2 * bands, 3, padding=padding),
        DepthToSpace("decoder_pixels", network.patch),
    ]
    return plan + cropped("decoder_crop", [network.patch * side for side in sides[0]], image_shape[:2])


def slim_map(image_shape, network):
    """Size of an image in patches, (height, width), rounded up.

    Args:
        image_shape: (H, W, C).
        network: the network's configuration.
    """
    return tuple(math.ceil(side / network.patch) for side in image_shape[:2])


def slim_depth(image_shape, network):
    """Number of halvings until the shorter side of the map of patches is 4 or less.

    Args:
        image_shape: (H, W, C).
        network: the network's configuration.
    """
    return max(0, math.ceil(math.log2(min(slim_map(image_shape, network)) / SMALLEST_MAP)))
