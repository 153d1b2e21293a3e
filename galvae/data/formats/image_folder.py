"""Folders of PNG, JPEG, WebP, TIFF or FITS images, each file read when it is needed."""

import collections
import os

import numpy as np

from galvae.data.formats.band_patterns import refuse_one_file_per_band
from galvae.data.formats.fits import read_fits_image
from galvae.data.formats.folder_listing import ENDINGS, FITS, ending, list_folder, named, stem
from galvae.data.formats.image_files import read_image_file
from galvae.data.formats.opened import Opened
from galvae.errors import GalvaeError


def open_folder(config):
    """The images of a folder with one file per galaxy, in the order of their names.

    Args:
        config: FilesConfig, of which `path`, `image_size`, `hdu`, `axes`, `row_0`, `mask`, `mask_where`, `table` and
            `ids`, of which the last two may name files that are no images, are used.

    Returns:
        Opened, whose images are ImageFiles.

    Raises:
        GalvaeError: if there is no image, if the first cannot be read, or if the names allow two readings.
    """
    listing = list_images(config)
    names = listing.names
    _refuse_kinds(config.path, names)
    refuse_one_file_per_band(config.path, names)
    return opened_files(config, names, [(name,) for name in names], listing.warnings())


def list_images(config):
    """The Listing of the folder that `dataset.path` names, without files that other keys name.

    Raises:
        GalvaeError: if it holds no image.
    """
    listing = list_folder(config.path, [path for path in (config.table, config.ids) if path is not None])
    if not listing.names:
        received = "; ".join(listing.warnings()) or "none"
        raise GalvaeError(
            f"dataset.path: {config.path}: expected files ending in {' '.join(ENDINGS)}, received {received}"
        )
    return listing


def opened_files(config, names, files, warnings, band_names=()):
    """What galaxies give of which each is stored in one file, or in one for each band.

    Args:
        config: FilesConfig, see `open_folder`.
        names: N names of galaxies.
        files: N tuples of names of files, relative to the folder.
        warnings: sentences about files that are not read.
        band_names: names of the bands, if each has a file of its own.

    Returns:
        Opened.
    """
    images = ImageFiles(config, files)
    if not band_names and isinstance(config.hdu, list | tuple):
        band_names = [str(name) for name in config.hdu]
    notes = ["the image of each file" if images.what is None else f"{images.what} of each file"]
    if config.row_0 is not None:
        notes.append(f"drawn with row 0 at the {config.row_0}, as dataset.row_0 asks for")
    elif images.is_flipped:
        notes.append("drawn with row 0 at the bottom (north up)")
    return Opened(
        images=images,
        names=np.array(names),
        band_names=list(band_names),
        bottom_up=images.is_flipped,
        origin=lambda number: names[number],
        notes=[", ".join(notes)],
        warnings=warnings,
    )


class ImageFiles:
    """Images in files, read when sliced, and drawn with the last row at the bottom.

    Args:
        config: FilesConfig, see `open_folder`.
        files: N tuples of names of files, relative to the folder: one with the image of a galaxy, or one for each band.

    Attributes:
        shape: (N, H, W, C) with the size of the first image, which all must have unless `dataset.image_size` is given.
        dtype: type of all pixels.
        is_flipped: whether files have the lowest row first.
        what: what is read of each file, in words, or None.

    Raises:
        GalvaeError: if the first image cannot be read, or if keys are given that do not suit the files.
    """

    def __init__(self, config, files):
        self.config, self.files, self.folder = config, files, os.fspath(config.path)
        self.is_fits = files[0][0].lower().endswith(FITS)
        self.is_flipped = config.row_0 == "bottom" or (self.is_fits and config.row_0 is None)
        for key in ("hdu", "mask"):
            if getattr(config, key) is not None and not self.is_fits:
                raise GalvaeError(
                    f"dataset.{key}: expected null for files that are not FITS, as {files[0][0]}"
                )
        if len(files[0]) > 1 and isinstance(config.hdu, list | tuple):
            raise GalvaeError(
                "dataset.hdu: expected one extension, since each band has a file, received several"
            )
        self.shape = self.dtype = self.shape_of_file = self.what = None
        first, aside = self._read(files[0])
        self.shape, self.dtype = (len(files), *first.shape), first.dtype
        self.has_masks = aside is not None

    def __len__(self):
        return len(self.files)

    def __getitem__(self, rows):
        return self.with_masks(rows)[0]

    def with_masks(self, rows):
        """Images and the pixels that their masks set aside, each file read once.

        Args:
            rows: slice.

        Returns:
            images: (n, H, W, C).
            aside: (n, H, W, 1 or C) bool, or None without `dataset.mask`.
        """
        images, asides = zip(*(self._read(files) for files in self.files[rows]), strict=True)
        return np.stack(images), np.stack(asides) if self.has_masks else None

    def _read(self, files):
        """(image, aside) of a galaxy, which must have the bands and type of the first one."""
        bands = [self._read_file(name) for name in files]
        first, size = bands[0][0], self.config.image_size
        if self.shape is not None:
            self._compare(files[0], first, self.files[0][0], self.shape_of_file, self.dtype, size is not None)
        for name, (pixels, _) in zip(files[1:], bands[1:], strict=True):
            self._compare(name, pixels, files[0], first.shape, first.dtype, False)
        height, width = first.shape[:2]
        if size is not None and (height != width or height < size):
            raise GalvaeError(
                f"dataset.image_size: {os.path.join(self.folder, files[0])}: expected a square of at least {size} "
                f"pixels, received {height}x{width}"
            )
        if self.shape is None:
            self.shape_of_file = first.shape
        if len(bands) == 1:
            return bands[0]
        asides = None if bands[0][1] is None else np.concatenate([aside for _, aside in bands], axis=2)
        return np.concatenate([pixels for pixels, _ in bands], axis=2), asides

    def _read_file(self, name):
        """(image, aside) of a file, both (H, W, C), or None for aside."""
        path, config, aside = os.path.join(self.folder, name), self.config, None
        if self.is_fits:
            pixels, aside, what = read_fits_image(
                path, config.hdu, config.axes, config.mask, config.mask_where
            )
            self.what = self.what or what
            if what != self.what:
                raise GalvaeError(
                    f"dataset.hdu: {path}: expected {self.what} as in {self.files[0][0]}, received {what}; set "
                    "dataset.hdu= to the extension of all"
                )
        else:
            pixels = read_image_file(path, config.axes)
        aside = None if aside is None else np.broadcast_to(aside, pixels.shape)
        if self.is_flipped:
            pixels, aside = pixels[::-1], None if aside is None else aside[::-1]
        return pixels, aside

    def _compare(self, name, pixels, first, shape, dtype, sizes_may_differ):
        """Refuses a file whose pixels differ from those of another one in type, bands or size."""
        expected = received = hint = ""
        if pixels.dtype != dtype:
            expected, received = f"{dtype} pixels", f"{pixels.dtype}"
        elif pixels.shape[2] != shape[2]:
            expected, received = f"{shape[2]} band{'s' * (shape[2] > 1)}", f"{pixels.shape[2]}"
        elif pixels.shape != shape and not sizes_may_differ:
            expected, received = f"{shape[0]}x{shape[1]} pixels", f"{pixels.shape[0]}x{pixels.shape[1]}"
            square = pixels.shape[0] == pixels.shape[1] and shape[0] == shape[1]
            hint = (
                "; with dataset.image_size=, sizes may differ" if square and len(self.files[0]) == 1 else ""
            )
        if expected:
            raise GalvaeError(
                f"dataset.path: {os.path.join(self.folder, name)}: expected {expected} as in {first}, received "
                f"{received}{hint}"
            )


def _refuse_kinds(folder, names):
    """Refuses folders of FITS files and other images, or with a name that has two endings: one galaxy may be both."""
    kinds = collections.Counter("FITS" if name.lower().endswith(FITS) else "other" for name in names)
    if len(kinds) > 1:
        counts = collections.Counter(map(ending, names))
        listed = ", ".join(f"{count:,} {end}" for end, count in sorted(counts.items()))
        raise GalvaeError(
            f"dataset.path: {folder}: expected images of one kind, FITS or others, received {listed}; "
            f"dataset.band_files='{{id}}{max(counts, key=counts.get)}' reads those alone"
        )
    stems = {}
    for name in names:
        other = stems.setdefault(stem(name), name)
        if other != name:
            raise GalvaeError(
                f"dataset.path: {folder}: expected one file per galaxy, received {named([other, name])}; "
                f"dataset.band_files='{{id}}{ending(name)}' reads those alone"
            )
