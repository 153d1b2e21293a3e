"""The public COSMOS training samples: Hubble ACS galaxies in the F814W band, read with galsim."""

import logging
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from galvae.data.area_average import check_size
from galvae.data.dataset import STORED_ROWS
from galvae.data.formats.fits import open_hdus, quiet_astropy
from galvae.data.masking import averaged, filled
from galvae.data.readers.galsim_import import import_galsim
from galvae.data.source import Source
from galvae.data.store.cache import file_identity
from galvae.errors import GalvaeError, line_of
from galvae.system.cache_folder import cache_folder

URL = "https://zenodo.org/record/3242143/files"
BLOCK = 64  # stamps read at a time
CATALOGUE = {"id": "IDENT", "ra": "RA", "dec": "DEC", "mag": "MAG", "noise_variance": "NOISE_VARIANCE"}
FITS = {"zphot": "zphot", "flux_radius": "flux_radius"}
UNITS = {"ra": "deg", "dec": "deg", "mag": "mag", "flux_radius": "pix"}
# What astropy and galsim raise on tables and images that are damaged or of another layout.
DAMAGED = (OSError, LookupError, ValueError, TypeError, AttributeError, Warning)

log = logging.getLogger(__name__)


class Sample(NamedTuple):
    """One of the training samples.

    Attributes:
        limit: limiting magnitude, as file names have it.
        side: side in pixels to which its stamps are cropped or padded.
    """

    limit: str
    side: int


SAMPLES = {"hst": Sample("23.5", 128), "cosmos": Sample("25.2", 158)}  # for each `dataset.name`


def fingerprint(config):
    """What determines the prepared arrays: the archive's catalogues, downloaded first if need be, and settings."""
    sample = SAMPLES[config.name]
    catalogues = [file_identity(path) for path in _catalogues(locate(config), sample)]
    options = {"options": {"row_0": config.row_0}} if config.row_0 is not None else {}
    return {"catalogues": catalogues, "side": sample.side, "image_size": config.image_size, **options}


def locate(config):
    """Folder of the archive: `dataset.archive`, else in the cache, downloaded first with `dataset.download`.

    Raises:
        GalvaeError: if a catalogue is missing.
        CannotBeDone: if the download fails.
    """
    sample = SAMPLES[config.name]
    name = f"COSMOS_{sample.limit}_training_sample"
    folder = Path(config.archive) if config.archive else cache_folder(config.cache_dir) / name
    catalogues = _catalogues(folder, sample)
    if config.download and not catalogues[0].is_file():
        import_galsim("dataset.archive")  # without it, gigabytes would be downloaded for nothing
        from galvae.data.store.archive_download import fetch_archive  # imports requests and pooch

        fetch_archive(folder, catalogues[0].name, f"{URL}/{name}.tar.gz")
    missing = [path.name for path in catalogues if not path.is_file()]
    if missing and config.archive is None and not folder.exists():
        raise GalvaeError(
            f"dataset.path: expected the stamps of {config.name}, received neither a file nor an archive; give "
            f"dataset.path=FILE.h5, dataset.archive=FOLDER of {name}, or dataset.download=true"
        )
    if missing:
        raise GalvaeError(f"dataset.archive: {folder}: expected {name}, received no {missing[0]}")
    return folder


def read(config):
    """Reads the stamps of the galaxies that pass galsim's `marginal` exclusions, all brought to one size.

    Stamps are cropped at the centre, or padded with Gaussian noise of their own mean and variance, which
    depends on IDENT alone. The condition is the photometric redshift.

    Args:
        config: StampsConfig whose `name` is one of SAMPLES.

    Raises:
        GalvaeError: if galsim is not installed, or a catalogue, a row or an image file is missing.

    Reference:
        Mandelbaum et al. 2012, arXiv:1107.4629 (stamps); 2014, arXiv:1308.4982 (exclusions).
    """
    galsim, folder, sample = import_galsim("dataset.archive"), locate(config), SAMPLES[config.name]
    catalogue, fits, _ = _read_catalogues(_catalogues(folder, sample))
    rows = _sorted_by_file(folder, catalogue, _not_excluded(galsim, folder, sample, len(catalogue)))
    columns = {name: _column(catalogue, source)[rows] for name, source in CATALOGUE.items()}
    columns |= {name: _column(fits, source)[rows] for name, source in FITS.items()}
    known = np.isfinite(columns["zphot"]) & (columns["zphot"] > 0)
    if not known.all():
        log.info("%s: %d of %d redshifts are unknown", folder, np.sum(~known), len(known))
    size, bottom_up = config.image_size or sample.side, config.row_0 != "top"  # as of all FITS images
    check_size(sample.side, sample.side, size)
    if bottom_up:
        columns[STORED_ROWS] = np.full(len(rows), "bottom-up")
    noise = np.stack([_column(catalogue, f"NOISE_{name}")[rows] for name in ("MEAN", "VARIANCE")], axis=1)
    return Source(
        shape=(len(rows), size, size, 1),
        dtype="float32",
        blocks=_blocks(
            galsim, folder, sample, rows, columns["id"], noise, size, bottom_up, config.nan == "fill"
        ),
        masked=config.nan == "fill",
        stored_side=sample.side,
        pixel_range=(0, 1),
        condition=np.where(known, columns["zphot"], np.nan).astype(np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        catalogue=columns,
        ids_are_rows=False,
        catalogue_units=UNITS,
        notes=[f"row 0 of each stamp is drawn at the {'bottom' if bottom_up else 'top'}"],
    )


def _catalogues(folder, sample):
    """Paths of a sample's catalogue, its table of profile fits and its table of selection criteria."""
    return [folder / f"real_galaxy_catalog_{sample.limit}{part}.fits" for part in ("", "_fits", "_selection")]


def _read_catalogues(paths):
    """The tables, which must hold the same galaxies in the same order: galsim identifies them by row number."""
    tables, idents = [], []
    for path in paths:
        try:
            with open_hdus(path) as hdus:
                tables.append(hdus[1].data)
                idents.append(_column(tables[-1], "IDENT"))
        except DAMAGED as error:
            raise GalvaeError(f"dataset.archive: {path}: expected a FITS table ({line_of(error)})") from error
    first = idents[0]
    for path, other in zip(paths[1:], idents[1:], strict=True):
        for incomplete, present, wanted in ((path, other, first), (paths[0], first, other)):
            if len(absent := np.setdiff1d(wanted, present)):
                raise GalvaeError(
                    f"dataset.archive: {incomplete}: expected a row for each galaxy, received none for IDENT "
                    f"{absent[0]}"
                )
        if not np.array_equal(first, other):
            raise GalvaeError(f"dataset.archive: {path}: expected the rows of {paths[0].name} in its order")
    return tables


def _column(table, name):
    """A column of a FITS table in the byte order of this machine."""
    try:
        values = np.array(table[name])
    except KeyError as error:
        names = ", ".join(table.names)
        raise GalvaeError(
            f"dataset.archive: expected a column {name} in the catalogues, received {names}"
        ) from error
    return values.astype(values.dtype.newbyteorder("="))


def _not_excluded(galsim, folder, sample, count):
    """Rows of the galaxies that pass galsim's `marginal` exclusions."""
    try:
        with quiet_astropy():
            catalog = galsim.COSMOSCatalog(dir=str(folder), sample=sample.limit, exclusion_level="marginal")
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise GalvaeError(
            f"dataset.archive: {folder}: expected the COSMOS {sample.limit} sample, and galsim received: "
            f"{line_of(error)}"
        ) from error
    rows = catalog.orig_index
    log.info("%s: %d of %d galaxies pass galsim's marginal exclusions", folder, len(rows), count)
    if not len(rows):
        raise GalvaeError(
            f"dataset.archive: {folder}: expected galaxies that pass the exclusions, received none"
        )
    return rows


def _sorted_by_file(folder, catalogue, rows):
    """Sorts rows by image file and unit, so that each file is opened once and read forwards."""
    names = np.char.strip(_column(catalogue, "GAL_FILENAME")[rows])
    files, first, which = np.unique(names, return_index=True, return_inverse=True)
    for name in files:
        if not (folder / str(name)).is_file():
            raise GalvaeError(
                f"dataset.archive: {folder}: expected the image file {name}, in which the catalogue has "
                f"{np.sum(names == name)} stamps, received none"
            )
    return rows[np.lexsort((_column(catalogue, "GAL_HDU")[rows], first[which]))]


def _blocks(galsim, folder, sample, rows, idents, noise, size, bottom_up, fill):
    """Yields the stamps of some rows, (n, size, size, 1) at a time.

    Args:
        rows: (N,) rows of the catalogue.
        idents: (N,) IDENT of each.
        noise: (N, 2) mean and variance of each stamp's noise.
        bottom_up: whether the first stored row is drawn at the bottom.
        fill: whether pixels that are not finite are set aside.
    """
    catalog = galsim.RealGalaxyCatalog(dir=str(folder), sample=sample.limit)
    try:
        for start in range(0, len(rows), BLOCK):
            block_rows = rows[start : start + BLOCK]
            block = np.empty((len(block_rows), sample.side, sample.side, 1), np.float32)
            for index, row in enumerate(block_rows):
                name, hdu, ident = catalog.gal_file_name[row], catalog.gal_hdu[row], idents[start + index]
                if name not in catalog.loaded_files:
                    catalog.close()  # closes the previous file
                try:
                    with quiet_astropy():
                        stamp = catalog.getGalImage(row).array
                    stamp = _crop_or_pad(stamp, sample.side, *noise[start + index], ident)
                    block[index, ..., 0] = stamp[::-1] if bottom_up else stamp
                except DAMAGED as error:
                    raise GalvaeError(
                        f"dataset.archive: {name}: expected a stamp of IDENT {ident} in HDU {hdu}, received "
                        f"none that can be read ({line_of(error)})"
                    ) from error
                # Else astropy would keep all stamps of the file in memory.
                del catalog.loaded_files[name][hdu].data
            yield averaged(filled(block, ~np.isfinite(block)) if fill else block, size)
    finally:
        catalog.close()


def _crop_or_pad(stamp, side, mean, variance, ident):
    """Brings a stamp to (side, side): cropped at its centre, padded with Gaussian noise where it is smaller."""
    canvas = np.empty((side, side))
    if min(stamp.shape) < side:
        canvas = np.random.default_rng(abs(int(ident))).normal(mean, math.sqrt(variance), (side, side))
    source, target = [], []
    for length in stamp.shape:
        shared = min(length, side)
        source.append(slice((length - shared) // 2, (length - shared) // 2 + shared))
        target.append(slice((side - shared) // 2, (side - shared) // 2 + shared))
    canvas[tuple(target)] = stamp[tuple(source)]
    return canvas
