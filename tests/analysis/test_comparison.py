import csv
import io

import pytest

from galvae.analysis.comparison import (
    as_csv,
    as_markdown,
    column_of,
    descriptions,
    differing_keys,
    find_runs,
    label,
    not_comparable,
    results,
    short_names,
    shown,
    telling_keys,
)
from galvae.config.check import flatten
from galvae.errors import GalvaeError

AE = {"latent_dim": 2, "model.name": "ae", "model.code_activation": "linear", "beta.name": "none"}
VAE = {"latent_dim": 2, "model.name": "vae", "beta.name": "constant", "beta.value": 1.0}


def make_run(folder):
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()


def test_runs_of_a_sweep_come_in_the_order_of_its_jobs(tmp_path):
    for job in (10, 9, 0, 2):
        make_run(tmp_path / f"{job}_hdf_vae_z2")
    (tmp_path / "compare").mkdir()
    (tmp_path / "multirun.yaml").touch()
    found = [path.name for path in find_runs(str(tmp_path))]
    assert found == ["0_hdf_vae_z2", "2_hdf_vae_z2", "9_hdf_vae_z2", "10_hdf_vae_z2"]


def test_a_run_is_taken_as_it_is_and_a_list_in_its_order(tmp_path):
    for name in ("b", "a/x", "a/y"):
        make_run(tmp_path / name)
    (tmp_path / "b" / "sample").mkdir()
    assert find_runs(str(tmp_path / "b")) == [tmp_path / "b"]
    found = find_runs([str(tmp_path / "b"), str(tmp_path / "a")])
    assert found == [tmp_path / "b", tmp_path / "a" / "x", tmp_path / "a" / "y"]


def test_links_to_runs_count_once(tmp_path):
    make_run(tmp_path / "runs" / "2026_hdf")
    make_run(tmp_path / "elsewhere")
    (tmp_path / "runs" / "latest").symlink_to("2026_hdf")
    (tmp_path / "runs" / "mine").symlink_to("../elsewhere")
    assert [path.name for path in find_runs(str(tmp_path / "runs"))] == ["2026_hdf", "mine"]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ([], "expected a sweep's directory or a list of runs, received an empty list"),
        (["a", "nix"], "nix: expected a run's or a sweep's directory; received no directory"),
        ("empty", "empty: expected a run's or a sweep's directory; received a directory without runs"),
        (["a", "empty/../a/"], "expected each run once, received"),
    ],
)
def test_places_without_runs_are_refused(places, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalvaeError, match=message):
        find_runs(places)


def test_names_are_as_long_as_it_takes_to_tell_runs_apart(tmp_path):
    assert short_names([tmp_path / "s" / "0", tmp_path / "s" / "1"]) == ["0", "1"]
    paths = [tmp_path / "s" / "0", tmp_path / "t" / "0", tmp_path / "t" / "1"]
    assert short_names(paths) == ["s/0", "t/0", "t/1"]


def test_a_configuration_becomes_flat(network):
    from galvae.config.analysis import MovedConfig
    from galvae.config.model import CompareConfig

    config = CompareConfig(
        dataset=MovedConfig(path=None, table=None, archive=None, cache_dir=None),
        seed=3,
        format="png",
        image_map="gray",
        class_map="muted",
        value_map="viridis",
        backend=None,
        runs=["a", "b"],
        n=4,
        temperature=1.0,
        galaxies=10,
    )
    values = flatten(config)
    assert values["seed"] == 3
    assert values["runs"] == ["a", "b"]
    assert values["dataset.cache_dir"] is None
    assert "dataset" not in values


def test_keys_that_differ_are_found_exactly():
    runs = [{**VAE, "seed": 0}, {**VAE, "seed": 1, "latent_dim": 16}]
    assert differing_keys(runs) == ["latent_dim", "seed"]
    assert differing_keys(runs[:1]) == []
    # A key that only one model has is told by the model's name.
    assert differing_keys([AE, VAE]) == ["model.name", "beta.name"]
    assert differing_keys([AE, VAE, {**VAE, "beta.value": 0.1}]) == ["model.name", "beta.name", "beta.value"]


def test_a_key_that_adds_nothing_is_not_told():
    runs = [AE, VAE, {**VAE, "beta.value": 0.1}]
    assert telling_keys(runs, differing_keys(runs)) == ["model.name", "beta.value"]
    assert telling_keys(runs[:2], differing_keys(runs[:2])) == ["model.name"]
    assert telling_keys(runs[:1], []) == []


def test_descriptions_leave_out_the_key_along_which_runs_are_drawn():
    settings = {"a": VAE, "b": {**VAE, "latent_dim": 4}, "c": AE, "d": {**AE, "latent_dim": 4}}
    keys = differing_keys(list(settings.values()))
    assert descriptions(settings, keys)["d"] == "ae, latent_dim 4"
    assert list(descriptions(settings, keys, "latent_dim").values()) == ["vae", "vae", "ae", "ae"]
    assert descriptions({"a": VAE}, []) == {"a": ""}


def test_values_are_shown_as_they_are_typed():
    assert [shown(value) for value in (None, True, 1.0, 3e-4, [32, 64], "vae")] == [
        *("null", "true", "1", "0.0003", "[32,64]", "vae"),
    ]
    assert label({"beta.value": 0.1, "model.name": "vae"}, ["beta.value", "clip_norm", "model.name"]) == (
        "vae, beta.value 0.1"
    )


def test_a_warning_names_the_keys_that_forbid_a_comparison():
    assert not_comparable(["latent_dim", "seed", "network.filters"]) is None
    assert (
        "cannot be compared between runs that differ in reconstruction.loss, dataset.name"
        in not_comparable(["reconstruction.loss", "model.name", "dataset.name"])
    )
    weighted = not_comparable(["latent_dim", "beta.value", "reconstruction.weight"])
    assert weighted.startswith("val_loss cannot be compared between runs that differ in beta.value, recon")
    assert weighted.endswith("val_reconstruction and val_kl can")


def test_a_run_that_did_not_finish_is_known_by_its_history():
    history = [
        {"epoch": epoch, "val_loss": loss, "val_kl": 2.0, "images_per_second": 10.0 * epoch, "seconds": 1.5}
        for epoch, loss in enumerate([5.0, 3.0, 4.0], 1)
    ]
    assert results({"status": "failed"}, []) == {}
    assert results({"status": "failed"}, history) == {
        "epochs": 3,
        "best_epoch": 2,
        "val_loss": 3.0,
        "val_kl": 2.0,
        "images_per_second": 20.0,
        "seconds": 4.5,
    }
    assert results({"val_loss": 1.0, "val_kl": "low", "other": 3}, []) == {"val_loss": 1.0}


def test_a_key_named_as_a_result_gets_a_column_of_its_own():
    assert [column_of(key) for key in ("epochs", "latent_dim")] == ["config.epochs", "latent_dim"]


ROWS = [
    {
        "run": "a|b",
        "filters": [4, 8],
        "beta.value": 1.0,
        "status": "finished",
        "val_loss": 49.0,
        "seconds": 12345.678,
    },
    {"run": "c", "filters": [4], "beta.value": None, "status": "failed", "val_kl": 0.012345678},
]
COLUMNS = ["run", "filters", "beta.value", "status", "val_loss", "val_kl", "seconds"]


def test_the_csv_holds_every_digit():
    found = list(csv.DictReader(io.StringIO(as_csv(ROWS, COLUMNS))))
    assert list(found[0]) == COLUMNS
    assert (found[0]["run"], found[0]["filters"], found[0]["val_kl"]) == ("a|b", "[4,8]", "")
    assert (float(found[0]["seconds"]), float(found[1]["val_kl"])) == (12345.678, 0.012345678)


def test_the_markdown_table_is_aligned_and_rounded():
    assert as_markdown(ROWS, COLUMNS) == (
        "| run  | filters | beta.value | status   | val_loss |  val_kl | seconds |\n"
        "| ---- | ------: | ---------: | -------- | -------: | ------: | ------: |\n"
        "| a\\|b |   [4,8] |          1 | finished |    49.00 |         |   12346 |\n"
        "| c    |     [4] |            | failed   |          | 0.01235 |         |\n"
    )
