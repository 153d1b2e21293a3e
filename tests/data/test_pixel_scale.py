"""Pixel scales of galaxies, from their catalogue, after their images were reduced."""

import dataclasses

import numpy as np
import pytest
from builders.galaxies import dataset

from galvae.data.pixel_scale import pixel_scale, pixel_scales


def scaled(values, name="pxscale", unit="arcsec / pix", reduction=1.0):
    units = {} if unit is None else {name: unit}
    return dataset(
        len(values), catalogue={name: np.array(values)}, catalogue_units=units, reduction=reduction
    )


@pytest.mark.parametrize(
    ("unit", "value"), [("arcsec / pix", 0.262), ("arcsec", 0.262), (None, 0.262), ("deg", 0.262 / 3600)]
)
def test_a_scale_is_in_arcsec_whatever_its_unit_and_larger_in_images_that_were_reduced(unit, value):
    galaxies = scaled([value] * 10, "table/RGB_pixel_scale", unit, reduction=256 / 64)
    np.testing.assert_allclose(pixel_scales(galaxies), 4 * 0.262)
    assert pixel_scale(galaxies) == pytest.approx(4 * 0.262)


def test_galaxies_without_a_known_scale_do_not_count_and_different_scales_are_none():
    galaxies = scaled([0.262] * 5 + [np.nan, 0.0, -1.0] + [0.2621] * 2)
    np.testing.assert_array_equal(np.isnan(pixel_scales(galaxies)), [False] * 5 + [True] * 3 + [False] * 2)
    assert pixel_scale(galaxies) == pytest.approx(0.262)
    assert pixel_scale(scaled([0.262] * 5 + [0.524] * 5)) is None
    assert pixel_scale(scaled([np.nan] * 10)) is None


@pytest.mark.parametrize(
    "changes",
    [{"name": "seeing"}, {"unit": "mag"}, {"reduction": None}],
)
def test_a_scale_is_unknown_without_a_column_an_angle_or_the_reduction(changes):
    assert pixel_scales(scaled([0.262] * 10, **changes)) is None
    assert pixel_scale(scaled([0.262] * 10, **changes)) is None


def test_galaxies_in_no_split_do_not_count():
    galaxies = scaled([0.03] * 20 + [0.1] * 20)
    splits = {"train": np.arange(0, 15), "val": np.arange(15, 18), "test": np.arange(18, 20)}
    assert pixel_scale(galaxies) is None
    assert pixel_scale(dataclasses.replace(galaxies, splits=splits)) == pytest.approx(0.03)
