import math

import numpy as np
import pytest
from builders.configs import conv

from galvae.config.model import DcganConfig, SlimConfig
from galvae.errors import GalvaeError
from galvae.models.build import VAE
from galvae.models.networks.build import build_decoder, build_encoder
from galvae.models.networks.conv import conv_depth, conv_sides

BLOG = {"filters": [32, 64, 128, 192, 256], "kernels": [5, 5, 3], "dense": 256}


def counts(stack):
    """Parameters of each layer that has any."""
    return [layer.count_params() for layer in stack.layers if layer.count_params()]


def test_conv_at_128_pixels_has_the_blogs_layers():
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
    assert build_encoder(shape, conv())(np.zeros((2, *shape), np.float32)).shape == (2, 16)
    assert build_decoder(3, shape, conv())(np.zeros((2, 3), np.float32)).shape == (2, *shape)


def test_too_small_images_are_refused():
    with pytest.raises(GalvaeError, match="at least 8 pixels, received 7x20"):
        build_encoder((7, 20, 3), conv())


def test_depth_halves_until_the_side_is_four():
    depths = {side: conv_depth((side, side, 1), conv()) for side in (8, 16, 28, 32, 128, 158, 256)}
    assert depths == {8: 1, 16: 2, 28: 3, 32: 3, 128: 5, 158: 6, 256: 6}
    assert [side for side, _ in conv_sides((158, 158, 1), 6)] == [158, 79, 40, 20, 10, 5, 3]


def test_he_initialisation_keeps_the_scale_of_activations_in_both_directions():
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
    stack = build_decoder(8, (32, 32, 3), conv(initializer="glorot"))
    kernel = np.asarray(stack.get_layer("decoder_image").kernel)
    height, width, outputs, inputs = kernel.shape
    limit = math.sqrt(6 / (height * width * (inputs + outputs)))
    assert 0.9 * limit < np.abs(kernel).max() <= limit


def dcgan(**changes):
    """The published network `dcgan`, unless told otherwise."""
    values = {"filters": [64, 128, 256, 512], "bottleneck": 1, "initializer": "he", "output_bias": "zero"}
    return DcganConfig(name="dcgan", **{**values, **changes})


def slim(**changes):
    """The network `slim` as conf/ has it, unless told otherwise."""
    values = {"filters": [32, 64, 128, 256], "dense": 256, "patch": 4}
    return SlimConfig(name="slim", initializer="he", output_bias="median", **{**values, **changes})


def test_dcgan_at_128_pixels_has_the_published_layers():
    # No biases; four numbers per channel of a batch normalisation (scale, shift and two moving averages).
    encoder = [
        4 * 4 * 1 * 64,
        *(4 * 4 * 64 * 128, 4 * 128),
        *(4 * 4 * 128 * 256, 4 * 256),
        *(4 * 4 * 256 * 512, 4 * 512),
        5 * 5 * 512 * 1,  # 8 pixels to 4, without padding: 16 units
    ]
    decoder = [
        32 * 16 + 16,
        *(5 * 5 * 1 * 512, 4 * 512),
        *(4 * 4 * 512 * 256, 4 * 256),
        *(4 * 4 * 256 * 128, 4 * 128),
        *(4 * 4 * 128 * 64, 4 * 64),
        4 * 4 * 64 * 1,
    ]
    shape = (128, 128, 1)
    stack = build_encoder(shape, dcgan())
    assert counts(stack) == encoder
    assert stack.output_shape == (None, 16)
    assert counts(build_decoder(32, shape, dcgan())) == decoder


def test_dcgan_at_158_pixels_has_the_published_layers():
    # Sides 158-79-40-20-10-5: from 79 to 40 and back the kernel is 3.
    encoder = [
        4 * 4 * 1 * 64,
        *(3 * 3 * 64 * 128, 4 * 128),
        *(4 * 4 * 128 * 256, 4 * 256),
        *(4 * 4 * 256 * 512, 4 * 512),
        4 * 4 * 512 * 1,  # 10 pixels to 5: 25 units
    ]
    decoder = [
        32 * 25 + 25,
        *(4 * 4 * 1 * 512, 4 * 512),
        *(4 * 4 * 512 * 256, 4 * 256),
        *(4 * 4 * 256 * 128, 4 * 128),
        *(3 * 3 * 128 * 64, 4 * 64),
        4 * 4 * 64 * 1,
    ]
    shape = (158, 158, 1)
    stack = build_encoder(shape, dcgan())
    assert counts(stack) == encoder
    assert stack.output_shape == (None, 25)
    sides = [
        layer.output.shape[1] for layer in stack.layers if "conv" in layer.name or "bottle" in layer.name
    ]
    assert sides == [79, 40, 20, 10, 5]
    back = build_decoder(32, shape, dcgan())
    assert counts(back) == decoder
    sides = [layer.output.shape[1] for layer in back.layers if "conv" in layer.name or "image" in layer.name]
    assert sides == [10, 20, 40, 79, 158]


def test_dcgan_warns_of_latent_dimensions_for_which_its_bottleneck_has_no_room(caplog):
    build_decoder(32, (158, 158, 1), dcgan())
    assert len(caplog.records) == 1
    assert "the decoder has 32 inputs and a bottleneck of only 25 units (5x5, 1 channels)" in caplog.text
    assert "network.bottleneck=2 has room for all" in caplog.text
    caplog.clear()
    build_decoder(32, (158, 158, 1), dcgan(bottleneck=2))
    build_decoder(16, (128, 128, 1), dcgan())
    assert not caplog.records


@pytest.mark.parametrize("side", [16, 28, 31, 32, 64, 79, 100, 128, 158])
@pytest.mark.parametrize("network", [dcgan(bottleneck=3), slim(), slim(patch=2)])
def test_other_networks_come_back_to_the_encoders_size(side, network):
    shape = (side, side, 2)
    features = build_encoder(shape, network)(np.zeros((1, *shape), np.float32))
    assert features.ndim == 2
    assert build_decoder(4, shape, network)(np.zeros((1, 4), np.float32)).shape == (1, *shape)


def test_dcgan_wants_squares_of_16_pixels():
    for shape in ((20, 24, 1), (15, 15, 1)):
        with pytest.raises(GalvaeError, match=f"at least 16 pixels, received {shape[0]}x{shape[1]}"):
            build_encoder(shape, dcgan())


def test_slim_at_128_pixels():
    encoder = [
        3 * 3 * 48 * 32 + 32,
        3 * 3 * 32 * 64 + 64,
        3 * 3 * 64 * 128 + 128,
        3 * 3 * 128 * 256 + 256,
        4 * 4 * 256 * 256 + 256,
    ]
    decoder = [
        8 * 4096 + 4096,
        3 * 3 * 256 * 128 + 128,
        3 * 3 * 128 * 64 + 64,
        3 * 3 * 64 * 32 + 32,
        3 * 3 * 32 * 48 + 48,
    ]
    assert counts(build_encoder((128, 128, 3), slim())) == encoder
    assert counts(build_decoder(8, (128, 128, 3), slim())) == decoder


def test_batch_normalisation_uses_its_moving_averages_outside_of_training():
    model = VAE((16, 16, 1), 2, dcgan(filters=[4, 8], bottleneck=2), pixel_range=(0, 1))
    model.build_all()
    generator = np.random.default_rng(0)
    images = generator.uniform(size=(8, 16, 16, 1)).astype(np.float32)
    one = np.asarray(model.encode(images[:1])[0])
    np.testing.assert_allclose(np.asarray(model.encode(images)[0])[:1], one, rtol=1e-4, atol=1e-6)
    before = [np.asarray(v) for v in model.non_trainable_variables if "moving" in v.path]
    model({"images": images}, training=True)
    after = [np.asarray(v) for v in model.non_trainable_variables if "moving" in v.path]
    assert before
    assert all(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
