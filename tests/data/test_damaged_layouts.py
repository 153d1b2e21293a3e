"""Every layout of docs/your_data.md with a part missing, doubled, truncated or of another length.

Either one line says which file is wrong and nothing is written, or every galaxy that is left has its own data.
"""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from builders.format_writers import (
    pictures,
    write_fits,
    write_hdf5,
    write_parquet,
    write_pictures,
    write_table,
)
from builders.layout_checks import check_right, config_of
from builders.layouts import (
    COUNT,
    KNOWN,
    LAYOUTS,
    NAMES,
    OBJIDS,
    REDSHIFTS,
    SIDE,
    ZEROS,
    floats,
    galaxies,
    kinds,
)

from galvae.data.load import load_dataset
from galvae.errors import GalvaeError

TEXTS = (".csv", ".tsv", ".ecsv")  # tables of which a truncated one is a shorter one


def refused(config, culprit):
    """The dataset of a configuration, or None if it is refused in one line that names the culprit."""
    try:
        return load_dataset(config)
    except GalvaeError as error:
        message = str(error)
    assert "\n" not in message
    assert culprit in message, message
    assert not entries(config)
    return None


def entries(config):
    """The cache entries that are in a configuration's own cache."""
    return [entry for entry in Path(config.cache_dir).glob("*") if entry.is_dir()]


def first_files(folder):
    """One file of each ending in a folder, and of each in its sub-folders."""
    files = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            files.setdefault((path.parent == folder, path.suffix), path)
    return list(files.values())


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_damaged_file_is_one_line_or_changes_no_other_galaxy(name, tmp_path):
    source = tmp_path / "whole"
    source.mkdir()
    expected = LAYOUTS[name].write(source)
    for number, damage in enumerate(("empty", "truncated", "missing")):
        for index, original in enumerate(first_files(source)):
            folder = tmp_path / f"{number}-{index}"
            shutil.copytree(source, folder)
            path = folder / original.relative_to(source)
            content = path.read_bytes()
            if damage == "empty":
                path.write_bytes(b"")
            elif damage == "missing":
                path.unlink()
            elif path.suffix in TEXTS:
                path.write_bytes(b"".join(content.splitlines(keepends=True)[:-3]))
            else:
                path.write_bytes(content[: len(content) // 2])
            culprit = path.name
            if damage == "missing" and "band_files" in " ".join(LAYOUTS[name].words):
                culprit = path.stem.split("_")[0]  # the galaxy that lacks a band
            dataset = refused(config_of(name, folder), culprit)
            if dataset is not None:
                check_right(dataset, expected)
            if damage == "empty" or (damage == "truncated" and path.suffix not in TEXTS):
                assert dataset is None, path


CSV = "HDF5 and a table"


@pytest.fixture
def with_table(tmp_path):
    """A layout of arrays, ids and a table whose rows are replaced by chosen ones; returns dataset, what is expected."""

    def read(name, rows, **changes):
        expected = LAYOUTS[name].write(tmp_path)
        columns = {"objid": OBJIDS, "kind": kinds(), "redshift": REDSHIFTS}
        write_table(
            tmp_path / "catalogue.csv", **{key: values[rows] for key, values in columns.items()}, **changes
        )
        return load_dataset(config_of(name, tmp_path)), expected

    return read


@pytest.mark.parametrize("name", [CSV, "npy"])
def test_rows_without_an_image_and_images_without_a_row_are_counted_and_named(name, with_table):
    rows = np.arange(COUNT)[::-1][4:]
    dataset, expected = with_table(name, rows)
    check_right(dataset, expected)
    said = " ".join(dataset.report["warnings"])
    assert "4" in said and str(OBJIDS[16]) in said


@pytest.mark.parametrize("name", [CSV, "npy"])
def test_a_repeated_row_is_refused_and_named(name, with_table):
    with pytest.raises(GalvaeError, match=str(OBJIDS[2])) as error:
        with_table(name, np.append(np.arange(COUNT), 2))
    assert "catalogue.csv" in str(error.value)


def test_two_images_of_one_id_take_its_row_which_is_said(tmp_path):
    LAYOUTS["npy"].write(tmp_path)
    np.save(tmp_path / "ids.npy", np.where(np.arange(COUNT) == 9, OBJIDS[4], OBJIDS))
    dataset = load_dataset(config_of("npy", tmp_path))
    assert len(dataset) == COUNT
    np.testing.assert_allclose(dataset.catalogue["redshift"][[4, 9]], KNOWN[4])
    said = " ".join(dataset.report["warnings"])
    assert str(OBJIDS[4]) in said and "row 4" in said and "row 9" in said  # two images of one id
    assert str(OBJIDS[9]) in said  # a row without an image


DAMAGES = {}  # what is wrong -> (layout, function of its folder, words of the message)


def damage(what, name, *words):
    def enter(function):
        DAMAGES[what] = name, function, words
        return function

    return enter


@damage("a column of another length", "HDF5", "kind", "galaxies.h5")
def _(folder):
    write_hdf5(folder / "galaxies.h5", images=galaxies(), objid=OBJIDS, kind=kinds()[:-1], redshift=REDSHIFTS)


@damage("no such column", "HDF5", "kind", "galaxies.h5")
def _(folder):
    write_hdf5(folder / "galaxies.h5", images=galaxies(), objid=OBJIDS, redshift=REDSHIFTS)


@damage("no images", "HDF5", "galaxies.h5")
def _(folder):
    write_hdf5(folder / "galaxies.h5", objid=OBJIDS, kind=kinds(), redshift=REDSHIFTS)


@damage("two arrays of images", "HDF5", "dataset.images", "galaxies.h5")
def _(folder):
    both = {"images": galaxies(), "residuals": galaxies()}
    write_hdf5(folder / "galaxies.h5", **both, objid=OBJIDS, kind=kinds(), redshift=REDSHIFTS)


@damage("more ids than images", "npy", "ids.npy")
def _(folder):
    np.save(folder / "ids.npy", np.append(OBJIDS, 7))


@damage("a picture of another size", "PNG", "0007.png")
def _(folder):
    write_pictures(folder / "png", ["0007"], ".png", galaxies()[:1, :-2, :-2])


@damage("a grey picture among colours", "PNG", "0007.png")
def _(folder):
    write_pictures(folder / "png", ["0007"], ".png", galaxies(1)[:1])


@damage("two pictures of one name", "PNG", "0007")
def _(folder):
    write_pictures(folder / "png" / "copies", ["0007"], ".png", galaxies()[:1])


@damage("a picture outside of the folders", "WebP, classes as folders", "G3.webp")
def _(folder):
    write_pictures(folder / "by_class", ["G3"], ".webp", galaxies()[:1])


@damage("a folder that is no split", "train and val folders", "other")
def _(folder):
    write_pictures(folder / "folders" / "other" / "spiral", ["G3"], ".png", galaxies()[:1])


@damage("no science image", "FITS", "G7.fits", "WHT")
def _(folder):
    (folder / "fits" / "G7.fits").unlink()
    write_fits(folder / "fits" / "G7.fits", ("WHT", floats(1)[0, ..., 0]))


@damage("no mask", "FITS with masks", "G7.fits", "MASK")
def _(folder):
    (folder / "masked" / "G7.fits").unlink()
    write_fits(folder / "masked" / "G7.fits", ("SCI", floats(1)[0, ..., 0]))


@damage("a shard of another size", "several Parquet files", "train-00002")
def _(folder):
    path = folder / "train-00002-of-00003.parquet"
    write_parquet(path, {"image": pictures(galaxies(side=30)[:5], NAMES[:5])}, id=ZEROS[:5])


@damage("a shard without ids", "several Parquet files", "train-00002")
def _(folder):
    path = folder / "train-00002-of-00003.parquet"
    write_parquet(path, {"image": pictures(galaxies()[:5], NAMES[:5])})


@damage("labels beyond the classes", "Galaxy10 SDSS", "Galaxy10.h5")
def _(folder):
    write_hdf5(folder / "Galaxy10.h5", images=galaxies(side=69), ans=np.arange(COUNT))


@damage("float labels", "Galaxy10 SDSS", "Galaxy10.h5")
def _(folder):
    write_hdf5(folder / "Galaxy10.h5", images=galaxies(side=69), ans=np.full(COUNT, 1.0))


@damage("redshifts of another length", "vae-project", "stamps.h5")
def _(folder):
    write_hdf5(folder / "stamps.h5", images=floats(1)[..., 0], redshift=REDSHIFTS[1:])


@damage("a split of another name", "a split of one's own", "subset", "sky")
def _(folder):
    subset = np.where(np.arange(COUNT) == 6, "sky", "train")
    write_hdf5(folder / "galaxies.h5", images=galaxies(), name=NAMES, subset=subset)


@damage("too few bands", "many bands", "bands.h5")
def _(folder):
    write_hdf5(folder / "bands.h5", images=floats(3), name=NAMES)


@damage("a band that is missing", "Multimodal Universe, HDF5", "r", "001-of-001.hdf5")
def _(folder):
    path = folder / "healpix=1101" / "001-of-001.hdf5"
    rows = np.arange(7)
    write_hdf5(
        path,
        image_array=np.zeros((7, 4, SIDE, SIDE), np.float32),
        image_band=np.tile(np.array(list("gyiz"), "S1"), (7, 1)),
        image_ivar=np.ones((7, 4, SIDE, SIDE), np.float32),
        object_id=np.char.encode(rows.astype(str)),
        redshift=KNOWN[rows],
    )


@pytest.mark.parametrize("what", DAMAGES)
def test_a_wrong_part_is_one_line_that_names_it(what, tmp_path):
    name, spoil, words = DAMAGES[what]
    LAYOUTS[name].write(tmp_path)
    spoil(tmp_path)
    config = config_of(name, tmp_path)
    with pytest.raises(GalvaeError) as error:
        load_dataset(config)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
    assert not entries(config)


def test_a_galaxy_without_one_of_its_bands_is_never_another_galaxy(tmp_path):
    expected = LAYOUTS["FITS, a file per band"].write(tmp_path)
    (tmp_path / "bands" / "G7_r.fits").unlink()
    config = config_of("FITS, a file per band", tmp_path)
    dataset = refused(config, "G7")
    if dataset is not None:
        check_right(dataset, expected)


def test_a_gzipped_fits_file_is_read_as_the_others(tmp_path):
    expected = LAYOUTS["FITS"].write(tmp_path)
    path = tmp_path / "fits" / "G7.fits"
    path.with_name("G7.fits.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    check_right(load_dataset(config_of("FITS", tmp_path)), expected)


def test_fits_cubes_of_one_plane_are_images(tmp_path):
    expected = LAYOUTS["FITS"].write(tmp_path)
    for path in (tmp_path / "fits").iterdir():
        with fits.open(path) as hdus:
            image = hdus["SCI"].data
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(image[None, None], name="SCI")]).writeto(
            path, overwrite=True
        )
    check_right(load_dataset(config_of("FITS", tmp_path)), expected)
