"""Hubble ACS stamps of one band: an HDF5 file in the layout of vae-project, or the public COSMOS archive.

The HDF5 layout is an array of images and, in most files, one of redshifts.
"""

import os

import h5py
import numpy as np

from galvae.data.area_average import check_size
from galvae.data.column_names import is_other_quantity, is_redshift
from galvae.data.dataset import STORED_ROWS
from galvae.data.formats.axes import ImageStack, choose_axes
from galvae.data.formats.hdf5 import array, blocks, data_sets, open_hdf5
from galvae.data.formats.opened import ids_column
from galvae.data.masking import averaged, filled
from galvae.data.readers import cosmos_archive
from galvae.data.redshifts import known_redshifts
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.errors import GalvaeError

BLOCK = 16_000_000  # bytes read at a time, as stored
ORDERS = {3: ("NHW", "HWN"), 4: ("NHWC", "NCHW", "HWCN", "CNHW")}  # of images of one band
FIRST_ID = 10  # columns of whole numbers that exceed it are no redshifts
SECOND = ", the second of two arrays"  # how redshifts were found in vae-project's layout
HINT = "dataset.redshift= selects one"
HIGHEST = 15  # no galaxy is known beyond this redshift


def fingerprint(config):
    """What determines the prepared arrays: the HDF5 file, or the archive if `dataset.path` is null, and settings."""
    if not config.path:
        return cosmos_archive.fingerprint(config)
    settings = {name: getattr(config, name) for name in ("images", "redshift", "image_size")}
    options = {name: getattr(config, name) for name in ("axes", "row_0") if getattr(config, name) is not None}
    return {"file": file_identity(config.path), **settings, **({"options": options} if options else {})}


def read(config):
    """Reads the HDF5 file, or the archive where `dataset.path` is null; the condition is the redshift."""
    return read_hdf5(config) if config.path else cosmos_archive.read(config)


def read_hdf5(config):
    """Opens the HDF5 file that `dataset.path` names, and finds its images, redshifts and other columns.

    Pixels keep their values, in float32; the published networks were trained on raw flux, so it is not rescaled.
    Stamps whose pixels all have one value are left out.

    Args:
        config: StampsConfig with a path.

    Returns:
        Source whose condition is the redshift as stored.

    Raises:
        GalvaeError: if the file is missing, damaged or in another layout.
    """
    path = config.path
    with open_hdf5(path) as file:
        sets = data_sets(file)
        images = _find_images(file, sets, config.images)
        order = _find_order(images, path, config.axes)
        count, side = len(ImageStack(images, order, path)), images.shape[order.index("H")]
        redshift, notes, warnings = _find_redshift(file, sets, images, config.redshift, count)
        notes.insert(0, f"images from {images.name[1:]!r} of shape {images.shape}, read as {order}")
        others = [item for item in sets.values() if item.shape == (count,) and item != redshift]
        columns = {item.name[1:]: _values(item) for item in others if _is_plain(item.dtype)}
        name, condition = images.name[1:], None
        if redshift is not None:
            with np.errstate(over="ignore"):
                columns["redshift"] = redshift[()].reshape(count).astype(np.float32)
            condition = columns["redshift"][:, None]
    size = config.image_size or side
    check_size(side, side, size)
    id_name, ids = ids_column(columns)
    if ids is not None:
        notes.append(f"ids from {id_name!r}")
    elif "id" in columns:  # which identifies nothing
        columns["id_"] = columns.pop("id")
    if config.row_0 == "bottom":
        columns[STORED_ROWS] = np.full(count, "bottom-up")
    base = os.path.basename(path)
    return Source(
        shape=(count, size, size, 1),
        dtype="float32",
        blocks=_blocks(config, name, order, size),
        pixel_range=(0, 1),
        masked=config.nan == "fill",
        condition=condition,
        condition_names=[] if condition is None else ["redshift"],
        condition_units=[] if condition is None else [""],
        catalogue={**columns, "id": np.arange(count) if ids is None else ids},
        ids_are_rows=ids is None,
        drop_constant=True,
        stored_side=side,
        origin=lambda number: f"row {number} of {base}",
        notes=notes,
        warnings=warnings,
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


def _find_order(images, path, requested):
    """The order of the axes of square stamps of one band.

    Raises:
        GalvaeError: if they are not square, have several bands or are no floats, or if several orders are possible.
    """
    shape, name = images.shape, images.name[1:]
    if requested is None:
        one_band = [order for order in ORDERS[4] if len(shape) == 4 and shape[order.index("C")] == 1]
        orders = {3: ORDERS[3], 4: one_band[:1]}  # several differ only in axes of length 1
        possible = any(_is_stamp(order, shape) for order in orders.get(len(shape), ()))
        order = choose_axes(shape, f"{path}: {name!r}", orders=orders) if possible else None
    else:
        order = choose_axes(shape, f"{path}: {name!r}", requested)
    if order is None or not _is_stamp(order, shape) or images.dtype.kind != "f":
        raise GalvaeError(
            f"dataset.images: {path}: expected square stamps of one band, (N, H, W), (N, H, W, 1) or (N, 1, H, W) of "
            f"floats, received {shape} of {images.dtype} in {name!r}; dataset=files reads other images"
        )
    return order


def _is_stamp(order, shape):
    """Whether images in an order of axes are square and have one band."""
    lengths = {"N": 1, "C": 1, **dict(zip(order, shape, strict=True))}
    return lengths["H"] == lengths["W"] and lengths["C"] == 1 and 0 not in shape


def _find_redshift(file, sets, images, name, count):
    """The data set of redshifts, or None, with notes and warnings that say why it was taken or not.

    It is the one that `dataset.redshift` names, else the only column of floats with a redshift's name, of several the
    one that is spelled out, else the second of exactly two arrays whose first holds the images, unless its name or its
    values are those of something else.

    Returns:
        (data set or None, list of notes, list of warnings).
    """
    how = ""
    if name is None:
        columns = [
            column for column, item in sets.items() if item.shape[1:] in ((), (1,)) and item.dtype.kind == "f"
        ]
        named = [column for column in columns if is_redshift(column)]
        spelled_out = [column for column in named if column.lower().startswith("redshift")]
        name = next((found[0] for found in (named, spelled_out) if len(found) == 1), None)
        if len(named) > 1 and name is not None:
            how = f", not from {', '.join(repr(column) for column in named if column != name)}"
        elif not named and len(columns) == 1 and list(sets) == [images.name[1:], *columns]:
            name, how = columns[0], SECOND
        if not columns:
            return None, [], []
        if name is None:
            some = "more than one" if named else "none"
            return (
                None,
                [],
                [
                    f"no redshifts are used, since {some} of {', '.join(columns)} has a redshift's name; {HINT}"
                ],
            )
    if how == SECOND and is_other_quantity(name):
        return None, [], [f"no redshifts are used, since {name!r} names another quantity; {HINT}"]
    redshift = _named(file, "redshift", name)
    if redshift.shape not in ((count,), (count, 1)) or redshift.dtype.kind not in "fiu":
        raise GalvaeError(
            f"dataset.redshift: {file.filename}: expected {count} numbers in {name!r}, one for each stamp of "
            f"{images.name[1:]!r}, received shape {redshift.shape} of {redshift.dtype}"
        )
    reason = _no_redshifts(redshift[()]) if how == SECOND else None
    if reason is not None:
        return None, [], [f"no redshifts are used, since the values of {name!r} are {reason}; {HINT}"]
    return redshift, [f"redshifts from {name!r}{how}"], []


def _no_redshifts(values):
    """Why numbers of an unknown name cannot be redshifts, or None."""
    known = known_redshifts(values)
    known = known[np.isfinite(known)]
    if len(known) and known.max() > FIRST_ID and (known == np.round(known)).all():
        return f"whole numbers up to {known.max():g}, as ids are"
    if len(known) and np.median(known) > HIGHEST:
        return f"about {np.median(known):.3g}"
    return None


def _named(file, key, name):
    """The data set that a key of the configuration names."""
    try:
        return array(file, name)
    except GalvaeError as error:
        raise GalvaeError(f"dataset.{key}: {error}") from error


def _is_plain(dtype):
    """Whether a column holds numbers or text."""
    return dtype.kind in "biuf" or h5py.check_string_dtype(dtype) is not None


def _values(item):
    """The values of a column of numbers or text, in the byte order of this machine."""
    array(item.file, item.name)  # refuses a data set that declares more than it stores
    if h5py.check_string_dtype(item.dtype):
        return item.asstr("utf-8", "replace")[()].astype(str)
    return item[()].astype(item.dtype.newbyteorder("="))


def _blocks(config, name, order, size):
    """Yields the stamps as (n, size, size, 1) float32, at most BLOCK bytes at a time as stored."""
    with open_hdf5(config.path) as file:
        images = ImageStack(array(file, name), order, config.path)
        step = max(1, BLOCK // (images.shape[1] * images.shape[2] * images.dtype.itemsize))
        for block in blocks(images, step):
            if config.row_0 == "bottom":
                block = block[:, ::-1]
            with np.errstate(over="ignore"):  # values beyond float32 become infinite
                block = block.astype(np.float32)
            yield averaged(filled(block, ~np.isfinite(block)) if config.nan == "fill" else block, size)
