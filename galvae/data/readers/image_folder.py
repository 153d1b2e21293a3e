"""A folder of PNG, JPEG or FITS images, each read when it is needed."""

import hashlib
import math
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from galvae.data.readers.fits import open_hdus
from galvae.errors import GalvaeError, line_of

FITS = (".fits.gz", ".fits.fz", ".fits", ".fit")
ENDINGS = (".png", ".jpg", ".jpeg", *FITS)
# To which of Pillow's modes an image is converted; others, such as CMYK, have no plain meaning as intensities.
MODES = {"1": "L", "L": "L", "LA": "L", "P": "RGB", "PA": "RGB", "RGB": "RGB", "RGBA": "RGB", "I;16": "I;16"}
MOST_CHANNELS = 16
LARGEST_IMAGE = 100_000_000  # values; a small compressed file can declare far more


class ImageFolder:
    """The images of a folder in the order of their file names, read when sliced.

    Args:
        folder: path.
        image_size: side in pixels to which the caller will bring each image, or None.

    Attributes:
        names: file names relative to the folder, with `/` after each sub-folder.
        shape: (N, H, W, C) with the size of the first image, which all must have unless `image_size` is given.
        dtype: type of all pixels.

    Raises:
        GalvaeError: if there is no image, or the first cannot be read.
    """

    def __init__(self, folder, image_size):
        self.folder, self.image_size, self.names = Path(folder), image_size, image_names(folder)
        if not self.names:
            raise GalvaeError(
                f"dataset.path: {folder}: expected files ending in {' '.join(ENDINGS)}, received none"
            )
        first = read_image(self.folder / self.names[0])
        self.shape, self.dtype = (len(self.names), *first.shape), first.dtype

    def __len__(self):
        return len(self.names)

    def __getitem__(self, rows):
        return np.stack([self._read_like_first(self.folder / name) for name in self.names[rows]])

    def _read_like_first(self, path):
        """Reads an image, which must have the size and type of the first one."""
        image = read_image(path)
        free = 0 if self.image_size is None else 2  # axes whose lengths may differ
        if (image.shape[free:], image.dtype) != (self.shape[1 + free :], self.dtype):
            raise GalvaeError(
                f"dataset.path: {path}: expected {self.shape[1:]} {self.dtype} as in {self.names[0]}, "
                f"received {image.shape} {image.dtype}; with dataset.image_size=, sizes may differ"
            )
        height, width = image.shape[:2]
        if self.image_size is not None and (height != width or height < self.image_size):
            raise GalvaeError(
                f"dataset.image_size: {path}: expected a square of at least {self.image_size} pixels, "
                f"received {height}x{width}"
            )
        return image

    def sub_folders(self):
        """Name of the first-level sub-folder of each image, (N,).

        Raises:
            GalvaeError: if an image is in none.
        """
        for name in self.names:
            if "/" not in name:
                raise GalvaeError(
                    f"dataset.labels: expected each image in a sub-folder of {self.folder}, received {name}"
                )
        return np.array([name.split("/")[0] for name in self.names])

    def match(self, rows):
        """Finds the one row of a table that names each image.

        Args:
            rows: file names in the order of the table, with or without sub-folder and extension.

        Returns:
            (N,) row indices.

        Raises:
            GalvaeError: if an image has no row or several, or two images share one.
        """
        indices, owners = {}, {}
        for index, row in enumerate(rows):
            indices.setdefault(str(row), []).append(index)
        for name in self.names:
            base = name.split("/")[-1]
            length = next(len(ending) for ending in ENDINGS if name.lower().endswith(ending))
            spellings = {name, base, name[:-length], base[:-length]}
            matches = [index for spelling in spellings for index in indices.get(spelling, [])]
            if len(matches) != 1:
                raise GalvaeError(
                    f"dataset.ids: expected one row for {name}, received {len(matches) or 'none'}"
                )
            owner = owners.setdefault(matches[0], name)
            if owner != name:
                raise GalvaeError(
                    f"dataset.ids: expected one image for {rows[matches[0]]}, received {owner} and {name}"
                )
        return np.array(list(owners))


def image_names(folder):
    """Sorted names of the image files in a folder and its sub-folders, relative to it.

    Raises:
        GalvaeError: if a folder cannot be read.
    """

    def refuse(error):
        raise GalvaeError(
            f"dataset.path: {error.filename}: {error.strerror}; expected a readable folder"
        ) from error

    names = []
    for path, folders, files in os.walk(folder, onerror=refuse):
        # Hidden files are not the user's: macOS, Jupyter and others leave previews and the like.
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(path).relative_to(folder).as_posix()
        names += [
            name if below == "." else f"{below}/{name}"
            for name in files
            if name.lower().endswith(ENDINGS) and not name.startswith(".")
        ]
    return sorted(names)


def folder_identity(folder):
    """Identifies one state of a folder by a digest of its images' names, sizes and times of last change.

    Raises:
        GalvaeError: if the folder or an image cannot be read.
    """
    digest = hashlib.sha256()
    for name in image_names(folder):
        try:
            status = os.stat(os.path.join(folder, name))
        except OSError as error:
            raise GalvaeError(f"dataset.path: {name}: {error.strerror}; expected a readable file") from error
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise GalvaeError(f"dataset.path: {name}: expected a file, received a folder, a pipe or a device")
        digest.update(os.fsencode(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\0"))
    return {"path": str(folder), "pictures": digest.hexdigest()}  # caches of galvae 0.1 have this key


def read_image(path):
    """The pixels of a PNG, JPEG or FITS file, upright.

    Args:
        path: the file; its extension says whether it is FITS.

    Returns:
        (H, W, C): uint8 or, from 16-bit PNG, uint16; from FITS any type of numbers.

    Raises:
        GalvaeError: if the file is damaged, or holds anything but one opaque image in greyscale or RGB.
    """
    try:
        pixels = _read_fits(path) if str(path).lower().endswith(FITS) else _read_png_or_jpeg(path)
    except GalvaeError as error:
        raise GalvaeError(f"dataset.path: {path}: {error}") from error
    except Exception as error:  # decoders raise exceptions of many types on damaged files
        raise GalvaeError(
            f"dataset.path: {path}: expected a whole PNG, JPEG or FITS file, received a damaged one "
            f"({line_of(error)})"
        ) from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _read_png_or_jpeg(path):
    """The pixels of a PNG or JPEG file as (H, W) or (H, W, C)."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow only warns about damaged EXIF and decompression bombs
        header = file.read(25)
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            _check_size((1, image.height, image.width))
            if getattr(image, "n_frames", 1) > 1:
                raise GalvaeError(f"expected one image, received {image.n_frames} (an animation)")
            if image.mode not in MODES:
                raise GalvaeError(f"expected greyscale or RGB, received {image.mode}; convert it to RGB")
            # Byte 24 of a PNG is its bits per channel; Pillow drops half of 16 from colour images.
            if image.format == "PNG" and header[24] == 16 and image.mode != "I;16":
                raise GalvaeError("expected 8 bits per colour, received 16; save it as FITS or HDF5")
            mode, image = MODES[image.mode], ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                if image.getextrema()[3][0] < 255:
                    raise GalvaeError("expected opaque pixels, received transparent ones; flatten it")
            return np.array(image if image.mode == mode else image.convert(mode))


def _read_fits(path):
    """The pixels of the first image in a FITS file as (H, W) or (H, W, C), in the byte order of this machine."""
    with open_hdus(path) as hdus:
        for hdu in hdus:
            # Units that are no images may have no shape.
            if not hdu.is_image or len(getattr(hdu, "shape", ())) not in (2, 3):
                continue
            _check_size((1, *hdu.shape)[-3:])
            pixels = hdu.data.astype(hdu.data.dtype.newbyteorder("="))
            return pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, 2)
    raise GalvaeError("expected an image of shape (H, W) or (C, H, W), received none")


def _check_size(shape):
    """Refuses images (C, H, W) that are empty or too large to be read."""
    if not 0 < math.prod(shape) <= LARGEST_IMAGE or shape[0] > MOST_CHANNELS:
        raise GalvaeError(
            f"expected (C, H, W) with at most {MOST_CHANNELS} channels and {LARGEST_IMAGE} values, "
            f"received {shape}"
        )
