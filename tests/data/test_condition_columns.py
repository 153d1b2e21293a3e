"""The columns of a condition: which ones a dataset is asked for, classes as zeros and ones, and what is unknown."""

import dataclasses

import h5py
import numpy as np
import pytest
from builders.configs import SOURCE
from builders.galaxies import dataset
from builders.surveys import write_galaxy10
from builders.user_files import N, pixels, store

from galvae.config.dataset import Galaxy10Config
from galvae.data.conditions import one_hot
from galvae.data.load import load_dataset
from galvae.data.summary import dataset_report, galaxy_columns
from galvae.errors import GalvaeError

KIND = ["spiral", "disc", "spiral", "", "odd", "odd"]
CLASSES = ["class=disc", "class=odd", "class=spiral"]
EXPECTED = [[0, 0, 1], [1, 0, 0], [0, 0, 1], [np.nan] * 3, [0, 1, 0], [0, 1, 0]]


def test_a_class_is_a_one_among_zeros():
    columns = one_hot(np.array([2, 0, -1]), 3)
    np.testing.assert_array_equal(columns, [[0, 0, 1], [1, 0, 0], [np.nan] * 3])
    assert columns.dtype == np.float32


@pytest.fixture
def galaxies(tmp_path, config):
    """The dataset of a file with classes, redshifts and masses for some `dataset.condition` and further keys."""
    columns = {"kind": np.array(KIND), "z": np.linspace(0.1, 0.6, N), "mass": np.arange(N) + 8.0}
    store(tmp_path, "a.h5", pixels(N, 8, 8), **columns)
    return lambda *names, **keys: load_dataset(
        config("a.h5", **{"labels": "kind", "condition": list(names), **keys})
    )


@pytest.mark.parametrize("names", [["mass", "class", "z"], ["Kind", "mass", "z"]])
def test_classes_come_first_and_numbers_in_the_order_in_which_they_are_asked_for(galaxies, names):
    data = galaxies(*names)
    assert data.condition_names == [*CLASSES, "mass", "z"] and data.condition_units == [""] * 5
    np.testing.assert_array_equal(data.condition[:, :3], EXPECTED)
    np.testing.assert_allclose(
        data.condition[:, 3:], np.stack([np.arange(N) + 8, np.linspace(0.1, 0.6, N)], 1)
    )
    assert data.condition_classes == ["disc", "odd", "spiral"]
    assert data.condition_numbers == {"mass": 3, "z": 4}
    assert "condition class=disc" not in data.report and data.report["condition z"]["known"] == N


def test_an_entry_of_the_cache_serves_with_and_without_classes(galaxies, tmp_path):
    without, alone = galaxies("z"), galaxies("class")
    assert alone.condition_names == CLASSES
    with_classes = galaxies("class", "z")
    assert with_classes.mapped_files.paths == without.mapped_files.paths
    assert len({data.digest for data in (without, alone, with_classes)}) == 3


def test_runs_of_earlier_versions_are_conditional_on_numbers_whatever_they_are_called(tmp_path, config):
    store(tmp_path, "a.h5", pixels(N, 8, 8), Class=np.arange(N) % 2)
    old = load_dataset(config("a.h5", labels="Class", condition=["class"], reading=1))
    assert old.condition_names == ["Class"] and old.condition[:, 0].tolist() == [0, 1, 0, 1, 0, 1]
    assert load_dataset(config("a.h5", labels="Class", condition=["class"])).condition_classes == ["0", "1"]


def test_classes_that_there_are_not(galaxies):
    message = "expected a dataset with classes, which dataset.labels=COLUMN names, for class; received files without"
    with pytest.raises(GalvaeError, match=f"^dataset.condition: {message}$"):
        galaxies("class", labels=None)
    with pytest.raises(GalvaeError, match="expected different columns, received class, kind$"):
        galaxies("class", "kind")
    with pytest.raises(
        GalvaeError, match=r"dataset.labels=kind dataset.condition=\[class\] reads it as classes$"
    ):
        galaxies("kind", labels=None)


def test_other_datasets_have_conditions_of_their_own_columns(tmp_path):
    path = write_galaxy10(tmp_path / "Galaxy10_DECals.h5")
    with h5py.File(path) as file:
        labels, redshift, scale = (file[name][()] for name in ("ans", "redshift", "pxscale"))

    def load(*names):
        keys = {**SOURCE, "condition": list(names), "cache_dir": str(tmp_path / "cache")}
        return load_dataset(Galaxy10Config(name="galaxy10", path=str(path), image_size=64, **keys))

    assert load().condition_names == ["redshift"]
    data = load("Redshift", "class", "pxscale")
    assert data.condition_names[10:] == ["redshift", "pxscale"] and data.condition_units[11] == "arcsec / pix"
    assert data.condition_names[3] == "class=In-between Round Smooth"
    np.testing.assert_array_equal(data.condition[:, :10].argmax(axis=1), labels)
    np.testing.assert_allclose(data.condition[:, 10:], np.stack([redshift, scale], axis=1), rtol=1e-6)
    expected = "expected columns of galaxy10, class or redshift or ra or dec or pxscale, received 'clas'"
    with pytest.raises(GalvaeError, match=f"dataset.condition: {expected}"):
        load("clas")


def conditional(labels, redshift, **changes):
    """25 galaxies, 15 of them for training, of the classes a, b and c, with redshifts."""
    names = ["class=a", "class=b", "class=c", "redshift"]
    condition = np.concatenate([one_hot(labels, 3), redshift[:, None]], axis=1)
    values = {"condition": condition, "condition_names": names, "condition_units": [""] * 4}
    return dataset(labels=labels, class_names=list("abc"), **values, **changes)


def test_galaxies_without_a_class_are_left_out_even_where_the_mean_redshift_is_filled_in(caplog):
    labels, redshift = np.arange(25) % 3, np.linspace(0, 1, 25, dtype=np.float32)
    labels[[4, 5]], redshift[[5, 9]] = -1, np.nan
    data = conditional(labels, redshift)
    dropped, filled = (data.with_known_condition(how) for how in ("drop", "mean"))
    assert not {4, 5, 9} & {*dropped.split("all").tolist()} and len(dropped.split("all")) == 22
    assert sorted({*range(25)} - {*filled.split("all").tolist()}) == [4, 5]
    train = data.split("train")
    assert filled.condition[9, 3] == pytest.approx(np.nanmean(redshift[train]))
    np.testing.assert_array_equal(filled.condition[9, :3], data.condition[9, :3])
    assert "3 of 25 images have no known class, redshift and are left out" in caplog.text
    assert "2 of 25 images have no known class and are left out" in caplog.text
    with pytest.raises(
        GalvaeError, match="expected a known class, redshift for every image, received 3 of 25"
    ):
        data.with_known_condition("error")


def test_a_class_without_training_galaxies_cannot_be_learned(caplog):
    redshift = np.linspace(0, 1, 25, dtype=np.float32)
    labels = np.arange(25) % 2
    validation = dataset().split("val")
    labels[validation[:2]] = 2
    known = conditional(labels, redshift).with_known_condition("drop")
    assert known.split("val").tolist() == validation[2:].tolist()
    assert "no training image is of class c: 2 images of it are left out" in caplog.text
    assert known.condition_ranges == [[0, 1], [0, 1], [0, 0], [None, None]]  # the last one is the report's
    whole = conditional(np.arange(25) % 3, redshift)
    assert whole.with_known_condition("drop") is whole


def test_a_conditional_model_may_take_the_classes():
    data = dataset(labels=np.arange(25) % 2, class_names=["a", "b"])
    with pytest.raises(
        GalvaeError, match=r"none that is known; dataset.condition=\[class\] takes the classes$"
    ):
        data.with_known_condition("drop")


def test_columns_of_classes_are_no_numbers_of_a_table_or_a_figure():
    data = conditional(np.arange(25) % 3, np.linspace(0, 1, 25, dtype=np.float32))
    assert data.column_names == ["class", "redshift"]
    assert data.column("redshift", np.array([24])).values == 1
    assert data.column(None, np.array([4])).values == 1
    assert list(galaxy_columns(data, np.arange(3))) == ["id", "redshift", "class", "split"]
    alone = dataclasses.replace(
        data,
        condition=data.condition[:, :3],
        condition_names=data.condition_names[:3],
        report={"low": 0, "high": 1},
    )
    assert alone.column_names == ["class"] and "class=a" not in str(dataset_report(alone)["examples"])
