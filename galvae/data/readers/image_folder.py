"""A folder of PNG, JPEG or FITS pictures, each read when it is needed."""

import contextlib
import gzip
import hashlib
import io
import math
import os
import stat
import warnings
from pathlib import Path

import numpy as np

from galvae.errors import GalvaeError, line_of

FITS = (".fits.gz", ".fits.fz", ".fits", ".fit")
ENDINGS = (".png", ".jpg", ".jpeg", *FITS)
# What a picture of each of Pillow's modes becomes; others (CMYK, ...) have no plain meaning as intensities.
MODES = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB", "I;16": "I;16"}
MOST_CHANNELS = 16
LARGEST_PICTURE = 100_000_000  # values; a small compressed file can declare far more
LARGEST_FITS = 2**31  # bytes, unpacked


class Pictures:
    """The pictures of a folder in the order of their names, read when sliced.

    Attributes:
        names: file names relative to the folder, with `/` after each sub-folder.
        shape: (N, H, W, C) with the first picture's size, which others share unless `image_size` is given.
        dtype: of all pixels.
    """

    def __init__(self, folder, image_size):
        """Lists a folder and reads its first picture.

        Args:
            folder: path.
            image_size: side in pixels to which the caller will bring each picture, or None.

        Raises:
            GalvaeError: if there is no picture, or the first cannot be read.
        """
        self.folder, self.image_size, self.names = Path(folder), image_size, picture_names(folder)
        if not self.names:
            raise GalvaeError(
                f"dataset.path: {folder}: expected files ending in {' '.join(ENDINGS)}, received none"
            )
        first = read_picture(self.folder / self.names[0])
        self.shape, self.dtype = (len(self.names), *first.shape), first.dtype

    def __len__(self):
        return len(self.names)

    def __getitem__(self, rows):
        return np.stack([self._checked(self.folder / name) for name in self.names[rows]])

    def _checked(self, path):
        """A picture like the first one."""
        picture = read_picture(path)
        free = 0 if self.image_size is None else 2  # axes that may differ
        if (picture.shape[free:], picture.dtype) != (self.shape[1 + free :], self.dtype):
            raise GalvaeError(
                f"dataset.path: {path}: expected {self.shape[1:]} {self.dtype} as in {self.names[0]}, "
                f"received {picture.shape} {picture.dtype}; dataset.image_size= lets the size differ"
            )
        height, width = picture.shape[:2]
        if self.image_size is not None and (height != width or height < self.image_size):
            raise GalvaeError(
                f"dataset.image_size: {path}: expected a square of at least {self.image_size} pixels, "
                f"received {height}x{width}"
            )
        return picture

    def sub_folders(self):
        """Name of the first-level sub-folder of each picture, (N,).

        Raises:
            GalvaeError: if a picture lies outside of them.
        """
        for name in self.names:
            if "/" not in name:
                raise GalvaeError(
                    f"dataset.labels: expected each picture in a sub-folder of {self.folder}, received {name}"
                )
        return np.array([name.split("/")[0] for name in self.names])

    def match(self, rows):
        """For each picture, the one table row that names it.

        Args:
            rows: file names in the order of the table, with or without sub-folder and ending.

        Returns:
            (N,) places in `rows`.

        Raises:
            GalvaeError: if a picture has no row or several, or two share one.
        """
        places, owners = {}, {}
        for place, row in enumerate(rows):
            places.setdefault(str(row), []).append(place)
        for name in self.names:
            base = name.split("/")[-1]
            length = next(len(ending) for ending in ENDINGS if name.lower().endswith(ending))
            spellings = {name, base, name[:-length], base[:-length]}
            found = [place for spelling in spellings for place in places.get(spelling, [])]
            if len(found) != 1:
                raise GalvaeError(
                    f"dataset.ids: expected one row for {name}, received {len(found) or 'none'}"
                )
            other = owners.setdefault(found[0], name)
            if other != name:
                raise GalvaeError(
                    f"dataset.ids: expected one picture for {rows[found[0]]}, received {other} and {name}"
                )
        return np.array(list(owners))


def picture_names(folder):
    """Sorted names of the pictures in a folder and its sub-folders, relative to it.

    Raises:
        GalvaeError: if a folder cannot be read.
    """

    def refuse(error):
        raise GalvaeError(
            f"dataset.path: {error.filename}: {error.strerror}; expected a readable folder"
        ) from error

    names = []
    for place, folders, files in os.walk(folder, onerror=refuse):
        # Hidden ones are not the user's: previews and the like, left by macOS, Jupyter and others.
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(place).relative_to(folder).as_posix()
        names += [
            name if below == "." else f"{below}/{name}"
            for name in files
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    return sorted(names)


def folder_identity(folder):
    """What tells a folder from another version of itself: a digest of its pictures' names, sizes and times.

    Raises:
        GalvaeError: if the folder or a picture cannot be read.
    """
    digest = hashlib.sha256()
    for name in picture_names(folder):
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError as error:
            raise GalvaeError(f"dataset.path: {name}: {error.strerror}; expected a readable file") from error
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise GalvaeError(f"dataset.path: {name}: expected a file, received a folder, a pipe or a device")
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return {"path": str(folder), "pictures": digest.hexdigest()}


def read_picture(path):
    """Pixels of a PNG, JPEG or FITS file, upright.

    Args:
        path: the file; its ending says whether it is FITS.

    Returns:
        (H, W, C): uint8 or, from 16-bit PNG, uint16; from FITS any type of numbers.

    Raises:
        GalvaeError: if the file is damaged, or holds anything but one opaque picture in grey or RGB.
    """
    try:
        pixels = _fits(path) if str(path).lower().endswith(FITS) else _photograph(path)
    except GalvaeError as error:
        raise GalvaeError(f"dataset.path: {path}: {error}") from error
    except Exception as error:  # decoders raise whatever they stumble on
        raise GalvaeError(
            f"dataset.path: {path}: expected a whole PNG, JPEG or FITS file, received damage ({line_of(error)})"
        ) from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _photograph(path):
    from PIL import Image, ImageOps

    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow only warns of damaged EXIF and of decompression bombs
        header = file.read(25)
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            _check_size((1, image.height, image.width))
            if getattr(image, "n_frames", 1) > 1:
                raise GalvaeError(f"expected one picture, received {image.n_frames} (an animation)")
            if image.mode not in MODES:
                raise GalvaeError(f"expected grey or RGB, received {image.mode}; convert it to RGB")
            # Byte 24 of a PNG is its bits per channel; Pillow drops half of 16 where there are colours.
            if image.format == "PNG" and header[24] == 16 and image.mode != "I;16":
                raise GalvaeError("expected 8 bits for colours, received 16; save it as FITS or HDF5")
            mode, image = MODES[image.mode], ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                if image.getextrema()[3][0] < 255:
                    raise GalvaeError("expected opaque pixels, received transparent ones; flatten it")
            return np.array(image if image.mode == mode else image.convert(mode))


def _fits(path):
    from astropy.io import fits

    with quiet_astropy(), opened_fits(path) as file, fits.open(file, memmap=False) as units:
        for unit in units:
            if isinstance(unit, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
                if len(unit.shape) not in (2, 3):
                    continue
                _check_size((1, *unit.shape)[-3:])
                pixels = unit.data.astype(unit.data.dtype.newbyteorder("="))
                return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, 2)
    raise GalvaeError("expected an image of shape (H, W) or (C, H, W), received none")


@contextlib.contextmanager
def opened_fits(path):
    """A FITS file as astropy takes it, open for reading; opened here, since astropy leaves open what it refuses.

    One that gzip packed is read to its end, where its checksum is, and refused above LARGEST_FITS bytes.
    """
    with open(path, "rb") as file:
        if not str(path).lower().endswith(".gz"):
            yield file
            return
        with gzip.open(file) as packed:
            content = packed.read(LARGEST_FITS + 1)
        if len(content) > LARGEST_FITS:
            raise GalvaeError(f"expected a file of at most {LARGEST_FITS} bytes, unpacked, received more")
        yield io.BytesIO(content)


def _check_size(shape):
    if not 0 < math.prod(shape) <= LARGEST_PICTURE or shape[0] > MOST_CHANNELS:
        raise GalvaeError(
            f"expected (C, H, W) with at most {MOST_CHANNELS} channels and {LARGEST_PICTURE} values, "
            f"received {shape}"
        )


@contextlib.contextmanager
def quiet_astropy():
    """Silences astropy's remarks on odd headers, but makes its remark on a truncated file an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message=".*truncated")
        yield
