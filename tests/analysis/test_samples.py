"""Blocks of generated galaxies: the same codes under every requested condition."""

from types import SimpleNamespace

import numpy as np
import pytest

from galvae.analysis.samples import Samples, draw_samples, sampled_condition
from galvae.errors import GalvaeError
from galvae.runs.trained_run import TrainedRun


def config(**changes):
    """The keys of SampleConfig that draw codes."""
    values = {"n": 3, "seed": 5, "temperature": 1.0, "condition": None, "redshift": None}
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
    positions = np.array([4, 0])
    images = run.model.decode(samples.codes[positions], samples.condition[positions])
    np.testing.assert_allclose(samples.decode(run, positions), images, atol=1e-5)
    cold = draw_samples(run, config(temperature=0.5))
    np.testing.assert_allclose(cold.codes, 0.5 * codes, rtol=1e-6)
    np.testing.assert_array_equal(cold.condition, run.random_condition(3, 5))


def test_a_model_without_a_condition_takes_none(trained):
    run = TrainedRun.open(trained("vae"))
    samples = draw_samples(run, config())
    assert samples.values == [None] and samples.condition is None
    with pytest.raises(GalvaeError, match="condition: expected none, because vae takes no condition"):
        draw_samples(run, config(condition=[0.5]))


def test_the_other_conditions_are_those_of_the_same_training_galaxies_in_every_block():
    def at_condition(values, like):
        condition = like.copy()
        condition[:, 0] = values
        return condition

    others = np.array([[1.0, 10.0], [2.0, 20.0]])
    model = SimpleNamespace(condition_dim=2)
    run = SimpleNamespace(model=model, at_condition=at_condition, random_condition=lambda n, seed: others[:n])
    expected = [[0.5, 10], [0.5, 20], [1.5, 10], [1.5, 20]]
    np.testing.assert_array_equal(sampled_condition(run, [0.5, 1.5], 2, 0), expected)
    np.testing.assert_array_equal(sampled_condition(run, None, 2, 0), others)
