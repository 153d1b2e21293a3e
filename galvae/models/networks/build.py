"""Keras stacks of the networks' plans: here alone, a plan's parts become layers and get their initial kernels."""

from keras import layers

from galvae.backend.fused_ops import BatchNormalization
from galvae.backend.remat import Stack
from galvae.backend.transposed import Conv2DTranspose
from galvae.models.initializers import initializer, transposed_initializer
from galvae.models.layers import DepthToSpace, MirroredEdges, SmoothPatches, SpaceToDepth
from galvae.models.networks import parts
from galvae.models.networks.plan import decoder_plan, encoder_plan


def build_encoder(image_shape, network, name="encoder"):
    """The encoder of a configuration, which turns each image into a vector of features.

    Args:
        image_shape, network, name: see `encoder_plan`.

    Returns:
        Stack, (B, H, W, C) -> (B, features).

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    return _stack(encoder_plan(image_shape, network, name), image_shape, network, name)


def build_decoder(code_dim, image_shape, network):
    """The decoder of a configuration, which turns latent codes into the logits of images.

    Args:
        code_dim, image_shape, network: see `decoder_plan`.

    Returns:
        Stack, (B, code_dim) -> (B, H, W, C), whose last layer with a bias is `decoder_image`.

    Raises:
        GalvaeError: if the network cannot make images of this size.
    """
    return _stack(decoder_plan(code_dim, image_shape, network), (code_dim,), network, "decoder")


def _stack(plan, shape, network, name):
    """The layers of a plan in a row, as a Stack; `shape` is that of one of its inputs."""
    stack, inputs = [layers.Input(shape, name=f"{name}_input")], shape[-1]
    for part in plan:
        stack.append(_layer(part, inputs, network))
        inputs = getattr(part, "filters", inputs)
    return Stack(stack, name=name)


def _layer(part, inputs, network):
    """The Keras layer of a part.

    Args:
        part: see galvae/models/networks/parts.py.
        inputs: number of channels that it receives; needed for transposed convolutions only.
        network: the network's configuration.
    """
    options, kernel = {"name": part.name}, {"kernel_initializer": initializer(network)}
    match part:
        case parts.Dense():
            return layers.Dense(part.units, part.activation, **kernel, **options)
        case parts.Reshape():
            return layers.Reshape((part.height, part.width, part.filters), **options)
        case parts.Flatten():
            return layers.Flatten(**options)
        case parts.Conv():
            options |= {"padding": part.padding, "use_bias": part.bias, "activation": part.activation}
            return layers.Conv2D(part.filters, part.kernel, part.stride, **kernel, **options)
        case parts.Transposed():
            return Conv2DTranspose(
                part.filters,
                part.kernel,
                part.stride,
                padding=part.padding,
                output_padding=part.output_padding,
                use_bias=part.bias,
                activation=part.activation,
                kernel_initializer=transposed_initializer(network, inputs, part.kernel, part.stride),
                **options,
            )
        case parts.Normalisation():
            return BatchNormalization(momentum=part.momentum, epsilon=part.epsilon, **options)
        case parts.Rectifier():
            return layers.LeakyReLU(part.slope, **options) if part.slope else layers.ReLU(**options)
        case parts.Pad():
            return layers.ZeroPadding2D(((0, part.bottom), (0, part.right)), **options)
        case parts.Crop():
            return layers.Cropping2D(((0, part.bottom), (0, part.right)), **options)
        case parts.SpaceToDepth():
            return SpaceToDepth(part.factor, **options)
        case parts.DepthToSpace():
            return DepthToSpace(part.factor, **options)
        case parts.MirroredEdges():
            return MirroredEdges(**options)
        case parts.SmoothPatches():
            return SmoothPatches(part.bands, part.factor, padding=part.padding, **kernel, **options)
    raise TypeError(f"{part} is no part of a network")
