"""Networks by the name that `network.name` takes: encoders from images to features, decoders from codes to logits.

A network is a pair of functions in NETWORKS. Both receive the network's section of the configuration and return a plan,
a list of parts, which is read without Keras; the decoder undoes the encoder's change of size exactly, odd sides
included.
"""

from galvae.errors import GalvaeError
from galvae.models.networks.conv import conv_decoder, conv_encoder
from galvae.models.networks.dcgan import dcgan_decoder, dcgan_encoder
from galvae.models.networks.slim import slim_decoder, slim_encoder

SMALLEST_SIDE = 8
NETWORKS = {
    "conv": (conv_encoder, conv_decoder),
    "dcgan": (dcgan_encoder, dcgan_decoder),
    "slim": (slim_encoder, slim_decoder),
}


def encoder_plan(image_shape, network, name="encoder"):
    """The encoder of a configuration, which turns each image into a vector of features.

    Args:
        image_shape: (H, W, C) of its input.
        network: the network's configuration.
        name: name of the stack, with which its layers' names begin.

    Returns:
        list of parts (galvae/models/networks/parts.py), (H, W, C) -> (features,).

    Raises:
        GalvaeError: if the network cannot take images of this size.
    """
    if min(image_shape[:2]) < SMALLEST_SIDE:
        raise GalvaeError(
            f"image size: too small for network {network.name}; expected sides of at least {SMALLEST_SIDE} "
            f"pixels, received {image_shape[0]}x{image_shape[1]}"
        )
    return NETWORKS[network.name][0](image_shape, network, name)


def decoder_plan(code_dim, image_shape, network):
    """The decoder of a configuration, which turns latent codes into the logits of images.

    Args:
        code_dim: length of its input vectors.
        image_shape: (H, W, C) of its output.
        network: the network's configuration.

    Returns:
        list of parts, (code_dim,) -> (H, W, C), whose last part with a bias is `decoder_image`.

    Raises:
        GalvaeError: if the network cannot make images of this size.
    """
    return NETWORKS[network.name][1](code_dim, image_shape, network)
