"""Hubble ACS stamps of one band: an HDF5 file in the layout of vae-project, or the public COSMOS archive.

The HDF5 layout is an array of images and, in most files, one of redshifts.
"""

import logging

import h5py
import numpy as np

from galvae.data.area_average import area_average, check_size
from galvae.data.column_names import is_redshift
from galvae.data.readers import cosmos_archive
from galvae.data.readers.hdf5 import array, data_sets, open_hdf5
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.data.store.isolation import extend_time_limit
from galvae.errors import GalvaeError

BLOCK = 16_000_000  # bytes read at a time, as stored
PARTLY_BLANK = 0.05  # fraction of pixels that are exactly zero, which sky noise never is

log = logging.getLogger(__name__)


def fingerprint(config):
    """What determines the prepared arrays: the HDF5 file, or the archive if `dataset.path` is null, and settings."""
    if not config.path:
        return cosmos_archive.fingerprint(config)
    settings = {name: getattr(config, name) for name in ("images", "redshift", "image_size")}
    return {"file": file_identity(config.path), **settings}


def read(config):
    """Reads the HDF5 file, or the archive where `dataset.path` is null; the condition is the redshift."""
    return read_hdf5(config) if config.path else cosmos_archive.read(config)


def read_hdf5(config):
    """Opens the HDF5 file that `dataset.path` names, and finds its images, redshifts and constant stamps.

    The file is read twice, block by block: once to find the constant stamps, which are left out of every
    column, and once to hand over the others. Pixels keep their values, in float32; the published networks
    were trained on raw flux, so it is not rescaled.

    Args:
        config: StampsConfig with a path.

    Returns:
        Source whose condition is the redshift, NaN where it is negative or not finite.

    Raises:
        GalvaeError: if the file is missing, damaged or in another layout, or if all stamps are constant.
    """
    path = config.path
    with open_hdf5(path) as file:
        sets = data_sets(file)
        images = _find_images(file, sets, config.images)
        _, count, side = _layout(images)
        redshift = _find_redshift(file, sets, images, config.redshift, count)
        source = "no redshifts" if redshift is None else f"redshifts from {redshift.name[1:]!r}"
        log.info("%s: images from %r, %s", path, images.name[1:], source)
        used = _not_constant(images)
        others = [item for item in sets.values() if item.shape == (count,) and item != redshift]
        columns = {item.name[1:]: _values(item)[used] for item in others if _is_plain(item.dtype)}
        name, condition = images.name, None
        if redshift is not None:
            with np.errstate(over="ignore"):
                values = redshift[()].reshape(count)[used].astype(np.float32)
            known = np.isfinite(values) & (values >= 0)
            if not known.all():
                message = "%s: %d of %d redshifts are negative or not finite and count as unknown"
                log.info(message, path, np.sum(~known), len(known))
            columns["redshift"] = np.where(known, values, np.float32(np.nan))
            condition = columns["redshift"][:, None]
    size = config.image_size or side
    check_size(side, side, size)
    return Source(
        shape=(int(used.sum()), size, size, 1),
        dtype="float32",
        blocks=_averaged(path, name, used, size),
        pixel_range=(0, 1),
        condition=condition,
        condition_names=[] if condition is None else ["redshift"],
        condition_units=[] if condition is None else [""],
        catalogue={"id": np.flatnonzero(used), **columns},
    )


def _find_images(file, sets, name):
    """The data set of images: the one that `dataset.images` names, else the only one of 3 or 4 axes."""
    if name is not None:
        return _named(file, "images", name)
    candidates = [name for name, item in sets.items() if item.ndim in (3, 4)]
    if len(candidates) != 1:
        listed = ", ".join(f"{name} {item.shape}" for name, item in sets.items()) or "none"
        raise GalvaeError(
            f"dataset.images: {file.filename}: expected one data set of 3 or 4 axes, received {listed}; set "
            "dataset.images= to the name of the images"
        )
    return _named(file, "images", candidates[0])


def _find_redshift(file, sets, images, name, count):
    """The data set of redshifts, or None.

    It is the one that `dataset.redshift` names, else the only column of floats, else the only column of floats
    with a redshift's name; of several with such names, the one that is spelled out.
    """
    if name is None:
        name = _redshift_name(file, sets)
        if name is None:
            return None
    redshift = _named(file, "redshift", name)
    if redshift.shape not in ((count,), (count, 1)) or redshift.dtype.kind not in "fiu":
        raise GalvaeError(
            f"dataset.redshift: {file.filename}: expected {count} numbers in {name!r}, one for each stamp of "
            f"{images.name[1:]!r}, received shape {redshift.shape} of {redshift.dtype}"
        )
    return redshift


def _redshift_name(file, sets):
    columns = {name: item for name, item in sets.items() if item.ndim == 1 or item.shape[1:] == (1,)}
    floats = [name for name, item in columns.items() if item.dtype.kind == "f"]
    if len(floats) < 2:
        return floats[0] if floats else None
    named = [name for name in floats if is_redshift(name)]
    spelled_out = [name for name in named if name.lower().startswith("redshift")]
    for candidates in (named, spelled_out):
        if len(candidates) == 1:
            return candidates[0]
    message = "%s: no redshifts are used, since %s of %s has a redshift's name; dataset.redshift= selects one"
    log.warning(message, file.filename, "more than one" if named else "none", ", ".join(floats))
    return None


def _named(file, key, name):
    """The data set that a key of the configuration names."""
    try:
        return array(file, name)
    except GalvaeError as error:
        raise GalvaeError(f"dataset.{key}: {error}") from error


def _layout(images):
    """Axis along which stamps follow each other, their number and their side, of square one-band stamps.

    (N, H, W) and (H, W, N), with an axis of length 1 anywhere.
    """
    axes = list(range(images.ndim))
    if images.ndim == 4:
        single = [axis for axis in (3, 1, 2, 0) if images.shape[axis] == 1]
        axes.remove(single[0]) if single else axes.clear()
    if len(axes) == 3 and images.dtype.kind == "f" and images.size:
        first, second, third = (images.shape[axis] for axis in axes)
        if second == third:
            return axes[0], first, second
        if first == second:
            return axes[2], third, first
    raise GalvaeError(
        f"dataset.images: {images.file.filename}: expected square stamps of one band, (N, H, W), (N, H, W, 1) or "
        f"(N, 1, H, W) of floats, received {images.shape} of {images.dtype} in {images.name[1:]!r}"
    )


def _blocks(images):
    """Yields the stamps as (n, H, W, 1) float32, at most BLOCK bytes at a time."""
    axis, count, side = _layout(images)
    step = max(1, BLOCK * count // images.nbytes)
    for start in range(0, count, step):
        extend_time_limit()
        block = images[(slice(None),) * axis + (slice(start, start + step),)]
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, which the cache refuses
            yield np.moveaxis(block, axis, 0).reshape(-1, side, side, 1).astype(np.float32)


def _not_constant(images):
    """Marks the stamps that are not constant, (N,) bool; logs how many are, and how many are partly blank."""
    used, partly_blank = [], []
    for block in _blocks(images):
        used.append(block.min(axis=(1, 2, 3)) != block.max(axis=(1, 2, 3)))
        zero = block[..., 0] == 0
        blank_lines = zero.all(axis=1).any(axis=1) | zero.all(axis=2).any(axis=1)
        partly_blank.append(used[-1] & (blank_lines | (zero.mean(axis=(1, 2)) >= PARTLY_BLANK)))
    used, partly_blank = np.concatenate(used), np.concatenate(partly_blank)
    path, count = images.file.filename, len(used)
    if not used.any():
        raise GalvaeError(f"dataset.path: {path}: expected stamps with light, received {count} constant ones")
    if not used.all():
        log.warning("%s: %d of %d stamps are constant and left out", path, np.sum(~used), count)
    if partly_blank.any():
        log.info("%s: %d of %d stamps are partly blank, and used", path, np.sum(partly_blank), count)
    return used


def _is_plain(dtype):
    """Whether a column holds numbers or text."""
    return dtype.kind in "biuf" or h5py.check_string_dtype(dtype) is not None


def _values(item):
    """The values of a column of numbers or text, in the byte order of this machine."""
    array(item.file, item.name)  # refuses a data set that declares more than it stores
    if h5py.check_string_dtype(item.dtype):
        return item.asstr("utf-8", "replace")[()].astype(str)
    return item[()].astype(item.dtype.newbyteorder("="))


def _averaged(path, name, used, size):
    """Yields the stamps that are used, brought to `size`, block by block."""
    with open_hdf5(path) as file:
        start = 0
        for block in _blocks(array(file, name)):
            block_used = used[start : start + len(block)]
            start += len(block)
            if block_used.any():
                yield area_average(block[block_used], size)
