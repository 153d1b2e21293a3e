"""Every galaxy keeps its own pixels, mask, id, class, conditions and split, whatever is left out, joined or turned.

The same twelve galaxies, higher than wide, in several formats: of four bands two are used in another order, the first
stored row is the lowest, and a table in another order lacks two galaxies and has one more; of the others, one has a
pixel that is not finite and one is blank, and both are left out.
"""

import numpy as np
import pytest
from builders.format_writers import write_fits, write_hdf5, write_parquet, write_table
from builders.galaxies import ellipses

from galvae.data.load import load_dataset

COUNT = 12
GALAXIES = (ellipses(COUNT, (14, 10), 4) + np.float32(1)) / np.float32(256)  # the lowest row first, as stored
GALAXIES[3, 5, 6, 2], GALAXIES[5] = np.nan, 0
ASIDE = np.random.default_rng(1).uniform(size=GALAXIES.shape) < 0.2
ASIDE[3, 5, 6, 2] = False
NAMES = np.array([f"G{number * 5 % COUNT}" for number in range(COUNT)])
RA = 150 + np.arange(COUNT) * 7 % COUNT / 16
Z, MASS = np.arange(COUNT) * 11 % COUNT / 8 + 0.125, 10 + np.arange(COUNT) * 7 % COUNT / 4
Z[8] = -99  # unknown
KINDS = np.array(["spiral", "merger", "elliptical"])[np.arange(COUNT) * 5 % 3]
SUBSETS = np.array(["train", "dev", "testing", ""])[[0, 1, 0, 2, 1, 0, 0, 2, 2, 1, 3, 0]]
USED = [1, 2, 4, 6, 8, 9, 10, 11]
TABLE = np.array([9, 3, 11, 1, 5, 2, 10, 8, 4, 6])  # images of the table's rows; 0 and 7 have none
BANDS = [2, 0]


def arrays_in(folder, name, rows=slice(None)):
    """An .npz file or, where the name says so, an HDF5 file with bands before rows."""
    images, weights = GALAXIES[rows], np.where(ASIDE, 0, 2.5)[rows]
    if name.endswith(".npz"):
        np.savez(folder / name, images=images, weight=weights, name=NAMES[rows], ra=RA[rows])
    else:
        images, weights = np.moveaxis(images, 3, 1), np.moveaxis(weights, 3, 1)
        write_hdf5(folder / name, images=images, weight=weights, name=NAMES[rows], ra=RA[rows])


def npz(folder):
    arrays_in(folder, "a.npz")
    return {"path": "a.npz", "images": "images", "axes": "NHWC", "mask": "weight", "mask_where": "zero"}


def hdf5(folder):
    arrays_in(folder, "a.h5")
    return {"path": "a.h5", "images": "images", "axes": "NCHW", "mask": "weight", "mask_where": "zero"}


def shards(folder):
    for number, rows in enumerate((slice(0, 5), slice(5, 7), slice(7, COUNT))):
        arrays_in(folder, f"part-{number}.npz", rows)
    return {**npz(folder), "path": "part-*.npz"}


def fits(folder):
    for name, galaxy, aside in zip(NAMES, GALAXIES, ASIDE, strict=True):
        # `write_fits` turns the first axis over, which is that of the bands here.
        image, mask = (np.moveaxis(part, 2, 0)[::-1] for part in (galaxy, aside.astype(np.int16)))
        write_fits(folder / "fits" / f"{name}.fits", ("SCI", image), ("DQ", mask))
    return {"path": "fits", "axes": "CHW", "row_0": None, "hdu": "SCI", "mask": "DQ"}


def fits_on_request(folder):
    """FITS whose rows are turned over anyway: `dataset.row_0=bottom` turns them over once."""
    return {**fits(folder), "row_0": "bottom"}


def ids_elsewhere(folder):
    """Ids in a file of their own, beside an array without any column."""
    np.save(folder / "ids.npy", NAMES)
    np.savez(folder / "a.npz", images=GALAXIES, weight=np.where(ASIDE, 0, 2.5))
    settings = {"path": "a.npz", "images": "images", "axes": "NHWC", "mask": "weight", "mask_where": "zero"}
    return {**settings, "ids": str(folder / "ids.npy")}


def universe(folder):
    parts = {"flux": GALAXIES, "mask": ASIDE}
    image = [
        {
            "band": list("griz"),
            **{name: np.moveaxis(values[row], 2, 0).tolist() for name, values in parts.items()},
        }
        for row in range(COUNT)
    ]
    write_parquet(folder / "a.parquet", {"image": image}, name=NAMES, ra=RA)
    return {"path": "a.parquet", "mask": "mask"}


def universe_hdf5(folder):
    write_hdf5(
        folder / "u.h5",
        image_array=np.moveaxis(GALAXIES, 3, 1),
        image_mask=np.moveaxis(ASIDE, 3, 1),
        image_band=np.array(list("griz"), "S1"),
        name=np.char.encode(NAMES),
        ra=RA,
    )
    return {"path": "u.h5", "mask": "mask"}


# How messages call the two galaxies that are left out.
LEFT_OUT = {
    npz: ["row 3 of a.npz", "row 5 of a.npz"],
    hdf5: ["row 3 of a.h5", "row 5 of a.h5"],
    shards: ["row 3 of part-0.npz", "row 0 of part-1.npz"],
    fits: ["G3.fits", "G1.fits"],
    fits_on_request: ["G3.fits", "G1.fits"],
    ids_elsewhere: ["row 3 of a.npz", "row 5 of a.npz"],
    universe: ["row 3 of a.parquet", "row 5 of a.parquet"],
    universe_hdf5: ["row 3 of u.h5", "row 5 of u.h5"],
}


@pytest.fixture
def read(tmp_path, config):
    """Reads the galaxies in one of the formats."""

    def read_format(write, **changes):
        more = {"name": "none of them", "z": 3, "mass": 3, "kind": "merger", "subset": "train"}
        columns = {"name": NAMES, "z": Z, "mass": MASS, "kind": KINDS, "subset": SUBSETS}
        columns = {key: np.array([*values[TABLE].tolist(), more[key]]) for key, values in columns.items()}
        write_table(tmp_path / "t.csv", **columns)
        settings = {"row_0": "bottom", "axes": None, "ids": "name", "nan": "drop"} | write(tmp_path) | changes
        return load_dataset(
            config(
                settings.pop("path"),
                table="t.csv",
                labels="kind",
                condition=["z", "mass"],
                split_from="subset",
                channels=BANDS,
                drop="blank",
                **settings,
            )
        )

    return read_format


@pytest.mark.parametrize("write", LEFT_OUT, ids=lambda write: write.__name__)
def test_every_galaxy_keeps_what_belongs_to_it(write, read):
    dataset = read(write)
    names, place = dataset.ids.tolist(), {name: row for row, name in enumerate(NAMES.tolist())}
    rows = [place[name] for name in names]
    assert sorted(rows) == USED
    aside = ASIDE[rows][:, ::-1][..., BANDS]
    np.testing.assert_array_equal(dataset.masks_of(np.arange(len(rows))), aside)
    np.testing.assert_array_equal(dataset.images[:][~aside], GALAXIES[rows][:, ::-1][..., BANDS][~aside])
    np.testing.assert_array_equal(np.array(dataset.class_names)[dataset.labels], KINDS[rows])
    known = np.where(Z == -99, np.nan, Z)
    np.testing.assert_array_equal(dataset.condition, np.stack([known, MASS], axis=1)[rows].astype(np.float32))
    assert dataset.condition_names == ["z", "mass"]
    np.testing.assert_array_equal(dataset.catalogue["mass"], MASS[rows])
    if "ra" in dataset.catalogue:  # beside the images, not in the table
        np.testing.assert_array_equal(dataset.catalogue["ra"], RA[rows])
    for split, word in (("train", "train"), ("val", "dev"), ("test", "testing")):
        assert sorted(dataset.split(split).tolist()) == np.flatnonzero(SUBSETS[rows] == word).tolist()
    where = [sentence.rpartition(": ")[2] for sentence in dataset.report["warnings"] if "1 of 10" in sentence]
    assert where == LEFT_OUT[write]
    upright = dataset.as_stored(np.arange(len(rows)))  # as stored, for export
    np.testing.assert_array_equal(upright[~aside[:, ::-1]], GALAXIES[rows][..., BANDS][~aside[:, ::-1]])
    for name, extreme in (("low", np.min), ("high", np.max)):
        np.testing.assert_array_equal(dataset.image_facts[name], extreme(dataset.images[:], axis=(1, 2, 3)))
    low, high = np.nanmin(known[USED]), np.nanmax(known[USED])
    assert dataset.report["condition z"] == {"known": 7, "missing": 1, "low": low, "high": high}
    low, high = MASS[USED].min(), MASS[USED].max()
    assert dataset.report["condition mass"] == {"known": 8, "missing": 0, "low": low, "high": high}
    assert dataset.band_names == (["i", "g"] if dataset.band_names else [])


@pytest.mark.parametrize("write", [npz, fits], ids=lambda write: write.__name__)
def test_pixels_of_a_mask_and_those_without_a_value_are_both_set_aside(write, read):
    dataset = read(write, nan="fill")
    row = dataset.ids.tolist().index("G3")
    expected = ASIDE[3, ..., BANDS] | np.isnan(GALAXIES[3, ..., BANDS])
    np.testing.assert_array_equal(dataset.masks_of([row])[0], np.moveaxis(expected, 0, 2)[::-1])
    assert expected.sum() == ASIDE[3, ..., BANDS].sum() + 1


def test_a_dataset_is_what_its_keys_ask_for(tmp_path, config):
    npz(tmp_path)
    settings = {"images": "images", "axes": "NHWC", "nan": "drop", "split": [0.6, 0.3, 0.1], "split_seed": 5}
    data = load_dataset(config("a.npz", **settings, stretch="asinh", rgb=[3, 0, 1]))
    assert (data.stretch, data.rgb, len(data)) == ("asinh", (3, 0, 1), COUNT - 1)
    splits = {name: indices.tolist() for name, indices in data.splits.items()}
    assert splits == {"train": [5, 8, 2, 10, 4, 7, 1], "val": [0, 9, 6], "test": [3]}
