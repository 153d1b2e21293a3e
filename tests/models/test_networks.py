import math

import keras
import numpy as np
import pytest
from builders.configs import conv, train_config

from galvae.config.check import from_dict, to_dict
from galvae.config.model import DcganConfig, SlimConfig
from galvae.config.train import TrainConfig
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
    """The network `slim` with the layers of 0.1, unless told otherwise."""
    values = {"filters": [32, 64, 128, 256], "dense": 256, "patch": 4, "refine": "none", "padding": "zeros"}
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
@pytest.mark.parametrize(
    "network", [dcgan(bottleneck=3), slim(), slim(patch=2, refine="smooth", padding="reflect")]
)
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


def decoded_from(decoder, name, features):
    """Images that the layers of a decoder make from the input of one of them on."""
    first = [layer.name for layer in decoder.layers].index(name)
    for layer in decoder.layers[first:]:
        features = layer(features)
    return np.asarray(features)


def test_a_sky_is_decoded_without_a_grid_and_a_frame():
    shape, sky = (30, 33, 3), np.ones((1, 8, 9, 32), np.float32)
    free = decoded_from(build_decoder(4, shape, slim()), "decoder_image", sky)
    mirrored = decoded_from(build_decoder(4, shape, slim(padding="reflect")), "decoder_edges", sky)
    smooth = decoded_from(build_decoder(4, shape, slim(refine="smooth")), "decoder_image", sky)
    both = decoded_from(
        build_decoder(4, shape, slim(refine="smooth", padding="reflect")), "decoder_edges", sky
    )
    for image in (free, mirrored, smooth, both):
        assert image.shape == (1, *shape)
    assert np.ptp(free[:, 4:-6, 4:-5], axis=(1, 2)).min() > 0.1  # grid
    np.testing.assert_allclose(mirrored[:, :4, :4], mirrored[:, 4:8, 4:8], atol=1e-5)  # grid, but no frame
    assert np.abs(smooth[:, :4] - smooth[:, 8:9, 8:9]).max() > 0.1  # frame
    assert np.ptp(smooth[:, 4:-6, 4:-5], axis=(1, 2)).max() < 1e-5
    assert np.ptp(both, axis=(1, 2)).max() < 1e-5


def test_a_configuration_of_0_1_builds_slims_earlier_layers():
    values = to_dict(train_config("dataset=simulated", "network=slim"))
    del values["network"]["refine"], values["network"]["padding"]
    network = from_dict(TrainConfig, values).network
    assert (network.refine, network.padding) == ("none", "zeros")
    decoder = build_decoder(4, (32, 32, 3), network)
    assert type(decoder.get_layer("decoder_image")) is keras.layers.Conv2D
    assert "decoder_edges" not in [layer.name for layer in decoder.layers]


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


@pytest.mark.parametrize(
    "network",
    [
        conv(filters=[24, 32], dense=64),
        dcgan(filters=[24, 32], bottleneck=16),
        slim(),
        slim(refine="smooth", padding="reflect"),
    ],
)
def test_he_initialisation_has_the_variance_of_its_rule(network):
    # Two divided by the number of terms that a pixel sums: with stride 2, one of a transposed kernel's four entries.
    for stack in (build_encoder((32, 32, 3), network), build_decoder(32, (32, 32, 3), network)):
        for layer in stack.layers:
            if not hasattr(layer, "kernel"):
                continue
            kernel = np.asarray(layer.kernel)
            terms = kernel[..., 0].size
            if isinstance(layer, keras.layers.Conv2DTranspose):
                terms = kernel[:, :, 0].size / layer.strides[0] ** 2
            few = 4 / math.sqrt(kernel.size)  # standard deviations of the one that is measured
            assert kernel.std() == pytest.approx(math.sqrt(2 / terms), rel=few), layer.name


def test_every_layer_but_the_last_is_followed_by_its_nonlinearity():
    def activations(stack):
        """Names of the nonlinearity of each layer with a kernel: its own, or that of the layers after it."""
        names = []
        for layer in stack.layers:
            if hasattr(layer, "kernel"):
                names.append(layer.activation.__name__)
            elif "relu" in layer.name:
                names[-1] = type(layer).__name__
        return names

    shape = (32, 32, 3)
    for network, depth in ((conv(), 3), (slim(), 2)):
        assert activations(build_encoder(shape, network)) == ["relu"] * (depth + 1)
        assert activations(build_decoder(2, shape, network)) == ["relu"] * depth + ["linear"]
    assert activations(build_decoder(2, shape, conv(output_kernel=3))) == ["relu"] * 4 + ["linear"]
    encoder, decoder = build_encoder(shape, dcgan()), build_decoder(2, shape, dcgan())
    assert activations(encoder) == ["LeakyReLU"] * 2 + ["linear"]
    assert activations(decoder) == ["linear", "ReLU", "ReLU", "linear"]
    # As published, with PyTorch's defaults: momentum 0.1 there is 0.9 here.
    assert {layer.negative_slope for layer in encoder.layers if hasattr(layer, "negative_slope")} == {0.2}
    for layer in [*encoder.layers, *decoder.layers]:
        if "norm" in layer.name:
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


def test_slim_cuts_patches_from_the_upper_left_corner_and_puts_them_back_there():
    shape, patch = (18, 21, 2), 4
    images = np.random.default_rng(0).uniform(size=(1, *shape)).astype(np.float32)
    features = images
    for layer in build_encoder(shape, slim()).layers:
        features = layer(features)
        if layer.name == "encoder_patches":
            break
    assert features.shape == (1, 5, 6, patch**2 * 2)
    np.testing.assert_array_equal(np.reshape(features[0, 2, 3], (patch, patch, 2)), images[0, 8:12, 12:16])
    np.testing.assert_array_equal(
        np.reshape(features[0, 4, 5], (patch, patch, 2))[:2, :1], images[0, 16:, 20:]
    )

    decoder = build_decoder(3, shape, slim())
    image = decoder.get_layer("decoder_image")
    image.kernel.assign(np.zeros(image.kernel.shape))
    image.bias.assign(np.arange(patch**2 * 2))
    tiles = np.tile(np.arange(patch**2 * 2).reshape(patch, patch, 2), (5, 6, 1))
    np.testing.assert_array_equal(decoder(np.zeros((1, 3), np.float32))[0], tiles[:18, :21])


def test_odd_sides_are_cropped_at_their_lower_right_end():
    # Weights of earlier runs depend on it: the feature in row 1 and column 2 draws pixels from (2, 4) on.
    shape = (9, 11, 1)
    for network, name in ((conv(), "decoder_image"), (slim(patch=1), "decoder_conv2")):
        stack = build_decoder(2, shape, network).layers
        first = [layer.name for layer in stack].index(name)
        stack[first].kernel.assign(np.ones(stack[first].kernel.shape))
        features = np.zeros((1, 5, 6, stack[first].kernel.shape[-1]), np.float32)
        features[0, 1, 2] = 1
        for layer in stack[first : first + 2]:
            features = layer(features)
        rows, columns = np.nonzero(np.asarray(features)[0, ..., 0])
        assert features.shape[1:3] == shape[:2]
        assert (set(rows), set(columns)) == ({2, 3, 4}, {4, 5, 6})
