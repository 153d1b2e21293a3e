"""Reader of Galaxy10, colour images of galaxies in ten classes: 17,736 from DECaLS, or 21,785 from SDSS."""

import contextlib
import functools
import os
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import h5py
import numpy as np

from galvae.data.area_average import area_average, check_size
from galvae.data.column_names import IDS, is_named
from galvae.data.formats.hdf5 import array, blocks, column, data_sets, open_hdf5
from galvae.data.formats.opened import Opened, ids_column
from galvae.data.formats.parquet import open_parquet
from galvae.data.formats.shards import concatenated, expand, identity
from galvae.data.plain_columns import plain
from galvae.data.source import Source
from galvae.data.tables.table_formats import PARQUET
from galvae.errors import GalvaeError
from galvae.system.cache_folder import cache_folder

# Of DECaLS, as in the documentation of Galaxy10; the list in astroNN's code has another name for class 3.
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
SDSS_CLASS_NAMES = [
    "Disk, Face-on, No Spiral",
    "Smooth, Completely round",
    "Smooth, in-between round",
    "Smooth, Cigar shaped",
    "Disk, Edge-on, Rounded Bulge",
    "Disk, Edge-on, Boxy Bulge",
    "Disk, Edge-on, No Bulge",
    "Disk, Face-on, Tight Spiral",
    "Disk, Face-on, Medium Spiral",
    "Disk, Face-on, Loose Spiral",
]


class Survey(NamedTuple):
    """One of the two datasets called Galaxy10.

    Attributes:
        name: of the survey.
        side: of the images, in pixels.
        count: number of images.
        class_names: names of classes 0 to 9.
    """

    name: str
    side: int
    count: int
    class_names: list[str]


DECALS = Survey("DECaLS", 256, 17_736, CLASS_NAMES)
SDSS = Survey("SDSS", 69, 21_785, SDSS_CLASS_NAMES)
DECALS_COLUMNS = ("redshift", "pxscale", "rgb_pixel_scale")  # which the file of SDSS does not have
LABELS = ("ans", "gz10_label", "label")
# Columns of the catalogue, by their names in HDF5 and in the Multimodal Universe's Parquet files.
COLUMNS = {
    "ra": "ra",
    "dec": "dec",
    "redshift": "redshift",
    "pxscale": "pxscale",
    "rgb_pixel_scale": "pxscale",
}
UNITS = {"ra": "deg", "dec": "deg", "pxscale": "arcsec / pix"}
SHA256 = "19aefc477c41bb7f77ff07599a6b82a038dc042f889a111b0d4d98bb755c1571"
FILE_NAME = "Galaxy10_DECals.h5"
# Copied from astroNN, whose import takes 8 s, loads TensorFlow on any backend, prints, and writes to the user's
# home; a test compares them, and SHA256, with astroNN's source.
ASTRONN_ORIGIN = "https://www.astro.utoronto.ca/~hleung/shared/Galaxy10/"
MIRROR = "https://zenodo.org/records/10845026/files/"
ASTRONN_FOLDER = "~/.astroNN/datasets"  # where users of astroNN already have the file
BLOCK = 128  # images read at a time: 25 MB of 256 x 256 x 3


def fingerprint(config):
    """What determines the prepared arrays: the source file and the size to which its images are reduced."""
    return {"file": identity(expand(str(locate(config)))), "image_size": config.image_size}


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

    return download(
        ASTRONN_ORIGIN + FILE_NAME, cache / FILE_NAME, sha256=SHA256, mirrors=[MIRROR + FILE_NAME]
    )


def read(config):
    """Opens the file, whose images are area-averaged block by block; the condition is the redshift, NaN if unknown.

    Raises:
        GalvaeError: if the file is missing, damaged or not in Galaxy10's layout, or if its classes may be those of
            DECaLS or of SDSS.

    Reference:
        Leung & Bovy, astroNN's documentation of Galaxy10 DECaLS (images of the DESI Legacy Imaging Surveys,
        labels of Galaxy Zoo DECaLS, Walmsley et al. 2022, arXiv:2102.08414) and of Galaxy10 SDSS (labels of Galaxy
        Zoo 2).
    """
    path = locate(config)
    with _open(path) as opened:
        images, columns, origin, notes = opened.images, opened.columns, opened.origin, opened.notes
        if len(images.shape) != 4 or images.shape[-1] != 3 or images.dtype != np.uint8 or not len(images):
            raise GalvaeError(
                f"{path}: expected square images of shape (N, H, W, 3) and type uint8, received {images.shape} "
                f"{images.dtype}"
            )
        count, stored_side = len(images), images.shape[1]
        side = config.image_size or stored_side
        check_size(*images.shape[1:3], side)
        labels, label_column = _labels(path, columns)
        survey = _survey(path, images.shape[1], count, columns)
        stored = opened.class_names.get(label_column)
    class_names = survey.class_names if stored is None else stored
    wrong = (labels < -1) | (labels >= len(class_names))
    if wrong.any() or (labels < 0).all():
        index = int(np.argmax(wrong))
        raise GalvaeError(
            f"{path}: expected classes 0 to {len(class_names) - 1}, or -1 for unlabelled, received {labels[index]} for "
            f"{origin(index)}"
        )
    catalogue = {new: columns[name] for name, new in COLUMNS.items() if name in columns}
    id_name, ids = ids_column(columns)
    redshift = catalogue.get("redshift")
    return Source(
        shape=(count, side, side, 3),
        dtype="uint8",
        blocks=_averaged(path, side),
        stored_side=stored_side,
        pixel_range=(0, 255),
        labels=labels,
        class_names=class_names,
        condition=None if redshift is None else redshift.astype(np.float32)[:, None],
        condition_names=[] if redshift is None else ["redshift"],
        condition_units=[] if redshift is None else [""],
        catalogue={"id": np.arange(count) if ids is None else ids, **catalogue},
        ids_are_rows=ids is None,
        catalogue_units={name: unit for name, unit in UNITS.items() if name in catalogue},
        origin=origin,
        notes=[
            *notes,
            f"classes of {label_column!r} named "
            + (f"as in Galaxy10 {survey.name}" if stored is None else "as the file says"),
            *([] if ids is None else [f"ids from {id_name!r}"]),
        ],
    )


@contextlib.contextmanager
def _open(path):
    """The images and columns of an HDF5 file, or of Parquet files."""
    files = expand(str(path))
    if all(file.lower().endswith(PARQUET) for file in files):
        keys = {"images": None, "mask": None, "mask_where": "nonzero", "image_size": None}
        with concatenated(files, functools.partial(open_parquet, config=SimpleNamespace(**keys))) as opened:
            yield opened
        return
    if len(files) > 1:
        raise GalvaeError(
            f"dataset.path: {path}: expected one HDF5 file, or Parquet files, received {len(files)} files"
        )
    with open_hdf5(files[0]) as file:
        images, base = array(file, "images"), os.path.basename(files[0])
        columns = {
            name: column(file, name, len(images))
            for name in ("ans", *COLUMNS)
            if name in file or name == "ans"
        }
        for name, item in data_sets(file).items():
            if is_named(name, IDS) and item.shape == (len(images),):
                array(file, name)  # refuses a data set that declares more than it stores
                values = (
                    item.asstr("utf-8", "replace")[()] if h5py.check_string_dtype(item.dtype) else item[()]
                )
                columns[name] = plain(values)
        yield Opened(
            images=images,
            columns={name: values for name, values in columns.items() if values is not None},
            origin=lambda number: f"row {number} of {base}",
        )


def _labels(path, columns):
    """The column of labels, which must be integers, and its name."""
    name = next((name for name in LABELS if name in columns), None)
    if name is None:
        raise GalvaeError(
            f"{path}: expected a column of labels named {' or '.join(LABELS)}, received {', '.join(columns)}"
        )
    values = columns[name]
    if values.dtype.kind not in "iu":
        raise GalvaeError(
            f"{path}: expected integers from 0 to 9 as labels in {name!r}, received {values.dtype}"
        )
    return values.astype(np.int64), name


def _survey(path, side, count, columns):
    """The survey whose class names the labels have, by the shape of the images, else by what is beside them.

    Raises:
        GalvaeError: if that does not tell, or says both.
    """
    candidates = [survey for survey in (DECALS, SDSS) if side == survey.side or count == survey.count]
    if not candidates and any(name in columns for name in DECALS_COLUMNS):
        candidates = [DECALS]
    if len(candidates) != 1:
        raise GalvaeError(
            f"{path}: expected images of 256 pixels, from DECaLS, or of 69, from SDSS, whose classes differ, received "
            f"{count:,} of {side}; read them with dataset=files dataset.labels=ans dataset.class_names=[...]"
        )
    return candidates[0]


def _averaged(path, side):
    """Yields the images, brought to (side, side), block by block."""
    with _open(path) as opened:
        for block in blocks(opened.images, BLOCK):
            yield area_average(block, side)
