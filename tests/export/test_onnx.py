"""ONNX: onnxruntime computes what Keras does, from stored pixels to stored pixels, for every model and network."""

import importlib
import json
import subprocess
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from builders import galaxies
from builders.configs import composed, train_config
from builders.runs import run_of

from galvae.config.check import from_dict
from galvae.config.export import ExportConfig
from galvae.errors import CannotBeDone, GalvaeError
from galvae.export import onnx as exported
from galvae.export.onnx import export_onnx
from galvae.models.build import build_model
from galvae.models.networks.plan import NETWORKS
from galvae.runs.trained_run import TrainedRun
from galvae.stretch import from_unit


def scrambled(run):
    """The run, each of whose weights has an arbitrary value, statistics of batches included."""
    generator = np.random.default_rng(0)
    for variable in run.model.variables:
        if "float" in str(variable.dtype) and "seed" not in variable.path:
            value = np.asarray(variable)
            spread = (0.1 * value.std() + 0.03) * generator.normal(size=value.shape)
            variable.assign(np.abs(value + spread) if "variance" in variable.name else value + spread)
    if hasattr(run.model, "code_moments"):
        run.model.code_moments.count.assign(1)
        run.model.code_moments.first.assign(np.zeros(run.model.latent_dim))
        run.model.code_moments.second.assign(np.eye(run.model.latent_dim))
    run.weights_digest = "0" * 64
    return run


def session(folder, name):
    return onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run whose pixels are stretched, and the folder to which it was exported."""
    folder = tmp_path_factory.mktemp("plain")
    data = galaxies.dataset(stretch="asinh", pixel_range=(-10.0, 200.0), band_names=["g", "r", "z"])
    run = scrambled(run_of(data, model="vae", latent_dim=3))
    return run, folder, export_onnx(run, folder)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A run that is conditional on the redshift, and the folder to which it was exported."""
    folder = tmp_path_factory.mktemp("conditional")
    data = galaxies.redshift_dataset()
    run = run_of(data, model="cvae2", latent_dim=3)
    run.model.set_condition_scale(data.condition)
    scrambled(run)
    return run, folder, export_onnx(run, folder)


@pytest.mark.parametrize("count", [1, 7])
def test_stored_pixels_go_in(plain, count):
    run, folder, _ = plain
    images = run.dataset.images[:count].astype(np.float32)
    mean, log_variance = session(folder, "encoder").run(["mean", "log_variance"], {"images": images})
    expected = run.encode(run.dataset.images[:count])  # as integers, which the run stretches itself
    np.testing.assert_allclose(mean, expected[0], atol=1e-5)
    np.testing.assert_allclose(log_variance, expected[1], atol=1e-5)
    assert np.ptp(log_variance) > 0.02 and np.ptp(mean) > 0.02  # not a constant


@pytest.mark.parametrize("count", [1, 7])
def test_stored_pixels_come_out(plain, count):
    run, folder, _ = plain
    codes = np.random.default_rng(1).normal(size=(count, 3)).astype(np.float32)
    images, intensities = session(folder, "decoder").run(["images", "intensities"], {"codes": codes})
    decoded = run.decode(codes)
    np.testing.assert_allclose(intensities, decoded, atol=1e-5)
    # Lupton's stretch undone by hand: 5 % of the range is where it bends.
    linear = 0.05 * np.sinh(decoded * np.arcsinh(20))
    np.testing.assert_allclose(images, -10 + 210 * linear, atol=210e-5)


def test_what_comes_out_goes_in_again(plain):
    run, folder, _ = plain
    codes = np.load(folder / "codes.npz")["codes"]
    assert codes.shape == (1000, 3) and codes.dtype == np.float32
    np.testing.assert_array_equal(codes, run.prior().sample(1000, seed=0))
    images = session(folder, "decoder").run(["images"], {"codes": codes[:9]})[0]
    mean = session(folder, "encoder").run(["mean"], {"images": images})[0]
    np.testing.assert_allclose(mean, run.encode(images)[0], atol=1e-5)


def test_a_condition_goes_in_in_physical_units(conditional):
    run, folder, _ = conditional
    rows = run.dataset.split("train")[:5]
    images, redshift = run.dataset.images[rows], run.dataset.condition[rows]
    encoder, decoder = session(folder, "encoder"), session(folder, "decoder")
    mean = encoder.run(["mean"], {"images": images.astype(np.float32), "condition": redshift})[0]
    np.testing.assert_allclose(mean, run.encode(images, redshift)[0], atol=1e-5)
    decoded = decoder.run(["intensities"], {"codes": mean, "condition": redshift})[0]
    np.testing.assert_allclose(decoded, run.decode(mean, redshift), atol=1e-5)
    other = decoder.run(["intensities"], {"codes": mean, "condition": redshift + 1})[0]
    assert np.abs(other - decoded).max() > 0.01
    stored = np.load(folder / "codes.npz")
    assert stored["condition"].shape == (1000, 1)
    assert set(stored["condition"][:, 0]) <= set(run.dataset.condition[run.dataset.split("train"), 0])


def test_names_and_axes_are_for_readers(plain, conditional):
    def axes(folder, name):
        graph = onnx.load(folder / f"{name}.onnx").graph
        sides = {}
        for value in (*graph.input, *graph.output):
            shape = value.type.tensor_type.shape.dim
            sides[value.name] = [side.dim_param or side.dim_value for side in shape]
            assert value.doc_string
        return list(sides.items())

    image, code = ["batch", 8, 8, 3], ["batch", 3]
    folder = plain[1]
    assert axes(folder, "encoder") == [("images", image), ("mean", code), ("log_variance", code)]
    assert axes(folder, "decoder") == [("codes", code), ("images", image), ("intensities", image)]
    image, folder = ["batch", 16, 16, 3], conditional[1]
    assert axes(folder, "decoder")[:2] == [("codes", code), ("condition", ["batch", 1])]
    assert axes(folder, "encoder")[:2] == [("images", image), ("condition", ["batch", 1])]


def test_metadata_say_what_the_numbers_mean(plain, conditional):
    for name in ("encoder", "decoder"):
        model = onnx.load(plain[1] / f"{name}.onnx")
        facts = {entry.key: entry.value for entry in model.metadata_props}
        assert json.loads(facts["pixel_range"]) == [-10, 200] and facts["stretch"] == "asinh"
        assert json.loads(facts["band_names"]) == ["g", "r", "z"]
        assert json.loads(facts["latent_dim"]) == 3 and facts["weights_sha256"] == "0" * 64
        assert json.loads(facts["condition_names"]) == []
        assert model.producer_name == "galvae" and name in model.doc_string
    facts = session(conditional[1], "decoder").get_modelmeta().custom_metadata_map
    assert json.loads(facts["condition_names"]) == ["redshift"]


def test_a_difference_is_said_and_leaves_nothing(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(exported, "LIMIT", 1e-12)
    with pytest.raises(CannotBeDone, match="expected the decoder to agree with Keras"):
        export_onnx(plain[0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_function_is_a_difference(plain, tmp_path, monkeypatch):
    def other(function, shapes, traced=exported.traced):
        return traced(
            lambda codes: {name: value + 2e-5 for name, value in function(codes=codes).items()}, shapes
        )

    monkeypatch.setattr(exported, "traced", other)
    with pytest.raises(CannotBeDone, match=r"received a difference of 2\.\de-05"):
        export_onnx(plain[0], tmp_path)


def test_keras_must_run_on_tensorflow(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(GalvaeError, match="backend: expected tensorflow, .* received jax"):
        export_onnx(plain[0], tmp_path)


def test_the_command_opens_every_run_on_tensorflow():
    def backend(*overrides):
        return from_dict(ExportConfig, composed("export", "run=x", *overrides)).backend

    assert backend("target=onnx") == "tensorflow"
    assert backend("target=bundle") is None
    with pytest.raises(
        GalvaeError, match="backend: expected tensorflow or null for target=onnx, received jax"
    ):
        backend("target=onnx", "backend=jax")


@pytest.mark.parametrize(
    ("module", "package", "extra"), [("onnx", "tf2onnx", "onnx"), ("galsim_galaxy", "galsim", "galsim")]
)
def test_a_package_that_is_not_installed_is_said(module, package, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"galvae.export.{module}", raising=False)
    with pytest.raises(
        GalvaeError, match=rf"expected .*{package} to be installed \(pip install -e '.\[{extra}\]'"
    ):
        importlib.import_module(f"galvae.export.{module}")


@pytest.mark.parametrize("kind", ["plain", "conditional"])
def test_the_example_needs_nothing_of_galvae(kind, request):
    run, folder, paths = request.getfixturevalue(kind)
    assert sorted(paths) == sorted(
        folder / name for name in ("codes.npz", "decoder.onnx", "encoder.onnx", "example.py")
    )
    program = "import sys, runpy; runpy.run_path('example.py'); print('keras' in sys.modules, 'galvae' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False False"
    stored = {name: array[:5] for name, array in np.load(folder / "codes.npz").items()}
    decoded = run.decode(**stored)
    expected = from_unit(decoded, run.model.stretch, run.model.pixel_range)
    np.testing.assert_allclose(np.load(folder / "galaxies.npy"), expected, atol=3e-3)


@pytest.mark.slow
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("model", ["ae", "vae", "cvae2", "fancy_cvae"])
def test_every_model_and_network(model, network, tmp_path, caplog):
    shape = (27, 27 if network == "dcgan" else 33, 2)  # odd sides; dcgan takes squares
    data = galaxies.dataset(
        images=galaxies.ellipses(25, shape[:2], bands=2),
        condition=np.linspace(0.1, 2, 50, dtype=np.float32).reshape(25, 2),
        condition_names=["redshift", "mass"],
        condition_units=["", "solMass"],
    )
    run = run_of(data, model="vae")
    run.config = train_config(f"model={model}", f"network={network}", "latent_dim=4")
    run.model = build_model(run.config, shape, data.pixel_range, data.stretch, 2)
    scrambled(run)
    with caplog.at_level("INFO"):
        export_onnx(run, tmp_path)  # which compares them itself
    assert "1e-05 is allowed" in caplog.text
    rows = np.arange(6)
    images, condition = data.images[rows], run.condition(rows)
    given = {} if condition is None else {"condition": condition}
    mean = session(tmp_path, "encoder").run(["mean"], {"images": images.astype(np.float32), **given})[0]
    expected = run.encode(images, condition)[0]
    np.testing.assert_allclose(mean, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    assert np.ptp(mean, axis=0).min() > 1e-3
    stored = {name: array[:6] for name, array in np.load(tmp_path / "codes.npz").items()}
    decoded = session(tmp_path, "decoder").run(["intensities"], stored)[0]
    np.testing.assert_allclose(decoded, run.decode(**stored), atol=1e-5)
    assert np.mean((decoded > 0.01) & (decoded < 0.99)) > 0.9 and np.ptp(decoded, axis=0).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("model", ["vae", "cvae2"])
def test_the_decoder_reproduces_sample_without_noise(model, trained, galvae, tmp_path):
    path = trained(model)
    assert galvae("sample", f"run={path}", "n=40", "noise=none", "hydra.run.dir=samples")[0] == 0
    assert galvae("export", f"run={path}", "target=onnx", "hydra.run.dir=exported")[0] == 0
    stored = np.load(tmp_path / "samples" / "samples.npz")
    given = {name: stored[name] for name in ("codes", "condition") if name in stored}
    given = {name: array.astype(np.float32) for name, array in given.items()}
    images = session(tmp_path / "exported", "decoder").run(["images"], given)[0]
    low, high = TrainedRun.open(path).model.pixel_range
    np.testing.assert_allclose((images - low) / (high - low), stored["images"], atol=1e-5)
    assert np.ptp(stored["images"]) > 0.1
