"""Measurements are kept by galaxy, in the cache folder, and real, decoded and masked images are measured alike."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses
from builders.profiles import measured as measured_directly

from galvae.analysis import measured
from galvae.analysis.measured import (
    band_labels,
    column,
    measure_galaxies,
    measure_images,
    measured_columns,
)
from galvae.data.source import Source
from galvae.data.store import cache_entry
from galvae.data.store.cache import cached
from galvae.errors import GalvaeError
from galvae.morphology.measures import measure_names

COUNT = 30
IMAGES = ellipses(COUNT, 24)


def galaxies(**changes):
    return dataset(COUNT, **{"images": IMAGES, "content": "c0ffee" * 10, **changes})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The cache folder of one test, whose datasets have the same digest but different images."""
    monkeypatch.setattr(measured, "_thresholds", {})
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "morphology"


@pytest.fixture
def measured_counts(monkeypatch):
    """The numbers of images in each call that measures anything."""
    counts, original = [], measured.measure_blocks

    def counting(blocks, count, *options):
        counts.append(count)
        return original(blocks, count, *options)

    monkeypatch.setattr(measured, "measure_blocks", counting)
    return counts


def assert_equal(one, other):
    assert one.values.keys() == other.values.keys()
    for name, values in one.values.items():
        np.testing.assert_array_equal(values, other.values[name])
    np.testing.assert_array_equal(one.empty, other.empty)
    np.testing.assert_array_equal(one.at_border, other.at_border)


def test_each_galaxy_is_measured_once_and_returned_in_the_order_asked_for(measured_counts):
    data = galaxies()
    some = measure_galaxies(data, np.array([7, 2, 7, 19]))
    assert measured_counts == [3]
    everything = measure_galaxies(galaxies(), np.arange(COUNT))
    assert measured_counts == [3, COUNT - 3]
    again = measure_galaxies(galaxies(), np.array([19, 2, 3]))
    assert measured_counts == [3, COUNT - 3]
    assert_equal(some, everything.at([7, 2, 7, 19]))
    assert_equal(again, everything.at([19, 2, 3]))
    # Without a cache the numbers are the same.
    assert_equal(measure_galaxies(galaxies(content=""), np.arange(COUNT)), everything)
    assert len(np.unique(everything.values["flux"])) == COUNT


@pytest.mark.parametrize(
    ("changes", "version"),
    [({"content": "c0ffee" * 9 + "decade"}, None), ({"band_names": ["g", "r", "z"]}, None), ({}, 10**6)],
    ids=["content", "bands", "version"],
)
def test_other_content_bands_or_recipe_are_measured_anew(changes, version, measured_counts, monkeypatch):
    measure_galaxies(galaxies(), np.arange(5))
    if version:
        monkeypatch.setattr(measured, "VERSION", version)
    measure_galaxies(galaxies(**changes), np.arange(5))
    assert measured_counts == [5, 5]


def test_the_threshold_is_measured_once_for_real_and_generated_images(monkeypatch):
    data = galaxies()
    measure_galaxies(data, np.arange(3))
    monkeypatch.setattr(measured, "_sky_threshold", None)  # would fail if it were called
    measure_galaxies(galaxies(), np.arange(6))
    measure_images(galaxies(), data.to_unit(IMAGES[:2]))


def test_a_damaged_file_is_reported_and_replaced(folder, measured_counts, caplog):
    expected = measure_galaxies(galaxies(), np.arange(4))
    (path,) = folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert_equal(measure_galaxies(galaxies(), np.arange(4)), expected)
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "measuring again" in warning.getMessage() and str(path) in warning.getMessage()
    assert path.read_bytes() == content
    # A whole file of another dataset's size is no measurement of this one.
    np.savez(path, **{**dict(np.load(path)), "done": np.ones(3, bool)})
    assert_equal(measure_galaxies(galaxies(), np.arange(4)), expected)
    assert measured_counts == [4, 4, 4]


def test_a_folder_that_cannot_be_written_is_no_error(folder, measured_counts, caplog):
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in the place of the folder")
    caplog.set_level(logging.INFO)
    for _ in range(2):
        measure_galaxies(galaxies(), np.arange(4))
    assert measured_counts == [4, 4]
    assert f"cannot be kept in {folder}" in caplog.text


def test_measurements_are_kept_beside_the_entry_of_the_cache_that_holds_the_images(tmp_path, folder):
    source = Source(shape=IMAGES.shape, dtype="uint8", pixel_range=(0, 255), blocks=[IMAGES])
    own = tmp_path / "own"
    entry = cached(own, "test", {}, lambda building: cache_entry.write(building, "test", source))
    measure_galaxies(galaxies(images=entry.images, mapped_files=entry.mapped_files), np.arange(2))
    assert [path.suffix for path in (own / "morphology").iterdir()] == [".npz"]
    assert not folder.exists()


@pytest.mark.parametrize("stretch", ["none", "linear", "asinh"])
def test_decoded_images_are_measured_on_the_stored_scale(stretch):
    images = IMAGES.astype(np.float32) / 50 - 1
    data = galaxies(images=images, pixel_range=(-1, 1)).stretched(stretch)
    if stretch != "none":
        low, high = data.pixel_range
        images = images.clip(low, high)
        data = galaxies(images=images, pixel_range=(low, high), stretch=stretch)
    real = measure_galaxies(data, np.arange(COUNT))
    decoded = measure_images(data, data.to_unit(images))
    assert real.values["flux"].max() > 10
    for name, values in real.values.items():
        np.testing.assert_allclose(decoded.values[name], values, rtol=0.01, atol=0.03, err_msg=name)


def test_a_brighter_image_is_no_other_galaxy_by_the_same_threshold():
    data = galaxies()
    faint = measure_images(data, 0.02 * data.to_unit(IMAGES))
    assert faint.empty.all() and not measure_galaxies(data, np.arange(COUNT)).empty.any()


def test_masked_pixels_play_no_part():
    masks = np.zeros(IMAGES.shape, np.uint8)
    masks[:, 2:7, 15:20, 1] = 1  # of one band: no band of these pixels is used
    spoilt = np.where(masks.any(axis=-1, keepdims=True), 255, IMAGES)
    other = np.where(masks.any(axis=-1, keepdims=True), 0, IMAGES)
    results = [
        measure_galaxies(galaxies(images=images, masks=masks, content=""), np.arange(8))
        for images in (spoilt, other)
    ]
    assert_equal(*results)
    unmasked = measure_galaxies(galaxies(images=spoilt, content=""), np.arange(8))
    assert (unmasked.values["flux"] != results[0].values["flux"]).all()


def test_a_sky_without_noise_has_a_threshold_of_a_twentieth_of_the_median_peak(caplog):
    caplog.set_level(logging.INFO)
    images = np.zeros((3, 24, 24, 1), np.float32)
    images[:, 8:16, 8:16] = np.array([0.5, 1, 4]).reshape(3, 1, 1, 1)
    images[:, 8:16, 17:19] = 0.049
    data = dataset(3, images=images, pixel_range=(0, 1))
    found = measure_galaxies(data, np.arange(3))
    assert found.values["neighbors"].tolist() == [0, 0, 0]
    assert "has no noise" in caplog.text
    images[:, 8:16, 17:21] = 0.08
    assert (
        measure_galaxies(dataset(3, images=images, pixel_range=(0, 1)), np.arange(3))
        .values["neighbors"]
        .max()
        <= 1
    )


def test_the_threshold_is_four_times_the_noise_of_the_real_sky():
    noise = np.random.default_rng(0).normal(100, 3, (40, 32, 32, 1)).astype(np.float32)
    assert measured._sky_threshold(dataset(40, images=noise)) == pytest.approx(12, rel=0.06)


def run_of(data):
    """A run whose galaxies, with their images, are those of a dataset."""
    return SimpleNamespace(galaxies=data, dataset=data, images_missing=False)


def test_measures_are_columns():
    data = galaxies(
        condition=np.arange(COUNT, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
    )
    indices = np.array([5, 1, 9])
    found = column(run_of(data), "r50", indices)
    np.testing.assert_array_equal(found.values, measure_galaxies(data, indices).values["r50"])
    assert (found.name, found.unit, found.class_names) == ("r50", "pix", None)
    assert column(run_of(data), "redshift", indices).values.tolist() == [5, 1, 9]
    assert column(run_of(data), None, indices).name == "redshift"
    assert column(run_of(galaxies()), None, indices).name == "r50"
    with pytest.raises(
        GalvaeError, match=r"^colour: expected redshift or flux or .* or colour_1_2, received 'r51'$"
    ):
        column(run_of(data), "r51", indices)


def test_a_column_of_the_dataset_goes_before_a_measure_of_its_name():
    own = np.arange(COUNT) * 1.5
    data = galaxies(catalogue={"flux": own, "r50": own}, catalogue_units={"flux": "Jy"})
    indices = np.array([4, 2])
    assert column(run_of(data), "flux", indices).values.tolist() == [6, 3]
    direct = measure_galaxies(data, indices).values["flux"]
    np.testing.assert_array_equal(column(run_of(data), "measured_flux", indices).values, direct)
    assert column(run_of(data), None, indices).name == "measured_r50"
    columns = measured_columns(data, measure_galaxies(data, indices))
    assert {"measured_flux", "measured_r50", "sigma"} <= columns.keys() and not {
        "flux",
        "r50",
    } & columns.keys()
    assert columns["measured_r50"][1] == "pix" and columns["asymmetry"][1] is None
    with pytest.raises(GalvaeError, match="flux or r50 or measured_flux or peak or measured_r50 or"):
        column(run_of(data), "size", indices)


def test_bands_that_share_a_name_are_numbered():
    assert band_labels(galaxies()) == ["0", "1", "2"]
    assert band_labels(galaxies(band_names=["g", "r", "z"])) == ["g", "r", "z"]
    assert band_labels(galaxies(band_names=["g", "r", "g"])) == ["0", "1", "2"]
    found = measure_galaxies(galaxies(band_names=["g", "r", "z"]), np.arange(2))
    assert list(found.values) == measure_names(["g", "r", "z"])
    direct = measured_directly(IMAGES[:2], measured._sky_threshold(galaxies()), "grz")
    np.testing.assert_allclose(found.values["colour_r_z"], direct.values["colour_r_z"], rtol=1e-6)
