"""Probes of codes that hold a class or a number, or do not, and of runs with everything that a dataset may lack."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.models import build
from builders.runs import run_of
from sklearn.metrics import balanced_accuracy_score, r2_score

from galvae.analysis import probes
from galvae.analysis.probes import Target, averaged_codes, imputed, measure, predict, score
from galvae.data.splits import make_splits
from galvae.latent.inference import encode_dataset
from galvae.morphology.measure import Measurements

CONFIG = SimpleNamespace(seed=0, bootstrap=100, invariant=False)
NAMES = ["codes", "pca", "pixels", "untrained", "morphology", "chance"]


@pytest.fixture(autouse=True)
def morphology(monkeypatch):
    """Made-up measures in place of those of images: the first is the row, of every tenth galaxy it fails."""

    def measured(dataset, rows):
        first = np.where(rows % 10, rows, np.nan).astype(float)
        return Measurements({"first": first, "never": np.full(len(rows), np.nan)}, rows < 0, rows < 0)

    monkeypatch.setattr(probes, "measure_galaxies", measured)
    monkeypatch.setattr(probes, "measure_names", lambda bands: ["first", "never"])
    monkeypatch.setattr(
        Measurements, "matrix", lambda self, names: np.stack([self.values[n] for n in names], 1)
    )


@pytest.fixture
def perfect(monkeypatch):
    """Spares the fits: every galaxy is predicted right."""
    monkeypatch.setattr(probes, "predict", lambda features, values, *others: {"knn": values})


def target(values, classes=None):
    return Target("", np.arange(len(values)), "", values, classes)


def test_balanced_accuracy_and_r2_are_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 400, p=[0.8, 0.15, 0.05])
    predicted = np.where(generator.random(400) < 0.6, labels, generator.integers(0, 3, 400))
    found = score(target(labels, ["a", "b", "c"]), predicted.astype(float), 300, 0)
    assert found["value"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    # The binomial errors of the three shares that are right, added.
    shares = [(predicted[labels == k] == k).mean() for k in range(3)]
    error = np.sqrt(sum(p * (1 - p) / (labels == k).sum() for k, p in enumerate(shares))) / 3
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.15)
    values = 1e6 + generator.normal(size=400)
    guess = values + 0.5 * generator.normal(size=400)
    found = score(target(values), guess, 300, 0)
    assert found["value"] == pytest.approx(r2_score(values, guess), abs=1e-6)
    assert found["low"] < found["value"] < found["high"] < 1


def test_what_features_hold_is_predicted_and_what_they_do_not_is_not():
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 500, p=[0.8, 0.1, 0.1])
    noise = generator.normal(size=(500, 4))
    holding = np.concatenate([noise, 1e-3 * (np.eye(3)[labels] + 0.1 * noise[:, :3])], axis=1)  # standardised
    for features, low, high in ((holding, 0.95, 1), (noise, 0.2, 0.45)):
        found = predict(features, labels, True, 0)
        assert list(found) == ["knn", "logistic"]
        for predicted in found.values():  # a frequent class is not preferred
            assert low <= balanced_accuracy_score(labels, predicted) <= high
    values = 5 + 3 * noise[:, 0]
    for features, low, high in ((noise[:, :2], 0.9, 1), (noise[:, 1:], -0.3, 0.1)):
        found = predict(features, values, False, 0)
        assert list(found) == ["knn", "linear"]
        assert all(low <= r2_score(values, predicted) <= high for predicted in found.values())


def test_a_rare_class_is_recognised_as_well_as_a_frequent_one():
    labels = (np.arange(1000) % 10 == 0).astype(int)
    # Two standard deviations apart: the best balanced accuracy is that of a cut halfway, 0.84.
    features = np.random.default_rng(0).normal(size=(1000, 1)) + 2 * labels[:, None]
    for predicted in predict(features, labels, True, 0).values():
        assert 0.76 < balanced_accuracy_score(labels, predicted) < 0.88


def test_no_galaxy_is_predicted_by_a_probe_that_has_seen_it():
    generator = np.random.default_rng(0)
    features, labels = generator.normal(size=(200, 150)), generator.integers(0, 2, 200)
    for predicted in predict(features, labels, True, 0).values():
        assert balanced_accuracy_score(labels, predicted) < 0.65  # one that has seen it would know it


@pytest.mark.parametrize("side", [16, (16, 12)])
def test_codes_over_orientations_do_not_depend_on_the_orientation(side):
    images = ellipses(6, side)
    turned = images[:, ::-1] if side != 16 else np.rot90(images[:, ::-1], axes=(1, 2))
    model = build("vae", shape=images.shape[1:])
    data, other = (dataset(6, images=np.ascontiguousarray(part)) for part in (images, turned))
    codes, again = (averaged_codes(model, part, np.arange(6)) for part in (data, other))
    np.testing.assert_allclose(codes, again, atol=1e-5)
    single = averaged_codes(model, data, np.arange(6), averaged=False)
    np.testing.assert_allclose(single, encode_dataset(model, data, np.arange(6)).mean, atol=1e-6)
    assert np.abs(single - codes).max() > 1e-3
    assert np.abs(single - averaged_codes(model, other, np.arange(6), averaged=False)).max() > 1e-3


def test_a_failed_measure_is_the_median_and_one_that_always_fails_is_zero():
    found = imputed(np.array([[1.0, np.nan, 5], [np.nan, np.nan, 6], [3, np.nan, np.nan], [4, np.nan, 9]]))
    np.testing.assert_array_equal(found, [[1, 0, 5], [3, 0, 6], [3, 0, 6], [4, 0, 9]])
    assert imputed(np.full((3, 2), np.nan)).tolist() == [[0, 0]] * 3


def survey(count=120, **changes):
    """Galaxies of two classes, one with a single member, some without a class; one redshift is constant."""
    labels = np.arange(count) % 2
    labels[7], labels[20:30] = 2, -1
    condition = np.stack([np.linspace(0.1, 2, count), np.full(count, 3.0)], axis=1).astype(np.float32)
    condition[:5, 0] = np.nan
    values = {
        "images": ellipses(count, 8, bands=1),
        "labels": labels,
        "class_names": ["spiral", "merger", "ring"],
        "condition": condition,
        "condition_names": ["redshift", "mass/light"],
        "condition_units": ["", ""],
        "splits": make_splits(count, [0.5, 0.25, 0.25], 0),
    }
    return dataset(count, **{**values, **changes})


def entry(report):
    return json.loads(json.dumps(report.summary["probes"], allow_nan=False))


def test_codes_that_hold_class_and_redshift_are_told_from_their_baselines():
    data = survey()
    mean = np.stack([np.arange(120) % 2, np.linspace(0, 1, 120)], axis=1) + 0.01
    report = measure(run_of(data, mean, 0.1), np.arange(3), CONFIG, {})
    found = entry(report)
    assert list(found) == ["class", "redshift", "mass/light"]
    assert found["class"]["n"] == 109 and found["class"]["left_out"] == {"ring": 1}
    assert found["class"]["classes"] == ["spiral", "merger"]
    assert found["redshift"]["n"] == 115 and found["class"]["galaxies"].startswith("all")
    assert found["mass/light"] == {"not measured": "constant"}
    for name, probe, chance in (("class", "logistic", 0.5), ("redshift", "linear", 0.0)):
        one = found[name]
        assert one["chance_level"] == chance and not one["given_to_encoder"]
        assert [key for key in one if key in NAMES] == NAMES
        for result in (one["codes"]["knn"], one["codes"][probe]):
            assert result["value"] > 0.98
        for result in (one["chance"]["knn"], one["chance"][probe]):
            assert result["low"] < chance + 0.1 and result["value"] < chance + 0.2
    # The measure is the row, and so is the redshift.
    assert found["redshift"]["morphology"]["knn"]["value"] > 0.8
    assert found["class"]["failed_measurements"] > 100
    arrays = report.arrays["probes"]
    np.testing.assert_array_equal(
        arrays["indices"][np.isfinite(arrays["redshift_codes_knn"])], np.arange(5, 120)
    )
    labels = data.labels[arrays["indices"]]
    known = np.isfinite(arrays["class_pca_logistic"])
    assert balanced_accuracy_score(labels[known], arrays["class_pca_logistic"][known]) == pytest.approx(
        found["class"]["pca"]["logistic"]["value"]
    )
    assert report.lines[0].startswith(
        "  probes           class, balanced accuracy, knn / logistic: codes 1.00 / 1.00, pca "
    )
    assert report.lines[0].endswith(
        "(109 galaxies: all splits, most of which trained the model; too few: ring 1)"
    )
    assert report.lines[2] == "  probes           mass/light not measured: constant"


def test_enough_new_galaxies_are_probed_alone(perfect, monkeypatch):
    monkeypatch.setattr(probes, "ENOUGH_NEW", 55)
    data = survey()
    report = measure(run_of(data), np.arange(3), CONFIG, {})
    new = np.concatenate([data.split("val"), data.split("test")])
    for name, values in (("redshift", data.condition[:, 0]), ("class", np.where(data.labels < 0, np.nan, 0))):
        known = np.isfinite(values[new]).sum()
        assert entry(report)[name]["galaxies"].startswith("validation" if known >= 55 else "all")
    monkeypatch.setattr(probes, "ENOUGH_NEW", 10)
    monkeypatch.setattr(probes, "MOST_PROBED", 52)
    report = measure(run_of(data), np.arange(3), CONFIG, {})
    assert entry(report)["redshift"]["n"] == 52
    assert np.isin(report.arrays["probes"]["indices"], new).all()


def test_the_untrained_encoder_has_other_weights_and_conditions_are_given_to_it():
    data = survey(condition=np.linspace(0.1, 2, 120, dtype=np.float32)[:, None], condition_names=["redshift"])
    run = run_of(data, model="cvae2")
    untrained = probes._untrained(run)
    for variable, own in zip(untrained.variables, run.model.variables, strict=True):
        if "kernel" in variable.path and "log_variance" not in variable.path:
            assert np.abs(np.asarray(variable.value) - np.asarray(own.value)).max() > 1e-3
    assert float(untrained.condition_mean[0]) == pytest.approx(
        data.condition[data.split("train")].mean(), rel=1e-5
    )
    again = probes._untrained(run)  # whatever was drawn before
    np.testing.assert_array_equal(np.asarray(again.variables[0]), np.asarray(untrained.variables[0]))
    report = measure(run, np.arange(3), SimpleNamespace(**{**vars(CONFIG), "invariant": True}), {})
    assert entry(report)["redshift"]["given_to_encoder"] and not entry(report)["class"]["given_to_encoder"]
    assert "the encoder is given it" in report.lines[1]
    assert entry(report)["class"]["codes"] != entry(report)["class"]["untrained"]


def test_codes_are_averaged_over_orientations_only_if_asked_to(perfect, monkeypatch):
    data, asked = survey(condition=None, condition_names=[]), []

    def recorded(model, dataset, rows, averaged=True):
        asked.append(averaged)
        return averaged_codes(model, dataset, rows, averaged)

    monkeypatch.setattr(probes, "averaged_codes", recorded)
    for invariant, expected in ((False, [False]), (True, [True, True])):
        asked.clear()
        measure(run_of(data), np.arange(3), SimpleNamespace(**{**vars(CONFIG), "invariant": invariant}), {})
        assert asked == expected


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": None}, "the dataset has neither classes nor conditions"),
        ({"labels": np.zeros(120, int)}, "fewer than two classes have 5 members"),
        ({"labels": np.r_[np.arange(40) % 2, np.full(80, -1)]}, "40 galaxies with a known value are too few"),
        ({"labels": np.full(120, -1)}, "0 galaxies with a known value are too few"),
    ],
)
def test_what_cannot_be_predicted_is_not_measured(changes, reason):
    data = survey(condition=None, condition_names=[], **changes)
    report = measure(run_of(data, np.zeros((120, 2)), 1.0), np.arange(3), CONFIG, {})
    found = entry(report)
    assert (found if data.labels is None else found["class"])["not measured"].startswith(reason)
    assert reason in report.lines[0] and not report.arrays


def test_one_band_all_zero_and_oblong_images_are_probed():
    for images in (ellipses(120, (16, 12), bands=1), np.zeros((120, 8, 8, 2), np.uint8)):
        report = measure(run_of(survey(images=images)), np.arange(3), CONFIG, {})
        assert set(NAMES) < set(entry(report)["class"])
