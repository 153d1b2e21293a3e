"""Hubble ACS stamps of one band: an HDF5 file in vae-project's layout, or the public COSMOS archive.

The HDF5 layout is an array of images and, mostly, one of redshifts.
"""

import logging

import h5py
import numpy as np

from galvae.data.area_average import area_average
from galvae.data.readers import cosmos_archive
from galvae.data.readers.hdf5 import array, data_sets, open_hdf5
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.data.store.isolation import alive
from galvae.errors import GalvaeError

# Limiting magnitude of the archive's sample and side of its stamps in pixels, by the name of the dataset.
ARCHIVES = {"hst": ("23.5", 128), "cosmos": ("25.2", 158)}
BLOCK = 16_000_000  # bytes read at a time, as stored
PARTLY_BLANK = 0.05  # share of pixels that are exactly zero, which sky noise never is
REDSHIFT_NAMES = ("redshift", "redshifts", "z", "zphot", "zspec")  # tell it from other arrays of numbers

log = logging.getLogger(__name__)


def fingerprint(config):
    """The file that `dataset.path` names, else the archive, and the settings that change the arrays."""
    if not config.path:
        return cosmos_archive.fingerprint(config, *ARCHIVES[config.name])
    settings = {name: getattr(config, name) for name in ("images", "redshift", "image_size")}
    return {"file": file_identity(config.path), **settings}


def read(config):
    """Reads the file that `dataset.path` names, else the archive; redshift is the condition."""
    return read_hdf5(config) if config.path else cosmos_archive.read(config, *ARCHIVES[config.name])


def read_hdf5(config):
    """Opens the file and finds its images, its redshifts and the stamps that hold nothing.

    The file is read twice, block by block: once to find the stamps that are constant, which are left out of
    every column, and once to hand over the others. Pixels keep their values, in float32; raw flux was what
    the published networks were fed with, so the stored 0 and 1 are the network's.

    Args:
        config: StampsConfig with a path.

    Returns:
        Source whose condition is the redshift, NaN where it is negative or not finite.

    Raises:
        GalvaeError: if the file is missing, damaged or not in the layout, or no stamp holds light.
    """
    path = config.path
    with open_hdf5(path) as file:
        sets = data_sets(file)
        images = _find_images(file, sets, config.images)
        _, count, side = _layout(images)
        redshift = _find_redshift(file, sets, images, config.redshift, count)
        found = "no redshifts" if redshift is None else f"redshifts from {redshift.name[1:]!r}"
        log.info("%s: images from %r, %s", path, images.name[1:], found)
        kept = _kept(images)
        others = [item for item in sets.values() if item.shape == (count,) and item != redshift]
        columns = {item.name[1:]: _values(item)[kept] for item in others if _is_plain(item.dtype)}
        name, condition = images.name, None
        if redshift is not None:
            with np.errstate(over="ignore"):
                values = redshift[()].reshape(count)[kept].astype(np.float32)
            known = np.isfinite(values) & (values >= 0)
            if not known.all():
                log.info("%s: %d of %d redshifts are negative or not finite: unknown", path, *_share(~known))
            columns["redshift"] = np.where(known, values, np.float32(np.nan))
            condition = columns["redshift"][:, None]
    size = config.image_size or side
    area_average(np.zeros((1, side, side, 1), np.float32), size)  # refuses a size before anything is written
    return Source(
        shape=(int(kept.sum()), size, size, 1),
        dtype="float32",
        blocks=_averaged(path, name, kept, size),
        pixel_range=(0, 1),
        condition=condition,
        condition_names=[] if condition is None else ["redshift"],
        condition_units=[] if condition is None else [""],
        catalogue={"id": np.flatnonzero(kept), **columns},
    )


def _find_images(file, sets, name):
    """The data set of images: the one that is named, else the only one of 3 or 4 axes."""
    if name is not None:
        return _named(file, "images", name)
    found = [name for name, item in sets.items() if item.ndim in (3, 4)]
    if len(found) != 1:
        raise GalvaeError(
            f"dataset.images: {file.filename}: expected one data set of 3 or 4 axes, received {_listed(sets)}; "
            "name the images' with dataset.images="
        )
    return _named(file, "images", found[0])


def _find_redshift(file, sets, images, name, count):
    """The data set of redshifts, or None: the one that is named, else the only one, else by its name."""
    if name is None:
        single = {name: item for name, item in sets.items() if item.ndim == 1 or item.shape[1:] == (1,)}
        found = [name for name, item in single.items() if item.dtype.kind == "f"]
        if len(found) > 1:
            named = [name for name in found if name.lower() in REDSHIFT_NAMES]
            if len(named) != 1:
                log.warning(
                    "%s: no redshifts, since none of %s alone is named so; dataset.redshift= can name them",
                    file.filename,
                    ", ".join(found),
                )
            found = named if len(named) == 1 else []
        if not found:
            return None
        name = found[0]
    redshift = _named(file, "redshift", name)
    if redshift.shape not in ((count,), (count, 1)) or redshift.dtype.kind not in "fiu":
        raise GalvaeError(
            f"dataset.redshift: {file.filename}: expected {count} numbers in {name!r}, one for each stamp of "
            f"{images.name[1:]!r}, received shape {redshift.shape} of {redshift.dtype}"
        )
    return redshift


def _named(file, key, name):
    try:
        return array(file, name)
    except GalvaeError as error:
        raise GalvaeError(f"dataset.{key}: {error}") from error


def _listed(sets):
    return ", ".join(f"{name} {item.shape}" for name, item in sets.items()) or "none"


def _layout(images):
    """(axis of the stamps, their number, their side) of images of one band, which are square.

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
    """The stamps as (n, H, W, 1) float32, at most BLOCK bytes at a time."""
    axis, count, side = _layout(images)
    step = max(1, BLOCK * count // images.nbytes)
    for start in range(0, count, step):
        alive()
        block = images[(slice(None),) * axis + (slice(start, start + step),)]
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, which the cache refuses
            yield np.moveaxis(block, axis, 0).reshape(-1, side, side, 1).astype(np.float32)


def _kept(images):
    """Which stamps are not constant, (N,) bool; says how many are, and how many are blank in part."""
    kept, partly = [], []
    for block in _blocks(images):
        kept.append(block.min(axis=(1, 2, 3)) != block.max(axis=(1, 2, 3)))
        zero = block[..., 0] == 0
        lines = zero.all(axis=1).any(axis=1) | zero.all(axis=2).any(axis=1)
        partly.append(kept[-1] & (lines | (zero.mean(axis=(1, 2)) >= PARTLY_BLANK)))
    kept, partly = np.concatenate(kept), np.concatenate(partly)
    path = images.file.filename
    if not kept.any():
        raise GalvaeError(
            f"dataset.path: {path}: expected stamps with light, received {len(kept)} constant ones"
        )
    if not kept.all():
        log.warning("%s: %d of %d stamps are all zero or constant: dropped", path, *_share(~kept))
    if partly.any():
        log.info("%s: %d of %d stamps are blank in part: kept", path, *_share(partly))
    return kept


def _share(flags):
    return int(flags.sum()), len(flags)


def _is_plain(dtype):
    """Whether a column is of numbers or text."""
    return dtype.kind in "biuf" or h5py.check_string_dtype(dtype) is not None


def _values(item):
    array(item.file, item.name)  # refuses what declares more than it holds
    if h5py.check_string_dtype(item.dtype):
        return item.asstr("utf-8", "replace")[()].astype(str)
    return item[()].astype(item.dtype.newbyteorder("="))


def _averaged(path, name, kept, size):
    with open_hdf5(path) as file:
        start = 0
        for block in _blocks(array(file, name)):
            chosen = kept[start : start + len(block)]
            start += len(block)
            if chosen.any():
                yield area_average(block[chosen], size)
