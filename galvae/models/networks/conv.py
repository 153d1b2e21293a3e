"""The network `conv`: strided convolutions and a dense layer, mirrored in the decoder."""

import math

import keras
from keras import layers

from galvae.backend.transposed import Conv2DTranspose
from galvae.models.initializers import initializer, transposed_initializer


def conv_encoder(image_shape, network, name):
    """Encoder of strided convolutions down to a side of 4, then a dense layer.

    Args:
        image_shape: (H, W, C) of its input.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        keras.Sequential, (B, H, W, C) -> (B, network.dense).

    Reference:
        The 128-pixel network of the Galaxy10 blog (filters 32, 64, 128, 192, 256; kernels 5, 5, 3, 3, 3;
        dense 256), derived for other sizes by halving while a side is above 4.
    """
    depth = conv_depth(image_shape, network)
    filters, kernels = padded(network.filters, depth), padded(network.kernels, depth)
    stack = [
        layers.Conv2D(
            filters[i],
            kernels[i],
            strides=2,
            padding="same",
            activation="relu",
            kernel_initializer=initializer(network),
            name=f"{name}_conv{i + 1}",
        )
        for i in range(depth)
    ]
    stack += [
        layers.Flatten(name=f"{name}_flatten"),
        layers.Dense(
            network.dense, activation="relu", kernel_initializer=initializer(network), name=f"{name}_dense"
        ),
    ]
    return keras.Sequential([layers.Input(image_shape, name=f"{name}_input"), *stack], name=name)


def conv_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `conv_encoder`: a dense layer, then strided transposed convolutions.

    With `network.output_kernel` set, the transposed convolutions repeat the encoder's filters in reverse and
    a plain convolution with that kernel draws the image (the blog's network for MNIST).

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output.
        network: the network's configuration.

    Returns:
        keras.Sequential, (B, code_dim) -> (B, H, W, C).
    """
    depth = conv_depth(image_shape, network)
    filters, kernels = padded(network.filters, depth), padded(network.kernels, depth)
    sides = conv_sides(image_shape, depth)
    height, width = sides[-1]
    stack = [
        layers.Dense(
            height * width * filters[-1],
            activation="relu",
            kernel_initializer=initializer(network),
            name="decoder_dense",
        ),
        layers.Reshape((height, width, filters[-1]), name="decoder_reshape"),
    ]
    own_output = network.output_kernel is not None
    outputs = filters[::-1] if own_output else [*filters[-2::-1], image_shape[-1]]
    inputs = [filters[-1], *outputs[:-1]]
    for i, kernel in enumerate(reversed(kernels)):
        is_image = i == depth - 1 and not own_output
        stack.append(
            Conv2DTranspose(
                outputs[i],
                kernel,
                strides=2,
                padding="same",
                activation=None if is_image else "relu",
                kernel_initializer=transposed_initializer(network, inputs[i], kernel),
                name="decoder_image" if is_image else f"decoder_conv{i + 1}",
            )
        )
        (small_h, small_w), (large_h, large_w) = sides[depth - i], sides[depth - i - 1]
        surplus = (2 * small_h - large_h, 2 * small_w - large_w)
        if any(surplus):
            stack.append(layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), name=f"decoder_crop{i + 1}"))
    if own_output:
        stack.append(
            layers.Conv2D(
                image_shape[-1],
                network.output_kernel,
                padding="same",
                kernel_initializer=initializer(network),
                name="decoder_image",
            )
        )
    return keras.Sequential([layers.Input((code_dim,), name="decoder_input"), *stack], name="decoder")


def conv_depth(image_shape, network):
    """Number of halvings: `network.depth`, or as many as there are until the shorter side is 4 or less.

    Args:
        image_shape: (H, W, C).
        network: the network's configuration.
    """
    if network.depth is not None:
        return network.depth
    return max(1, math.ceil(math.log2(min(image_shape[:2]) / 4)))


def conv_sides(image_shape, depth):
    """Sizes of the feature maps, (height, width), before each halving and after the last; odd sides round up.

    Args:
        image_shape: (H, W, C), of which only H and W are used.
        depth: number of halvings.
    """
    sides = [tuple(image_shape[:2])]
    for _ in range(depth):
        sides.append(tuple(math.ceil(side / 2) for side in sides[-1]))
    return sides


def padded(values, length):
    """The first `length` entries of a list whose last entry repeats as often as needed."""
    return [values[min(i, len(values) - 1)] for i in range(length)]
