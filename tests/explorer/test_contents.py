"""What the page of a run shows: every galaxy's own values, the latents in their order, what the model is given."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Column

from galvae.data.catalogue import galaxy_table
from galvae.errors import GalvaeError
from galvae.explorer import contents
from galvae.explorer.columns import _column, position_column
from galvae.explorer.contents import contents_of
from galvae.latent.codes import Codes
from galvae.latent.information import information
from galvae.runs.stored_run import StoredRun


def made(run, config=None, **given):
    """Manifest and arrays of a run, checked to be JSON; `given` replaces arguments of `contents_of`."""
    codes = given.pop("codes", None) or run.kept_codes("all")
    config = SimpleNamespace(columns=None, colour=None, **(config or {}))
    vars(config).update(given.pop("keys", {}))
    embedding = given.pop("embedding", None)
    arguments = {"names": None, "measured": {}, "embed": lambda: embedding, **given}
    manifest, arrays = contents_of(run, codes, config=config, **arguments)
    json.dumps(manifest, allow_nan=False)
    return manifest, arrays


def column(manifest, name):
    """The entry of a column."""
    return next(one for one in manifest["columns"] if one["name"] == name)


@pytest.fixture(scope="module")
def run(trained):
    return StoredRun.open(trained("cvae2"))


def test_every_galaxy_has_its_own_values(run):
    codes = run.kept_codes("all")
    size = np.arange(len(codes.indices)) + 0.5
    manifest, arrays = made(run, measured={"r50": (size, "pix")})
    table = galaxy_table(run.galaxies, codes.indices, {})
    assert manifest["count"] == len(table) == len(arrays["ids"])
    assert arrays["ids"] == [str(one) for one in table["id"]]
    np.testing.assert_allclose(arrays["codes"], codes.mean, atol=1e-3 * np.abs(codes.mean).max())
    np.testing.assert_array_equal(arrays["condition"], run.galaxies.condition[codes.indices])
    seen = set()
    for entry in manifest["columns"]:
        if entry["origin"] in ("latent", "measured"):
            continue
        seen.add(entry["name"])
        values, wanted = arrays[entry["array"]], table[entry["name"]]
        if entry["kind"] == "class":
            values = [entry["classes"][number] if number >= 0 else "" for number in values]
        np.testing.assert_array_equal(values, wanted)
    assert {"split", "redshift", "ra", "dec"} <= seen
    r50 = column(manifest, "r50")
    assert (r50["unit"], r50["origin"]) == ("pix", "measured")
    np.testing.assert_array_equal(arrays[r50["array"]], size)
    assert (manifest["ra"], manifest["dec"]) == ("ra", "dec")
    assert column(manifest, "split")["classes"] == ["train", "val", "test"]


def test_latents_come_most_informative_first_with_their_names_and_percentiles(run):
    kept = run.kept_codes("all")
    rising = np.argsort(information(kept.mean, kept.log_variance))  # the most informative last
    codes = Codes(kept.indices, kept.mean[:, rising], kept.log_variance[:, rising])
    amounts = information(codes.mean, codes.log_variance)
    names = ["r50 (+)", "no measured property", "e1 (-)"]
    manifest, _ = made(run, names=names, codes=codes)
    latents = manifest["latents"]
    assert [one["axis"] for one in latents] == np.argsort(-amounts).tolist()
    for one in latents:
        axis = one["axis"]
        assert one["name"] == ("" if axis == 1 else names[axis]) and one["unit"] == "nats"
        assert one["information"] == pytest.approx(amounts[axis])
        samples = codes.sample(0)[:, axis]
        assert [one["low"], one["high"]] == pytest.approx(np.percentile(samples, [0.5, 99.5]).tolist())
    plane = manifest["planes"][0]
    first, second = (one["axis"] for one in latents[:2])
    assert (plane["x"], plane["y"]) == (f"code_{first}", f"code_{second}")
    assert column(manifest, f"code_{second}")["axis"] == second


def test_far_is_the_99th_percentile_of_distances_between_neighbours(run):
    codes = run.kept_codes("all").mean.astype(float)
    distances = np.linalg.norm(codes[:, None] - codes, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert made(run)[0]["far"] == pytest.approx(np.quantile(distances.min(axis=1), 0.99), rel=1e-4)
    assert len(contents._nearest_distances(codes[:1])) == 0


def test_codes_are_rounded_only_where_that_changes_no_distance_between_neighbours():
    codes = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)

    def compact(codes):
        return contents._compact(codes, contents._nearest_distances(codes))

    assert compact(codes).dtype == np.float16
    dense = np.random.default_rng(0).normal(size=(5000, 1)).astype(np.float32)
    for exact in (codes + 300, codes * 1e6, dense, codes[:1]):
        np.testing.assert_array_equal(compact(exact), exact)


def test_positions_are_degrees_or_none():
    def position(unit):
        columns = [
            {"name": "x", "kind": "number", "unit": ""},
            {"name": "RA", "kind": "number", "unit": unit},
        ]
        return position_column(columns, ("ra",)), columns[1]["unit"]

    assert position("deg") == ("RA", "deg") and position("") == ("RA", "deg")
    assert position("hourangle") == (None, "hourangle")


def test_a_model_with_a_condition_says_its_range_and_one_without_none(run, trained):
    values = run.galaxies.condition[run.galaxies.split("train"), 0]
    conditions = made(run)[0]["conditions"]
    assert conditions["classes"] == [] and [one["name"] for one in conditions["numbers"]] == ["redshift"]
    low, high = conditions["numbers"][0]["low"], conditions["numbers"][0]["high"]
    assert low <= values.min() and high >= values.max()
    manifest, arrays = made(StoredRun.open(trained("vae")))
    assert manifest["conditions"] is None and "condition" not in arrays


def test_an_embedding_is_the_first_plane(run):
    count = len(run.kept_codes("all").indices)
    plane = np.stack([np.arange(count), -np.arange(count)], axis=1).astype(np.float32)
    manifest, arrays = made(run, embedding=SimpleNamespace(plane=plane))
    assert manifest["planes"][0] == {"name": "UMAP", "x": "umap_x", "y": "umap_y"}
    assert manifest["planes"][-1] == {"name": "sky", "x": "ra", "y": "dec"}
    np.testing.assert_array_equal(arrays[column(manifest, "umap_y")["array"]], plane[:, 1])


def test_columns_and_colour_are_chosen_by_name(run, caplog):
    measured = {"r50": (np.ones(len(run.kept_codes("all").indices)), "pix")}
    manifest, arrays = made(run, measured=measured, keys={"columns": ["ra"], "colour": "ra"})
    names = {one["name"] for one in manifest["columns"] if one["origin"] != "latent"}
    assert names - {"class"} == {"split", "redshift", "ra"} and manifest["dec"] is None
    assert manifest["colour"] == "ra"
    assert made(run)[0]["colour"] in ("class", "redshift")
    assert column(made(run, keys={"columns": ["redshift"]})[0], "redshift")

    assert made(run, keys={"colour": "umap_x"})[0]["colour"] != "umap_x"
    assert "the page has no umap_x; galaxies are coloured by" in caplog.text

    def fitted():
        raise AssertionError("the plane is fitted before the columns are known to be there")

    with pytest.raises(GalvaeError, match="columns: expected .*ra.*, received mass; .* measures=true"):
        made(run, keys={"columns": ["mass"]}, embed=fitted)
    with pytest.raises(GalvaeError, match="colour: expected split or .*received 'mass'"):
        made(run, keys={"colour": "mass"}, measured=measured, embed=fitted)


def test_columns_of_every_type_are_numbers_classes_or_texts():
    def kind(values, name="a"):
        entry, array = _column(Column(values, name=name))
        return entry.get("kind"), array

    assert kind(np.array([True, False]))[0] == "number"
    name, exact = kind(np.array([2**53 - 1, -5]))
    assert name == "number" and exact.dtype == np.float64 and exact.tolist() == [2**53 - 1, -5]
    assert kind(np.array([2**53, 1])) == ("text", [str(2**53), "1"])  # which no number of JavaScript holds
    assert kind(np.array([3, 4], np.int16))[1].dtype == np.float32
    assert kind(np.array([1.5, np.nan]))[1].dtype == np.float64
    name, labels = kind(np.array(["b", "", "a"]))
    assert name == "class" and labels.tolist() == [1, -1, 0]
    assert kind(np.array([b"x", b"\xff"]))[0] == "class"
    assert kind([f"text {number}" for number in range(31)])[0] == "text"
    assert kind(np.zeros((3, 2)))[1] is None
