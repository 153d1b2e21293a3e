import csv
import io

from galvae.analysis.comparison import (
    arrange_panels,
    descriptions,
    differing_keys,
    distinguishing_keys,
    label,
    not_comparable,
    short_names,
)
from galvae.analysis.run_table import as_csv, as_markdown, as_text, column_of, results
from galvae.config.analysis import CompareConfig, MovedConfig
from galvae.config.check import flatten

AE = {"latent_dim": 2, "model.name": "ae", "model.code_activation": "linear", "beta.name": "none"}
VAE = {"latent_dim": 2, "model.name": "vae", "beta.name": "constant", "beta.value": 1.0}


def test_names_are_as_long_as_it_takes_to_distinguish_runs(tmp_path):
    assert short_names([tmp_path / "s" / "0", tmp_path / "s" / "1"]) == ["0", "1"]
    paths = [tmp_path / "s" / "0", tmp_path / "t" / "0", tmp_path / "t" / "1"]
    assert short_names(paths) == ["s/0", "t/0", "t/1"]


def test_a_configuration_becomes_flat(network):
    config = CompareConfig(
        dataset=MovedConfig(path=None, table=None, ids=None, select=None, archive=None, cache_dir=None),
        seed=3,
        format="png",
        image_map="gray",
        force=False,
        class_map="muted",
        value_map="viridis",
        backend=None,
        runs=["a", "b"],
        n=4,
        prior=None,
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
    # A key that only one model has is implied by the model's name.
    assert differing_keys([AE, VAE]) == ["model.name", "beta.name"]
    assert differing_keys([AE, VAE, {**VAE, "beta.value": 0.1}]) == ["model.name", "beta.name", "beta.value"]


def test_a_key_that_adds_nothing_is_left_out():
    runs = [AE, VAE, {**VAE, "beta.value": 0.1}]
    assert distinguishing_keys(runs, differing_keys(runs)) == ["model.name", "beta.value"]
    assert distinguishing_keys(runs[:2], differing_keys(runs[:2])) == ["model.name"]
    assert distinguishing_keys(runs[:1], []) == []


def test_descriptions_leave_out_the_key_along_which_runs_are_drawn():
    settings = {"a": VAE, "b": {**VAE, "latent_dim": 4}, "c": AE, "d": {**AE, "latent_dim": 4}}
    keys = differing_keys(list(settings.values()))
    assert descriptions(settings, keys)["d"] == "ae, latent_dim 4"
    assert list(descriptions(settings, keys, "latent_dim").values()) == ["vae", "vae", "ae", "ae"]
    assert descriptions({"a": VAE}, []) == {"a": ""}


def test_panels_of_one_model_stand_in_a_row_by_latent_dim():
    settings = {"a": {**VAE, "latent_dim": 4}, "b": AE, "c": VAE, "d": {**AE, "latent_dim": 4}}
    keys = differing_keys(list(settings.values()))
    order, titles, columns = arrange_panels(settings, settings, keys)
    assert order == ["c", "a", "b", "d"]
    assert titles == ["vae, latent_dim 2", "vae, latent_dim 4", "ae, latent_dim 2", "ae, latent_dim 4"]
    assert columns == 2
    order, titles, columns = arrange_panels(["b", "c", "d"], settings, keys)  # one could not be drawn
    assert (order, columns) == (["c", "b", "d"], None)
    many = {
        f"{seed} {size}": {**VAE, "seed": seed, "latent_dim": size} for seed in range(8) for size in (2, 4)
    }
    assert arrange_panels(many, many, ["latent_dim", "seed"])[2] == 4  # two rows of two side by side
    # Runs that differ in nothing have their names.
    assert arrange_panels(["x", "y"], {"x": VAE, "y": VAE}, [])[1] == ["x", "y"]


def test_values_are_written_as_on_the_command_line():
    assert [as_text(value) for value in (None, True, 1.0, 3e-4, [32, 64], "vae")] == [
        *("null", "true", "1", "0.0003", "[32,64]", "vae"),
    ]
    assert label({"beta.value": 0.1, "model.name": "vae"}, ["beta.value", "clip_norm", "model.name"]) == (
        "vae, beta.value 0.1"
    )


def test_a_warning_names_the_keys_that_forbid_a_comparison():
    assert not_comparable(["latent_dim", "seed", "network.filters", "dataset.verify", "dataset.rgb"]) is None
    for key in ("dataset.table", "dataset.join", "dataset.channels"):  # images without a row are left out
        assert f"that differ in {key}" in not_comparable([key])
    assert (
        "cannot be compared between runs that differ in reconstruction.loss, dataset.name"
        in not_comparable(["reconstruction.loss", "model.name", "dataset.name"])
    )
    weighted = not_comparable(["latent_dim", "beta.value", "reconstruction.weight"])
    assert weighted.startswith("val_loss cannot be compared between runs that differ in beta.value, recon")
    assert weighted.endswith("val_reconstruction and val_kl can")


def test_results_of_an_unfinished_run_come_from_its_history():
    history = [
        {"epoch": epoch, "val_loss": loss, "val_kl": 2.0, "images_per_second": rate, "seconds": 1.5}
        for epoch, (loss, rate) in enumerate([(5.0, 2.0), (3.0, 50.0), (4.0, 20.0)], 1)
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
    rows = list(csv.DictReader(io.StringIO(as_csv(ROWS, COLUMNS))))
    assert list(rows[0]) == COLUMNS
    assert (rows[0]["run"], rows[0]["filters"], rows[0]["val_kl"]) == ("a|b", "[4,8]", "")
    assert (float(rows[0]["seconds"]), float(rows[1]["val_kl"])) == (12345.678, 0.012345678)


def test_the_markdown_table_is_aligned_and_rounded():
    assert as_markdown(ROWS, COLUMNS) == (
        "| run  | filters | beta.value | status   | val_loss |  val_kl | seconds |\n"
        "| ---- | ------: | ---------: | -------- | -------: | ------: | ------: |\n"
        "| a\\|b |   [4,8] |          1 | finished |    49.00 |         |   12346 |\n"
        "| c    |     [4] |            | failed   |          | 0.01235 |         |\n"
    )
