"""Folders with one file per band and galaxy, whose bands are stacked to one image."""

import os

from galvae.data.formats.band_patterns import compiled
from galvae.data.formats.fits import NOT_SCIENCE
from galvae.data.formats.folder_listing import named
from galvae.data.formats.image_folder import list_images, opened_files
from galvae.errors import GalvaeError


def open_band_files(config, table_columns=None):
    """The images of a folder with one file per band, by the pattern or the columns of `dataset.band_files`.

    Bands are stacked in the order of `dataset.channels` if it has names; else sorted by name, or in the order of the
    columns. A pattern without {band} has one file per galaxy.

    Args:
        config: FilesConfig, of which `band_files`, `channels` and what `image_folder.open_folder` needs are used.
        table_columns: name -> (rows,) text of the columns of `dataset.table`, or None without a table.

    Returns:
        Opened, whose images are sorted by id, the text of {id}, which is their name; or in the order of the table.

    Raises:
        GalvaeError: if a galaxy lacks a band, if a file belongs to two, or if the keys do not suit the files.
    """
    if not os.path.isdir(config.path):
        raise GalvaeError(f"dataset.band_files: expected dataset.path to be a folder, received {config.path}")
    listing = list_images(config)
    if isinstance(config.band_files, str):
        found, bands = _by_pattern(config, listing.names)
    else:
        found, bands = _by_columns(config, listing.names, table_columns)
    bands = _ordered(config, bands)
    galaxies = [(name, _files(config, name, files, bands)) for name, files in found]
    used = {file for _, files in galaxies for file in files}
    unused = [name for name in listing.names if name not in used]
    warnings = listing.warnings()
    if unused:
        warnings.append(f"{len(unused):,} images not used by dataset.band_files: {named(unused)}")
    names, files = zip(*galaxies, strict=True)
    opened = opened_files(config, names, files, warnings, [] if bands == [""] else bands)
    if bands != [""]:
        opened.notes.append(f"one galaxy of {len(bands)} files, bands in this order: {', '.join(bands)}")
    if not isinstance(config.band_files, str):
        opened.origin = lambda number: f"row {number} of the table ({names[number]})"
    return opened


def _by_pattern(config, names):
    """Pairs of a galaxy's id and its files by band, and the bands; the band is "" without {band}."""
    pattern, galaxies = compiled(config.band_files), {}
    for name in names:
        match = pattern.fullmatch(name)
        if match is not None:
            galaxies.setdefault(match["id"], {})[match.groupdict().get("band", "")] = name
    if not galaxies:
        raise GalvaeError(
            f"dataset.band_files: {config.path}: expected files named {config.band_files}, received {named(names)}"
        )
    return sorted(galaxies.items()), sorted({band for files in galaxies.values() for band in files})


def _by_columns(config, names, columns):
    """Pairs of a galaxy's name, its first file, and its files by band, in the order of the table; the bands."""
    bands = list(config.band_files)
    if columns is None:
        raise GalvaeError(
            f"dataset.band_files: expected dataset.table= with the columns {', '.join(bands)}, received null"
        )
    for band in bands:
        if band not in columns or columns[band].dtype.kind not in "UOT":
            raise GalvaeError(
                f"dataset.band_files: expected columns of file names, received {band}; the table has "
                f"{', '.join(columns)}"
            )
    known, bases, galaxies, owners = set(names), {}, [], {}
    for name in names:
        bases.setdefault(name.rsplit("/", 1)[-1], []).append(name)
    for row in range(len(columns[bands[0]])):
        files = {}
        for band in bands:
            entry = str(columns[band][row]).strip()
            path = entry.replace("\\", "/")
            found = [entry] if entry in known else bases.get(path.rsplit("/", 1)[-1], [])
            ends = [f"/{path}".endswith(f"/{name}") or f"/{name}".endswith(f"/{path}") for name in found]
            if ends == [False]:  # a file of the same name in another folder is another one
                found = []
            if len(found) != 1:
                received = named(found) if found else "none"
                raise GalvaeError(
                    f"dataset.band_files: row {row} of the table: expected one file {entry or 'in each column'} in "
                    f"{config.path} for {band}, received {received}"
                )
            files[band] = found[0]
            owner = owners.setdefault(found[0], (row, band))
            if owner != (row, band):
                raise GalvaeError(
                    f"dataset.band_files: expected one galaxy and band for {found[0]}, received row {owner[0]}, "
                    f"{owner[1]} and row {row}, {band} of the table"
                )
        galaxies.append((files[bands[0]], files))
    return galaxies, bands


def _ordered(config, bands):
    """The bands that are read, in their order."""
    channels = config.channels or []
    if channels and all(isinstance(channel, str) for channel in channels) and bands != [""]:
        unknown = [channel for channel in channels if channel not in bands]
        if unknown or len(set(channels)) < len(channels):
            raise GalvaeError(
                f"dataset.channels: expected different bands of {', '.join(bands)}, received {channels}"
            )
        return list(channels)
    others = [band for band in bands if band.lower() in NOT_SCIENCE]
    if others:
        images = ",".join(band for band in bands if band not in others)
        raise GalvaeError(
            f"dataset.band_files: {config.path}: expected bands, received {', '.join(others)} among them; "
            f"dataset.channels=[{images}] reads the others alone"
        )
    return bands


def _files(config, name, files, bands):
    """A galaxy's files in the order of its bands."""
    missing = [band for band in bands if band not in files]
    if missing:
        raise GalvaeError(
            f"dataset.band_files: {config.path}: expected a file of each of the bands {', '.join(bands)} for {name}, "
            f"received none of {', '.join(missing)}; dataset.channels= names the bands to read"
        )
    return tuple(files[band] for band in bands)
