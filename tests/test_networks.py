import math

import numpy as np
import pytest
from conftest import conv

from galvae.errors import GalvaeError

BLOG = {"filters": [32, 64, 128, 192, 256], "kernels": [5, 5, 3], "dense": 256}


def counts(stack):
    """Parameters of each layer that has any."""
    return [layer.count_params() for layer in stack.layers if layer.count_params()]


def test_conv_at_128_pixels_has_the_blogs_layers():
    from galvae.models.networks import build_decoder, build_encoder

    # kernel^2 x inputs x outputs + biases, from the layer table of the blog's encoder and decoder.
    encoder = [
        5 * 5 * 3 * 32 + 32,
        5 * 5 * 32 * 64 + 64,
        3 * 3 * 64 * 128 + 128,
        3 * 3 * 128 * 192 + 192,
        3 * 3 * 192 * 256 + 256,
        4 * 4 * 256 * 256 + 256,
    ]
    decoder = [
        2 * 4096 + 4096,
        3 * 3 * 256 * 192 + 192,
        3 * 3 * 192 * 128 + 128,
        3 * 3 * 128 * 64 + 64,
        5 * 5 * 64 * 32 + 32,
        5 * 5 * 32 * 3 + 3,
    ]
    assert counts(build_encoder((128, 128, 3), conv(**BLOG))) == encoder
    assert counts(build_decoder(2, (128, 128, 3), conv(**BLOG))) == decoder


def test_mnist_network_has_the_blogs_layers():
    from galvae.models.networks import build_decoder, build_encoder

    small = conv(filters=[32, 64], kernels=[3], dense=32, depth=2, output_kernel=3)
    encoder = [3 * 3 * 1 * 32 + 32, 3 * 3 * 32 * 64 + 64, 7 * 7 * 64 * 32 + 32]
    decoder = [
        2 * 3136 + 3136,
        3 * 3 * 64 * 64 + 64,
        3 * 3 * 64 * 32 + 32,
        3 * 3 * 32 * 1 + 1,
    ]
    assert counts(build_encoder((28, 28, 1), small)) == encoder
    assert counts(build_decoder(2, (28, 28, 1), small)) == decoder


@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (31, 33, 3), (32, 32, 2), (79, 79, 1), (158, 158, 1), (9, 40, 3)]
)
def test_decoder_comes_back_to_the_encoders_size(shape):
    from galvae.models.networks import build_decoder, build_encoder

    assert build_encoder(shape, conv())(np.zeros((2, *shape), np.float32)).shape == (2, 16)
    assert build_decoder(3, shape, conv())(np.zeros((2, 3), np.float32)).shape == (2, *shape)


def test_too_small_images_are_refused():
    from galvae.models.networks import build_encoder

    with pytest.raises(GalvaeError, match="at least 8 pixels, received 7x20"):
        build_encoder((7, 20, 3), conv())


def test_depth_halves_until_the_side_is_four():
    from galvae.models.networks import conv_depth, conv_sides

    depths = {side: conv_depth((side, side, 1), conv()) for side in (8, 16, 28, 32, 128, 158, 256)}
    assert depths == {8: 1, 16: 2, 28: 3, 32: 3, 128: 5, 158: 6, 256: 6}
    assert [side for side, _ in conv_sides((158, 158, 1), 6)] == [158, 79, 40, 20, 10, 5, 3]


def test_he_initialisation_keeps_the_scale_of_activations_in_both_directions():
    from galvae.models.networks import build_decoder, build_encoder

    # A sound start neither blows up nor fades: the signal's size stays within a small factor through 5 layers.
    generator = np.random.default_rng(0)
    network = conv(filters=[64], kernels=[3], dense=256)
    images = generator.normal(size=(32, 128, 128, 3)).astype(np.float32)
    features = np.asarray(build_encoder((128, 128, 3), network)(images))
    codes = generator.normal(size=(32, 64)).astype(np.float32)
    logits = np.asarray(build_decoder(64, (128, 128, 3), network)(codes))
    assert 0.2 < math.sqrt((features**2).mean()) < 3
    assert 0.3 < math.sqrt((logits**2).mean()) < 4


def test_glorot_is_keras_default():
    from galvae.models.networks import build_decoder

    stack = build_decoder(8, (32, 32, 3), conv(initializer="glorot"))
    kernel = np.asarray(stack.get_layer("decoder_image").kernel)
    height, width, outputs, inputs = kernel.shape
    limit = math.sqrt(6 / (height * width * (inputs + outputs)))
    assert 0.9 * limit < np.abs(kernel).max() <= limit
