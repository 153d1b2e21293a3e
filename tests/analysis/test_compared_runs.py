"""The numbers behind the figures of a comparison, from rows and configurations made by hand."""

import dataclasses
import math

import numpy as np
import pytest

from galvae.analysis.compared_runs import ComparedRuns

AE = {"latent_dim": 2, "model.name": "ae"}
VAE = {"latent_dim": 2, "model.name": "vae", "beta.value": 1.0}
SETTINGS = {"a": AE, "b": {**AE, "latent_dim": 4}, "c": VAE, "d": {**VAE, "latent_dim": 4}}
ROWS = [
    {"run": "a", "latent_dim": 2, "val_loss": 9.0, "val_reconstruction": 9.0},
    {"run": "unreadable", "status": "unreadable"},
    {"run": "b", "latent_dim": 4, "val_loss": 8.0},
    {"run": "c", "latent_dim": 2, "val_loss": 7.0, "val_reconstruction": 5.0, "val_kl": 2.0},
    {"run": "d", "latent_dim": 4, "val_loss": math.nan, "val_reconstruction": 4.0, "val_kl": 3.0},
]


@pytest.fixture
def runs():
    """Two autoencoders and two VAEs; one of each has no loss to draw."""
    samples = {
        "c": {"codes": np.zeros((3, 2)), "images": np.zeros((3, 8, 8, 1))},
        "d": {"codes": np.ones((3, 4)), "images": np.ones((3, 8, 8, 1)), "condition": np.ones((3, 1))},
    }
    return ComparedRuns(SETTINGS, ["latent_dim", "model.name"], ROWS, samples, np.full((3, 4), 0.5))


def test_losses_are_those_of_readable_runs_with_a_finite_loss(runs):
    latent_dim, losses, groups = runs.losses_by_latent_dim()
    assert latent_dim == [2, 4, 2]
    assert losses["validation loss"] == [9.0, 8.0, 7.0]
    np.testing.assert_array_equal(losses["validation reconstruction"], [9.0, math.nan, 5.0])
    assert groups == ["ae", "ae", "vae"]


def test_rate_and_distortion_are_those_of_runs_with_a_kl_divergence(runs):
    rate, distortion, groups, labels, label_name = runs.rate_distortion()
    assert (rate, distortion) == ([2.0, 3.0], [5.0, 4.0])
    assert (labels, label_name) == (["2", "4"], "latent_dim")
    assert len(set(groups)) == 1


def test_points_are_labelled_by_beta_where_it_alone_differs():
    settings = {name: {**VAE, "beta.value": beta} for name, beta in (("a", 0.5), ("b", 2.0))}
    rows = [
        {
            "run": name,
            "latent_dim": 2,
            "beta.value": values["beta.value"],
            "val_kl": 1.0,
            "val_reconstruction": 2.0,
        }
        for name, values in settings.items()
    ]
    *_, labels, label_name = ComparedRuns(
        settings, ["beta.value"], rows, {}, np.zeros((1, 2))
    ).rate_distortion()
    assert (labels, label_name) == (["0.5", "2"], "beta.value")


def test_without_losses_there_is_nothing_to_draw(runs):
    empty = dataclasses.replace(runs, rows=[{"run": "a", "latent_dim": 2}, ROWS[1]])
    assert empty.losses_by_latent_dim() is None and empty.rate_distortion() is None


def test_arrays_of_the_samples_are_numbered_in_the_order_of_the_runs(runs):
    arrays = runs.sample_arrays(["d", "c"])
    assert set(arrays) == {"runs", "noise", "codes_0", "images_0", "condition_0", "codes_1", "images_1"}
    assert arrays["runs"].tolist() == ["d", "c"]
    np.testing.assert_array_equal(arrays["noise"], runs.noise)
    np.testing.assert_array_equal(arrays["codes_0"], runs.samples["d"]["codes"])
    np.testing.assert_array_equal(arrays["codes_1"], runs.samples["c"]["codes"])


def test_the_table_begins_with_the_run_and_what_differs(runs):
    assert runs.columns[:4] == ["run", "latent_dim", "model.name", "status"]
