"""The audit of classes, on galaxies whose class is their size, or their position angle."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset
from builders.labels import unreadable
from builders.models import build

from galvae.analysis import class_audit, conditions
from galvae.data.conditions import one_hot
from galvae.data.splits import make_splits
from galvae.figures.cards import CARDS
from galvae.figures.style import PLAIN
from galvae.latent.codes import Codes
from galvae.latent.priors.normal import NormalPrior
from galvae.runs.conditions import Conditions

COUNT, SIDE = 260, 16
NAMES = ["dwarf", "In-between Round Smooth", "giant", "lost"]
CONFIG = SimpleNamespace(samples=180, bootstrap=100, seed=0, condition_grid=0, prior=None)


def draw_sizes(codes, labels):
    """Galaxies without symmetry, (n, SIDE, SIDE, 3) in [0, 1], of three sizes, their classes."""
    size = np.array([1.0, 1.7, 2.8, 2.8])[labels] * np.exp(0.05 * codes[:, 0])
    return _ellipses(size, 0.7 + 0.1 * np.tanh(codes[:, 1]), np.full(len(codes), 0.5), codes)


def draw_angles(codes, labels):
    """The same, of one size, whose class is their position angle: along the rows, or along the columns."""
    angle = np.array([0.1, 0.1 + np.pi / 2, 0.1, 0.1])[labels]
    return _ellipses(2.2 * np.exp(0.1 * codes[:, 0]), np.full(len(codes), 0.5), angle, codes)


def _ellipses(size, ratio, angle, codes):
    size, ratio, angle = (values[:, None, None] for values in (size, ratio, angle))
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + np.array([0.6, -0.3])[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius = (along / size) ** 2 + (across / (size * ratio)) ** 2 + 0.2 * (along / size) * (along > 0)
    colour = 10 ** (np.array([0.5, 0, -0.5]) * 0.1 * codes[:, 2:3])
    return 0.05 + 0.4 * np.exp(-radius / 2)[..., None] * colour[:, None, None]


def audited_run(draw, sampler, leak=0.0, classes=3, augment=False):
    """A run whose decoder draws galaxies of the classes that `sampler` makes of those that it is given.

    The mean of a galaxy's first code is `leak` times the number of its class; a posterior's standard deviation is 0.14.
    The last class of NAMES has a single galaxy.
    """
    generator = np.random.default_rng(0)
    labels = generator.integers(0, classes, COUNT)
    splits = make_splits(COUNT, [0.5, 0.25, 0.25], 0)
    labels[splits["train"][0]] = 3
    codes = generator.normal(size=(COUNT, 3)).astype(np.float32)
    images = 255 * draw(codes, labels) + generator.normal(0, 2, (COUNT, SIDE, SIDE, 3))
    codes[:, 0] = leak * labels
    data = dataset(
        COUNT,
        images=np.clip(np.rint(images), 0, 255).astype(np.uint8),
        labels=labels,
        class_names=NAMES,
        condition=one_hot(labels, 4),
        condition_names=[f"class={name}" for name in NAMES],
        condition_units=[""] * 4,
        splits=splits,
    )
    model, given = build("cvae2", shape=(SIDE, SIDE, 3), latent_dim=3, condition_dim=4), []

    def decode(codes, condition):
        given.append(np.asarray(condition))
        assert (np.asarray(condition).sum(axis=1) == 1).all()
        return draw(np.asarray(codes), sampler(np.asarray(condition).argmax(axis=1))).astype(np.float32)

    model.decode = decode
    prior, log_variance = NormalPrior(3), np.full(codes.shape, -4, np.float32)
    return SimpleNamespace(
        model=model,
        dataset=data,
        given=given,
        config=SimpleNamespace(dataset=SimpleNamespace(augment=augment)),
        conditions=Conditions(data.condition_names, data.condition_ranges, "cvae2"),
        prior=lambda name: prior,
        codes_at=lambda rows: Codes(rows, codes[rows], log_variance[rows]),
        sample=lambda n, prior, condition, seed: decode(NormalPrior(3).sample(n, None, seed), condition),
        random_condition=None,
    )


@pytest.fixture(scope="module")
def obedient():
    """A run that obeys, and the report on it."""
    run = audited_run(draw_sizes, lambda labels: labels)
    return run, conditions.measure(run, run.dataset.split("test"), CONFIG, {})


def test_the_judge_sees_the_classes_that_an_obedient_model_is_asked_for(obedient):
    run, report = obedient
    found, held_out = report.summary["class_audit"], run.dataset.held_out
    json.dumps(found, allow_nan=False)
    assert found["classes"] == NAMES[:3] and found["chance"] == pytest.approx(1 / 3)
    assert found["left_out"] == {"lost": "1 training galaxies, 0 of validation and test"}
    assert (found["n"], found["generated"], found["training"]) == (len(held_out), 180, 129)
    assert found["judge"] == "morphology" and found["accuracy_real"] > 0.95
    assert found["verdict"] == "obeyed" and found["obedience"] == pytest.approx(1, abs=0.05)
    assert found["empty"] == 0
    assert all(one["generated"] == 60 for one in found["of_class"].values())
    # The codes know nothing of the class, and the decoder is told it.
    for how in ("knn", "logistic"):
        assert abs(found["leakage"][how] - 1 / 3) < 4 * found["leakage"][f"{how}_error"]
    swap = found["swap"]
    assert (
        swap["n"] == len(held_out) and swap["other_seen_as_asked"] > 0.95 > 0.05 > swap["other_seen_as_own"]
    )
    assert swap["own_seen_as_own"] > 0.95
    assert report.summary["conditions"] == {"not measured": "no condition is a number"}
    assert "obeyed, 1.0" in report.lines[0] or "obeyed, 0.9" in report.lines[0]


def test_shares_and_confusions_are_those_of_the_arrays(obedient):
    _, report = obedient
    found = report.summary["class_audit"]
    for kind, true, file in (("real", "true", "class_audit_real"), ("generated", "asked", "class_audit")):
        arrays = report.arrays[file]
        matrix = np.array(found[f"confusion_{kind}"])
        np.testing.assert_allclose(matrix.sum(axis=1), 1)
        np.testing.assert_allclose(np.trace(matrix) / 3, found[f"accuracy_{kind}"])
        for row, name in enumerate(found["classes"]):
            own = arrays[true] == row
            for column in range(3):
                assert matrix[row, column] == pytest.approx((arrays["seen"][own] == column).mean())
            assert found["of_class"][name][f"right_{kind}"] == pytest.approx(matrix[row, row])
    above = [found[f"accuracy_{kind}"] - 1 / 3 for kind in ("generated", "real")]
    assert found["obedience"] == pytest.approx(above[0] / above[1])


def test_permuted_classes_and_codes_that_hold_the_class_are_caught():
    generator = np.random.default_rng(1)
    run = audited_run(draw_sizes, generator.permutation, leak=2)
    found, _, lines = class_audit.audit(run, CONFIG)
    assert found["verdict"] == "ignored" and found["accuracy_real"] > 0.95
    assert abs(found["obedience"]) < 4 * found["obedience_error"] < 0.4
    assert found["leakage"]["knn"] > 0.95 and found["leakage"]["logistic"] > 0.95
    assert found["swap"]["other_seen_as_asked"] < 0.5
    assert "ignored" in lines[0]


def test_a_class_that_is_an_orientation_is_seen_where_training_does_not_rotate_galaxies():
    run = audited_run(draw_angles, lambda labels: labels, classes=2)
    found = class_audit.audit(run, CONFIG)[0]
    assert found["verdict"] == "obeyed" and found["accuracy_real"] > 0.95
    # A model that swaps the two classes is not ignorant of them.
    reverse = audited_run(draw_angles, lambda labels: 1 - np.minimum(labels, 1), classes=2)
    assert class_audit.audit(reverse, CONFIG)[0]["verdict"] == "reversed"


def test_classes_that_allow_no_audit():
    few = audited_run(draw_sizes, lambda labels: labels, classes=1)
    found, arrays, lines = class_audit.audit(few, CONFIG)
    reason = "1 classes with 5 or more training and held-out galaxies, fewer than 2"
    assert found["not measured"] == reason and arrays == {} and found["classes"] == ["dwarf"]
    assert lines == [f"  class asked for: not measured, {reason}"]
    generator = np.random.default_rng(5)
    # Classes that have nothing to do with the images.
    random = audited_run(
        lambda codes, labels: draw_sizes(codes, generator.integers(0, 3, len(codes))), lambda x: x
    )
    found, _, lines = class_audit.audit(random, CONFIG)
    assert found["not measured"] == "classes cannot be told apart on real galaxies" and "verdict" not in found
    assert "cannot be told apart" in lines[0]


def test_rows_of_the_grid_are_classes_of_the_same_codes_beside_real_galaxies(obedient):
    run, report = obedient
    grid = report.arrays["class_grid"]
    assert grid["labels"].tolist() == [0, 1, 2, 3] and grid["generated"].shape == (4, 6, SIDE, SIDE, 3)
    codes = NormalPrior(3).sample(6, None, 0)
    for row in range(4):
        np.testing.assert_allclose(grid["generated"][row], draw_sizes(codes, np.full(6, row)), atol=1e-6)
    assert np.isnan(grid["real"][3]).all()  # no galaxy of that class is held out
    own = run.dataset.labels[grid["indices"]]
    assert own.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    np.testing.assert_allclose(
        grid["real"][1], run.dataset.to_unit(run.dataset.images[grid["indices"][6:12]]), atol=1e-6
    )


def test_the_figures_show_the_matrices_and_the_names(obedient):
    _, report = obedient
    found = report.summary["class_audit"]
    drawn = CARDS["conditions"](report, None, PLAIN)
    assert set(drawn) == {"class_audit", "class_grid"}
    real, generated, bars = drawn["class_audit"].axes
    np.testing.assert_allclose(real.images[0].get_array(), found["confusion_real"])
    np.testing.assert_allclose(generated.images[0].get_array(), found["confusion_generated"])
    labels = [" ".join(text.get_text().split()) for text in real.get_yticklabels()]
    assert labels == ["0 dwarf", "1 In-between Round Smooth", "2 giant"]
    for container, kind in zip(bars.containers[1::2], ("real", "generated"), strict=True):
        widths = [one[f"right_{kind}"] for one in found["of_class"].values()]
        np.testing.assert_allclose([bar.get_width() for bar in container], widths)
    assert "obeyed" in drawn["class_audit"].get_suptitle()
    texts = [text.get_text() for text in drawn["class_grid"].axes[0].texts]
    assert {"generated", "real", "dwarf"} <= set(texts)
    assert unreadable(drawn["class_audit"]) == []


def test_every_galaxy_counts_as_often_as_it_is_drawn():
    generator = np.random.default_rng(0)
    true, seen = generator.integers(0, 3, 400), generator.integers(0, 3, 400)
    seen[:150] = true[:150]
    found = class_audit.scores(true, seen, np.arange(3), 300, 0)
    shares = np.array([(seen[true == label] == label).mean() for label in range(3)])
    counts = np.bincount(true)
    np.testing.assert_allclose(found["shares"][0], shares)
    np.testing.assert_allclose(found["shares"][1], np.sqrt(shares * (1 - shares) / counts), rtol=0.2)
    assert found["accuracy"][0] == pytest.approx(shares.mean())
    expected = np.sqrt((shares * (1 - shares) / counts).sum()) / 3
    assert found["accuracy"][1] == pytest.approx(expected, rel=0.2)


def test_rows_of_a_confusion_matrix_are_the_classes_asked_for():
    asked, seen = np.array([0, 0, 0, 0, 5, 5]), np.array([0, 5, 5, 5, 5, 5])
    np.testing.assert_array_equal(
        class_audit.confusion(asked, seen, np.array([0, 5])), [[0.25, 0.75], [0, 1]]
    )
