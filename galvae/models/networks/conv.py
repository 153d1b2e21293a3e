"""The network `conv`: strided convolutions and a dense layer, mirrored in the decoder."""

import math

from galvae.models.networks.parts import Conv, Dense, Flatten, Reshape, Transposed, cropped


def conv_encoder(image_shape, network, name):
    """Encoder of strided convolutions down to a side of 4, then a dense layer.

    Args:
        image_shape: (H, W, C) of its input.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        list of parts, (H, W, C) -> (network.dense,).

    Reference:
        The 128-pixel network of the Galaxy10 blog (filters 32, 64, 128, 192, 256; kernels 5, 5, 3, 3, 3;
        dense 256), derived for other sizes by halving while a side is above 4.
    """
    depth = conv_depth(image_shape, network)
    filters, kernels = padded(network.filters, depth), padded(network.kernels, depth)
    return [
        *(
            Conv(f"{name}_conv{i + 1}", filters[i], kernels[i], stride=2, activation="relu")
            for i in range(depth)
        ),
        Flatten(f"{name}_flatten"),
        Dense(f"{name}_dense", network.dense, activation="relu"),
    ]


def conv_decoder(code_dim, image_shape, network):
    """Decoder that mirrors `conv_encoder`: a dense layer, then strided transposed convolutions.

    With `network.output_kernel` set, the transposed convolutions repeat the encoder's filters in reverse and
    a plain convolution with that kernel draws the image (the blog's network for MNIST).

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output.
        network: the network's configuration.

    Returns:
        list of parts, (code_dim,) -> (H, W, C).
    """
    depth = conv_depth(image_shape, network)
    filters, kernels = padded(network.filters, depth), padded(network.kernels, depth)
    sides = conv_sides(image_shape, depth)
    plan = [
        Dense("decoder_dense", math.prod(sides[-1]) * filters[-1], activation="relu"),
        Reshape("decoder_reshape", *sides[-1], filters[-1]),
    ]
    own_output = network.output_kernel is not None
    outputs = filters[::-1] if own_output else [*filters[-2::-1], image_shape[-1]]
    for i, kernel in enumerate(reversed(kernels)):
        is_image = i == depth - 1 and not own_output
        name = "decoder_image" if is_image else f"decoder_conv{i + 1}"
        plan.append(Transposed(name, outputs[i], kernel, activation=None if is_image else "relu"))
        doubled = [2 * side for side in sides[depth - i]]
        plan += cropped(f"decoder_crop{i + 1}", doubled, sides[depth - i - 1])
    if own_output:
        plan.append(Conv("decoder_image", image_shape[-1], network.output_kernel))
    return plan


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
