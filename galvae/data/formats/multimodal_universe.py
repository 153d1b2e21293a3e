"""HDF5 files in the layout of the Multimodal Universe: `image_array` with a name for each band.

Reference:
    The Multimodal Universe Collaboration 2024, arXiv:2412.02527; files `healpix=1234/001-of-001.hdf5`.
"""

import os

import h5py
import numpy as np

from galvae.data.formats.axes import MOST_BANDS, ImageStack
from galvae.data.formats.hdf5 import array
from galvae.data.formats.opened import Aside, Opened
from galvae.errors import GalvaeError

IMAGES, BANDS = "image_array", "image_band"
BLOCK = 100_000  # rows whose names of bands are compared at a time


def is_layout(arrays):
    """Whether an HDF5 file's data sets, name -> data set, are in this layout."""
    return IMAGES in arrays and BANDS in arrays and len(arrays[IMAGES].shape) == 4


def open_layout(path, arrays, config):
    """The images, bands and masks of a file, whose axes are known; columns are left to the caller.

    Args:
        path: the file, for messages.
        arrays: name -> h5py data set.
        config: FilesConfig, of which `mask` names the masks ("mask", "ivar", or the name of their data set), and
            `mask_where` says which of their values set pixels aside.

    Returns:
        Opened without columns.

    Raises:
        GalvaeError: if the number or the names of bands do not agree, or the masks are missing or of another shape.
    """
    images = array(arrays[IMAGES].file, IMAGES)
    count, bands = images.shape[:2]
    if 0 in images.shape or bands > MOST_BANDS or images.dtype.kind not in "iuf":
        raise GalvaeError(
            f"dataset.path: {path}: expected numbers of shape (N, bands, H, W) in {IMAGES!r} with 1 to {MOST_BANDS} "
            f"bands, received {images.shape} of {images.dtype}"
        )
    stack, base = ImageStack(images, "NCHW", path), os.path.basename(path)
    names = _band_names(path, arrays[BANDS], count, bands)
    masks = (
        None if config.mask is None else Aside(_masks(path, arrays, config.mask, stack), config.mask_where)
    )
    return Opened(
        images=stack,
        band_names=names,
        masks=masks,
        origin=lambda number: f"row {number} of {base}",
        notes=[
            f"images from {IMAGES!r} of {base}, in the layout of the Multimodal Universe: bands {', '.join(names)}"
        ],
    )


def _band_names(path, item, count, bands):
    """The names of the bands, which must be the same for all images: one list, or one for each image."""
    item = array(item.file, BANDS)
    is_text = h5py.check_string_dtype(item.dtype) is not None
    if not is_text or item.shape not in ((bands,), (count, bands)):
        raise GalvaeError(
            f"dataset.path: {path}: expected {bands} names for each of {count} images in {BANDS!r}, received "
            f"{item.shape} of {item.dtype}"
        )
    text = item.asstr("utf-8", "replace")
    if item.ndim == 1:
        names = text[()].tolist()
    else:
        names = text[0].tolist()
        for start in range(0, count, BLOCK):
            wrong = (text[start : start + BLOCK] != names).any(axis=1)
            if wrong.any():
                row = start + int(np.argmax(wrong))
                raise GalvaeError(
                    f"dataset.path: row {row} of {path}: expected the bands of row 0, {', '.join(names)}, received "
                    f"{', '.join(text[row])}"
                )
    names = [name.strip("\0 ") for name in names]
    if len(set(names)) < bands:
        raise GalvaeError(
            f"dataset.path: {path}: expected different names of bands, received {', '.join(names)}"
        )
    return names


def _masks(path, arrays, mask, stack):
    """The stack of masks or inverse variances that `dataset.mask` names."""
    name = mask if mask in arrays else f"image_{mask.removeprefix('image.')}"
    if name not in arrays or arrays[name].shape != arrays[IMAGES].shape:
        listed = ", ".join(f"{other} {item.shape}" for other, item in arrays.items() if len(item.shape) == 4)
        raise GalvaeError(
            f"dataset.mask: {path}: expected a data set of the shape of {IMAGES!r} ({listed}), received {mask!r}"
        )
    return ImageStack(array(arrays[name].file, name), "NCHW", arrays[name].file.filename)
