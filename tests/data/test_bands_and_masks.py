"""What a dataset knows of its pixels: those set aside, the bands that are shown, the order of rows in files."""

import numpy as np
import pytest
from builders.galaxies import dataset, ellipses

from galvae.data.catalogue import galaxy_table
from galvae.errors import GalvaeError

CLASSES = {"labels": np.array([0, -1, 1, 1, -1] * 5), "class_names": ["spiral", "elliptical"]}


def masked(**changes):
    """Galaxies whose pixels set aside, a third of each band, are far brighter than all others."""
    images = ellipses(25, 8).astype(np.float32)
    masks = (np.random.default_rng(0).uniform(size=images.shape) < 0.33).astype(np.uint8)
    return dataset(images=np.where(masks == 1, 5000, images).astype(np.float32), masks=masks, **changes)


def test_percentiles_and_medians_are_those_of_the_pixels_that_are_not_set_aside():
    data = masked()
    train = data.split("train")
    used = [data.images[train][..., band][data.masks[train][..., band] == 0] for band in range(3)]
    stretched = data.stretched("linear")
    np.testing.assert_allclose(stretched.pixel_range, np.percentile(np.concatenate(used), (0.1, 99.9)))
    assert stretched.pixel_range[1] <= 255
    np.testing.assert_allclose(data.median_pixel(), [np.median(band / 255) for band in used], rtol=1e-6)


def test_a_band_without_any_pixel_has_no_median_and_a_dataset_without_any_no_stretch():
    data = masked()
    data.masks[..., 1] = 1
    assert data.median_pixel()[1] == 0 < data.median_pixel()[0]
    data.masks[:] = 1
    with pytest.raises(GalvaeError, match="expected training pixels of different values, received nan"):
        data.stretched("linear")


@pytest.mark.parametrize("stretch", ["linear", "asinh"])
@pytest.mark.parametrize(
    ("factor", "offset", "pixel_range"), [(16, 0, (0, 65535)), (1e-21, 0, (0, 1)), (100, -9000, (0, 1))]
)
def test_a_stretch_brings_counts_of_any_kind_to_the_range_of_the_decoder(
    factor, offset, pixel_range, stretch
):
    images = ellipses(25, 16).astype(np.float32) * np.float32(factor) + np.float32(offset)
    data = dataset(images=images, pixel_range=pixel_range).stretched(stretch)
    unit = data.to_unit(images)
    assert unit.min() == 0 and unit.max() == pytest.approx(1)
    expected = dataset(images=ellipses(25, 16)).stretched(stretch).to_unit(ellipses(25, 16))
    np.testing.assert_allclose(unit, expected, atol=1e-5)
    assert data.pixel_range == pytest.approx(
        np.percentile(images[data.split("train")], (0.1, 99.9)), rel=1e-5
    )


def test_three_bands_of_those_there_are_can_be_shown():
    images = ellipses(25, 8, bands=5)
    assert dataset(images=images, rgb=(4, 0, 2)).rgb == (4, 0, 2)
    with pytest.raises(GalvaeError, match=r"rgb: expected three of an image's 5 bands, 0 to 4, received \[5"):
        dataset(images=images, rgb=(5, 1, 0))
    with pytest.raises(GalvaeError, match=r"rgb: expected three of an image's one band, 0, received \[0, 1"):
        dataset(images=images[..., :1], rgb=(0, 1, 0))


def test_images_are_returned_in_the_row_order_of_their_files():
    images = ellipses(25, 8)
    rows = np.where(np.arange(25) % 3 == 0, "bottom-up", "top-down")
    data, some = dataset(images=images, catalogue={"stored_rows": rows}), np.array([4, 3, 0, 3, 7])
    expected = [image[::-1] if index % 3 == 0 else image for index, image in enumerate(images)]
    stored = data.as_stored(some)
    np.testing.assert_array_equal(stored, np.array(expected)[some])
    assert not np.array_equal(stored[1], images[3])  # the galaxies are not symmetric
    stored[:] = 0
    np.testing.assert_array_equal(data.images, images)
    np.testing.assert_array_equal(dataset(images=images).as_stored(some), images[some])


def test_unlabelled_images_are_of_no_class():
    data, some = dataset(**CLASSES), np.array([3, 1, 0, 4])
    np.testing.assert_array_equal(data.column("class", some).values, [1, -1, 0, -1])
    assert list(galaxy_table(data, some, {})["class"]) == ["elliptical", "", "spiral", ""]


def test_an_empty_text_is_no_class():
    bar = np.array(["yes", "", "no", "", ""] * 5)
    column = dataset(catalogue={"bar": bar}).column("bar", np.arange(4))
    assert column.class_names == ["no", "yes"]
    np.testing.assert_array_equal(column.values, [1, -1, 0, -1])
    nothing = dataset(catalogue={"bar": np.full(25, "")}).column("bar", np.arange(4))
    assert nothing.class_names == [] and (nothing.values == -1).all()
