"""Noise of a run's residuals: learned on validation galaxies, stored, bound to the weights, and added to galaxies."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.runs import run_of

from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.latent.priors.normal import NormalPrior
from galvae.morphology.measure import sky_sigma
from galvae.runs.noise import AddedNoise, learn_noise, stored_noise

SIGMA = np.array([0.03, 0.05, 0.02])


@pytest.fixture
def noisy(tmp_path):
    """A run that decodes galaxies exactly, whose images have noise of SIGMA and whose codes are row indices."""
    clean = 0.2 + 0.5 * ellipses(240, 16) / 255
    images = np.clip(255 * (clean + SIGMA * np.random.default_rng(0).normal(size=clean.shape)), 0, 255)
    splits = make_splits(240, [0.2, 0.4, 0.4], 0)
    data = dataset(240, images=images.round().astype(np.uint8), splits=splits)
    rows = np.arange(240)[:, None] * np.ones(2)
    run = run_of(
        data,
        mean=rows,
        std=0.1,
        prior=NormalPrior(2),
        decode=lambda codes: clean[np.abs(codes[:, 0]).astype(int)],
    )
    run._codes["val"] = run._codes["all"].at(data.split("val"))
    run.directory.path, run.weights_digest, run.state.dataset_sha256 = tmp_path, "w", "d"
    return SimpleNamespace(run=run, clean=clean.astype(np.float32), data=data)


def test_noise_of_the_validation_split_leaves_the_sky_of_the_test_split_right(noisy):
    run, test = noisy.run, noisy.data.split("test")
    assert run.noise is None
    learn_noise(run)
    noise = stored_noise(run)
    mocks = np.clip(noisy.clean[test] + noise(noisy.clean[test], np.random.default_rng(1)), 0, 1)
    real = noisy.data.to_unit(noisy.data.images[test])
    assert sky_sigma(mocks).mean() == pytest.approx(sky_sigma(real).mean(), rel=0.05)
    np.testing.assert_allclose((mocks - noisy.clean[test]).std(axis=(0, 1, 2)), SIGMA, rtol=0.06)


def test_it_belongs_to_its_weights_and_a_damaged_file_is_one_line(noisy):
    run = noisy.run
    learn_noise(run)
    path = run.path / "noise" / "noise.safetensors"
    run.weights_digest = "other"
    with pytest.raises(
        GalvaeError,
        match="noise fitted to the run's present weights.*fit again: galvae prior run=",
    ):
        stored_noise(run)
    run.weights_digest = "w"
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(GalvaeError, match="fit again"):
        stored_noise(run)


def test_without_two_validation_galaxies_nothing_is_learned(noisy):
    noisy.data.splits["val"] = noisy.data.split("val")[:1]
    with pytest.raises(GalvaeError, match="noise: expected two or more validation galaxies"):
        learn_noise(noisy.run)
    assert not (noisy.run.path / "noise").exists()


def test_galaxies_have_the_noise_that_was_asked_for(noisy):
    run = noisy.run
    images = noisy.clean[:50]
    assert AddedNoise(run).kind == "none"
    np.testing.assert_array_equal(AddedNoise(run, seed=0)(images), images)
    with pytest.raises(
        GalvaeError, match="noise: expected a run whose residuals.*learn them: galvae prior run="
    ):
        AddedNoise(run, "full")
    with pytest.raises(
        GalvaeError, match="noise: expected full or none, received model: .* reconstruction.loss="
    ):
        AddedNoise(run, "model")
    with pytest.raises(GalvaeError, match="noise: expected none or model or full, received 'some'"):
        run.sample(3, noise="some")
    del run.noise  # cached
    learn_noise(run)
    assert AddedNoise(run).kind == "full"
    np.testing.assert_allclose(
        (AddedNoise(run, seed=0)(images) - images).std(axis=(0, 1, 2)), SIGMA, rtol=0.1
    )

    run.model.reconstruction = "gaussian"
    run.model.noise = lambda images, normal: 0.1 * images * normal
    white = AddedNoise(run, "model", 0)(images) - images
    assert (white / images).std() == pytest.approx(0.1, rel=0.03)
    assert abs((white[:, 1:] * white[:, :-1]).mean()) < 0.05 * white.var()

    for kind in ("none", "model", "full"):
        sampled = run.sample(20, seed=3, noise=kind)
        np.testing.assert_array_equal(sampled, run.sample(20, seed=3, noise=kind))
        assert (sampled >= 0).all() and (sampled <= 1).all()
    assert np.abs(run.sample(20, seed=3) - run.sample(20, seed=4)).max() > 0.01


@pytest.mark.parametrize("kind", ["model", "full"])
def test_the_same_seed_gives_the_same_noise_in_any_batches_and_within_the_pixel_range(noisy, kind):
    run, images = noisy.run, np.concatenate([noisy.clean[:5], np.zeros((3, 16, 16, 3), np.float32)])
    learn_noise(run)
    run.model.reconstruction = "gaussian"
    run.model.noise = lambda images, normal: 0.02 * normal
    whole, parts = AddedNoise(run, kind, 7)(images), AddedNoise(run, kind, 7)
    np.testing.assert_array_equal(whole, np.concatenate([parts(images[:2]), parts(images[2:])]))
    assert whole.min() == 0 and whole.dtype == np.float32
    assert np.abs(whole - AddedNoise(run, kind, 8)(images)).max() > 0.01
