"""The public COSMOS training sample: Hubble ACS galaxies of the F814W band, read through galsim."""

import logging
import math
from pathlib import Path

import numpy as np

from galvae.data.area_average import area_average
from galvae.data.source import Source
from galvae.data.store.archive_download import fetch_archive
from galvae.data.store.cache import cache_folder, file_identity
from galvae.errors import GalvaeError, line_of

URL = "https://zenodo.org/record/3242143/files"
BLOCK = 64  # stamps read at a time
CATALOGUE = {"id": "IDENT", "ra": "RA", "dec": "DEC", "mag": "MAG", "noise_variance": "NOISE_VARIANCE"}
FITS = {"zphot": "zphot", "flux_radius": "flux_radius"}
UNITS = {"ra": "deg", "dec": "deg", "mag": "mag", "flux_radius": "pix"}

log = logging.getLogger(__name__)


def fingerprint(config, sample, side):
    """The archive's catalogues, found or fetched now, and the settings that change the arrays."""
    tables = [file_identity(path) for path in _tables(locate(config, sample), sample)]
    return {"catalogues": tables, "side": side, "image_size": config.image_size}


def locate(config, sample):
    """Folder of the archive: `dataset.archive`, else in the cache, fetched now if `dataset.download` says so.

    Raises:
        GalvaeError: if a catalogue is missing.
        CannotBeDone: if the download fails.
    """
    name = f"COSMOS_{sample}_training_sample"
    folder = Path(config.archive) if config.archive else cache_folder(config.cache_dir) / name
    tables = _tables(folder, sample)
    if config.download and not tables[0].is_file():
        _galsim()  # without it, gigabytes would arrive for nothing
        fetch_archive(folder, tables[0].name, f"{URL}/{name}.tar.gz")
    missing = [table.name for table in tables if not table.is_file()]
    if missing and config.archive is None and not folder.exists():
        raise GalvaeError(
            f"dataset.path: expected the stamps of {config.name}, received neither a file nor an archive; give "
            f"dataset.path=FILE.h5, dataset.archive=FOLDER of {name}, or dataset.download=true"
        )
    if missing:
        raise GalvaeError(f"dataset.archive: {folder}: expected {name}, received no {missing[0]}")
    return folder


def read(config, sample, side):
    """Stamps of the galaxies that galsim's `marginal` exclusions leave, all brought to one size.

    Stamps are cropped at the centre, or padded with Gaussian noise of their own mean and variance, which
    depends on IDENT alone. The condition is the photometric redshift.

    Args:
        config: StampsConfig.
        sample: limiting magnitude, "25.2" or "23.5".
        side: pixels of a stamp before `image_size`.

    Raises:
        GalvaeError: if galsim, a catalogue, a row or an image file is missing.

    Reference:
        Mandelbaum et al. 2012, arXiv:1107.4629 (stamps); 2014, arXiv:1308.4982 (exclusions).
    """
    galsim, folder = _galsim(), locate(config, sample)
    catalogue, fits, _ = _matched(_tables(folder, sample))
    kept = _exclude(galsim, folder, sample, len(catalogue))
    rows = _by_file(folder, catalogue, kept)
    columns = {name: _column(catalogue, source)[rows] for name, source in CATALOGUE.items()}
    columns |= {name: _column(fits, source)[rows] for name, source in FITS.items()}
    known = np.isfinite(columns["zphot"]) & (columns["zphot"] > 0)
    if not known.all():
        log.info("%s: %d of %d redshifts are unknown", folder, np.sum(~known), len(known))
    size = config.image_size or side
    area_average(np.zeros((1, side, side, 1), np.float32), size)  # refuses a size before anything is written
    noise = np.stack([_column(catalogue, f"NOISE_{what}")[rows] for what in ("MEAN", "VARIANCE")], axis=1)
    return Source(
        shape=(len(rows), size, size, 1),
        dtype="float32",
        blocks=_blocks(galsim, folder, sample, rows, columns["id"], noise, side, size),
        pixel_range=(0, 1),
        condition=np.where(known, columns["zphot"], np.nan).astype(np.float32)[:, None],
        condition_names=["redshift"],
        condition_units=[""],
        catalogue=columns,
        catalogue_units=UNITS,
    )


def _tables(folder, sample):
    """Paths of the catalogue, the fits and the selection."""
    return [folder / f"real_galaxy_catalog_{sample}{part}.fits" for part in ("", "_fits", "_selection")]


def _galsim():
    try:
        import galsim
    except ImportError as error:
        raise GalvaeError(
            "dataset.archive: the COSMOS archive is read with galsim; expected it installed (pip install "
            f"'galvae[galsim]'), received: {error}"
        ) from error
    return galsim


def _matched(paths):
    """The tables, all of the same galaxies in the same order: galsim goes by the number of the row."""
    from astropy.io import fits

    from galvae.data.readers.image_folder import quiet_astropy

    tables, idents = [], []
    for path in paths:
        try:
            # Opened here, since astropy leaves open what it refuses.
            with quiet_astropy(), open(path, "rb") as file, fits.open(file, memmap=False) as units:
                tables.append(units[1].data)
                idents.append(_column(tables[-1], "IDENT"))
        except (OSError, LookupError, ValueError, TypeError, AttributeError, Warning) as error:
            raise GalvaeError(f"dataset.archive: {path}: expected a FITS table ({line_of(error)})") from error
    first = idents[0]
    for path, other in zip(paths[1:], idents[1:], strict=True):
        for lacking, have, want in ((path, other, first), (paths[0], first, other)):
            if len(absent := np.setdiff1d(want, have)):
                raise GalvaeError(
                    f"dataset.archive: {lacking}: expected a row for each galaxy, received none for IDENT {absent[0]}"
                )
        if not np.array_equal(first, other):
            raise GalvaeError(f"dataset.archive: {path}: expected the rows of {paths[0].name} in its order")
    return tables


def _column(table, name):
    try:
        values = np.array(table[name])
    except KeyError as error:
        names = ", ".join(table.names)
        raise GalvaeError(
            f"dataset.archive: expected a column {name} in the catalogues, received {names}"
        ) from error
    return values.astype(values.dtype.newbyteorder("="))


def _exclude(galsim, folder, sample, count):
    """Rows that pass galsim's `marginal` exclusions."""
    from galvae.data.readers.image_folder import quiet_astropy

    try:
        with quiet_astropy():
            kept = galsim.COSMOSCatalog(dir=str(folder), sample=sample, exclusion_level="marginal").orig_index
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise GalvaeError(
            f"dataset.archive: {folder}: expected the COSMOS {sample} sample, and galsim received: {line_of(error)}"
        ) from error
    log.info("%s: %d of %d galaxies pass galsim's marginal exclusions", folder, len(kept), count)
    if not len(kept):
        raise GalvaeError(
            f"dataset.archive: {folder}: expected galaxies that pass the exclusions, received none"
        )
    return kept


def _by_file(folder, catalogue, rows):
    """The rows with those of an image file together, so that each file is opened once and read forwards."""
    names = np.char.strip(_column(catalogue, "GAL_FILENAME")[rows])
    files, first, which = np.unique(names, return_index=True, return_inverse=True)
    for name in files:
        if not (folder / str(name)).is_file():
            raise GalvaeError(
                f"dataset.archive: {folder}: expected the image file {name}, in which the catalogue has "
                f"{np.sum(names == name)} stamps, received none"
            )
    return rows[np.lexsort((_column(catalogue, "GAL_HDU")[rows], first[which]))]


def _blocks(galsim, folder, sample, rows, idents, noise, side, size):
    from galvae.data.readers.image_folder import quiet_astropy

    catalog = galsim.RealGalaxyCatalog(dir=str(folder), sample=sample)
    try:
        for start in range(0, len(rows), BLOCK):
            block = np.empty((len(rows[start : start + BLOCK]), side, side, 1), np.float32)
            for place, row in enumerate(rows[start : start + BLOCK]):
                name, unit, ident = catalog.gal_file_name[row], catalog.gal_hdu[row], idents[start + place]
                if name not in catalog.loaded_files:
                    catalog.close()  # of the file before
                try:
                    with quiet_astropy():
                        stamp = catalog.getGalImage(row).array
                    block[place, ..., 0] = _fitted(stamp, side, *noise[start + place], ident)
                except (OSError, LookupError, ValueError, TypeError, AttributeError, Warning) as error:
                    raise GalvaeError(
                        f"dataset.archive: {name}: expected a stamp of IDENT {ident} in HDU {unit}, received "
                        f"none that can be read ({line_of(error)})"
                    ) from error
                del catalog.loaded_files[name][unit].data  # else astropy keeps every stamp of the file
            yield area_average(block, size)
    finally:
        catalog.close()


def _fitted(stamp, side, mean, variance, ident):
    """A stamp cropped at its centre, and padded with noise where it is smaller, to (side, side)."""
    canvas = np.empty((side, side))
    if min(stamp.shape) < side:
        canvas = np.random.default_rng(abs(int(ident))).normal(mean, math.sqrt(variance), (side, side))
    cut, hole = [], []
    for length in stamp.shape:
        shared = min(length, side)
        cut.append(slice((length - shared) // 2, (length - shared) // 2 + shared))
        hole.append(slice((side - shared) // 2, (side - shared) // 2 + shared))
    canvas[tuple(hole)] = stamp[tuple(cut)]
    return canvas
