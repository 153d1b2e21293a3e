"""FITS files of unknown origin: the image of a galaxy found among their units; astropy's warnings silenced."""

import contextlib
import gzip
import io
import math
import re
import warnings

import numpy as np

from galvae.data.formats.axes import arranged, order_of_one
from galvae.data.formats.fits_units import scaled, units_of
from galvae.errors import GalvaeError, damage_as_one_line

LARGEST_UNPACKED = 2**31  # bytes of a file packed by gzip
# Words in the names of units, and of files, that hold something else than the image of a galaxy.
NOT_SCIENCE = frozenset(
    re.findall(
        r"\w+",
        "wht weight weights err error errors sigma rms std stddev noise snr unc uncert uncertainty var variance ivar "
        "invvar dq mask bitmask msk flag flags quality seg segm segmap segmentation preview thumb thumbnail quicklook "
        "con ctx context coverage nexp nimg exp exposure exptime expmap bkg background sky psf model residual "
        "residuals chi2",
    )
)


def read_fits_image(path, hdu=None, axes=None, mask=None, mask_where="nonzero"):
    """The image of the galaxy in a FITS file, and the pixels of it that a mask sets aside.

    Without `hdu`, the image is the unit called SCI, else the only image that is none of NOT_SCIENCE. Pixels are scaled
    by BSCALE and BZERO; those that equal BLANK become NaN.

    Args:
        path: the file.
        hdu: name or number of the unit, or a list with one for each band; None: see above.
        axes: order of the axes, see `galvae.data.formats.axes.order_of_one`.
        mask: name or number of the unit of a mask, or None.
        mask_where: "nonzero" or "zero": values of the mask where pixels are set aside.

    Returns:
        pixels: (H, W, C), the lowest row first, as stored.
        aside: (H, W, 1 or C) bool, or None without a mask.
        what: what was read, in words, such as "extension SCI".

    Raises:
        GalvaeError: if the file is damaged, or if the image or the mask is missing or not the only one.
    """
    with (
        damage_as_one_line(f"dataset.path: {path}: expected a whole FITS file, received a damaged one"),
        open_packed(path) as file,
    ):
        units = units_of(file)
        chosen, what = _chosen(units, hdu, path)
        bands = [_image(file, unit, axes, path) for unit in chosen]
        if len({(band.shape[:2], band.dtype) for band in bands}) > 1:
            listed = ", ".join(
                f"{unit.label} {band.shape[:2]} {band.dtype}"
                for unit, band in zip(chosen, bands, strict=True)
            )
            raise GalvaeError(f"dataset.hdu: {path}: expected bands of one shape and type, received {listed}")
        pixels = bands[0] if len(bands) == 1 else np.concatenate(bands, axis=2)
        aside = None
        if mask is not None:
            aside = _aside(file, _named(units, "mask", mask, path), pixels, mask_where, axes, path)
    return pixels, aside, what


def _chosen(units, hdu, path):
    """The units that hold the bands of the image, and what they are, in words."""
    if isinstance(hdu, list | tuple):
        chosen = [_named(units, "hdu", name, path) for name in hdu]
        if not chosen or len({unit.number for unit in chosen}) < len(chosen):
            raise GalvaeError(f"dataset.hdu: {path}: expected different extensions, received {list(hdu)}")
        return chosen, f"extensions {', '.join(map(str, hdu))}"
    if hdu is not None:
        unit = _named(units, "hdu", hdu, path)
        is_name = (
            unit.name and str(hdu).upper() == unit.name.upper()
        )  # under which files may have it at any number
        return [unit], f"extension {unit.name}" if is_name else unit.label
    images = [unit for unit in units if len(unit.shape) > 1]
    science = [unit for unit in images if unit.name.upper() == "SCI"]
    others = [unit for unit in images if NOT_SCIENCE.isdisjoint(re.split("[^a-z0-9]+", unit.name.lower()))]
    chosen = science or others
    if len(chosen) == 1:
        # Numbers are left out, since the same image may be another unit in the next file.
        return chosen, f"extension {chosen[0].name}" if chosen[0].name else "the only image"
    expected = "one image called SCI" if science else "one image that is no weight, error or mask"
    hint = "; set dataset.hdu= to the number of one, or to a list with one for each band"
    if not images:
        has_table = any(b"TABLE" in unit.cards.get(b"XTENSION", b"") for unit in units)
        expected, hint = "an image of 2 or 3 axes", "; dataset.table= reads a table" if has_table else ""
    raise GalvaeError(f"dataset.hdu: {path}: expected {expected}, received {_listed(units)}{hint}")


def _named(units, key, name, path):
    """The unit of a name or number, which must hold an image."""
    if isinstance(name, str) and name.isdecimal() and not any(unit.name == name for unit in units):
        name = int(name)
    if isinstance(name, str):
        wanted = [unit for unit in units if unit.name.upper() == name.upper()]
        wanted = wanted or units[:1] * (name.upper() == "PRIMARY")
    else:
        wanted = [unit for unit in units if unit.number == name]
    if len(wanted) != 1 or len(wanted[0].shape) < 2:
        raise GalvaeError(
            f"dataset.{key}: {path}: expected one image of the name or number {name}, received {_listed(units)}; set "
            "the name or number of one of these"
        )
    return wanted[0]


def _listed(units):
    """The units of a file with their numbers, names and shapes, for messages."""
    return ", ".join(
        f"{unit.number} {unit.name or 'without a name'}: {unit.shape or 'no image'}" for unit in units[:20]
    ) + (f" and {len(units) - 20} more" if len(units) > 20 else "")


def _image(file, unit, axes, path):
    """The image of a unit as (H, W, C), in the byte order of this machine."""
    order = order_of_one(unit.shape, f"{path}: {unit.label}", axes)
    stored = _unpacked(file, unit) if unit.is_packed else _stored(file, unit)
    return arranged(scaled(stored, unit.cards), order)


def _stored(file, unit):
    """The pixels of a unit as they stand in the file."""
    file.seek(unit.start)
    pixels = np.frombuffer(file.read(math.prod(unit.shape) * np.dtype(unit.type).itemsize), unit.type)
    return pixels.reshape(unit.shape)


def _unpacked(file, unit):
    """The pixels of a compressed unit, not scaled."""
    from astropy.io import fits  # takes 0.2 s, and most files need it not

    file.seek(0)
    with quiet_astropy(), fits.open(file, memmap=False, do_not_scale_image_data=True) as hdus:
        pixels = hdus[unit.number].data
    if pixels.shape != unit.shape:
        raise ValueError(f"its image is {pixels.shape} in place of {unit.shape}")
    return pixels


def _aside(file, unit, pixels, mask_where, axes, path):
    """The pixels that the mask of a unit sets aside, (H, W, 1 or C) bool; those where it is not a number are."""
    mask = _image(file, unit, axes if axes is not None and len(axes) == len(unit.shape) else None, path)
    if mask.shape[:2] != pixels.shape[:2] or mask.shape[2] not in (1, pixels.shape[2]):
        raise GalvaeError(
            f"dataset.mask: {path}: expected a mask of shape {pixels.shape[:2]} as the image, received "
            f"{unit.shape} in {unit.label}"
        )
    return (mask == 0 if mask_where == "zero" else mask != 0) | np.isnan(mask)


@contextlib.contextmanager
def open_hdus(path):
    """The header and data units of a FITS file, as an astropy HDUList.

    Raises:
        GalvaeError: if gzip packed the file and it unpacks to more than LARGEST_UNPACKED bytes.
        Exception: whatever astropy raises on a damaged file.
    """
    from astropy.io import fits  # takes 0.2 s, and most readers need none

    with quiet_astropy(), open_packed(path) as file, fits.open(file, memmap=False) as hdus:
        yield hdus


@contextlib.contextmanager
def open_packed(path):
    """A FITS file open for reading, unpacked if its name ends in .gz.

    It is opened here, since astropy leaves files open that it refuses. A packed file is read to its end, where
    gzip keeps its checksum.

    Raises:
        GalvaeError: if it unpacks to more than LARGEST_UNPACKED bytes.
    """
    with open(path, "rb") as file:
        if not str(path).lower().endswith(".gz"):
            yield file
            return
        with gzip.open(file) as packed:
            content = packed.read(LARGEST_UNPACKED + 1)
        if len(content) > LARGEST_UNPACKED:
            raise GalvaeError(
                f"dataset.path: {path}: expected a file of at most {LARGEST_UNPACKED} bytes, unpacked, received more"
            )
        yield io.BytesIO(content)


@contextlib.contextmanager
def quiet_astropy():
    """Silences astropy's warnings about unusual headers, but raises the one about a truncated file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated")
        yield
