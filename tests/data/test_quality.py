"""The checks of a dataset: known answers on data made with known mistakes."""

import dataclasses
import logging
import re
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from builders.galaxies import ellipses

from galvae.data.area_average import area_average
from galvae.data.coincidences import repeated, same_position
from galvae.data.dataset import GalaxyDataset
from galvae.data.quality import checked, outliers
from galvae.errors import GalvaeError

ARCSEC = 1 / 3600
SAMPLES = Path(__file__).parents[1] / "data_samples"


def dataset(images=None, **changes):
    """Twelve images: 0 to 7 to train, 8 and 9 to validate, 10 and 11 to test."""
    images = ellipses(12, 8) if images is None else images
    values = {
        "name": "test",
        "images": images,
        "pixel_range": (0, 255),
        "image_facts": {
            "hash": np.array([zlib.crc32(image.tobytes()) for image in images]),
            "low": images.min(axis=(1, 2, 3)),
            "high": images.max(axis=(1, 2, 3)),
        },
        "catalogue": {"id": np.array([f"G{number}" for number in range(12)])},
        "splits": {"train": np.arange(8), "val": np.array([8, 9]), "test": np.array([10, 11])},
    }
    return GalaxyDataset(**{**values, **changes})


def findings(data, loss=None):
    """The findings of a check without their texts, which stand in the warning."""
    found = checked(data, loss).report["findings"]
    return {name: {key: entry[key] for key in entry.keys() - {"text"}} for name, entry in found.items()}


def test_sound_data_have_no_findings(caplog):
    sky = {"ra": np.linspace(0, 359, 12), "dec": np.linspace(-89, 89, 12), "id": np.arange(12)}
    redshift = np.linspace(0.01, 1.1, 12, dtype=np.float32)[:, None]
    labels = {"labels": np.arange(12) % 2, "class_names": ["a", "b"]}
    data = dataset(catalogue=sky, condition=redshift, condition_names=["redshift"], **labels)
    assert findings(data, "bce") == {}
    assert caplog.text == ""


def test_one_line_sums_up_all_findings(caplog):
    images = ellipses(12, 8)
    images[[1, 2, 9]] = 7
    images[[5, 8]] = images[3]
    redshift = np.linspace(0.1, 1, 12, dtype=np.float32)[:, None]
    redshift[[0, 11]] = np.nan
    found = findings(dataset(images, condition=redshift, condition_names=["redshift"]))
    assert found == {
        "blank images": {"count": 3, "ids": ["G1", "G2", "G9"]},
        "duplicates": {"count": 2, "ids": ["G5", "G8"], "across_splits": 1, "groups": [["G3", "G5", "G8"]]},
        "redshift missing": {"count": 2, "ids": ["G0", "G11"]},
    }
    line = "data: 3 blank images, 2 duplicates (1 across splits), 2 images without redshift; see data_report.json"
    assert caplog.record_tuples == [("galvae.data.quality", logging.WARNING, line)]


def test_only_the_first_ids_are_listed():
    found = findings(dataset(np.zeros((12, 8, 8, 3), np.uint8)))
    assert found["blank images"] == {"count": 12, "ids": [f"G{number}" for number in range(10)]}
    assert "duplicates" not in found  # all are blank, and reported as such


@pytest.mark.parametrize(
    ("values", "splits", "repeats", "across"),
    [
        ([], [], [], []),
        ([1, 2, 3], [0, 0, 1], [], []),
        ([1, 2, 1, 1], [0, 0, 0, 0], [2, 3], []),
        ([5, 5], [0, 1], [1], [1]),
        ([5, 5], [1, 0], [1], [0]),  # the one of the later split, wherever it stands
        ([5, 5, 5, 6, 6], [2, 1, 0, 0, 2], [1, 2, 4], [0, 1, 4]),
        ([5, 5, 5], [-1, 0, -1], [1, 2], []),  # left out of the splits, they leak nothing
    ],
)
def test_repeated(values, splits, repeats, across):
    found = repeated(np.array(values), np.array(splits, int), 10)
    assert (found[0].tolist(), found[1].tolist()) == (repeats, across)


def test_intensities_outside_of_the_decoders_range():
    images = ellipses(12, 8).astype(np.float32) / 255
    images[4, 0, 0, 0], images[6, 1, 1, 1] = -0.5, 3.0
    data = dataset(images, pixel_range=(0, 1))
    assert findings(data, "mse")["range"] == {"count": 2, "ids": ["G4", "G6"], "low": -0.5, "high": 3.0}
    with pytest.raises(
        GalvaeError, match=r"expected intensities in \[0, 1\] for bce, received .* -0\.5 to 3"
    ):
        checked(data, "bce")
    assert findings(dataclasses.replace(data, pixel_range=(-0.5, 3)), "bce") == {}
    assert findings(dataclasses.replace(data, stretch="asinh"), "bce") == {}  # it clips


def test_a_hot_pixel_is_named_and_refused_where_its_square_is_infinite():
    images = np.random.default_rng(0).uniform(0, 1, (12, 8, 8, 1)).astype(np.float32)
    images[7, 3, 3] = 5000
    assert findings(dataset(images, pixel_range=(0, 1)))["extreme pixels"] == {"count": 1, "ids": ["G7"]}
    for value in (1e30, -1e30):
        images[7, 3, 3] = value
        with pytest.raises(GalvaeError, match=r"squares float32 can hold, received -?1e\+30 in image G7"):
            checked(dataset(images, pixel_range=(0, 1)), "mse")


def test_repeated_ids():
    names = np.array(["a", "b", "a", *"cdefg", "b", *"xyz"])
    found = findings(dataset(catalogue={"id": names}))
    assert found == {"repeated ids": {"count": 2, "ids": ["a", "b"]}}


def test_classes_of_one_image_or_none(caplog):
    labels = np.array([0, 0, 0, 0, 0, 2, 3, 3, 3, 3, 3, 3])
    found = findings(dataset(labels=labels, class_names=["disc", "bar", "ring", "odd"]))
    assert found == {"small classes": {"count": 1, "ids": [], "classes": ["bar", "ring"]}}
    assert "2 classes of one image or none (bar, ring)" in caplog.text
    found = findings(dataset(labels=np.arange(12) // 6, class_names=["disc", "bar", *"abcd"]))
    assert found["small classes"]["classes"] == [*"abcd"]
    assert "4 classes of one image or none (a, b, c and 1 more)" in caplog.text
    found = findings(dataset(labels=np.ones(12, int), class_names=["disc", "bar"]))
    assert list(found) == ["one class"]
    assert "all images of class bar" in caplog.text


@pytest.mark.parametrize(
    ("values", "odd"),
    [
        ([0.1, 0.2, 0.3, 0.4, -99], [4]),
        ([0.1, 0.2, 0.3, 0.4, 99, 9.99], [4, 5]),
        ([-99, -99, -99, 0.1, 0.2, 0.3], [0, 1, 2]),  # even where half of them are codes
        ([5, 7, 9.99, 11, 13], []),  # a redshift of 9.99 among such is one
        ([18.0, 20, 22, 99], [3]),
        ([90, 95, 99, 105, 110], []),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 1000], [5]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 3], []),  # far, but no mistake
        ([1, 1, 1, 1, 1.1], []),
        ([1, 1, 1, 1, -99], [4]),
        ([np.nan, np.nan], []),
        ([0.5], []),
    ],
)
def test_outliers(values, odd):
    assert np.flatnonzero(outliers(np.array(values, float))).tolist() == odd


def test_conditions(caplog):
    condition = np.zeros((12, 3), np.float32)
    condition[:, 0] = np.linspace(0.1, 1, 12)
    condition[[3, 5], 0] = -1, 99
    condition[:, 1] = 4.5
    condition[:, 2] = np.linspace(-3, 3, 12)
    found = findings(dataset(condition=condition, condition_names=["redshift", "mass", "colour"]))
    assert found == {
        "redshift outliers": {"count": 2, "ids": ["G3", "G5"], "values": [-1.0, 99.0]},
        "mass constant": {"count": 12, "ids": [f"G{number}" for number in range(10)]},
    }
    assert "2 outlying values of redshift (-1, 99), constant mass" in caplog.text


@pytest.mark.parametrize("name", ["redshift", "Zphot", "z_spec", "photoz", "group/photo_z"])
def test_negative_redshifts_are_reported_under_every_name(name):
    condition = np.linspace(-0.2, 0.9, 12, dtype=np.float32)[:, None]
    found = findings(dataset(condition=condition, condition_names=[name]))
    assert found[f"{name} outliers"]["count"] == 2
    assert findings(dataset(condition=condition, condition_names=["colour"])) == {}


def test_a_number_sign_in_a_name_stays(caplog):
    condition = np.linspace(0, 1, 12, dtype=np.float32)[:, None]
    condition[[2, 3]], condition[7] = np.nan, -99
    found = findings(dataset(condition=condition, condition_names=["flux #1"]))
    assert [*found] == ["flux #1 missing", "flux #1 outliers"]
    assert "data: 2 images without flux #1, 1 outlying value of flux #1 (-99); see" in caplog.text


def test_positions_out_of_range():
    sky = {"id": np.arange(12), "RA": np.linspace(0, 350, 12), "Dec": np.linspace(-80, 80, 12)}
    sky["RA"][3], sky["Dec"][5], sky["RA"][7] = 361, -91, np.nan
    assert findings(dataset(catalogue=sky)) == {"positions out of range": {"count": 2, "ids": [3, 5]}}
    sky["RA"] = np.linspace(-170, 170, 12)  # as some count them
    sky["Dec"][5] = 0
    assert findings(dataset(catalogue=sky)) == {}
    sky["RA"][2] = 1e9
    units = {"RA": "rad", "Dec": "rad"}
    assert findings(dataset(catalogue=sky, catalogue_units=units)) == {}


def test_right_ascensions_in_hours_are_a_hint():
    sky = {"id": np.arange(12), "ra": np.linspace(0.5, 23.5, 12), "dec": np.linspace(-60, 60, 12)}
    assert list(findings(dataset(catalogue=sky))) == ["hours"]
    assert findings(dataset(catalogue={**sky, "dec": sky["dec"] / 10})) == {}  # a strip of the sky


def test_the_same_position_in_two_splits():
    ra, dec = np.linspace(10, 350, 12), np.linspace(-70, 70, 12)
    dec[[1, 9]] = 60.0
    ra[1], ra[9] = 200, 200 + 1.8 * ARCSEC  # 0.9 arcsec apart, since cos(60) is a half
    ra[11], dec[11] = ra[0], dec[0] + 1.1 * ARCSEC
    ra[3], dec[3] = ra[2], dec[2] + 0.1 * ARCSEC  # both in train: two galaxies, and no leak
    found = findings(dataset(catalogue={"id": np.arange(12), "ra": ra, "dec": dec}))
    assert found == {"same position across splits": {"count": 1, "ids": [9]}}
    assert same_position(np.array([0.0, 360.0]), np.array([5.0, 5.0]), np.array([0, 1])).tolist() == [1]
    assert same_position(np.array([0.0, 123.0]), np.array([90.0, 90.0]), np.array([1, 0])).tolist() == [0]


def test_close_positions_are_those_that_astropy_matches():
    generator = np.random.default_rng(0)
    ra, dec = generator.uniform(0, 360, 3000), np.degrees(np.arcsin(generator.uniform(-1, 1, 3000)))
    ra[1500:2000] = ra[:500] + generator.normal(0, ARCSEC, 500) / np.cos(np.radians(dec[:500]))
    dec[1500:2000] = np.clip(dec[:500] + generator.normal(0, ARCSEC, 500), -90, 90)
    splits = generator.integers(-1, 3, 3000)
    expected, sky = [], SkyCoord(ra, dec, unit="deg")
    for split in (1, 2):
        later, earlier = np.flatnonzero(splits == split), np.flatnonzero((splits >= 0) & (splits < split))
        _, separation, _ = sky[later].match_to_catalog_sky(sky[earlier])
        expected += later[separation.arcsec <= 1].tolist()
    assert len(expected) > 50
    assert same_position(ra, dec, splits).tolist() == sorted(expected)


def test_many_galaxies_at_one_position_take_no_time():
    count = 20_000
    splits = np.arange(count) % 3
    assert len(same_position(np.zeros(count), np.zeros(count), splits)) == np.sum(splits > 0)


def test_unlabelled_images_are_counted_and_of_no_class(caplog):
    labels = np.array([0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, 0])
    found = findings(dataset(labels=labels, class_names=["disc", "bar"]))
    assert found == {"unlabelled": {"count": 3, "ids": ["G2", "G5", "G8"]}}
    assert "data: 3 images without a class; see" in caplog.text
    found = findings(dataset(labels=np.minimum(labels, 0), class_names=["disc", "bar"]))
    assert found["one class"] == {"count": 9, "ids": [], "classes": ["bar"]}
    assert "all labelled images of class disc" in caplog.text
    assert list(findings(dataset(labels=np.full(12, -1), class_names=["disc", "bar"]))) == ["unlabelled"]


def dark_dataset(factor, pixel_range, dtype=np.float32, offset=0, **changes):
    images = (ellipses(12, 16) * factor + offset).astype(dtype)
    return dataset(images, pixel_range=pixel_range, **changes)


@pytest.mark.parametrize(
    ("data", "numbers"),
    [
        (dark_dataset(4095 / 255, (0, 65535)), "from 0 to 65535 become 0 to 1"),
        (dark_dataset(500 / 255, (0, 65535), offset=30_000), "from 0 to 65535 become 0 to 1"),
        (dark_dataset(1e-21, (0, 1)), "from 0 to 1 become 0 to 1"),
        (dark_dataset(1 / 200, (0, 255), np.uint8), r"span at most 1 where .* from 0 to 255 .*\(0\.0039"),
    ],
)
def test_dark_images_are_reported_with_numbers_and_the_key_that_helps(data, numbers, caplog):
    found = findings(data)
    assert found["dark images"]["count"] == 12
    assert 0 < found["dark images"]["span"] <= 1 / 16
    line = caplog.text
    assert re.search(rf"dark images, nine of ten .* {numbers}.*: set dataset.stretch=linear or asinh", line)
    assert "range" not in findings(data, "bce")  # they are no error
    for stretch in ("linear", "asinh"):
        if data.images.dtype != np.uint8:
            assert "dark images" not in findings(data.stretched(stretch))


def test_faint_galaxies_of_a_survey_with_bright_ones_are_not_reported():
    assert "dark images" not in findings(dark_dataset(1 / 255, (0, 1)))
    images = dark_dataset(0.05 / 255, (0, 1)).images
    images[[3, 8]] *= 20  # two of twelve
    assert "dark images" not in findings(dataset(images, pixel_range=(0, 1)))
    images[8] /= 20  # one of twelve, as a cosmic ray
    assert findings(dataset(images, pixel_range=(0, 1)))["dark images"]["count"] == 11


@pytest.mark.parametrize("size", [None, 32, 16])
@pytest.mark.parametrize(("name", "high"), [("stamps.h5", 1), ("galaxy10.h5", 255)])
def test_images_as_surveys_have_them_are_not_dark(name, high, size):
    with h5py.File(SAMPLES / name) as file:
        images = file["images"][:]
    images = images.reshape(12, *images.shape[1:3], -1)
    images = images if size is None else area_average(images, size)
    assert "dark images" not in findings(dataset(images, pixel_range=(0, high)))
