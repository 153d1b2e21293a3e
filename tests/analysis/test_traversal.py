"""Walks of a run whose decoder shows the code and the condition that it is given, so that each can be recognised."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import redshift_dataset

from galvae.analysis.traversal import Traversal
from galvae.data.conditions import one_hot
from galvae.errors import GalvaeError
from galvae.latent.codes import Codes
from galvae.latent.priors.gaussian import GaussianPrior
from galvae.latent.priors.normal import NormalPrior
from galvae.runs.conditions import Conditions

# Of each galaxy; the second dimension is the most informative, then the third.
CODES = np.random.default_rng(0).normal(0, [0.1, 3, 1], (40, 3)).astype(np.float32)
KEYS = {"axes": None, "at": None, "from_": None, "to": None, "condition": None, "conditions": None}
KEYS |= {"prior": None, "redshift": None, "span": 2.0, "steps": 5, "seed": 0}


def traversal(terms=("reconstruction", "kl"), condition_dim=1, prior=None, data=None, **keys):
    data = redshift_dataset() if data is None else data
    conditions = Conditions(
        data.condition_names if condition_dim else [], [[None, None]] * condition_dim, "cvae2"
    )
    log_variance = np.zeros_like(CODES) if "kl" in terms else None

    def decode(codes, condition):
        shown = [codes] if condition is None else [codes, condition]
        return np.concatenate(shown, axis=1)[:, None, None]

    run = SimpleNamespace(
        model=SimpleNamespace(latent_dim=3, condition_dim=condition_dim, terms=terms),
        dataset=data,
        galaxies=data,
        images_missing=False,
        conditions=conditions,
        codes_at=lambda rows: Codes(rows, CODES[rows], None if log_variance is None else log_variance[rows]),
        prior=lambda name=None: prior or NormalPrior(3),
        decode=decode,
        random_condition=lambda n, seed: data.condition[:n],
        at_condition=lambda values, like: conditions.filled(conditions.resolved(values), like),
    )
    walks = Traversal(run, SimpleNamespace(**{**KEYS, **keys}))
    walks.names = {axis: f"name {axis}" for axis in walks.axes}  # which galaxies of one pixel do not have
    return walks


def test_axes_are_walked_from_the_galaxy_at_its_own_condition():
    walks = traversal(at=7, axes=[0, 2])
    walk = walks.along_axes()
    assert walk.arrays["axes"].tolist() == [2, 0]
    assert walk.arrays["names"].tolist() == ["name 2", "name 0"]
    np.testing.assert_allclose(walk.arrays["values"], np.tile([-2, -1, 0, 1, 2], (2, 1)))
    np.testing.assert_allclose(walk.arrays["information"], (CODES**2).mean(axis=0)[[2, 0]] / 2, rtol=1e-4)
    for row, axis in enumerate([2, 0]):
        expected = np.tile(CODES[7], (5, 1))
        expected[:, axis] = [-2, -1, 0, 1, 2]
        np.testing.assert_allclose(walk.codes[row], expected)
        np.testing.assert_allclose(walk.images[row, :, 0, 0, :3], expected)
    redshift = walks.run.dataset.condition[7, 0]
    np.testing.assert_allclose(walk.images[..., 3], redshift)
    original, decoded = walks.run.dataset.images[7] / 255, np.append(CODES[7], redshift)
    walks.run.decode = lambda codes, condition: np.zeros((1, 16, 16, 3)) + codes.sum() + condition.sum()
    pair = walks.original_and_decoded()
    np.testing.assert_allclose(pair[0], original, atol=1e-6)
    np.testing.assert_allclose(pair[1], decoded.sum(), rtol=1e-5)


def test_without_a_galaxy_walks_are_at_the_mean_condition_of_the_training_galaxies():
    walks = traversal()
    train = walks.run.dataset.condition[walks.run.dataset.split("train"), 0]
    np.testing.assert_allclose(walks.along_axes().images[..., 3], train.mean(), rtol=1e-6)
    np.testing.assert_allclose(traversal(condition=0.7).along_axes().images[..., 3], 0.7, rtol=1e-6)
    assert walks.along_axes().arrays["axes"].tolist() == [1, 2, 0]


def test_a_plane_has_its_first_axis_across():
    walk = traversal().over_plane(2, 0)
    assert walk.codes.shape == (5, 5, 3)
    np.testing.assert_allclose(walk.codes[4, 1], [2, 0, -1])
    np.testing.assert_allclose(walk.images[4, 1, 0, 0, :3], [2, 0, -1])
    np.testing.assert_allclose(walk.arrays["x"], [-2, -1, 0, 1, 2])


@pytest.mark.parametrize("at", [None, 7])
def test_by_default_walks_stay_where_the_galaxies_are(at):
    walks = traversal(at=at, span=None, seed=2)
    noise = np.random.default_rng(2).standard_normal(CODES.shape)  # of the posteriors, whose variance is 1
    low, high = np.percentile(CODES + noise, [0.5, 99.5], axis=0)
    origin = np.median(CODES, axis=0) if at is None else CODES[at]
    walk = walks.along_axes()
    assert walk.arrays["axes"].tolist() == [1, 2, 0]
    np.testing.assert_allclose(walk.arrays["offsets"], [0, 0.25, 0.5, 0.75, 1])
    for row, axis in enumerate([1, 2, 0]):
        expected = np.tile(origin, (5, 1))
        expected[:, axis] = np.linspace(low[axis], high[axis], 5)
        np.testing.assert_allclose(walk.codes[row], expected, rtol=1e-6)
        np.testing.assert_allclose(walk.arrays["values"][row], expected[:, axis])
    plane = walks.over_plane(2, 0)
    np.testing.assert_allclose(plane.arrays["x"], np.linspace(low[2], high[2], 5))
    np.testing.assert_allclose(
        plane.codes[4, 1], [high[0], origin[1], low[2] + (high[2] - low[2]) / 4], rtol=1e-6
    )


def test_without_a_posterior_the_percentiles_are_those_of_the_codes():
    walk = traversal(["reconstruction"], condition_dim=0, span=None).along_axes()
    ends = np.percentile(CODES, [0.5, 99.5], axis=0).T
    np.testing.assert_allclose(walk.arrays["values"][:, [0, -1]], ends[walk.arrays["axes"]], rtol=1e-6)


def test_a_plain_autoencoder_is_walked_where_its_codes_are():
    prior = GaussianPrior([5.0, -1.0, 2.0], np.diag([4.0, 9.0, 16.0]))
    walks = traversal(["reconstruction"], condition_dim=0, prior=prior)
    walk = walks.along_axes()
    assert walks.unit == "variance" and walk.arrays["axes"][1] == 2
    np.testing.assert_allclose(walk.codes[1], [[5, -1, 2 + 4 * step] for step in (-2, -1, 0, 1, 2)])
    np.testing.assert_allclose(walks.over_plane(0, 1).codes[4, 0], [1, 5, 2])


@pytest.mark.parametrize("at", [None, 7])
def test_the_condition_is_walked_over_the_range_of_the_training_galaxies(at):
    walks = traversal(at=at, seed=4)
    data = walks.run.dataset
    train = data.condition[data.split("train"), 0]
    assert (train.min(), train.max()) != (data.condition.min(), data.condition.max())
    walk = walks.along_condition()
    starts = np.random.default_rng(4).standard_normal((8, 3)) if at is None else CODES[[7]]
    values = np.linspace(train.min(), train.max(), 5)
    for row, start in enumerate(starts):
        np.testing.assert_allclose(walk.images[row, :, 0, 0, :3], np.tile(start, (5, 1)), rtol=1e-5)
        np.testing.assert_allclose(walk.images[row, :, 0, 0, 3], values, rtol=1e-6)
    np.testing.assert_allclose(walk.arrays["condition"][0, :, 0], values, rtol=1e-6)
    asked = traversal(at=at, conditions=[0.5, 4.5]).along_condition()
    np.testing.assert_allclose(asked.images[0, :, 0, 0, 3], [0.5, 1.5, 2.5, 3.5, 4.5])


def classified(*names):
    """Forty galaxies of three classes, and of the redshifts of `redshift_dataset` if that is among the names."""
    data = redshift_dataset()
    columns = [one_hot(np.arange(40) % 5 // 2, 3), *([data.condition] if "redshift" in names else [])]
    return dataclasses.replace(
        data,
        condition=np.concatenate(columns, axis=1),
        condition_names=["class=a", "class=b", "class=c", *names],
        condition_units=[""] * (3 + len(names)),
    )


def test_every_class_has_a_row_along_the_redshift():
    walks = traversal(data=classified("redshift"), condition_dim=4, at=7, conditions=[0.5, 4.5])
    walk = walks.along_condition()
    assert walk.row_labels == ["a", "b", "c"] and walk.column_labels == [f"z {z}.50" for z in range(5)]
    np.testing.assert_allclose(walk.images[:, :, 0, 0, :3], np.tile(CODES[7], (3, 5, 1)))
    np.testing.assert_allclose(walk.images[..., 0, 0, 6], np.tile([0.5, 1.5, 2.5, 3.5, 4.5], (3, 1)))
    np.testing.assert_array_equal(walk.images[:, :, 0, 0, 3:6], np.repeat(np.eye(3)[:, None], 5, axis=1))
    # Elsewhere the class is the galaxy's own, that which is asked for, or the most frequent one.
    kept = walks.run.dataset.condition[7]
    for keys, expected in (({"at": 7}, kept[:3]), ({"condition": "c"}, [0, 0, 1]), ({}, [1, 0, 0])):
        axes = traversal(data=classified("redshift"), condition_dim=4, **keys).along_axes()
        np.testing.assert_array_equal(axes.images[0, 0, 0, 0, 3:6], expected)


def test_without_a_number_to_walk_along_every_class_has_a_row_of_the_same_galaxies():
    walk = traversal(data=classified(), condition_dim=3, seed=4).along_condition()
    starts = np.random.default_rng(4).standard_normal((8, 3))
    assert walk.around == "random codes of the prior" and walk.column_labels[7] == "galaxy 8"
    for row in range(3):
        np.testing.assert_allclose(walk.images[row, :, 0, 0, :3], starts, rtol=1e-5)
        np.testing.assert_array_equal(walk.images[row, :, 0, 0, 3:], np.tile(np.eye(3)[row], (8, 1)))
    alone = traversal(data=classified(), condition_dim=3, at=7).along_condition()
    assert alone.images.shape[:2] == (3, 1) and alone.column_labels == ["id 7"]
    with pytest.raises(
        GalvaeError, match=r"^conditions: expected none, .* its class, received \[0.0, 1.0\]$"
    ):
        traversal(data=classified(), condition_dim=3, conditions=[0.0, 1.0])


def test_between_galaxies_of_two_classes_there_is_no_third_one():
    walk = traversal(data=classified("redshift"), condition_dim=4, from_=10, to=4).between_galaxies()
    np.testing.assert_array_equal(walk.images[0, :, 0, 0, 3:6], np.eye(3)[[0, 0, 2, 2, 2]])
    ends = redshift_dataset().condition[[10, 4], 0]
    np.testing.assert_allclose(walk.images[0, :, 0, 0, 6], np.linspace(*ends, 5), rtol=1e-6)


def test_codes_and_conditions_change_together_from_galaxy_to_galaxy():
    walks = traversal(from_=10, to=30)
    walk = walks.between_galaxies()
    assert walk.images.shape == (1, 5, 1, 1, 4)
    np.testing.assert_allclose(walk.codes[0, [0, 4]], CODES[[10, 30]], rtol=1e-5)
    np.testing.assert_allclose(walk.images[0, :, 0, 0, :3], walk.codes[0], rtol=1e-6)
    ends = walks.run.dataset.condition[[10, 30], 0]
    np.testing.assert_allclose(walk.images[0, :, 0, 0, 3], np.linspace(*ends, 5), rtol=1e-6)
    assert walk.arrays["ids"].tolist() == ["10", "30"]
    lengths = np.linalg.norm(walk.codes[0], axis=1)
    np.testing.assert_allclose(
        lengths, np.linspace(lengths[0], lengths[4], 5), rtol=1e-5
    )  # on no straight line
    straight = traversal(["reconstruction"], condition_dim=0, from_=10, to=30).between_galaxies()
    np.testing.assert_allclose(straight.codes[0], np.linspace(CODES[10], CODES[30], 5), atol=1e-6)
