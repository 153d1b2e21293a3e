"""TIFF and WebP files of every type, each with the pixels that were written, and what they refuse."""

import numpy as np
import pytest
import tifffile
from builders.galaxies import ellipses
from builders.user_files import pixels
from PIL import Image

from galvae.data.formats.image_files import read_image_file
from galvae.errors import GalvaeError

GREY, COLOURS = ellipses(1, 16, 1)[0], ellipses(1, 16, 3)[0]
BANDS = ellipses(1, 16, 5)[0].astype("f4") - 0.25
PIXELS = {
    "uint8": (GREY[..., 0], {}),
    "int8": (GREY[..., 0].astype("i1"), {}),
    "uint16": (GREY[..., 0].astype("u2") * 257, {}),
    "uint16, big-endian": (GREY[..., 0].astype(">u2") * 257, {"byteorder": ">"}),
    "int16": (GREY[..., 0].astype("i2") - 100, {}),
    "uint32": (GREY[..., 0].astype("u4") << 24, {}),
    "float16": (GREY[..., 0].astype("f2") / 256, {}),
    "float32": (GREY[..., 0].astype("f4") / 7, {}),
    "float64": (GREY[..., 0].astype("f8") / 7, {}),
    "RGB": (COLOURS, {}),
    "RGB, planar": (COLOURS.transpose(2, 0, 1), {"photometric": "rgb", "planarconfig": "separate"}),
    "RGB of 16 bits": (COLOURS.astype("u2") * 257, {}),
    "RGB of 16 bits, deflated": (COLOURS.astype("u2") * 257, {"compression": "zlib", "predictor": True}),
    "RGB of floats": (COLOURS.astype("f4") / 7, {"photometric": "rgb"}),
    "RGB of 16 bits, BigTIFF": (COLOURS.astype("u2") * 257, {"bigtiff": True}),
    "five bands last": (BANDS, {"photometric": "minisblack", "planarconfig": "contig"}),
    "five bands first": (
        BANDS.transpose(2, 0, 1),
        {"photometric": "minisblack", "planarconfig": "separate"},
    ),
    "two bands of 8 bits": (
        COLOURS.transpose(2, 0, 1)[:2],
        {"photometric": "minisblack", "planarconfig": "separate"},
    ),
    "five pages of one array": (BANDS.transpose(2, 0, 1), {}),
    "ImageJ's channels": (BANDS.transpose(2, 0, 1), {"imagej": True, "metadata": {"axes": "CYX"}}),
}


@pytest.mark.parametrize("kind", PIXELS)
def test_tiff(tmp_path, kind):
    values, options = PIXELS[kind]
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    expected = values if values.ndim == 3 else values[..., None]
    expected = expected.transpose(1, 2, 0) if len(expected) < 16 else expected
    read = read_image_file(tmp_path / "a.tif")
    assert read.dtype == values.dtype.newbyteorder("=") and read.dtype.isnative
    np.testing.assert_array_equal(read, expected)


def test_tiff_of_pillow(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    for values in (GREY[..., 0], COLOURS, GREY[..., 0].astype("u2") * 257, GREY[..., 0].astype("f4") / 7):
        for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
            Image.fromarray(values).save(tmp_path / "a.tif", compression=compression)
            np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif").squeeze(), values)
        Image.fromarray(values).save(tmp_path / "a.tif", exif=exif)
        np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif").squeeze(), np.rot90(values, -1))


def test_white_is_bright_where_0_means_white(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY[..., 0], photometric="miniswhite")
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif"), 255 - GREY)
    tifffile.imwrite(tmp_path / "a.tif", GREY[..., 0].astype("u2"), photometric="miniswhite")
    with pytest.raises(GalvaeError, match=r"dataset\.path: .*a\.tif: expected greyscale or RGB"):
        read_image_file(tmp_path / "a.tif")


def test_opaque_alpha_is_left_out_and_transparent_refused(tmp_path):
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    for dtype, full in (("u1", 255), ("u2", 65535), ("f4", 1)):
        alpha = np.full((16, 16, 1), full, dtype)
        tifffile.imwrite(tmp_path / "a.tif", np.concatenate([COLOURS.astype(dtype), alpha], 2), **options)
        np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif"), COLOURS)
        alpha[3, 4] = 0
        tifffile.imwrite(tmp_path / "a.tif", np.concatenate([COLOURS.astype(dtype), alpha], 2), **options)
        with pytest.raises(GalvaeError, match=r"a\.tif: expected opaque pixels"):
            read_image_file(tmp_path / "a.tif")


def test_webp(tmp_path):
    Image.fromarray(COLOURS).save(tmp_path / "a.webp", lossless=True)
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.webp"), COLOURS)
    smooth = np.repeat(np.linspace(20, 200, 64)[:, None, None], 64, 1).repeat(3, 2).astype("u1")
    Image.fromarray(smooth).save(tmp_path / "a.webp", quality=95)
    np.testing.assert_allclose(read_image_file(tmp_path / "a.webp"), smooth, atol=4)
    opaque = np.concatenate([COLOURS, np.full((16, 16, 1), 255, "u1")], 2)
    Image.fromarray(opaque).save(tmp_path / "a.webp", lossless=True, exact=True)
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.webp"), COLOURS)
    opaque[0, 0, 3] = 9
    Image.fromarray(opaque).save(tmp_path / "a.webp", lossless=True, exact=True)
    with pytest.raises(GalvaeError, match=r"a\.webp: expected opaque pixels"):
        read_image_file(tmp_path / "a.webp")
    frames = [Image.fromarray(COLOURS), Image.fromarray(255 - COLOURS)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(GalvaeError, match=r"a\.webp: expected one image, received 2 \(an animation\)"):
        read_image_file(tmp_path / "a.webp")


def test_the_content_decides_not_the_name(tmp_path):
    tifffile.imwrite(tmp_path / "a.png", COLOURS.astype("u2") * 257)
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.png"), COLOURS.astype("u2") * 257)
    Image.fromarray(COLOURS).save(tmp_path / "a.tif", format="PNG")
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif"), COLOURS)


def test_several_pages(tmp_path):
    pages = [Image.fromarray(page) for page in COLOURS.transpose(2, 0, 1)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(GalvaeError, match=r"received 3 pages; .* or set dataset\.axes=CHW"):
        read_image_file(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif", axes="CHW"), COLOURS)
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=[Image.new("L", (4, 4))])
    for axes in ("CHW", None):
        with pytest.raises(GalvaeError, match=r"a\.tif: expected one image, received several in 2 pages"):
            read_image_file(tmp_path / "a.tif", axes=axes)


def test_ambiguous_axes_are_asked_for(tmp_path):
    values = pixels(8, 8, 8, dtype="f4")
    tifffile.imwrite(tmp_path / "a.tif", values)
    with pytest.raises(GalvaeError, match=r"dataset\.axes: .*a\.tif: .* CHW: .*; HWC: "):
        read_image_file(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.tif", axes="HWC"), values)


@pytest.mark.parametrize("kind", ["uint8", "RGB of 16 bits", "RGB of 16 bits, deflated", "float64"])
def test_a_cut_tiff_is_damaged(tmp_path, kind):
    values, options = PIXELS[kind]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, **options)
    content = path.read_bytes()
    for kept in (0, 4, 9, 60, 150, 200, len(content) // 2, len(content) - 9):
        path.write_bytes(content[:kept])
        with pytest.raises(
            GalvaeError, match=r"^dataset\.path: .*a\.tif: expected a whole PNG, JPEG, WebP or TIFF"
        ):
            read_image_file(path)


def test_a_tiff_that_declares_too_much_or_stores_too_little(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, COLOURS.astype("u2"), metadata=None)
    content = path.read_bytes()
    for tag, value, words in (
        ("ImageWidth", 2**31 - 1, r"a\.tif: .* bomb"),
        (
            "StripByteCounts",
            0,
            r"a\.tif: expected a whole TIFF file, received one without some of its pixels",
        ),
    ):
        path.write_bytes(content)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages[0].tags[tag].overwrite(value)
        with pytest.raises(GalvaeError, match=words):
            read_image_file(path)
