import numpy as np
import pytest
from conftest import blobs, conv

from galvae.data.dataset import GalaxyDataset


def build(name):
    from galvae.models.build import MODELS

    model = MODELS[name]((16, 16, 3), latent_dim=2, network=conv(), name=name)
    model.build_all()
    return model


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_a_dataset_encodes_as_its_images_do(name, monkeypatch):
    from galvae.latent import codes

    monkeypatch.setattr(latent, "BATCH", 7)
    model, images = build(name), blobs(20, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    indices = np.array([19, 3, 3, 0, 7, 8, 9, 11])
    mean, log_variance = codes.encode_dataset(model, data, indices)
    np.testing.assert_allclose(mean, model.encode(images[indices])[0], atol=1e-5)
    assert (log_variance is None) == (name == "ae")
    decoded = codes.decode_codes(model, mean)
    np.testing.assert_allclose(decoded, model.decode(mean), atol=1e-5)


def test_information_is_the_kl_of_each_dimension():
    from galvae.latent.information import information

    mean = np.array([[0.0, 2.0], [0.0, -2.0]], np.float32)
    log_variance = np.log(np.array([[1.0, 0.25], [1.0, 0.25]], np.float32))
    expected = 0.5 * (4 + 0.25 - np.log(0.25) - 1)
    np.testing.assert_allclose(information(mean, log_variance), [0, expected], rtol=1e-6)
    np.testing.assert_allclose(information(mean, None), [0, 4])


def test_many_images_are_encoded_by_a_compiled_function_with_the_same_result(float32, monkeypatch):
    from galvae.backend.setup import compiled
    from galvae.latent import codes

    compiled = []
    compile_function = compiled

    def counted(function):
        compiled.append(function)
        return compile_function(function)

    monkeypatch.setattr(devices, "compiled", counted)
    monkeypatch.setattr(latent, "BATCH", 7)
    monkeypatch.setattr(latent, "COMPILED", 20)
    model, images = build("vae"), blobs(20, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    mean, log_variance = codes.encode_dataset(model, data, np.arange(20))
    assert compiled == [model.encode]
    for found, expected in zip((mean, log_variance), model.encode(images), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(codes.decode_codes(model, mean), model.decode(mean), atol=1e-5)
    assert compiled == [model.encode, model.decode]
    codes.encode_dataset(model, data, np.arange(19))
    assert len(compiled) == 2


def test_active_units_are_those_whose_means_vary():
    from galvae.latent.information import active_units

    mean = np.random.default_rng(0).normal(size=(1000, 3)) * [1.0, 0.05, 0.2]
    np.testing.assert_array_equal(active_units(mean), [True, False, True])


def test_slerp_keeps_to_the_sphere_and_to_even_angles():
    from galvae.latent.walks import slerp

    path = slerp(np.array([2.0, 0, 0]), np.array([0, 2.0, 0]), 5)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2)
    angles = np.arctan2(path[:, 1], path[:, 0])
    np.testing.assert_allclose(angles, np.linspace(0, np.pi / 2, 5), atol=1e-12)
    # Lengths change evenly; the ends are the codes themselves.
    path = slerp(np.array([1.0, 0]), np.array([0, 3.0]), 3)
    np.testing.assert_allclose(path[[0, 2]], [[1, 0], [0, 3]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path[1]), 2)
    # Without a direction, or with the same one, a straight line.
    for start, end in (([0.0, 0], [1.0, 1]), ([1.0, 1], [3.0, 3]), ([1.0, 0], [-1.0, 0])):
        path = slerp(np.array(start), np.array(end), 3)
        np.testing.assert_allclose(path[1], np.mean([start, end], axis=0))


def test_walks_change_what_they_walk_along_and_nothing_else():
    from galvae.latent.walks import axis_codes, plane_codes

    origin = np.array([9.0, 8, 7, 6])
    codes = axis_codes(origin, [2, 0], np.array([[-1.0, 0, 1], [-2, 0, 2]]))
    assert codes.shape == (2, 3, 4)
    np.testing.assert_array_equal(codes[0, :, 2], [-1, 0, 1])
    np.testing.assert_array_equal(codes[1, :, 0], [-2, 0, 2])
    np.testing.assert_array_equal(codes[0][:, [0, 1, 3]], [[9, 8, 6]] * 3)
    plane = plane_codes(origin, (3, 1), np.array([1.0, 2, 3]), np.array([10.0, 20]))
    assert plane.shape == (2, 3, 4)
    np.testing.assert_array_equal(plane[1, 2], [9, 20, 7, 3])
    np.testing.assert_array_equal(plane[0, :, 3], [1, 2, 3])


def test_a_plain_autoencoders_prior_is_what_its_training_codes_were():
    from galvae.latent.information import information_unit, prior

    vae, ae = build("vae"), build("ae")
    np.testing.assert_array_equal(prior(vae), [[0, 0], [1, 1]])
    codes = np.random.default_rng(0).normal([3, -1], [2, 0.5], (400, 2)).astype(np.float32)
    ae.code_moments(codes, training=True)
    mean, spread = prior(ae)
    np.testing.assert_allclose(mean, codes.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(spread, codes.std(axis=0), rtol=1e-4)
    assert (information_unit(vae), information_unit(ae)) == ("nats", "variance")
