"""Reader of Galaxy10 DECaLS: 17,736 colour images of galaxies in ten morphological classes."""

from pathlib import Path

import numpy as np

from galvae.data.area_average import area_average
from galvae.data.readers.hdf5 import array, blocks, column, open_hdf5
from galvae.data.source import Source
from galvae.data.store.cache import cache_folder, file_identity
from galvae.errors import GalvaeError

# As in the documentation of Galaxy10; the list in astroNN's code has another name for class 3.
CLASS_NAMES = [
    "Disturbed",
    "Merging",
    "Round Smooth",
    "In-between Round Smooth",
    "Cigar Shaped Smooth",
    "Barred Spiral",
    "Unbarred Tight Spiral",
    "Unbarred Loose Spiral",
    "Edge-on without Bulge",
    "Edge-on with Bulge",
]
SHA256 = "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571"
FILE_NAME = "Galaxy10_DECals.h5"
# Copied from astroNN, whose import takes 8 s, loads TensorFlow on any backend, prints, and writes to the user's
# home; a test compares them, and SHA256, with astroNN's source.
ASTRONN_ORIGIN = "https://www.astro.utoronto.ca/~hleung/shared/Galaxy10/"
ASTRONN_FOLDER = "~/.astroNN/datasets"  # where users of astroNN already have the file
BLOCK = 128  # images read at a time: 25 MB of 256 x 256 x 3


def fingerprint(config):
    """What determines the prepared arrays: the source file and the size to which its images are reduced."""
    return {"file": file_identity(locate(config)), "image_size": config.image_size}


def locate(config):
    """Path of the file: `dataset.path`, else a copy in our cache or in astroNN's, else a download to our cache.

    Raises:
        CannotBeDone: if the download fails.
    """
    if config.path is not None:
        return Path(config.path)
    cache = cache_folder(config.cache_dir)
    for folder in (cache, Path(ASTRONN_FOLDER).expanduser()):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    from galvae.data.store.download import download  # imports requests and pooch

    return download(ASTRONN_ORIGIN + FILE_NAME, cache / FILE_NAME, sha256=SHA256)


def read(config):
    """Opens the file, whose images are area-averaged block by block; the condition is the redshift, NaN if unknown.

    Raises:
        GalvaeError: if the file is missing, damaged or not in Galaxy10's layout.

    Reference:
        Leung & Bovy, astroNN's documentation of Galaxy10 DECaLS (images of the DESI Legacy Imaging Surveys,
        labels of Galaxy Zoo DECaLS, Walmsley et al. 2022, arXiv:2102.08414).
    """
    path = locate(config)
    with open_hdf5(path) as file:
        images = array(file, "images")
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
            raise GalvaeError(
                f"{path}: expected images of shape (N, 256, 256, 3) and type uint8, received {images.shape} "
                f"{images.dtype}"
            )
        count, side = len(images), config.image_size or images.shape[1]
        labels = column(file, "ans", count).astype(np.int64)
        if labels.min() < 0 or labels.max() >= len(CLASS_NAMES):
            raise GalvaeError(
                f"{path}: expected classes 0 to {len(CLASS_NAMES) - 1}, received {labels.min()} to {labels.max()}"
            )
        catalogue = {
            name: column(file, name, count) for name in ("ra", "dec", "redshift", "pxscale") if name in file
        }
        shape = (count, *area_average(images[:1], side).shape[1:])
    redshift = catalogue.get("redshift")
    return Source(
        shape=shape,
        dtype="uint8",
        blocks=_averaged(path, side),
        pixel_range=(0, 255),
        labels=labels,
        class_names=CLASS_NAMES,
        condition=None if redshift is None else redshift.astype(np.float32)[:, None],
        condition_names=[] if redshift is None else ["redshift"],
        condition_units=[] if redshift is None else [""],
        catalogue={"id": np.arange(count), **catalogue},
        catalogue_units={"ra": "deg", "dec": "deg", "pxscale": "arcsec / pix"},
    )


def _averaged(path, side):
    """Yields the images, brought to (side, side), block by block."""
    with open_hdf5(path) as file:
        for block in blocks(array(file, "images"), BLOCK):
            yield area_average(block, side)
