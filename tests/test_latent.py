import numpy as np
import pytest
from conftest import blobs, conv

from galvae.data.dataset import GalaxyDataset


def build(name):
    from galvae.models import MODELS

    model = MODELS[name]((16, 16, 3), latent_dim=2, network=conv(), name=name)
    model.build_all()
    return model


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_a_dataset_encodes_as_its_images_do(name, monkeypatch):
    from galvae import latent

    monkeypatch.setattr(latent, "BATCH", 7)
    model, images = build(name), blobs(20, 16)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    indices = np.array([19, 3, 3, 0, 7, 8, 9, 11])
    mean, log_variance = latent.encode_dataset(model, data, indices)
    np.testing.assert_allclose(mean, model.encode(images[indices])[0], atol=1e-5)
    assert (log_variance is None) == (name == "ae")
    decoded = latent.decode_codes(model, mean)
    np.testing.assert_allclose(decoded, model.decode(mean), atol=1e-5)


def test_information_is_the_kl_of_each_dimension():
    from galvae.latent import information

    mean = np.array([[0.0, 2.0], [0.0, -2.0]], np.float32)
    log_variance = np.log(np.array([[1.0, 0.25], [1.0, 0.25]], np.float32))
    expected = 0.5 * (4 + 0.25 - np.log(0.25) - 1)
    np.testing.assert_allclose(information(mean, log_variance), [0, expected], rtol=1e-6)
    np.testing.assert_allclose(information(mean, None), [0, 4])
