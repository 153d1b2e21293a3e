"""Blocks of generated galaxies: the same codes under every requested condition."""

from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset
from builders.runs import run_of

from galvae.analysis.samples import Samples, compare_with_training, draw_samples, sampled_condition
from galvae.data.conditions import one_hot
from galvae.errors import GalvaeError
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.runs.conditions import Conditions
from galvae.runs.trained_run import TrainedRun


def config(**changes):
    """The keys of SampleConfig that draw codes."""
    values = {"n": 3, "seed": 5, "prior": None, "temperature": 1.0, "condition": None, "redshift": None}
    return SimpleNamespace(**{**values, **changes})


def test_the_first_galaxies_of_each_block():
    samples = Samples([0.5, 1.0], np.zeros((10, 2), np.float32), None)
    np.testing.assert_array_equal(samples.first(3), [0, 1, 2, 5, 6, 7])
    np.testing.assert_array_equal(samples.first(5), np.arange(10))
    assert set(samples.arrays) == {"codes"}


def test_every_block_has_the_same_codes_at_its_own_condition(trained):
    run = TrainedRun.open(trained("cvae2"))
    samples = draw_samples(run, config(condition=[0.5, 1.5]))
    codes = np.random.default_rng(5).standard_normal((3, 3)).astype(np.float32)
    np.testing.assert_array_equal(samples.codes, np.tile(codes, (2, 1)))
    np.testing.assert_array_equal(samples.condition, [[0.5]] * 3 + [[1.5]] * 3)
    cold = draw_samples(run, config(temperature=0.5))
    np.testing.assert_allclose(cold.codes, 0.5 * codes, rtol=1e-6)
    np.testing.assert_array_equal(cold.condition, run.random_condition(3, 5))


def test_a_prior_that_knows_the_condition_draws_each_block_at_its_own_from_the_same_numbers(
    trained, monkeypatch
):
    run, asked = TrainedRun.open(trained("cvae2")), []
    condition = np.random.default_rng(0).uniform(0, 2, (500, 1))
    fitted = GaussianPrior.fit(condition * [[1.0, -3.0, 0.0]] + np.eye(3)[np.arange(500) % 3], condition)
    monkeypatch.setattr(run, "prior", lambda name: asked.append(name) or fitted)
    samples = draw_samples(run, config(prior="gaussian", condition=[0.5, 1.5]))
    low, high = np.split(samples.codes, 2)
    # Linear in the condition, with the same scatter about the line.
    np.testing.assert_allclose(high - low, np.tile([1, -3, 0], (3, 1)), atol=0.3)
    np.testing.assert_allclose(np.ptp(high - low, axis=0), 0, atol=1e-5)
    assert asked == ["gaussian"] and np.ptp(low, axis=0).min() > 0.1


def test_generated_galaxies_are_compared_with_training_galaxies_turned_if_training_turned_them():
    data = dataset(25, images=np.random.default_rng(0).integers(0, 256, (25, 8, 8, 3), dtype=np.uint8))
    train, other = data.split("train"), data.split("val")[0]
    images = data.to_unit(data.images[[train[3], other, train[5]]])
    images[2] = np.rot90(images[2])
    section = SimpleNamespace(augment=True)
    run = SimpleNamespace(
        dataset=data,
        config=SimpleNamespace(dataset=section),
        conditions=Conditions(["redshift", "mass"], [], "cvae2"),
    )
    condition = np.arange(20.0).reshape(10, 2)
    drawn = Samples([None], np.zeros((10, 2), np.float32), condition)
    positions = np.array([7, 2, 4])
    generated, real, indices, columns = compare_with_training(run, drawn, positions, images)
    np.testing.assert_array_equal(generated, images)
    assert indices[0] == train[3] and indices[2] == train[5] and indices[1] in set(train)
    np.testing.assert_allclose(real[[0, 2]], images[[0, 2]], atol=1e-6)
    assert columns["sample"].tolist() == [7, 2, 4]
    assert columns["sample_redshift"].tolist() == [14, 4, 8]
    assert columns["sample_mass"].tolist() == [15, 5, 9]
    np.testing.assert_allclose(columns["rms_difference"][[0, 2]], 0, atol=1e-3)
    section.augment = False
    assert compare_with_training(run, drawn, positions, images)[3]["rms_difference"][2] > 0.1


def test_a_model_without_a_condition_takes_none(trained):
    run = TrainedRun.open(trained("vae"))
    samples = draw_samples(run, config())
    assert samples.values == [{}] and samples.condition is None
    with pytest.raises(GalvaeError, match="condition: expected none, because vae takes no condition"):
        draw_samples(run, config(condition=[0.5]))


def test_the_other_conditions_are_those_of_the_same_training_galaxies_in_every_block():
    others = np.array([[1.0, 10.0], [2.0, 20.0]])
    run = SimpleNamespace(
        model=SimpleNamespace(condition_dim=2),
        conditions=Conditions(["redshift", "mass"], [[0, 2], [0, 20]], "cvae2"),
        random_condition=lambda n, seed, label: others[:n],
    )
    expected = [[0.5, 10], [0.5, 20], [1.5, 10], [1.5, 20]]
    blocks = [{"redshift": 0.5}, {"redshift": 1.5}]
    np.testing.assert_array_equal(sampled_condition(run, blocks, 2, 0), expected)
    np.testing.assert_array_equal(sampled_condition(run, [{}], 2, 0), others)


def test_the_other_conditions_of_a_class_are_those_of_its_own_training_galaxies():
    labels = np.arange(25) % 3
    redshift = labels + np.linspace(0, 0.9, 25)
    data = dataset(
        condition=np.concatenate([one_hot(labels, 3), redshift[:, None]], axis=1).astype(np.float32),
        condition_names=["class=a", "class=b", "class=c", "redshift"],
        condition_units=[""] * 4,
    )
    run = run_of(data, model="cvae2")
    blocks = run.conditions.requests("all")
    condition = sampled_condition(run, blocks, 50, 3).reshape(3, 50, 4)
    train = data.split("train")
    for label in range(3):
        np.testing.assert_array_equal(condition[label, :, :3], np.tile(np.eye(3)[label], (50, 1)))
        own = data.condition[train[labels[train] == label], 3]
        assert {*condition[label, :, 3].tolist()} == {*own.tolist()}
    asked = run.conditions.requests({"class": ["c", "a"], "redshift": 0.25})
    np.testing.assert_array_equal(
        sampled_condition(run, asked, 2, 0), [[0, 0, 1, 0.25]] * 2 + [[1, 0, 0, 0.25]] * 2
    )
    some = sampled_condition(run, run.conditions.requests({"redshift": [0.5, 1.0]}), 40, 0)
    np.testing.assert_array_equal(some[:40, :3], some[40:, :3])  # the same galaxies in both blocks
    assert {*some[:, 3].tolist()} == {0.5, 1.0} and {*some[:, :3].argmax(axis=1).tolist()} == {0, 1, 2}
