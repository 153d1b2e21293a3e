"""PNG, JPEG, WebP and TIFF files of unknown origin, each decoded to the pixels of one upright image."""

import io
import logging
import warnings

import numpy as np
from PIL import Image, ImageOps

from galvae.data.formats.axes import LARGEST_IMAGE, arranged, order_of_one
from galvae.errors import GalvaeError, damage_as_one_line, line_of

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
# To which of Pillow's modes an image is converted; others, such as CMYK, have no plain meaning as intensities.
MODES = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    **{mode: mode for mode in ("I;16", "I;16B", "F")},
}
TIFF_BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# TIFF's fields, and the axes that tifffile names.
BITS, PHOTOMETRIC, ORIENTATION, SAMPLES, EXTRA_SAMPLES, SAMPLE_FORMAT = 258, 262, 274, 277, 338, 339
GREY, RGB = 1, 2  # values of PHOTOMETRIC
SIGNED = 2  # value of SAMPLE_FORMAT
ALPHA = {1, 2}  # values of EXTRA_SAMPLES
TIFF_AXES = {"YX": "HW", "YXS": "HWC", "YXC": "HWC", "SYX": "CHW", "CYX": "CHW"}


def read_image_file(path, axes=None):
    """The pixels of a PNG, JPEG, WebP or TIFF file, upright; the content decides which it is, not the name.

    Args:
        path: the file.
        axes: order of the axes of a TIFF file, see `galvae.data.formats.axes.order_of_one`.

    Returns:
        (H, W, C): uint8, or from PNG of 16 bits uint16; from TIFF any type of numbers.

    Raises:
        GalvaeError: if the file is damaged, or holds anything but one opaque image.
    """
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow only warns about damaged EXIF and decompression bombs
            header = file.read(25)
            file.seek(0)
            if not header:
                raise GalvaeError(
                    "expected a whole PNG, JPEG, WebP or TIFF file, received a damaged one (empty)"
                )
            is_tiff = header.startswith(TIFF_BEGINNINGS)
            if is_tiff and not _suits_pillow(file):
                return _read_tiff(file, path, axes)
            return _read_with_pillow(file, header)
    except MemoryError:
        raise
    except GalvaeError as error:
        text = str(error)
        raise GalvaeError(text if text.startswith("dataset.") else f"dataset.path: {path}: {text}") from error
    except Exception as error:  # decoders raise exceptions of many types on damaged files
        raise GalvaeError(
            f"dataset.path: {path}: expected a whole PNG, JPEG, WebP or TIFF file, received a damaged one "
            f"({line_of(error)})"
        ) from error


def _read_with_pillow(file, header):
    with Image.open(file, formats=FORMATS) as image:
        if not 0 < image.height * image.width <= LARGEST_IMAGE:
            raise GalvaeError(f"expected an image of at most {LARGEST_IMAGE} pixels, received {image.size}")
        if getattr(image, "n_frames", 1) > 1:
            raise GalvaeError(f"expected one image, received {image.n_frames} (an animation)")
        if image.mode not in MODES:
            raise GalvaeError(f"expected greyscale or RGB, received {image.mode}; convert it to RGB")
        # Byte 24 of a PNG is its bits per channel; Pillow drops half of 16 from colour images.
        if image.format == "PNG" and header[24] == 16 and image.mode != "I;16":
            raise GalvaeError("expected 8 bits per colour, received 16; save it as TIFF, FITS or HDF5")
        mode, image = MODES[image.mode], ImageOps.exif_transpose(image)
        if image.has_transparency_data:
            image = image.convert("RGBA")
            if image.getextrema()[3][0] < 255:
                raise GalvaeError("expected opaque pixels, received transparent ones; flatten it")
        pixels = np.array(image if image.mode == mode else image.convert(mode))
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _suits_pillow(file):
    """Whether an open TIFF file holds one image that Pillow does not change.

    It keeps 8 bits of colours, takes signed integers for unsigned ones, reads one of several bands, and does not
    invert more than 8 bits in which 0 is white.
    """
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            tags, bands = image.tag_v2, len(image.getbands())
            if image.n_frames > 1 or image.mode not in MODES or tags.get(SAMPLES, 1) != bands:
                return False
            if SIGNED in tags.get(SAMPLE_FORMAT, ()):
                return False
            return max(tags.get(BITS, (1,))) <= 8 or (bands == 1 and tags.get(PHOTOMETRIC) == GREY)
    except (OSError, SyntaxError):  # a type that it does not know
        return False
    finally:
        file.seek(0)


def _read_tiff(file, path, axes):
    """The pixels of an open TIFF file that Pillow would not keep whole, as (H, W, C)."""
    import tifffile  # takes 0.1 s, and few folders need it

    tifffile.logger().setLevel(logging.CRITICAL)  # what it would log is checked here or no matter
    with tifffile.TiffFile(file) as tiff:
        series, page = tiff.series[0], tiff.pages[0]
        if len(tiff.series) > 1 or len(tiff.pages) > len(series.pages):
            raise GalvaeError(
                f"expected one image, received several in {len(tiff.pages)} pages; keep one a file"
            )
        shape, letters = tuple(series.shape), series.axes
        order = axes or TIFF_AXES.get(letters)
        if order is None and letters.strip("YX") not in ("Q", "S", "C"):
            raise GalvaeError(
                f"expected one image, received {len(tiff.pages)} pages; keep one a file, or set dataset.axes=CHW if "
                "they are bands"
            )
        order = order_of_one(shape, path, order)
        if page.tags.valueof(PHOTOMETRIC) not in (GREY, RGB):
            raise GalvaeError("expected greyscale or RGB, received other colours; convert it to RGB")
        if page.tags.valueof(ORIENTATION, 1) != 1:
            raise GalvaeError(
                "expected the first row at the top, received an image that is to be turned; save it upright"
            )
        if any(not count for part in tiff.pages for count in part.aspage().databytecounts):
            raise GalvaeError("expected a whole TIFF file, received one without some of its pixels")
        pixels = series.asarray()
        if pixels.shape != shape or pixels.dtype.kind not in "uif":
            raise GalvaeError(f"expected an image of {shape} numbers, received {pixels.shape} {pixels.dtype}")
        extra = page.tags.valueof(EXTRA_SAMPLES, ())
    pixels = arranged(pixels.astype(pixels.dtype.newbyteorder("="), copy=False), order)
    if not set(np.ravel(extra)) & ALPHA:
        return pixels
    if pixels[..., -1].min() < (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max):
        raise GalvaeError("expected opaque pixels, received transparent ones; flatten it")
    return pixels[..., :-1]


def decode_image(data):
    """The pixels of an image file from its bytes, as `read_image_file` has them.

    Threads may call it, so it leaves the filters of warnings as they are: the caller makes those of Pillow errors.

    Raises:
        GalvaeError: if they are damaged, or hold anything but one opaque image; the caller says where they stand.
    """
    with damage_as_one_line("expected a whole PNG, JPEG, WebP or TIFF file, received a damaged one"):
        file = io.BytesIO(data)
        if data.startswith(TIFF_BEGINNINGS) and not _suits_pillow(file):
            return _read_tiff(file, "a TIFF image", None)
        return _read_with_pillow(file, data[:25])
