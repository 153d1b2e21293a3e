import itertools

import numpy as np
import pytest
from builders.galaxies import ellipses, redshift_dataset
from builders.models import build
from builders.runs import run_of

from galvae.data.dataset import GalaxyDataset
from galvae.latent import codes, inference
from galvae.latent.information import active_units, information, information_unit


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_a_dataset_encodes_as_its_images_do(name, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
    model, images = build(name), ellipses(20, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    indices = np.array([19, 3, 3, 0, 7, 8, 9, 11])
    encoded = inference.encode_dataset(model, data, indices)
    np.testing.assert_array_equal(encoded.indices, indices)
    np.testing.assert_allclose(encoded.mean, model.encode(images[indices])[0], atol=1e-5)
    assert (encoded.log_variance is None) == (encoded.std is None) == (name == "ae")
    mean, log_variance = inference.encode_images(model, images[indices])
    np.testing.assert_allclose(mean, encoded.mean, atol=1e-5)
    assert (log_variance is None) == (name == "ae")
    decoded = inference.decode_codes(model, encoded.mean)
    np.testing.assert_allclose(decoded, model.decode(encoded.mean), atol=1e-5)


def test_each_image_is_encoded_in_its_own_orientation(monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 3)
    model, images = build("vae"), ellipses(4, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    encoded = inference.encode_dataset(model, data, np.array([2, 2, 0, 1]), np.array([0, 1, 6, 4]))
    # 90 degrees; flipped, then 180 degrees; flipped.
    turned = [images[2], np.rot90(images[2]), images[0][::-1], images[1][:, ::-1]]
    np.testing.assert_allclose(encoded.mean, model.encode(np.stack(turned))[0], atol=1e-5)


def test_each_galaxy_is_encoded_and_decoded_with_its_own_condition(monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
    model, data = build("cvae2"), redshift_dataset()
    model.set_condition_scale(data.condition)
    indices = np.array([19, 3, 3, 0, 7, 8, 9, 11, 30])
    images, condition = data.images[indices], data.condition[indices]
    expected = np.asarray(model.encode(images, condition)[0])
    assert (np.abs(model.encode(images, condition[::-1])[0] - expected) > 1e-4).any()
    np.testing.assert_allclose(inference.encode_dataset(model, data, indices).mean, expected, atol=1e-5)
    np.testing.assert_allclose(inference.encode_images(model, images, condition)[0], expected, atol=1e-5)
    decoded = np.asarray(model.decode(expected, condition))
    assert (np.abs(model.decode(expected, condition[::-1]) - decoded) > 1e-4).any()
    np.testing.assert_allclose(inference.decode_codes(model, expected, condition), decoded, atol=1e-5)
    np.testing.assert_array_equal(run_of(data, model="cvae2").condition(indices), condition)
    assert run_of(data, model="vae").condition(indices) is None


def test_information_is_the_kl_of_each_dimension():
    mean = np.array([[0.0, 2.0], [0.0, -2.0]], np.float32)
    log_variance = np.log(np.array([[1.0, 0.25], [1.0, 0.25]], np.float32))
    expected = 0.5 * (4 + 0.25 - np.log(0.25) - 1)
    np.testing.assert_allclose(information(mean, log_variance), [0, expected], rtol=1e-6)
    np.testing.assert_allclose(information(mean, None), [0, 4])


def test_many_images_are_encoded_by_a_compiled_function_with_the_same_result(monkeypatch):
    compiled = []
    compile_function = inference.compiled

    def counted(function, model):
        compiled.append(function)
        return compile_function(function, model)

    monkeypatch.setattr(inference, "compiled", counted)
    monkeypatch.setattr(inference, "BATCH", 7)
    monkeypatch.setattr(inference, "MIN_COMPILED", 20)
    model, images = build("vae"), ellipses(20, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    encoded = inference.encode_dataset(model, data, np.arange(20))
    assert compiled == [model.encode]
    for found, expected in zip((encoded.mean, encoded.log_variance), model.encode(images), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(
        inference.decode_codes(model, encoded.mean), model.decode(encoded.mean), atol=1e-5
    )
    assert compiled == [model.encode, model.decode]
    inference.encode_dataset(model, data, np.arange(19))
    assert len(compiled) == 2


def test_active_units_are_those_whose_means_vary():
    mean = np.array([[-1.0], [1.0]]) * np.sqrt([1.0, 0.0099, 0.0101])  # of these variances
    np.testing.assert_array_equal(active_units(mean), [True, False, True])


def test_the_information_of_codes_without_a_posterior_is_a_variance():
    assert (information_unit(np.zeros(3)), information_unit(None)) == ("nats", "variance")


CACHED = codes.Codes(
    np.array([4, 0, 7]),
    np.arange(6, dtype=np.float32).reshape(3, 2),
    -np.arange(6, dtype=np.float32).reshape(3, 2),
)


def test_cached_codes_come_back_by_galaxy(tmp_path):
    CACHED.save(tmp_path / "all.npz", "these")
    again = codes.read_codes(tmp_path / "all.npz", "these", 2, True)
    for name in ("indices", "mean", "log_variance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(CACHED, name))
    some = again.at(np.array([7, 4, 7]))
    np.testing.assert_array_equal(some.mean, [[4, 5], [0, 1], [4, 5]])
    np.testing.assert_array_equal(some.log_variance, [[-4, -5], [0, -1], [-4, -5]])
    np.testing.assert_allclose(some.std, np.exp(0.5 * some.log_variance))


def test_codes_of_other_weights_images_or_splits_are_not_taken(tmp_path):
    assert codes.read_codes(tmp_path / "none.npz", "these", 2, True) is None
    CACHED.save(tmp_path / "all.npz", "these")
    assert codes.read_codes(tmp_path / "all.npz", "others", 2, True) is None
    names = {codes.identity(*values) for values in itertools.product(("x", "y"), ("a", "b"), ("all", "val"))}
    assert len(names) == 8


@pytest.mark.parametrize("damage", ["cut", "shape", "nan", "posterior", "type"])
def test_damaged_codes_cost_a_warning_and_are_not_taken(damage, tmp_path, caplog):
    path, stored = tmp_path / "all.npz", CACHED
    if damage == "nan":
        stored = codes.Codes(CACHED.indices, CACHED.mean * np.float32("nan"), CACHED.log_variance)
    if damage == "type":
        stored = codes.Codes(CACHED.indices, CACHED.mean.astype(float), CACHED.log_variance)
    if damage == "posterior":
        stored = codes.Codes(CACHED.indices, CACHED.mean, None)
    stored.save(path, "these")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-30])
    assert codes.read_codes(path, "these", 3 if damage == "shape" else 2, True) is None
    assert "the cached codes cannot be used; encoding the images again: " in caplog.text
