import dataclasses

import numpy as np
import pytest
from builders.galaxies import dataset

from galvae.data.splits import make_splits
from galvae.errors import GalvaeError


def test_units_there_and_back():
    data = dataset(pixel_range=(-1.0, 3.0))
    np.testing.assert_allclose(data.to_unit([-1.0, 1.0, 3.0]), [0, 0.5, 1])
    np.testing.assert_allclose(data.from_unit(data.to_unit([0.3, 7.0])), [0.3, 7.0], rtol=1e-6)


def test_an_unknown_split_is_named():
    with pytest.raises(GalvaeError, match="expected train or val or test, received 'both'"):
        dataset().split("both")


def test_all_is_every_split_in_stored_order():
    data = dataset()
    np.testing.assert_array_equal(data.split("all"), np.arange(len(data)))
    fewer = dataclasses.replace(data, splits={**data.splits, "val": data.splits["val"][:0]})
    assert len(fewer.split("all")) == len(data) - len(data.splits["val"])


def test_galaxies_are_found_by_id():
    data = dataset()
    assert data.find(3) == data.find("3") == 3  # without ids, images are counted from 0
    named = dataclasses.replace(
        data, catalogue={"id": np.array(["a", "b ", "a", *"defghijklmnopqrstuvwxyz"])[: len(data)]}
    )
    assert named.find("b") == 1
    with pytest.raises(
        GalvaeError, match="id nix: expected one galaxy .* received none; its ids are like a, b"
    ):
        named.find("nix")
    with pytest.raises(GalvaeError, match="received 2 of them"):
        named.find("a")


def test_ids_are_compared_as_texts():
    numbers = dataset(5, catalogue={"id": np.array([1237648720142532814, 12, 587 * 10**12, 7, 8])})
    assert numbers.find("12") == numbers.find(12) == numbers.find(" 12 ") == 1
    assert numbers.find("1237648720142532814") == 0
    with pytest.raises(
        GalvaeError, match="id 0012: .* received none; did you mean 12, which is another id[?]; its"
    ):
        numbers.find("0012")
    with pytest.raises(GalvaeError, match="did you mean 587000000000000, which"):
        numbers.find("587e12")
    texts = dataset(5, catalogue={"id": np.array(["0012", "1_1_1", "10.10", "587e12", "sNaN"])})
    assert [texts.find(name) for name in ("0012", "1_1_1", "10.10", "587e12")] == [0, 1, 2, 3]
    for name, other in (("12", "0012"), ("10.1", "10.10"), ("5.87e14", "587e12")):
        with pytest.raises(GalvaeError, match=f"id {name}: .* did you mean {other}, which is another id"):
            texts.find(name)
    with pytest.raises(GalvaeError, match="id 111: .* received none; its ids are like 0012, 1_1_1, 10.10"):
        texts.find("111")


def test_columns_are_classes_conditions_and_the_catalogues():
    count = 20
    data = dataclasses.replace(
        dataset(count),
        labels=np.arange(count) % 2,
        class_names=["spiral", "elliptical"],
        condition=np.linspace(0, 1, count, dtype=np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        catalogue={
            "radius": np.arange(count, dtype=np.float32),
            "survey": np.array(["HDF", "COSMOS"])[np.arange(count) // 15],
            "name": np.arange(count).astype(str),
        },
        catalogue_units={"radius": "arcsec"},
    )
    some = np.array([19, 0])
    assert data.column(None, some).class_names == ["spiral", "elliptical"]
    np.testing.assert_array_equal(data.column("class", some).values, [1, 0])
    redshift = data.column("redshift", some)
    assert redshift.class_names is None
    np.testing.assert_array_equal(redshift.values, [1, 0])
    radius = data.column("radius", some)
    assert (radius.unit, radius.values.tolist()) == ("arcsec", [19, 0])
    survey = data.column("survey", np.array([19, 0, 15, 14]))
    assert (survey.class_names, survey.values.tolist()) == (["COSMOS", "HDF"], [0, 1, 0, 1])
    with pytest.raises(
        GalvaeError, match="expected class or redshift or radius or survey or name, received 'nix'"
    ):
        data.column("nix", some)
    many = dataclasses.replace(data, catalogue={"name": np.arange(40).astype(str)})
    with pytest.raises(GalvaeError, match="at most 30 different texts, received 40 different ones in name"):
        many.column("name", np.arange(40))
    unlabelled = dataclasses.replace(data, labels=None)
    assert unlabelled.column(None, some).name == "redshift"
    assert dataset().column(None, some) is None


def test_median_pixel_is_that_of_the_split():
    data = dataset()
    expected = np.median(data.images[data.split("train")] / 255, axis=(0, 1, 2))
    np.testing.assert_allclose(data.median_pixel(), expected, rtol=1e-6)


def redshifts(*unknown):
    values = np.linspace(0.1, 1, 25, dtype=np.float32)
    values[list(unknown)] = np.nan
    return values[:, None]


def test_unknown_conditions_are_dropped_from_the_splits(caplog):
    data = dataset(condition=redshifts(3, 4), condition_names=["redshift"])
    known = data.with_known_condition("drop")
    assert "2 of 25 images have no known redshift and are left out" in caplog.text
    kept = np.concatenate([known.split(name) for name in ("train", "val", "test")])
    assert sorted(kept.tolist()) == [*range(3), *range(5, 25)]
    two = np.concatenate([redshifts(3), redshifts(8)], axis=1)  # one of two is not enough
    both = dataset(condition=two, condition_names=["redshift", "mass"]).with_known_condition("drop")
    for name, indices in both.splits.items():
        assert indices.tolist() == [index for index in data.split(name) if index not in (3, 8)]


def test_unknown_conditions_get_the_mean_of_the_training_images(caplog):
    data = dataset(condition=redshifts(3, 4), condition_names=["redshift"])
    known = data.with_known_condition("mean")
    mean = np.nanmean(data.condition[data.split("train")])
    np.testing.assert_allclose(known.condition[[3, 4], 0], mean, rtol=1e-6)
    np.testing.assert_array_equal(np.delete(known.condition, [3, 4]), np.delete(data.condition, [3, 4]))
    assert "get the training images' mean" in caplog.text


def test_unknown_conditions_can_be_an_error_and_known_ones_never_are():
    data = dataset(condition=redshifts(3), condition_names=["redshift"])
    with pytest.raises(GalvaeError, match="expected a known redshift for every image, received 1 of 25"):
        data.with_known_condition("error")
    whole = dataset(condition=redshifts(), condition_names=["redshift"])
    assert whole.with_known_condition("error") is whole


def test_a_conditional_model_needs_known_conditions():
    for data in (dataset(), dataset(condition=redshifts(*range(25)), condition_names=["redshift"])):
        with pytest.raises(GalvaeError, match="dataset test: a conditional model expects a condition"):
            data.with_known_condition("mean")
    data = dataset()
    alone = redshifts(*data.split("val"))
    with pytest.raises(GalvaeError, match="received none in val"):
        dataset(condition=alone, condition_names=["redshift"]).with_known_condition("drop")


def test_a_stretch_lies_between_percentiles_of_the_training_images():
    data = dataset()
    stretched = data.stretched("asinh")
    low, high = np.percentile(data.images[data.split("train")], (0.1, 99.9))
    assert stretched.pixel_range == (low, high)
    unit = stretched.to_unit(data.images)
    assert (unit.min(), unit.max()) == (0, 1)
    inside = (data.images >= low) & (data.images <= high)
    np.testing.assert_allclose(stretched.from_unit(unit)[inside], data.images[inside], atol=1e-3)
    assert data.stretched("none") is data and stretched.stretch == "asinh"
    with pytest.raises(GalvaeError, match="different values"):
        dataset(images=np.zeros((25, 8, 8, 1), np.float32)).stretched("linear")


def test_the_digest_is_that_of_what_training_sees():
    data = dataset(content="ab", condition=np.zeros((25, 1), np.float32), condition_names=["redshift"])
    changes = [
        {"content": "cd"},
        {"pixel_range": (0, 254)},
        {"stretch": "asinh"},
        {"splits": make_splits(25, [0.6, 0.2, 0.2], 1)},
        {"splits": {**data.splits, "test": data.splits["test"][::-1]}},
        {"condition": np.ones((25, 1), np.float32)},
        {"condition": None},
    ]
    digests = {data.digest, *(dataclasses.replace(data, **change).digest for change in changes)}
    assert len(digests) == 8
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
    indifferent = {"name": "other", "report": {"count": 3}, "catalogue": {"ra": np.arange(25)}}
    assert dataclasses.replace(data, **indifferent).digest == data.digest
    filled = dataclasses.replace(data, condition=np.where(np.arange(25)[:, None] < 3, np.nan, 1).astype("f4"))
    assert filled.with_known_condition("mean").digest != filled.digest
    assert filled.with_known_condition("drop").digest != filled.digest
