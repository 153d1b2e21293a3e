"""Folders of FITS: scaled, packed and cut files, odd headers, and what has no image."""

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders.user_files import pixels, write_image

from galvae.data.formats import fits as fits_reader
from galvae.data.formats.fits import read_fits_image
from galvae.data.load import load_dataset
from galvae.errors import GalvaeError


@pytest.mark.parametrize("name", ["a.fits", "a.fit", "a.fits.gz"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pixels(8, 9, dtype=">f4"), lambda values: values[..., None]),
        (pixels(5, 8, 8, dtype=">f8"), lambda values: values.transpose(1, 2, 0)),
        (pixels(8, 8, 5, dtype=">f8"), lambda values: values),
        (pixels(1, 1, 8, 9, dtype=">f4"), lambda values: values[0, 0, ..., None]),
        (pixels(8, 9, dtype="u2"), lambda values: values[..., None]),
    ],
)
def test_fits(tmp_path, config, name, values, expected):
    for sub in "abcde":
        write_image(tmp_path, f"{sub}/{name}", values)
    dataset = load_dataset(config("images"))
    assert dataset.images.dtype.str == "<f4"
    assert dataset.pixel_range == ((0, 65535) if values.dtype.kind == "u" else (0, 1))
    np.testing.assert_array_equal(dataset.images[4], expected(values).astype("f4")[::-1])


def test_fits_scaling_and_later_hdus(tmp_path):
    stored = pixels(8, 8, dtype="i2")
    scaled = fits.ImageHDU(stored)
    scaled.header["BSCALE"], scaled.header["BZERO"] = 0.5, 3.0
    for unit, expected in ((scaled, stored * 0.5 + 3), (fits.CompImageHDU(stored), stored)):
        units = [fits.PrimaryHDU(), fits.ImageHDU(np.zeros(5)), fits.BinTableHDU(Table({"x": [1]})), unit]
        fits.HDUList(units).writeto(tmp_path / "a.fits", overwrite=True)
        np.testing.assert_array_equal(read_fits_image(tmp_path / "a.fits")[0][..., 0], expected)


def test_packed_fits(tmp_path):
    values = pixels(20, 30, dtype="i2")
    for name in ("a.fits.fz", "b.fits"):
        unit = fits.CompImageHDU(values)
        fits.HDUList([fits.PrimaryHDU(), unit]).writeto(tmp_path / name)
        np.testing.assert_array_equal(read_fits_image(tmp_path / name)[0][..., 0], values)


def damaged_fits(values, kept=None, squeeze=False):
    content = io.BytesIO()
    fits.writeto(content, values)
    kept = content.getvalue()[:kept]
    return gzip.compress(kept) if squeeze else kept


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("e.fits", b"no FITS", ["e.fits", "damage"]),
        ("e.fits", damaged_fits(pixels(40, 40, dtype="f4"), 5000), ["e.fits", "truncated"]),
        ("e.fits.gz", damaged_fits(pixels(40, 40, dtype="f4"), 5000, squeeze=True), ["e.fits.gz", "damage"]),
        ("e.fits.gz", damaged_fits(pixels(40, 40, dtype="f4"), squeeze=True)[:-50], ["e.fits.gz", "damage"]),
        ("e.fits", damaged_fits(pixels(40)), ["e.fits", "expected an image of 2 or 3 axes"]),
        ("e.fits", damaged_fits(pixels(17, 8, 8)), ["e.fits", "dataset.axes", "(17, 8, 8)"]),
        ("e.fits", damaged_fits(pixels(8, 8, dtype="i2")), ["e.fits", "int16"]),
        ("e.fits", damaged_fits(np.full((8, 8), np.nan, ">f4")), ["NaN or infinity in e.fits"]),
    ],
)
def test_bad_fits(tmp_path, refused, name, content, words):
    for other in "abcd":
        write_image(tmp_path, f"{other}.fits", pixels(8, 8, dtype="f4"))
    (tmp_path / "images" / name).write_bytes(content)
    refused(words, "images")


def test_fits_cut_anywhere(tmp_path):
    """Two units, the first without an image; only the end of the last block is padding."""
    values = np.arange(59 * 59, dtype=">f4").reshape(59, 59)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(values)]).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    assert len(content) == 7 * 2880
    for kept in (*range(0, len(content), 2880), 1, 100, 2881, len(content) - 2881):
        (tmp_path / "a.fits").write_bytes(content[:kept])
        with pytest.raises(GalvaeError, match=r"a\.fits: ") as error:
            read_fits_image(tmp_path / "a.fits")
        assert "\n" not in str(error.value)
    (tmp_path / "a.fits").write_bytes(content)
    np.testing.assert_array_equal(read_fits_image(tmp_path / "a.fits")[0][..., 0], values)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"SIMPLE  =                    T", b"NOTHING =                    T", "SIMPLE"),
        (b"NAXIS   =                    2", b"NAXIS   =                    0", "expected an image"),
        (b"NAXIS   =                    2", b"NAXIS   =                  999", "damage"),
        (b"NAXIS1  =                    8", b"NAXIS1  =                   -8", "received"),
        (b"NAXIS1  =                    8", b"NAXIS1  =            999999999", "received"),
        (b"BITPIX  =                    8", b"BITPIX  =                    7", "damage"),
        (b"END     ", b"COMMENT ", "damage"),
    ],
)
def test_fits_with_an_odd_header(tmp_path, old, new, words):
    content = damaged_fits(pixels(8, 8))
    assert old in content
    (tmp_path / "a.fits").write_bytes(content.replace(old, new, 1))
    with pytest.raises(GalvaeError, match=words) as error:
        read_fits_image(tmp_path / "a.fits")
    assert "\n" not in str(error.value)


def test_fits_of_four_axes_and_without_an_image(tmp_path):
    (tmp_path / "a.fits").write_bytes(damaged_fits(pixels(2, 3, 8, 8)))
    with pytest.raises(GalvaeError, match="expected images of shape .* received"):
        read_fits_image(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(Table({"x": [1]}))]).writeto(tmp_path / "b.fits")
    with pytest.raises(
        GalvaeError, match="no image, 1 without a name: no image; dataset.table= reads a table"
    ):
        read_fits_image(tmp_path / "b.fits")


def test_blank_values_of_fits_are_no_intensities(tmp_path, refused):
    values = pixels(8, 8, dtype="i2")
    values[3, 4] = -1
    for name in "abcde":
        unit = fits.PrimaryHDU(values)
        unit.header["BLANK"] = -1
        path = write_image(tmp_path, f"{name}.fits", pixels(8, 8))
        unit.writeto(path, overwrite=True)
    assert np.isnan(read_fits_image(path)[0][3, 4, 0])
    refused(["NaN or infinity in a.fits"], "images", pixel_range=[0.0, 255.0])


def test_fits_that_unpacks_to_too_much(tmp_path, refused, monkeypatch):
    header = fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 11000), ("NAXIS2", 9100)])
    (tmp_path / "images").mkdir()
    size = 11000 * 9100
    content = header.tostring().encode() + bytes(size + -size % 2880)
    bomb = tmp_path / "images" / "a.fits.gz"
    bomb.write_bytes(gzip.compress(content, 1))
    assert bomb.stat().st_size < 1e6
    refused(["dataset.path", "a.fits.gz", "100000000 values"], "images")
    monkeypatch.setattr(fits_reader, "LARGEST_UNPACKED", 10**6)
    refused(["dataset.path", "a.fits.gz", "at most 1000000 bytes, unpacked"], "images")


def test_signed_fits_needs_a_range(tmp_path, refused):
    write_image(tmp_path, "a.fits", pixels(8, 8, dtype="i2"))
    refused(["dataset.pixel_range", "int16"], "images")
