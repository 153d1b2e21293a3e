import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.runs import run_of

from galvae.analysis import memorisation
from galvae.analysis.memorisation import measure, nearest_real, share_closer
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits
from galvae.latent import inference
from galvae.latent.priors.normal import NormalPrior

CONFIG = SimpleNamespace(seed=0, bootstrap=200, samples=600, prior=None)
LATENT_DIM, SIDE = 4, 8


def galaxies(side=(16, 16)):
    """Forty different images without any symmetry."""
    images = np.random.default_rng(0).integers(0, 256, (40, *side, 3), dtype=np.uint8)
    return GalaxyDataset(name="test", images=images, pixel_range=(0, 255))


@pytest.mark.parametrize("rotations", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_a_rotated_copy_is_found_and_returned_in_its_orientation(rotations, flip, monkeypatch):
    monkeypatch.setattr(inference, "BATCH", 7)
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


class Drawn(NormalPrior):
    """A prior whose samples are the given codes."""

    def __init__(self, codes):
        super().__init__(codes.shape[1])
        self.codes = codes

    def sample(self, n, condition=None, seed=None, temperature=1.0):
        assert n == len(self.codes)
        return self.codes.astype(np.float32)


def paint(latent):
    """Images (n, SIDE, SIDE, 3) whose pixels follow the codes, each by its own rule, without any symmetry."""
    basis = np.random.default_rng(3).normal(size=(LATENT_DIM, SIDE * SIDE * 3))
    return (0.5 + 0.1 * np.tanh(latent @ basis)).reshape(-1, SIDE, SIDE, 3).astype(np.float32)


@pytest.fixture(scope="module")
def painted():
    """A dataset of painted galaxies, half of which train, and the means of their posteriors, whose scatter is 0.3."""
    mean = np.sqrt(1 - 0.3**2) * np.random.default_rng(1).standard_normal((1200, LATENT_DIM))
    images = paint(mean) + 0.005 * np.random.default_rng(2).standard_normal((1200, SIDE, SIDE, 3))
    data = dataset(
        1200,
        images=images.astype(np.float32),
        pixel_range=(0, 1),
        splits=make_splits(1200, [0.5, 0.25, 0.25], 0),
    )
    return data, mean


def shares(painted, samples, decode=paint, augment=True, std=0.3):
    """The entry of metrics.json of a sampler, and its report."""
    data, mean = painted
    run = run_of(data, mean, std, Drawn(samples), decode, augment=augment, latent_dim=samples.shape[1])
    report = measure(run, np.arange(3), CONFIG, {})
    return json.loads(json.dumps(report.summary["memorisation"], allow_nan=False)), report


def test_independent_galaxies_are_as_close_to_the_training_set_as_new_ones(painted):
    samples = np.random.default_rng(7).standard_normal((600, LATENT_DIM))
    found, report = shares(painted, samples)
    for space in ("codes", "pixels"):
        assert found[space]["low"] <= 0.01 <= found[space]["high"] < 0.05
        assert (found[space]["n"], found[space]["new_galaxies"]) == (600, 600)
        assert found[space]["expected"] == 0.01
    assert f"in codes {100 * found['codes']['share']:.3g} % (95 %: " in report.lines[0]
    assert "of 600 samples are closer to a training galaxy than 1 % of 600 new galaxies" in report.lines[0]


def test_decoded_copies_of_training_galaxies_are_caught(painted):
    data, mean = painted
    found, report = shares(painted, mean[data.split("train")])
    assert found["codes"]["share"] == 1 and found["pixels"]["share"] > 0.9
    nearest = report.arrays["nearest_to_samples"]
    np.testing.assert_array_equal(nearest["nearest_in_codes"], data.split("train"))
    assert (nearest["indices"] == data.split("train")).mean() > 0.9


@pytest.mark.parametrize("augment", [True, False])
def test_rotated_copies_are_caught_in_pixels_where_training_rotates(painted, augment):
    data, _ = painted
    train = data.split("train")

    def memory(latent):
        """Paints what it has not learned, and training galaxies, rotated, for codes near 9."""
        images = paint(latent)
        known = np.abs(latent[:, 0] - 9) < 1e-3
        rows = train[np.round(1e4 * latent[known, 1]).astype(int)]
        images[known] = np.rot90(data.images[rows, :, ::-1], 3, axes=(1, 2))
        return images

    samples = np.random.default_rng(7).standard_normal((600, LATENT_DIM))
    samples[:, 0], samples[:, 1] = 9, np.arange(600) / 1e4
    found, report = shares(painted, samples, memory, augment)
    assert found["codes"]["share"] < 0.1
    assert found["pixels"]["share"] == 1 if augment else found["pixels"]["share"] < 0.1
    if augment:
        pairs = report.arrays["closest_pairs"]
        assert len(pairs["samples"]) == 12
        np.testing.assert_allclose(pairs["real"], pairs["samples"], atol=1e-6)
        np.testing.assert_array_equal(
            pairs["real"], np.rot90(data.images[pairs["indices"], :, ::-1], 3, axes=(1, 2))
        )
        assert pairs["pixels"].max() < 1e-3


def test_samples_of_the_densest_region_are_no_copies(painted):
    # In eight dimensions a quarter of these samples are nearer to training galaxies than 1 % of the new ones.
    data, _ = painted
    mean = 0.8 * np.random.default_rng(1).standard_normal((1200, 8))
    samples = 0.4 * np.random.default_rng(7).standard_normal((600, 8))
    found, _ = shares((data, mean), samples, lambda latent: paint(latent[:, :LATENT_DIM]), std=0.6)
    assert found["codes"]["share"] < 0.06 and found["pixels"]["share"] < 0.06


def test_distances_of_codes_are_in_standard_deviations_of_the_posterior(painted):
    data, mean = painted
    samples = np.random.default_rng(7).standard_normal((600, LATENT_DIM))
    _, report = shares(painted, samples, std=0.5)
    train = data.split("train")
    each = np.sort(np.linalg.norm((samples[:, None] - mean[train]) / 0.5, axis=2), axis=1)
    nearest = report.arrays["nearest_to_samples"]
    np.testing.assert_allclose(nearest["codes"], each[:, 0], rtol=1e-3)
    np.testing.assert_allclose(nearest["codes_relative"], each[:, 0] / each[:, 1:5].mean(axis=1), rtol=1e-3)
    # Codes of new galaxies are drawn from their posteriors, as samples are from the prior.
    new = report.arrays["nearest_to_new_galaxies"]
    drawn = mean[new["galaxy"]] + 0.5 * np.random.default_rng(0).standard_normal((600, LATENT_DIM))
    each = np.linalg.norm((drawn[:, None] - mean[train]) / 0.5, axis=2).min(axis=1)
    np.testing.assert_allclose(new["codes"], each, rtol=1e-3)


def test_new_galaxies_are_those_of_validation_and_test_as_they_are_decoded(painted):
    data, mean = painted
    _, report = shares(painted, mean[:600], std=1e-4)
    new = report.arrays["nearest_to_new_galaxies"]
    assert sorted(new["galaxy"]) == sorted([*data.split("val"), *data.split("test")])
    train = data.images[data.split("train")].reshape(600, -1)
    decoded = paint(mean[new["galaxy"][:5]]).reshape(5, -1)
    turned = np.sqrt(((decoded[:, None] - train) ** 2).mean(axis=2)).min(axis=1)
    assert (new["pixels"][:5] <= turned + 1e-4).all() and (new["pixels"][:5] > 0.3 * turned).all()
    assert np.isin(new["indices"], data.split("train")).all()


def test_a_large_image_is_compared_as_its_average_over_squares_of_pixels(monkeypatch):
    monkeypatch.setattr(memorisation, "COMPARED_SIDE", 4)
    images = ellipses(60, 8)
    data = dataset(60, images=images, splits=make_splits(60, [0.4, 0.3, 0.3], 0))
    mean = np.zeros((60, 2))
    mean[:, 0] = np.arange(60)
    run = run_of(data, mean, 1e-3, NormalPrior(2), lambda z: images[np.round(z[:, 0]).astype(int)] / 255.0)
    new = measure(run, np.arange(3), CONFIG, {}).arrays["nearest_to_new_galaxies"]

    def blocks(rows):
        return (images[rows] / 255.0).reshape(len(rows), 4, 2, 4, 2, 3).mean(axis=(2, 4))

    known = blocks(data.split("train"))
    for row, distance in zip(new["galaxy"], new["pixels"], strict=True):
        turned = [np.rot90(blocks([row])[0][:, ::flip], k) for flip in (1, -1) for k in range(4)]
        every = [np.sqrt(((known - image) ** 2).mean(axis=(1, 2, 3))).min() for image in turned]
        assert distance == pytest.approx(min(every), rel=1e-3)


def test_the_share_is_that_below_the_first_percentile():
    new = np.arange(1.0, 100.0)  # 99 values, of which the first is the percentile by ranks
    found = share_closer(np.array([0.5, 0.9, 1.0, 1.1]), new, 50, 0)
    assert (found["share"], found["threshold"], found["expected"]) == (0.5, 1.0, 0.01)
    assert 0 <= found["low"] < 0.5 < found["high"] <= 1
    assert share_closer(new, new[:49], 50, 0)["expected"] == 0.02


def test_few_galaxies_are_not_measured():
    report = measure(run_of(dataset(25)), np.arange(3), CONFIG, {})
    assert list(report.summary["memorisation"]) == ["not measured"] and not report.arrays
    assert "15 training galaxies and 10 of validation and test" in report.lines[0]


def test_a_conditional_model_and_a_plain_autoencoder_are_measured():
    redshift = np.linspace(0.1, 2, 60, dtype=np.float32)[:, None]
    conditional = {"condition": redshift, "condition_names": ["redshift"], "condition_units": [""]}
    splits = make_splits(60, [0.4, 0.3, 0.3], 0)
    for model, changes in (("cvae2", conditional), ("ae", {})):
        data = dataset(60, images=ellipses(60, 16), splits=splits, **changes)
        report = measure(run_of(data, model=model), np.arange(3), CONFIG, {})
        assert set(report.summary["memorisation"]) == {"codes", "pixels"}
        assert np.isfinite(report.arrays["nearest_to_samples"]["codes"]).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"images": ellipses(60, (8, 12))},
        {"images": ellipses(60, 8, bands=1)},
        {"images": np.zeros((60, 8, 8, 3), np.uint8)},
        {"images": ellipses(60, 8), "masks": np.ones((60, 8, 8, 3), np.uint8)},
    ],
)
def test_oblong_blank_and_masked_images_are_measured(changes):
    data = dataset(60, splits=make_splits(60, [0.4, 0.3, 0.3], 0), **changes)
    report = measure(
        run_of(data, np.random.default_rng(1).normal(size=(60, 2)), 0.5), np.arange(3), CONFIG, {}
    )
    json.dumps(report.summary, allow_nan=False)
    pairs = report.arrays["closest_pairs"]
    assert pairs["real"].shape == pairs["samples"].shape == (12, *data.image_shape)
