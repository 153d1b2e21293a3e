"""The image of a galaxy in a FITS file: which unit, scaled how, with which mask."""

import itertools

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from builders.galaxies import ellipses

from galvae.data.formats.fits import read_fits_image
from galvae.errors import GalvaeError

SCIENCE = ellipses(1, 12, 1)[0, ..., 0].astype(">f4") / 7
WEIGHT, QUALITY = np.full((12, 12), 2, ">f4"), np.zeros((12, 12), ">i2")
QUALITY[2, 3] = 5
WEIGHT[4, 9] = 0
SCALINGS = (None, (0.5, 3.0), (2e-19, 0.0), (1.0, 100.0))  # BSCALE, BZERO
TABLE = fits.BinTableHDU(Table({"x": [1, 2]}), name="CATALOG")


def write(path, *units):
    """Writes units, of which a pair is an array with its EXTNAME, after a primary one without data."""
    made = [fits.ImageHDU(unit[0], name=unit[1]) if isinstance(unit, tuple) else unit for unit in units]
    if not isinstance(made[0], fits.PrimaryHDU):
        made.insert(0, fits.PrimaryHDU())
    fits.HDUList(made).writeto(path, overwrite=True)
    return path


@pytest.mark.parametrize(
    ("units", "what"),
    [
        ([(WEIGHT, "WHT"), (SCIENCE, "SCI"), (QUALITY, "DQ")], "extension SCI"),
        ([(WEIGHT, "WHT"), (QUALITY, "DQ"), TABLE, (SCIENCE, "sci")], "extension SCI"),
        ([(WEIGHT, "preview"), (SCIENCE, "")], "the only image"),
        ([(WEIGHT, "VAR_POISSON"), (WEIGHT, "G_IVAR"), (SCIENCE, "G")], "extension G"),
        ([(np.zeros(9), "SPECTRUM"), (SCIENCE, "F814W"), (WEIGHT, "EXPOSURE")], "extension F814W"),
        ([fits.PrimaryHDU(WEIGHT, fits.Header({"EXTNAME": "WEIGHT"})), (SCIENCE, "")], "the only image"),
        ([fits.PrimaryHDU(SCIENCE), (QUALITY, "MASK")], "the only image"),
        ([(SCIENCE[None, None], "SCI"), (SCIENCE[:5], "other")], "extension SCI"),
        (
            [fits.PrimaryHDU(WEIGHT, fits.Header({"EXTNAME": "ERR"})), fits.CompImageHDU(SCIENCE)],
            "the only image",
        ),
    ],
)
def test_the_science_image_is_found(tmp_path, units, what):
    path = write(tmp_path / "a.fits", *units)
    pixels, aside, found = read_fits_image(path)
    if isinstance(units[-1], fits.CompImageHDU):
        np.testing.assert_allclose(pixels[..., 0], SCIENCE, atol=1)
    else:
        np.testing.assert_array_equal(pixels[..., 0], SCIENCE)
    assert (aside, found) == (None, what)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (
            [(SCIENCE, "G"), (SCIENCE, "R")],
            r"received 0 without a name: no image, 1 G: \(12, 12\), 2 R: ",
        ),
        (
            [(SCIENCE, "SCI"), (SCIENCE, "SCI")],
            r"one image called SCI, received .* 2 SCI: .*; set dataset.hdu=",
        ),
        (
            [(WEIGHT, "WHT"), (QUALITY, "DQ")],
            r"no weight, error or mask, received .* 1 WHT: \(12, 12\), 2 DQ",
        ),
        (
            [TABLE],
            r"expected an image of 2 or 3 axes, received .*1 CATALOG: no image; dataset\.table= reads a table$",
        ),
        ([(np.zeros(5), "")], r"expected an image of 2 or 3 axes, received .*1 without a name: \(5,\)$"),
    ],
)
def test_several_images_or_none(tmp_path, units, words):
    with pytest.raises(GalvaeError, match=rf"^dataset\.hdu: .*a\.fits: .*{words}"):
        read_fits_image(write(tmp_path / "a.fits", *units))


def test_hdu_selects_units_by_name_number_or_band(tmp_path):
    planes = ellipses(1, 12, 3)[0].astype(">f4")
    path = write(tmp_path / "a.fits", *[(planes[..., band], "GRI"[band]) for band in range(3)], (WEIGHT, "7"))
    for hdu, what in ((2, "extension 2 (R)"), ("2", "extension 2 (R)"), ("r", "extension R")):
        pixels, _, found = read_fits_image(path, hdu=hdu)
        np.testing.assert_array_equal(pixels[..., 0], planes[..., 1])
        assert found == what
    np.testing.assert_array_equal(read_fits_image(path, hdu="7")[0][..., 0], WEIGHT)
    pixels, _, what = read_fits_image(path, hdu=["I", 1, "R"])
    np.testing.assert_array_equal(pixels, planes[..., [2, 0, 1]])
    assert what == "extensions I, 1, R"
    for hdu in ("Z", 9, 0, ["G", "Z"], -1):
        with pytest.raises(
            GalvaeError, match=r"dataset\.hdu: .*a\.fits: expected one image .*, received 0 without"
        ):
            read_fits_image(path, hdu=hdu)
    for hdu in ([], ["G", 1]):
        with pytest.raises(GalvaeError, match=r"dataset\.hdu: .*a\.fits: expected different extensions"):
            read_fits_image(path, hdu=hdu)
    small = write(tmp_path / "b.fits", (SCIENCE, "G"), (SCIENCE[:9, :9], "R"))
    with pytest.raises(
        GalvaeError, match=r"one shape and type, received extension 1 \(G\) \(12, 12\) float32, ext"
    ):
        read_fits_image(small, hdu=["G", "R"])
    primary = write(tmp_path / "c.fits", fits.PrimaryHDU(SCIENCE), (SCIENCE, "SCI"))
    assert read_fits_image(primary, hdu="PRIMARY")[2] == "the primary image"


@pytest.mark.parametrize(
    ("dtype", "scaling", "is_packed"),
    [
        *itertools.product(("u1", "i2", "i4", "i8", "f4", "f8"), SCALINGS, [False]),
        *itertools.product(("u1", "i2", "i4"), SCALINGS[:3], [True]),
        *itertools.product(("u2", "u4"), [None], [False, True]),
        ("u8", None, False),
        ("f4", None, True),
    ],
)
def test_pixels_are_those_of_astropy(tmp_path, dtype, scaling, is_packed):
    values = (np.arange(144).reshape(12, 12) - (100 if dtype[0] in "if" else 0)).astype(dtype)
    unit = fits.CompImageHDU(values) if is_packed else fits.ImageHDU(values)
    if scaling:
        unit.header["BSCALE"], unit.header["BZERO"] = scaling
    path = write(tmp_path / "a.fits", unit)
    with fits.open(path) as units:
        expected = np.array(units[1].data)
    pixels = read_fits_image(path)[0][..., 0]
    assert pixels.dtype == expected.dtype.newbyteorder("=")
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("blank", [0, -7, 5])
@pytest.mark.parametrize("dtype", ["i2", "i4", "u2"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_blank_integers_are_unknown(tmp_path, blank, dtype, is_packed):
    """Astropy does not see BLANK = 0, nor any in unsigned integers."""
    zero = 32768 if dtype == "u2" else 0
    values = np.arange(144).reshape(12, 12) + zero
    values[3, 4] = blank + zero
    is_blank = values == blank + zero
    unit = fits.CompImageHDU(values.astype(dtype)) if is_packed else fits.ImageHDU(values.astype(dtype))
    path = write(tmp_path / "a.fits", unit)
    content, card = path.read_bytes(), f"BLANK   = {blank:20d}".ljust(80).encode()
    end = content.index(b"END     ", content.index(b"XTENSION"))
    path.write_bytes(content[:end] + card + content[end : end + 80] + content[end + 160 :])
    pixels = read_fits_image(path)[0][..., 0]
    assert pixels.dtype == (np.float64 if dtype == "i4" else np.float32)
    np.testing.assert_array_equal(np.isnan(pixels), is_blank)
    np.testing.assert_array_equal(pixels[~is_blank], values[~is_blank])


def test_cubes(tmp_path):
    cube = ellipses(1, 12, 5)[0].astype(">f4")
    first, last = (
        write(tmp_path / "a.fits", (cube.transpose(2, 0, 1), "")),
        write(tmp_path / "b.fits", (cube, "")),
    )
    for path in (first, last):
        np.testing.assert_array_equal(read_fits_image(path)[0], cube)
    twelve = write(tmp_path / "c.fits", (np.arange(1728.0).reshape(12, 12, 12), ""))
    with pytest.raises(
        GalvaeError, match=r"dataset\.axes: .*c\.fits: extension 1: .* CHW: .*; HWC: 1 galaxy of 12x12"
    ):
        read_fits_image(twelve)
    np.testing.assert_array_equal(
        read_fits_image(twelve, axes="CHW")[0][..., 1].ravel(), np.arange(144) + 144
    )
    np.testing.assert_array_equal(read_fits_image(twelve, axes="HWC")[0][0, 0], np.arange(12))
    radio = write(tmp_path / "d.fits", (SCIENCE[None, None], ""))
    for axes in (None, "HW", "CHW"):
        np.testing.assert_array_equal(read_fits_image(radio, axes=axes)[0][..., 0], SCIENCE)
    with pytest.raises(
        GalvaeError, match=r"dataset\.axes: .* expected the axes of one galaxy, HW, CHW or HWC"
    ):
        read_fits_image(radio, axes="NHWC")


def test_masks(tmp_path):
    path = write(
        tmp_path / "a.fits", (WEIGHT, "WHT"), (SCIENCE, "SCI"), (QUALITY, "DQ"), (QUALITY[None], "BAD")
    )
    for name in ("DQ", "dq", 3, "BAD"):
        pixels, aside, what = read_fits_image(path, mask=name)
        assert what == "extension SCI" and np.argwhere(aside[..., 0]).tolist() == [[2, 3]]
        np.testing.assert_array_equal(pixels[..., 0], SCIENCE)
    aside = read_fits_image(path, mask="WHT", mask_where="zero")[1]
    assert np.argwhere(aside[..., 0]).tolist() == [[4, 9]]
    for mask in ("MASK", 0, 7):
        with pytest.raises(
            GalvaeError, match=r"dataset\.mask: .*a\.fits: expected one image .*, received .* 3 DQ"
        ):
            read_fits_image(path, mask=mask)
    weight = WEIGHT.copy()
    weight[0, 0] = np.nan
    path = write(tmp_path / "b.fits", (SCIENCE, "SCI"), (weight, "IVAR"), (QUALITY[:5], "DQ"))
    aside = read_fits_image(path, mask="IVAR", mask_where="zero")[1]
    assert np.argwhere(aside[..., 0]).tolist() == [[0, 0], [4, 9]]
    with pytest.raises(GalvaeError, match=r"dataset\.mask: .*b\.fits: expected a mask of shape .* \(5, 12\)"):
        read_fits_image(path, mask="DQ")


def test_random_groups_text_and_padding_are_no_images(tmp_path):
    groups = fits.GroupData(np.ones((3, 1, 4, 4), "f4"), parnames=["u"], pardata=[np.zeros(3)], bitpix=-32)
    path = tmp_path / "a.fits"
    fits.HDUList([fits.GroupsHDU(groups), fits.ImageHDU(SCIENCE)]).writeto(path)
    np.testing.assert_array_equal(read_fits_image(path)[0][..., 0], SCIENCE)
    path.write_bytes(path.read_bytes() + b"what some programs leave behind")
    np.testing.assert_array_equal(read_fits_image(path)[0][..., 0], SCIENCE)
    fits.writeto(path, SCIENCE, overwrite=True)
    path.write_bytes(path.read_bytes()[: 2880 + 12 * 12 * 4])  # without the padding of the last block
    np.testing.assert_array_equal(read_fits_image(path)[0][..., 0], SCIENCE)


def test_a_header_of_billions_of_columns_is_refused_at_once(tmp_path):
    path = write(tmp_path / "a.fits", fits.CompImageHDU(QUALITY))
    content = path.read_bytes()
    for name in (b"TFIELDS ", b"NAXIS   "):
        place = content.index(name, content.index(b"XTENSION"))
        path.write_bytes(content[: place + 10] + b"%20d" % 2**31 + content[place + 30 :])
        with pytest.raises(GalvaeError, match=r"a\.fits: expected a whole FITS file"):
            read_fits_image(path)
