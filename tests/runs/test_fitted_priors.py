"""Priors of runs: fitted to chosen codes, measured, chosen among, stored and read back."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset
from builders.runs import run_of

from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.latent.codes import Codes
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.mixture import MixturePrior
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import PRIORS
from galvae.runs import prior_fits
from galvae.runs.prior_fits import fit_priors, lines
from galvae.runs.priors import stored_prior

STD = 0.3


def run_in(folder, codes, count=300, augment=True, model="vae", **changes):
    """A run whose galaxy i, whatever its orientation, has the posterior mean codes[i]; what is encoded is listed."""
    splits = make_splits(count, [0.5, 0.4, 0.1], 0)
    data = dataset(count, **{"images": np.zeros((count, 8, 8, 3), np.uint8), "splits": splits, **changes})
    run, asked = run_of(data, model=model, augment=augment), []
    run.directory.path, run.weights_digest, run.state.dataset_sha256 = folder, "w", "d"

    def encode_dataset(model, dataset, indices, rotated):
        asked.append((indices, rotated))
        return Codes(indices, codes[indices], np.full((len(indices), codes.shape[1]), 2 * np.log(STD)))

    return run, asked, encode_dataset


@pytest.fixture
def clumps(tmp_path, monkeypatch):
    """A run whose codes lie in two clumps, which N(0, I) and a Gaussian do not have."""
    generator = np.random.default_rng(0)
    codes = generator.choice([-3.0, 3.0], (300, 1)) * [1, 0.5] + 0.4 * generator.normal(size=(300, 2))
    run, asked, encode = run_in(tmp_path, codes)
    monkeypatch.setattr(prior_fits, "encode_dataset", encode)
    monkeypatch.setattr(prior_fits, "REFERENCE", 20_000)
    return SimpleNamespace(run=run, asked=asked, codes=codes)


def test_the_prior_most_like_the_codes_is_chosen_and_generates_galaxies(clumps):
    run = clumps.run
    assert isinstance(run.prior(), NormalPrior)  # with which the model was trained
    report = fit_priors(run, ["gaussian", "mixture"], 0)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["chosen"] == "mixture"
    mixture, gaussian = report["priors"]["mixture"], report["priors"]["gaussian"]
    assert gaussian["gap"] > 0.1 > 3 * mixture["gap"] and gaussian["gap_error"] < 0.1
    assert mixture["gap"] == pytest.approx(mixture["w1"] - report["training_codes"]["w1"])
    assert report["normal"]["w1"] > gaussian["w1"] > mixture["w1"]
    assert report["normal"]["above_normal"] == 0
    # Of the density that the codes come from.
    new = clumps.codes[run.dataset.split("val")]
    new = np.repeat(new, 8, axis=0) + STD * np.random.default_rng(1).standard_normal((8 * len(new), 2))
    true = MixturePrior(
        np.full(2, 0.5), np.array([[-3, -1.5], [3, 1.5]]), np.tile((0.4**2 + STD**2) * np.eye(2), (2, 1, 1)),
        *(np.zeros(2), np.ones(2), 2),
    )  # fmt: skip
    nats = true.log_prob(new).reshape(-1, 8).mean(axis=1)
    assert mixture["nats"] == pytest.approx(nats.mean(), abs=0.1)
    assert mixture["nats_error"] == pytest.approx(nats.std() / np.sqrt(len(nats)), rel=0.3)
    assert mixture["above_normal"] == pytest.approx(mixture["nats"] - report["normal"]["nats"])

    chosen, again = run.prior(), stored_prior(run, "mixture")
    assert chosen.label == mixture["label"] == "mixture of 2 Gaussians"
    np.testing.assert_array_equal(chosen.sample(9, seed=1), again.sample(9, seed=1))
    assert isinstance(run.prior("gaussian"), GaussianPrior) and isinstance(run.prior("normal"), NormalPrior)
    texts = lines(report)
    assert texts[0].startswith("  gaussian  W1 ") and f"{gaussian['nats']:.2f} ± " in texts[0]
    assert (
        "chosen: mixture" in texts[2]
        and "(120 validation galaxies; fitted to 1,200 codes of 150 " in texts[2]
    )


def test_training_images_are_encoded_in_all_orientations_and_no_more_often_than_asked(clumps):
    run, data = clumps.run, clumps.run.dataset
    fit_priors(run, ["gaussian"], 0)
    (train, rotated), (val, of_val) = clumps.asked
    for rows, orientations, split in ((train, rotated, "train"), (val, of_val, "val")):
        pairs = set(zip(rows.tolist(), orientations.tolist(), strict=True))
        assert pairs == {(row, number) for row in data.split(split).tolist() for number in range(8)}
    report = fit_priors(run, ["gaussian"], 0, most=400)
    train, rotated = clumps.asked[2]
    assert len(train) == report["n"]["training_codes"] == 400 and report["n"]["training_galaxies"] == 150
    assert np.ptp(np.unique(train, return_counts=True)[1]) <= 1
    assert len(set(zip(train.tolist(), rotated.tolist(), strict=True))) == 400
    assert np.bincount(rotated, minlength=8).min() > 25


def test_a_run_without_rotations_encodes_images_once(tmp_path, monkeypatch):
    run, asked, encode = run_in(tmp_path, np.random.default_rng(0).normal(0, 0.2, (300, 2)), augment=False)
    monkeypatch.setattr(prior_fits, "encode_dataset", encode)
    report = fit_priors(run, ["gaussian"], 0)
    np.testing.assert_array_equal(asked[0][0], run.dataset.split("train"))
    assert not asked[0][1].any() and report["n"]["orientations"] == 1
    # The aggregate posterior: the variance of the means and that of the posteriors.
    np.testing.assert_allclose(run.prior().std, np.hypot(0.2, STD), rtol=0.15)


def test_a_prior_given_the_condition_follows_it(tmp_path, monkeypatch):
    redshift = np.linspace(0.1, 2, 300, dtype=np.float32)[:, None]
    codes = redshift * [2, -1] + 0.3 * np.random.default_rng(0).normal(size=(300, 2))
    names = {"condition": redshift, "condition_names": ["redshift"], "condition_units": [""]}
    run, _, encode = run_in(tmp_path, codes, model="cvae2", **names)
    monkeypatch.setattr(prior_fits, "encode_dataset", encode)
    report = fit_priors(run, ["gaussian", "mixture"], 0)
    assert report["condition"] == ["redshift"]
    for name in ("gaussian", "mixture"):
        samples = run.prior(name).sample(5000, np.full((5000, 1), 1.5), 0)
        np.testing.assert_allclose(samples.mean(axis=0), [3, -1.5], atol=0.15)
        np.testing.assert_allclose(samples.std(axis=0), np.hypot(0.3, STD), rtol=0.2)
        # Samples are compared under the conditions of the validation galaxies.
        assert abs(report["priors"][name]["gap"]) < 0.05


def test_priors_that_agree_within_the_error_are_told_apart_by_likelihood():
    measures = {
        name: {"w1": w1, "nats": nats} for name, w1, nats in (("a", 1.0, 0), ("b", 1.1, 5), ("c", 1.3, 9))
    }
    apart = np.array([-0.1, 0.1])  # a standard deviation of 0.1
    resampled = np.array([0 * apart, 1.01 * apart, 2 * apart])
    assert prior_fits._best(["a", "b", "c"], ["a", "b", "c"], measures, resampled) == "b"
    assert prior_fits._best(["a", "b", "c"], ["a", "b", "c"], measures, resampled / 2) == "a"
    # An error that both share makes no difference.
    assert prior_fits._best(["a", "b", "c"], ["a", "b", "c"], measures, np.tile(10 * apart, (3, 1))) == "a"


def refused(run, name, *parts):
    with pytest.raises(GalvaeError) as error:
        run.prior(name)
    text = str(error.value)
    assert all(part in text for part in parts) and "\n" not in text, text


def test_what_does_not_belong_to_the_run_is_refused(clumps):
    run = clumps.run
    refused(
        run, "gaussian", "which was not; fit it: galvae prior run=", "prior=gaussian, or take prior=normal"
    )
    refused(run, "flower", "prior: expected normal or gaussian or mixture", "'flower'")
    fit_priors(run, ["gaussian"], 0)
    run.weights_digest = "other"
    refused(run, None, "present weights", "fit again: galvae prior run=", "or take prior=normal")
    assert isinstance(run.prior("normal"), NormalPrior)
    run.weights_digest, config = "w", run.config
    run.config = dataclasses.replace(config, latent_dim=3)
    refused(run, None, "expected the arrays of a prior of 3 latents", "fit again")
    run.config = config
    folder = run.path / "priors"
    shutil.copytree(folder / "gaussian", folder / "mixture")
    fit_priors(run, ["normal"], 0)
    assert isinstance(run.prior(), NormalPrior)
    (folder / "chosen.json").write_text(json.dumps({"chosen": "flower"}))
    refused(
        run, None, "chosen.json: expected chosen to be normal or gaussian", "fit again: galvae prior run="
    )
    (folder / "chosen.json").write_text("{")
    refused(run, None, "chosen.json: expected a JSON object")


def test_too_few_galaxies_and_a_run_that_cannot_be_written_to_are_refused(clumps):
    run = clumps.run
    (run.path / "priors").write_text("")
    with pytest.raises(GalvaeError, match="expected a run in which results can be written"):
        fit_priors(run, ["gaussian"], 0)
    assert not clumps.asked  # before anything takes time
    run.dataset.splits["train"] = np.array([3])
    with pytest.raises(GalvaeError, match="two or more training galaxies, received one; prior=normal of"):
        fit_priors(run, ["gaussian"], 0)


def test_two_galaxies_of_one_latent_are_enough(tmp_path, monkeypatch):
    splits = {name: np.array(rows) for name, rows in (("train", [0, 4]), ("val", [2]), ("test", [3]))}
    run, _, encode = run_in(tmp_path, np.arange(10.0)[:, None], count=10, splits=splits)
    run.model = SimpleNamespace(image_shape=(8, 8, 3), latent_dim=1)
    run.config = dataclasses.replace(run.config, latent_dim=1)
    monkeypatch.setattr(prior_fits, "encode_dataset", encode)
    report = fit_priors(run, ["gaussian", "mixture"], 0)
    assert run.prior().sample(3, seed=0).shape == (3, 1) and report["chosen"] in PRIORS
