"""HDF5 files in the layout of the Multimodal Universe."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from builders.format_writers import write_hdf5
from builders.galaxies import ellipses

from galvae.data.formats import multimodal_universe
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

COUNT, SIDE = 12, 24
FLUX = np.moveaxis(ellipses(COUNT, SIDE, 5), 3, 1).astype(np.float32) / np.float32(255)
BANDS = np.tile(np.array(["DES-G", "DES-R", "DES-I", "DES-Z", "DES-Y"], "S5"), (COUNT, 1))


def write(folder, **changes):
    """Writes a file; changes replace or, when None, leave out a data set."""
    arrays = {
        "image_array": FLUX,
        "image_band": BANDS,
        "image_ivar": np.where(FLUX > 0.5, 0, np.float32(2)),
        "image_mask": FLUX > 0.7,
        "image_psf_fwhm": np.full((COUNT, 5), 0.9, np.float32),
        "image_scale": np.full((COUNT, 5), 0.26, np.float32),
        "object_id": np.array([b"%06d" % number for number in range(COUNT)]),
        "ra": np.linspace(10, 11, COUNT),
        "dec": np.linspace(-2, -1, COUNT),
        **changes,
    }
    path = folder / "healpix=1234" / "001-of-001.hdf5"
    write_hdf5(path, **{name: values for name, values in arrays.items() if values is not None})
    return path


def opened(path, mask=None, mask_where="nonzero"):
    file = h5py.File(path)
    arrays = dict(file.items())
    assert multimodal_universe.is_layout(arrays)
    config = SimpleNamespace(mask=mask, mask_where=mask_where)
    return multimodal_universe.open_layout(str(path), arrays, config)


@pytest.mark.parametrize("names", [BANDS, BANDS[0]], ids=["for each image", "once"])
def test_flux_by_band(names, tmp_path):
    data = opened(write(tmp_path, image_band=names))
    assert data.images.shape == (COUNT, SIDE, SIDE, 5) and data.images.dtype == np.float32
    np.testing.assert_array_equal(data.images[3:7], np.moveaxis(FLUX, 1, 3)[3:7])
    assert data.band_names == ["DES-G", "DES-R", "DES-I", "DES-Z", "DES-Y"]
    assert data.origin(7) == "row 7 of 001-of-001.hdf5"
    assert "bands DES-G, DES-R" in data.notes[0]


@pytest.mark.parametrize(
    ("mask", "where", "aside"),
    [("mask", "nonzero", FLUX > 0.7), ("image_mask", "nonzero", FLUX > 0.7), ("ivar", "zero", FLUX > 0.5)],
)
def test_masks(mask, where, aside, tmp_path):
    data = opened(write(tmp_path), mask, where)
    np.testing.assert_array_equal(data.masks[2:9], np.moveaxis(aside, 1, 3)[2:9])


def test_other_files_are_not_in_this_layout(tmp_path):
    for changes in ({"image_band": None}, {"image_array": FLUX[:, 0]}, {"image_array": None}):
        with h5py.File(write(tmp_path, **changes)) as file:
            assert not multimodal_universe.is_layout(dict(file.items()))


OTHER_BANDS = BANDS.copy()
OTHER_BANDS[7, :2] = OTHER_BANDS[7, 1::-1]
WRONG = {
    "other bands in a row": ({"image_band": OTHER_BANDS}, "row 7 of ", "received DES-R, DES-G, DES-I"),
    "a name less": ({"image_band": BANDS[:, :4]}, "expected 5 names for each of 12 images", "(12, 4)"),
    "a row less": ({"image_band": BANDS[1:]}, "expected 5 names", "(11, 5)"),
    "numbers as names": ({"image_band": np.tile(np.arange(5), (COUNT, 1))}, "expected 5 names", "of int64"),
    "one name twice": ({"image_band": BANDS[:, [0, 1, 2, 2, 4]]}, "expected different names"),
    "too many bands": (
        {"image_array": np.ones((3, 17, 4, 4)), "image_band": np.tile(np.array([b"g"]), (3, 17))},
        "1 to 16 bands",
        "(3, 17, 4, 4)",
    ),
    "complex": ({"image_array": FLUX.astype(complex)}, "expected numbers", "complex"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_layouts_are_one_line(case, tmp_path):
    changes, *words = WRONG[case]
    path = write(tmp_path, **changes)
    with pytest.raises(GalvaeError) as caught:
        opened(path)
    for word in (str(path), *words):
        assert word in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_that_are_not_there(tmp_path):
    path = write(tmp_path, image_mask=np.zeros((COUNT, SIDE, SIDE)))
    for mask in ("weight", "mask"):
        with pytest.raises(GalvaeError, match=rf"dataset.mask: .*001-of-001.hdf5: .*received '{mask}'"):
            opened(path, mask)


def test_channels_ids_and_positions(config, tmp_path):
    path = write(tmp_path)
    data = load_dataset(config(path.relative_to(tmp_path), channels=["DES-I", "DES-R", "DES-G"], mask="mask"))
    np.testing.assert_array_equal(
        data.images[...][data.masks[...] == 0], np.moveaxis(FLUX, 1, 3)[..., [2, 1, 0]][data.masks[...] == 0]
    )
    np.testing.assert_array_equal(data.masks, np.moveaxis(FLUX > 0.7, 1, 3)[..., [2, 1, 0]])
    assert data.band_names == ["DES-I", "DES-R", "DES-G"]
    assert data.catalogue["id"].tolist() == [f"{number:06d}" for number in range(COUNT)]
    np.testing.assert_array_equal(data.catalogue["dec"], np.linspace(-2, -1, COUNT))
