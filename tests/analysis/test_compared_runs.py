"""The numbers behind the figures of a comparison, from rows and configurations made by hand."""

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from galvae.analysis import compared_runs
from galvae.analysis.compared_runs import ComparedRuns
from galvae.analysis.run_table import as_markdown
from galvae.latent.codes import Codes
from galvae.latent.priors.normal import NormalPrior

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
    latent_dim, panels, groups = runs.losses_by_latent_dim()
    assert latent_dim == [2, 4, 2]
    assert [panel[:2] for panel in panels] == [
        ("validation loss", "ae"),
        ("validation loss", "vae"),  # a sum of other terms, in an axis of its own
        ("validation reconstruction", ""),
    ]
    expected = [[9.0, 8.0, math.nan], [math.nan, math.nan, 7.0], [9.0, math.nan, 5.0]]
    np.testing.assert_array_equal([values for *_, values in panels], expected)
    assert groups == ["ae", "ae", "vae"]


def test_rate_and_distortion_are_those_of_runs_with_a_kl_divergence(runs):
    rate, distortion, groups, labels, label_name, kinds = runs.rate_distortion()
    assert (rate, distortion) == ([2.0, 3.0], [5.0, 4.0])
    assert (labels, label_name) == (["2", "4"], "latent_dim")
    assert len(set(groups)) == 1
    assert kinds == ["", ""]


def test_a_run_is_measured_on_its_first_validation_galaxies_and_drawn_with_the_keys_of_the_command(
    tmp_path, monkeypatch
):
    asked = []
    condition = np.arange(3.0)[:, None]
    model = SimpleNamespace(
        terms=["reconstruction", "kl"], condition_dim=1, latent_dim=2, count_params=lambda: 77
    )
    rows = np.array([5, 9, 2, 7])
    means = {5: [0, 1], 9: [0.01, 2], 2: [9, 3], 7: [9, 3]}  # one active dimension of the first two galaxies
    run = SimpleNamespace(
        path=tmp_path,
        model=model,
        weights_digest="w",
        state=SimpleNamespace(peak_memory_mb=5.0, history=[], best_epoch=1),
        galaxies=SimpleNamespace(split={"val": rows, "train": rows[::-1]}.__getitem__),
        codes_at=lambda rows: Codes(rows, np.array([means[row] for row in rows]), None),
        random_condition=lambda n, seed: asked.append((n, seed)) or condition,
        prior=lambda name: asked.append(name) or NormalPrior(2),
        decode=lambda codes, condition: np.concatenate([codes, condition], axis=1),
    )
    monkeypatch.setattr(
        compared_runs, "TrainedRun", SimpleNamespace(open=lambda *given: asked.append(given[1:3]) or run)
    )
    directory = SimpleNamespace(
        status="finished", metrics={}, config=SimpleNamespace(beta=SimpleNamespace(name="constant"))
    )
    config = SimpleNamespace(
        n=3,
        seed=6,
        prior="normal",
        temperature=0.5,
        galaxies=2,
        dataset=SimpleNamespace(path="moved"),
        force=False,
    )
    (tmp_path / "evaluate").mkdir()
    results = {"epoch": 1, "weights_sha256": "w", "card": {"w1": 0.3, "auc": 0.9, "floor": {"w1": 0.04}}}
    (tmp_path / "evaluate" / "metrics.json").write_text(json.dumps(results))
    row, samples = compared_runs.measure_run(directory, "a", config, "jax", True)
    card = {name: value for name, value in row.items() if name.startswith("card.")}
    assert card == {"card.w1": 0.3, "card.auc": 0.9, "card.floor.w1": 0.04} and row["evaluated"] == "epoch 1"
    assert asked == [("jax", {"path": "moved"}), (3, 6), "normal"]
    assert (row["active_units"], row["parameters"]) == (1, 77)
    np.testing.assert_allclose(
        samples["codes"], 0.5 * np.random.default_rng(6).standard_normal((3, 2)), rtol=1e-6
    )
    np.testing.assert_array_equal(samples["condition"], condition)
    np.testing.assert_array_equal(samples["images"], np.concatenate([samples["codes"], condition], axis=1))


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
    *_, labels, label_name, _ = ComparedRuns(
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
    assert runs.columns[-1] == "peak_memory_mb"


def test_physics_cards_stand_in_columns_where_a_run_has_one(runs):
    rows = [*ROWS[:-1], {**ROWS[-1], "card.w1": 0.266218, "card.floor.w1": 0.0, "evaluated": "epoch 3"}]
    columns = dataclasses.replace(runs, rows=rows).columns
    assert columns[-4:] == ["peak_memory_mb", "card.w1", "card.floor.w1", "evaluated"]
    assert " 0.2662 |" in as_markdown(rows, columns)


def compared(key, values):
    """Runs that differ in one key."""
    settings = {str(index): {**VAE, key: value} for index, value in enumerate(values)}
    rows = [
        {"run": name, "latent_dim": 2, "val_loss": 7.0, "val_reconstruction": 5.0, "val_kl": 2.0}
        for name in settings
    ]
    return ComparedRuns(settings, [key], rows, {}, np.zeros((3, 2)))


@pytest.mark.parametrize(
    "key", ["dataset.image_size", "dataset.hdu", "dataset.split_seed", "reconstruction.loss"]
)
def test_other_galaxies_or_units_have_panels_of_their_own(key):
    runs = compared(key, [16, 18, 16])
    _, panels, _ = runs.losses_by_latent_dim()
    kinds = [f"{key} 16", f"{key} 18"]
    assert [panel[:2] for panel in panels] == [
        (name, kind) for name in ("validation loss", "validation reconstruction") for kind in kinds
    ]
    np.testing.assert_array_equal(panels[1][2], [math.nan, 7.0, math.nan])
    assert runs.rate_distortion()[-1] == [kinds[0], kinds[1], kinds[0]]


@pytest.mark.parametrize("key", ["dataset.cache_dir", "dataset.augment", "seed", "learning_rate"])
def test_runs_that_can_be_compared_share_an_axis(key):
    _, panels, _ = compared(key, [1, 2]).losses_by_latent_dim()
    assert [panel[:2] for panel in panels] == [("validation loss", ""), ("validation reconstruction", "")]


def test_too_many_kinds_are_left_out_with_a_line(caplog):
    with caplog.at_level("INFO"):
        _, panels, _ = compared("beta.value", [1.0, 2.0, 3.0, 4.0, 5.0]).losses_by_latent_dim()
        assert [panel[0] for panel in panels] == ["validation reconstruction"]
        runs = compared("dataset.split_seed", range(5))
        assert runs.losses_by_latent_dim() is None and runs.rate_distortion() is None
    left_out = "is not drawn: the runs are of 5 kinds that cannot be compared"
    names = ["validation loss", "validation loss", "validation reconstruction", "the rate-distortion curve"]
    assert caplog.messages == [f"{name} {left_out}" for name in names]
