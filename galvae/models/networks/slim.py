"""The network `slim`, recommended for large images: it is fast, since no convolution is at full resolution."""

import math

import keras
from keras import layers

from galvae.backend.transposed import Conv2DTranspose
from galvae.models.initializers import initializer, transposed_initializer
from galvae.models.layers import DepthToSpace, MirroredEdges, SmoothPatches, SpaceToDepth
from galvae.models.networks.conv import conv_sides, padded

SMALLEST_MAP = 4  # pixels


def slim_encoder(image_shape, network, name):
    """Encoder that turns patches of pixels into channels: a 3x3 convolution, then strided ones, then a dense layer.

    Sides that are no multiple of `network.patch` are padded with zeros.

    Args:
        image_shape: (H, W, C) of its input.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        keras.Sequential, (B, H, W, C) -> (B, network.dense).
    """
    height, width = slim_map(image_shape, network)
    depth = slim_depth(image_shape, network)
    filters = padded(network.filters, depth + 1)
    pad = (height * network.patch - image_shape[0], width * network.patch - image_shape[1])
    stack = []
    if any(pad):
        stack.append(layers.ZeroPadding2D(((0, pad[0]), (0, pad[1])), name=f"{name}_pad"))
    stack.append(SpaceToDepth(network.patch, name=f"{name}_patches"))
    for i in range(depth + 1):
        stack.append(
            layers.Conv2D(
                filters[i],
                3,
                strides=1 if i == 0 else 2,
                padding="same",
                activation="relu",
                kernel_initializer=initializer(network),
                name=f"{name}_conv{i + 1}",
            )
        )
    stack += [
        layers.Flatten(name=f"{name}_flatten"),
        layers.Dense(
            network.dense, activation="relu", kernel_initializer=initializer(network), name=f"{name}_dense"
        ),
    ]
    return keras.Sequential([layers.Input(image_shape, name=f"{name}_input"), *stack], name=name)


def slim_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `slim_encoder`: a last 3x3 convolution draws patches, which become pixels.

    Free kernels of that convolution leave a grid in the image (`network.refine`), and zeros beyond the edges of its
    input a frame (`network.padding`).

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output.
        network: the network's configuration.

    Returns:
        keras.Sequential, (B, code_dim) -> (B, H, W, C).
    """
    depth = slim_depth(image_shape, network)
    filters = padded(network.filters, depth + 1)
    sides = conv_sides(slim_map(image_shape, network), depth)
    stack = [
        layers.Dense(
            math.prod(sides[-1]) * filters[-1],
            activation="relu",
            kernel_initializer=initializer(network),
            name="decoder_dense",
        ),
        layers.Reshape((*sides[-1], filters[-1]), name="decoder_reshape"),
    ]
    for i in range(depth, 0, -1):
        stack.append(
            Conv2DTranspose(
                filters[i - 1],
                3,
                strides=2,
                padding="same",
                activation="relu",
                kernel_initializer=transposed_initializer(network, filters[i], 3),
                name=f"decoder_conv{i + 1}",
            )
        )
        surplus = [2 * small - large for small, large in zip(sides[i], sides[i - 1], strict=True)]
        if any(surplus):
            stack.append(layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), name=f"decoder_crop{i + 1}"))
    mirrored = network.padding == "reflect"
    if mirrored:
        stack.append(MirroredEdges(name="decoder_edges"))
    options = {
        "padding": "valid" if mirrored else "same",
        "kernel_initializer": initializer(network),
        "name": "decoder_image",
    }
    stack += [
        SmoothPatches(image_shape[-1], network.patch, **options)
        if network.refine == "smooth"
        else layers.Conv2D(network.patch**2 * image_shape[-1], 3, **options),
        DepthToSpace(network.patch, name="decoder_pixels"),
    ]
    crop = [network.patch * side - whole for side, whole in zip(sides[0], image_shape[:2], strict=True)]
    if any(crop):
        stack.append(layers.Cropping2D(((0, crop[0]), (0, crop[1])), name="decoder_crop"))
    return keras.Sequential([layers.Input((code_dim,), name="decoder_input"), *stack], name="decoder")


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
