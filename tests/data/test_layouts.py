"""Every layout of docs/your_data.md: the right pixels, ids, redshifts and classes of every galaxy, the right way up."""

import numpy as np
import pytest
from builders.layout_checks import CELLS, config_of
from builders.layouts import LAYOUTS

from galvae.data.load import load_dataset

OPENED = {}  # name -> (dataset, expected), so that each layout is read once


@pytest.fixture
def opened(tmp_path_factory):
    """Reads a layout; returns the dataset, what is expected, and where each expected galaxy is in the dataset."""

    def read(name):
        if name not in OPENED:
            folder = tmp_path_factory.mktemp("layout")
            expected = LAYOUTS[name].write(folder)
            OPENED[name] = load_dataset(config_of(name, folder)), expected
        dataset, expected = OPENED[name]
        positions = {str(value): index for index, value in enumerate(dataset.ids)}
        return dataset, expected, np.array([positions[str(value)] for value in expected.ids])

    return read


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_as_it_was_written(name, cell, opened):
    CELLS[cell](*opened(name))


@pytest.mark.parametrize("name", ["train and val folders", "a split of one's own"])
def test_a_split_of_the_users_own_is_kept(name, opened):
    dataset, expected, where = opened(name)
    cut = set()
    for split in ("val", "test", "train"):
        if not (expected.split == split).any():  # cut from train
            members = set(np.flatnonzero(np.isin(where, dataset.split(split))))
            assert members and members < set(np.flatnonzero(expected.split == "train"))
            cut |= members
            assert any("cut from train" in note for note in dataset.report["notes"])
            continue
        members = set(np.flatnonzero(expected.split == split)) - (cut if split == "train" else set())
        assert set(dataset.split(split)) == set(where[list(members)])


@pytest.mark.parametrize("name", ["FITS with masks", "pixels without a value"])
def test_masked_pixels_are_set_aside(name, opened):
    dataset, expected, where = opened(name)
    np.testing.assert_array_equal(dataset.masks_of(where), expected.aside)
    assert np.isfinite(dataset.images[where][expected.aside]).all()


@pytest.mark.parametrize("name", ["FITS", "FITS, a file per band", "FITS and a VOTable"])
def test_fits_images_are_exported_as_they_were_stored(name, opened):
    dataset, expected, where = opened(name)
    np.testing.assert_array_equal(dataset.as_stored(where), expected.images[:, ::-1])


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_says_what_was_read_from_where(name, opened):
    dataset, _, _ = opened(name)
    assert dataset.report["notes"]
    assert all("\n" not in sentence for sentence in dataset.report["notes"] + dataset.report["warnings"])
