"""Odd galaxies: the error that flux and size let expect, rare codes, and known oddities that must be found."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.runs import run_of
from sklearn.decomposition import PCA

from galvae.analysis import anomaly
from galvae.analysis.anomaly import Anomaly, CodeScores, ExpectedError, anomalies
from galvae.analysis.measured import measure_galaxies
from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.reconstruction import reconstruction_errors
from galvae.runs.trained_run import TrainedRun


def relation(count=2000, seed=0):
    """Fluxes, sizes and errors of known relation and scatter (0.1 dex); the second half is held out, 0.2 dex above."""
    generator = np.random.default_rng(seed)
    flux, r50 = 10 ** generator.normal(2, 0.5, count), 10 ** generator.normal(0.5, 0.2, count)
    f, r, held_out = np.log10(flux), np.log10(r50), np.arange(count) >= count // 2
    expected = -4 + 0.8 * f - 0.5 * r + 0.1 * f**2 + 0.2 * held_out
    return flux, r50, held_out, expected, generator.normal(0, 0.1, count)


def test_residuals_are_the_scatter_about_the_relation_in_robust_standard_deviations():
    flux, r50, held_out, expected, scatter = relation()
    odd = np.arange(0, 2000, 40)
    scatter[odd] += 3  # a fit that is not robust would follow them
    fit = ExpectedError.fit(10 ** (expected + scatter), flux, r50, held_out)
    assert float(fit.scale) == pytest.approx(0.1, rel=0.1)
    found = fit.residuals(10 ** (expected + scatter), flux, r50, held_out)
    inner = np.ones(2000, bool)
    for values in (flux, r50):
        inner &= (values > np.percentile(values, 1)) & (values < np.percentile(values, 99))
    np.testing.assert_allclose(found[inner], scatter[inner] / 0.1, rtol=0.12, atol=0.5)
    assert set(np.argsort(found)[-len(odd) :]) == set(odd)


def test_flux_or_size_beyond_those_of_the_fit_do_not_extrapolate_and_unknown_ones_have_no_score():
    flux, r50, held_out, expected, scatter = relation()
    fit = ExpectedError.fit(10 ** (expected + scatter), flux, r50, held_out)
    far = fit.residuals([1e-3, 1e-3, 1e-3], [1e6, 1e12, -1], [3, 3, 3])
    assert far[0] == far[1] and np.isnan(far[2])
    with pytest.raises(GalvaeError, match="expected 20 or more galaxies with a positive flux"):
        ExpectedError.fit(np.ones(50), np.zeros(50), np.ones(50), held_out[:50])


@pytest.fixture
def run(tmp_path):
    """A run of 120 galaxies whose codes are normal but for those of three."""
    codes = np.random.default_rng(0).normal(size=(120, 2))
    codes[[5, 50, 100]] = [[7, 7], [-8, 6], [6, -9]]
    data = dataset(120, images=ellipses(120, 16), splits=make_splits(120, [0.6, 0.2, 0.2], 0))
    made = run_of(data, mean=codes, std=0.1, prior=NormalPrior(2))
    made.directory.path, made.weights_digest, made.state.dataset_sha256 = tmp_path, "w", "d"
    return made


def test_rare_codes_rank_first(run):
    table = anomalies(run)
    assert list(table["rank_error"]) == list(range(1, 121))
    for name in ("code", "forest"):
        assert set(table["index"][np.argsort(table[f"rank_{name}"])[:3]]) == {5, 50, 100}
    by_row = table[np.argsort(table["index"])]
    codes = run.codes("all").mean.astype(float)
    np.testing.assert_allclose(by_row["score_code"], (codes**2).sum(axis=1) / 2 + np.log(2 * np.pi))
    assert set(anomalies(run, n=4, split="test")["split"]) == {"test"}


def test_a_dimension_of_noise_does_not_enter_the_forest(run):
    scores = CodeScores(run)
    assert list(scores._axes) == [0, 1]
    codes = run._codes["all"]
    codes.mean[:, 1] *= 1e-3  # below the posterior's own width of 0.1
    del run._codes["train"]
    assert list(CodeScores(run)._axes) == [0]


def test_the_expected_error_is_kept_for_a_run_whose_images_have_gone(run, monkeypatch):
    first = anomaly.expected_error(run)
    monkeypatch.setattr(TrainedRun, "dataset", property(lambda self: pytest.fail("opened")))
    run.__dict__.pop("dataset")
    found = anomaly.expected_error(run)
    np.testing.assert_array_equal(found.coefficients, first.coefficients)
    run.weights_digest, run.images_missing = "other", True
    with pytest.raises(GalvaeError, match="galvae anomalies run="):
        anomaly.expected_error(run)


def test_the_expected_error_of_other_weights_is_fitted_again(run):
    first = anomaly.expected_error(run)
    run.weights_digest = "other"
    np.testing.assert_array_equal(anomaly.expected_error(run).coefficients, first.coefficients)
    assert len(list(run.path.rglob("expected_error*"))) == 1 and not run.images_missing


def test_encoded_galaxies_of_the_run_itself_have_its_own_scores(run):
    rows, table = run.galaxies.split("all"), anomalies(run)
    by_row = table[np.argsort(table["index"])]
    codes, measured = run.codes("all"), measure_galaxies(run.dataset, rows)
    mse = reconstruction_errors(run.model, run.dataset, codes)
    batch = SimpleNamespace(indices=rows, mean=codes.mean, condition=None, mse=mse, measured=measured)
    own = Anomaly(run, SimpleNamespace(dataset=None)).columns(batch)
    np.testing.assert_allclose(own["score_error"], by_row["score_error"], rtol=1e-6)
    np.testing.assert_allclose(own["score_code"][0], by_row["score_code"], rtol=1e-6)
    others = Anomaly(run, SimpleNamespace(dataset="files")).columns(batch)["score_error"]
    train = by_row["split"] == "train"
    np.testing.assert_allclose(others[~train], own["score_error"][~train])
    assert (others[train] != own["score_error"][train]).all()


def with_oddities(images, seed):
    """A copy of images (n, H, W, C) uint8, of which 1 % have a second core, a trail or a part cut off, and the rows."""
    generator, images = np.random.default_rng(seed), images.copy()
    side, count = images.shape[1], len(images) // 100
    rows = generator.choice(len(images), count, replace=False)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    for number, row in enumerate(rows):
        image = images[row].astype(float)
        sky = np.median(image, axis=(0, 1))
        if number % 3 == 0:
            core = np.exp(-(x**2 + y**2) / (2 * (side / 16) ** 2))[..., None] * (image - sky)
            angle, away = generator.uniform(0, 2 * np.pi), side * generator.uniform(0.12, 0.2)
            shift = round(away * np.sin(angle)), round(away * np.cos(angle))
            image += np.roll(core, shift, (0, 1))
        elif number % 3 == 1:
            angle, offset = generator.uniform(0, np.pi), generator.uniform(-side / 4, side / 4)
            line = np.exp(-((x * np.sin(angle) - y * np.cos(angle) - offset) ** 2) / (2 * 0.7**2))
            image += 40 * line[..., None]
        elif number % 2:
            image[:, : int(side * generator.uniform(0.3, 0.45))] = 0
        else:
            image = np.roll(image, int(side * 0.4), 0)
            image[: int(side * 0.4)] = sky
        images[row] = np.clip(np.round(image), 0, 255)
    return images, rows


@pytest.mark.slow
def test_known_oddities_are_found_as_well_as_by_principal_components(galvae, tmp_path):
    from builders.configs import train_config

    from galvae.data.load import load_dataset

    keys = "dataset=simulated", "dataset.image_size=32", "dataset.seed=1", "dataset.workers=1"
    images, odd = with_oddities(np.array(load_dataset(train_config(*keys).dataset).images), 1)
    np.save(tmp_path / "galaxies.npy", images)
    status, _, err = galvae(
        *("train", "dataset=files", "dataset.path=galaxies.npy", "dataset.axes=NHWC", "network=slim"),
        *("latent_dim=16", "epochs=40", "prior=none", "hydra.run.dir=run"),
    )
    assert status == 0, err
    run = TrainedRun.open(tmp_path / "run")
    table = anomalies(run)
    first = round(0.01 * len(table))
    recall = np.isin(odd, table["index"][:first]).mean()
    pixels = run.dataset.to_unit(images).reshape(len(images), -1)
    components = PCA(16, random_state=0).fit(pixels[run.dataset.split("train")])
    error = ((components.inverse_transform(components.transform(pixels)) - pixels) ** 2).mean(axis=1)
    by_components = np.isin(odd, np.argsort(error)[-first:]).mean()
    assert recall >= 0.75 and recall >= by_components - np.sqrt(0.25 / len(odd))
