import numpy as np
import pytest
from builders.galaxies import ellipses

from galvae.analysis.memorisation import nearest_real
from galvae.data.dataset import GalaxyDataset
from galvae.latent import codes


def galaxies(side=(16, 16)):
    """Forty different images without any symmetry."""
    images = np.random.default_rng(0).integers(0, 256, (40, *side, 3), dtype=np.uint8)
    return GalaxyDataset(name="test", images=images, pixel_range=(0, 255))


@pytest.mark.parametrize("rotations", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_a_rotated_copy_is_found_and_returned_in_its_orientation(rotations, flip, monkeypatch):
    monkeypatch.setattr(codes, "BATCH", 7)
    data, indices = galaxies(), np.arange(5, 40)[::-1]
    copies = data.to_unit(data.images[[33, 6]])
    copies = np.rot90(copies[:, :, ::-1] if flip else copies, rotations, axes=(1, 2)) + 0.001
    nearest, difference, real = nearest_real(copies, data, indices)
    np.testing.assert_array_equal(nearest, [33, 6])
    np.testing.assert_allclose(difference, 0.001, rtol=1e-2)
    np.testing.assert_allclose(real, copies - 0.001, atol=1e-6)
    if rotations or flip:
        _, straight, _ = nearest_real(copies, data, indices, rotated=False)
        assert (straight > 0.1).all()


def test_images_that_are_not_square_are_rotated_by_180_degrees_only():
    data = galaxies((16, 12))
    copies = np.rot90(data.to_unit(data.images[[4]]), 2, axes=(1, 2))
    nearest, difference, _ = nearest_real(copies, data, np.arange(40))
    assert nearest == 4 and difference < 1e-3


def test_only_the_requested_galaxies_are_compared():
    images = ellipses(10, 8)
    data = GalaxyDataset(name="test", images=images, pixel_range=(0, 255))
    nearest, difference, _ = nearest_real(data.to_unit(images[:1]), data, np.arange(1, 10))
    distances = np.sqrt(((images[1:] / 255.0 - images[0] / 255.0) ** 2).mean(axis=(1, 2, 3)))
    assert nearest[0] == 1 + distances.argmin()
    assert difference[0] == pytest.approx(distances.min(), rel=1e-4)
