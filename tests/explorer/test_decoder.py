"""The decoder in the page's JavaScript against Keras, and its colours against the package's figures."""

import dataclasses
import itertools
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import ellipses
from builders.javascript import context, put, take

from galvae.errors import GalvaeError
from galvae.explorer import decoder
from galvae.explorer.decoder import decoder_of
from galvae.figures.canvas import rgb
from galvae.figures.style import Style
from galvae.models.build import build_model
from galvae.models.networks import parts
from galvae.models.networks.plan import NETWORKS

SMALL = ("dataset=simulated", "latent_dim=3", "network.filters=[8,12,16]")
CONDITION = ["class spiral", "class smooth", "redshift"]
# Sizes and settings of each network: odd sides, sides that are not equal, all that changes a decoder's parts.
SIZES = {
    "conv": [(32, 32, 3), (9, 40, 2)],
    "dcgan": [(40, 40, 3), (79, 79, 1)],
    "slim": [(31, 34, 3), (16, 16, 1)],
}
SETTINGS = {
    "conv": [(), ("network.output_kernel=4",), ("network.kernels=[2,7,1]", "network.depth=4")],
    "dcgan": [(), ("network.output_bias=zero", "network.bottleneck=1")],
    "slim": [
        (f"network.refine={refine}", f"network.padding={padding}", f"network.patch={patch}")
        for refine, padding, patch in [("smooth", "reflect", 4), ("none", "zeros", 3), ("smooth", "zeros", 2)]
    ],
}


@pytest.fixture(scope="module")
def page():
    return context("latent/decoder.js", "latent/display.js")


def scrambled(network, model, shape, settings=()):
    """A model none of whose decoder's variables is trivial, as a run has it: (model, config, state, weights)."""
    config = train_config(f"network={network}", f"model={model}", *SMALL, *settings)
    names = CONDITION if "cvae" in model else []
    built = build_model(config, shape, (0, 255), "none", len(names))
    generator = np.random.default_rng(len(model))
    for variable in built.variables:
        if not variable.path.startswith(("decoder/", "condition")):
            continue
        values = 0.3 * generator.normal(size=variable.shape)
        if variable.path.endswith(
            "kernel"
        ):  # no longer those that an initialiser makes, such as smooth patches
            values = np.asarray(variable) + np.asarray(variable).std() * values
        positive = variable.path.endswith(("gamma", "variance", "spread"))
        variable.assign(np.exp(values) if positive else values)
    state = SimpleNamespace(image_shape=list(shape), condition_names=names)
    return built, config, state, {variable.path: np.asarray(variable) for variable in built.variables}


@pytest.fixture(scope="module")
def conditional():
    """Configuration, state and weights of a small conditional model."""
    return scrambled("conv", "cvae", (16, 16, 1))[1:]


def compare(page, network, model, shape, settings=()):
    """Decodes two codes at two conditions by Keras and in the page, and compares the images."""
    built, config, state, weights = scrambled(network, model, shape, settings)
    generator = np.random.default_rng(1)
    codes = generator.normal(size=(2, 3)).astype(np.float32)
    conditions = np.float32([[1, 0, 0.3], [0, 1, 1.4]])
    expected = np.asarray(built.decode(codes, conditions if state.condition_names else None))
    for image in expected:
        assert image.std() > 0.02  # something is seen, and no flipped or rotated image would pass
        assert np.abs(image - image[::-1]).max() > 0.02 and np.abs(image - image[:, ::-1]).max() > 0.02
    assert np.abs(expected[0] - expected[1]).max() > 0.02

    spec, arrays = decoder_of(config, state, weights)
    put(page, "spec", spec)
    put(page, "arrays", arrays)
    put(page, "codes", codes)
    put(page, "conditions", conditions)
    page.eval("globalThis.decoder = new Decoder(spec, arrays);")
    page.eval("globalThis.first = decoder.decode(codes.subarray(0, 3), conditions.subarray(0, 3));")
    page.eval("globalThis.second = decoder.decode(codes.subarray(3, 6), conditions.subarray(3, 6));")
    assert page.execute("decoder.cost") >= 0
    for name, image in zip(("first", "second"), expected, strict=True):
        np.testing.assert_allclose(take(page, name).reshape(shape), image, atol=3e-4)


@pytest.mark.parametrize(("network", "model"), [("conv", "cvae"), ("dcgan", "cvae2"), ("slim", "vae")])
def test_the_page_decodes_as_keras_does(page, network, model):
    compare(page, network, model, SIZES[network][0], SETTINGS[network][0])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "model"), list(itertools.product(NETWORKS, ("ae", "vae", "cvae2", "fancy_cvae")))
)
def test_the_page_decodes_every_network_of_every_model_as_keras_does(page, network, model):
    for shape, settings in itertools.product(SIZES[network], SETTINGS[network]):
        compare(page, network, model, shape, settings)


def test_weights_of_another_configuration_are_refused(conditional):
    config, state, weights = conditional
    path = "decoder/decoder_image/bias"
    for wrong, message in [
        ({path: None}, r"decoder_image/bias: expected \(1,\), received none"),
        ({path: np.zeros(3)}, r"decoder_image/bias: expected \(1,\), received \(3,\)"),
        ({"decoder/other/kernel": np.zeros(2)}, r"decoder/other/kernel: expected none, received \(2,\)"),
        ({"condition_mean": np.zeros(1)}, r"condition_mean: expected \(3,\), received \(1,\)"),
        ({path: np.full(1, np.inf)}, "expected finite weights and statistics"),
        ({path: np.full(1, np.nan)}, "expected finite weights and statistics"),
    ]:
        changed = {name: array for name, array in {**weights, **wrong}.items() if array is not None}
        with pytest.raises(GalvaeError, match=message):
            decoder_of(config, state, changed)


def test_what_the_page_does_not_know_is_refused(monkeypatch, conditional):
    config, state, weights = conditional
    for part in (parts.Pad("padded", 1, 1), parts.Rectifier("early"), parts.Conv("strided", 2, 3, stride=2)):
        monkeypatch.setattr(decoder, "decoder_plan", lambda *_, part=part: [part])
        with pytest.raises(GalvaeError, match=f"{part.name}.*the page cannot decode such a part"):
            decoder_of(config, state, weights)
    renamed = dataclasses.replace(config, model=dataclasses.replace(config.model, name="newer"))
    with pytest.raises(GalvaeError, match="model newer: .* expected a conditional model of cvae, cvae2"):
        decoder_of(renamed, state, weights)


def test_weights_of_any_size_keep_their_precision(conditional):
    # Half precision would lose one filter to infinity and another to zero.
    config, state, weights = conditional
    kernel = np.zeros_like(weights["decoder/decoder_conv1/kernel"])  # (k, k, F, N)
    kernel[0, 1, 0], kernel[0, 1, 1] = 1e6, 1e-9
    _, arrays = decoder_of(config, state, {**weights, "decoder/decoder_conv1/kernel": kernel})
    stored = arrays["decoder.1.kernel"] * arrays["decoder.1.scale"]  # (N, k, k, F)
    np.testing.assert_allclose(stored, kernel.transpose(3, 0, 1, 2), rtol=1e-6)


@pytest.mark.parametrize("stretch", ["none", "asinh"])
@pytest.mark.parametrize("span", [None, (0.02, 0.4)])
@pytest.mark.parametrize(
    ("bands", "chosen"), [(1, None), (2, None), (3, None), (3, (2, 1, 0)), (5, (4, 0, 2))]
)
def test_images_have_the_colours_of_the_figures(page, bands, chosen, span, stretch):
    images = ellipses(3, (12, 17), bands) / np.float32(255) * 1.2 - np.float32(0.1)
    images[2, 3, 4, 0] = np.nan
    style = Style(image_map="viridis", rgb=chosen, stretch=stretch, display=span)
    palette = np.round(255 * matplotlib.colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)
    display = {"range": span, "rgb": chosen, "stretch": stretch}
    put(page, "spec", {"height": 12, "width": 17, "bands": bands, "display": display})
    put(page, "palette", palette)
    for image, expected in zip(images, rgb(images, style), strict=True):
        put(page, "image", image)
        drawn = take(page, "colours(image, spec, palette)").reshape(12, 17, 4)
        assert np.all(drawn[..., 3] == 255)
        assert np.abs(drawn[..., :3].astype(int) - expected).max() <= 1
    assert np.all(drawn == 255)  # the image with NaN


def test_an_image_is_drawn_pixel_by_pixel(page):
    page.eval("globalThis.ImageData = class { constructor(...values) { this.values = values; } };")
    page.eval(
        "globalThis.canvas = { style: {}, getContext: () => ({ putImageData: (...put) => { canvas.put = put; } }) };"
    )
    display = {"range": None, "rgb": None, "stretch": "none"}
    put(page, "spec", {"height": 1, "width": 2, "bands": 3, "display": display})
    put(page, "image", np.float32([0, 1, 0.5, 1, 0, 0]))
    page.eval("drawImage(canvas, image, spec, null);")
    assert page.execute("[canvas.width, canvas.height, canvas.style.imageRendering]") == [2, 1, "pixelated"]
    assert page.execute("[...canvas.put[0].values.slice(1), ...canvas.put.slice(1)]") == [2, 1, 0, 0]
    assert take(page, "canvas.put[0].values[0]").tolist() == [0, 255, 128, 255, 255, 0, 0, 255]
