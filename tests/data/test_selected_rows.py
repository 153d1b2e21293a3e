"""dataset.select: the images whose ids a table lists, and what is wrong with such a table."""

import logging
import shutil

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import train_config
from builders.galaxies import ellipses
from builders.surveys import write_survey

from galvae.config.check import read_config, write_config
from galvae.data.load import load_all, load_dataset
from galvae.data.quality import checked
from galvae.data.selected_rows import selected_rows
from galvae.data.summary import dataset_report, summary
from galvae.errors import GalvaeError
from galvae.runs.directory import config_digest
from galvae.runs.trained_run import TrainedRun

NUMBERS = np.arange(100, 120)
TEXTS = np.array(["G1", "G2", "0012", "12", "G1234567890"])


def listed(path, **columns):
    Table(columns).write(path, overwrite=True)
    return str(path)


@pytest.mark.parametrize("ending", ["csv", "ecsv", "fits"])
def test_images_are_found_by_their_ids(tmp_path, ending):
    path = listed(tmp_path / f"a.{ending}", x=[1.0, 2.0, 3.0], id=[107, 101, 107])
    rows, note, warning = selected_rows(path, NUMBERS)
    assert np.flatnonzero(rows).tolist() == [1, 7] and warning is None
    assert note == f"2 of 20 images selected by the ids of {path}"
    path = listed(tmp_path / f"b.{ending}", id=["0012", "G1 ", "G1234567890"])
    assert np.flatnonzero(selected_rows(path, TEXTS)[0]).tolist() == [0, 2, 4]
    # The ids of images may be texts where the table's look like numbers.
    path = listed(tmp_path / f"c.{ending}", id=[12, 13])
    rows, _, warning = selected_rows(path, TEXTS)
    assert np.flatnonzero(rows).tolist() == [3]
    assert warning == f"dataset.select: 1 of 2 ids of {path} are those of no image: 13"


def test_missing_ids_are_counted(tmp_path):
    path = listed(tmp_path / "a.csv", id=[*range(90, 103)])
    rows, _, warning = selected_rows(path, NUMBERS)
    assert rows.sum() == 3
    assert warning == f"dataset.select: 10 of 13 ids of {path} are those of no image: 90, 91, 92, ..."


def test_a_wrong_table_is_one_line(tmp_path):
    def refused(problem, path, ids=NUMBERS):
        with pytest.raises(GalvaeError, match=problem) as error:
            selected_rows(str(path), ids)
        assert str(error.value).startswith("dataset.select: ") and str(error.value).count("dataset.") == 1

    refused("no such file; expected a table", tmp_path / "none.csv")
    refused("expected a file ending in .csv", tmp_path / "a.png")
    refused("no column 'id' .*expected one of name", listed(tmp_path / "a.csv", name=[101, 102]))
    refused("received none of them, but 1, 2", listed(tmp_path / "a.csv", id=[1, 2]))
    path = listed(tmp_path / "a.csv", id=[101, 102, 103])
    refused("expected ids that one image has each, received 102", path, np.array([100, 102, 101, 102]))
    (tmp_path / "a.ecsv").write_text("# %ECSV 1.0\nnonsense")
    refused("a.ecsv: expected a whole table", tmp_path / "a.ecsv")
    # Ids that two images have do no harm where they are not asked for.
    assert selected_rows(path, np.array([100, 102, 100]))[0].tolist() == [False, True, False]


@pytest.fixture
def survey(tmp_path):
    """A function that loads 60 galaxies G000 to G059, of which a table in tmp_path selects 20 to 49."""
    words = write_survey(tmp_path / "survey.h5")
    select = listed(
        tmp_path / "some.ecsv", id=[f"G{number:03d}" for number in range(20, 50)], split=["test"] * 30
    )

    def load(*more, select=select, load=load_dataset):
        chosen = () if select is None else (f"dataset.select={select}",)
        return load(train_config(*words, *chosen, *more).dataset)

    return load


def test_splits_are_made_among_the_selected(survey):
    data = survey()
    assert len(data) == 60 and {name: len(rows) for name, rows in data.splits.items()} == {
        "train": 24,
        "val": 3,
        "test": 3,
    }
    assert data.split("all").tolist() == list(range(20, 50))
    assert data.report["condition redshift"]["known"] == 30
    np.testing.assert_allclose(data.condition_ranges, [[data.condition[20, 0], data.condition[49, 0]]])
    assert data.digest != survey(select=None).digest
    everything = survey(load=load_all)
    assert list(everything.splits) == ["all"] and everything.splits["all"].tolist() == list(range(20, 50))
    assert survey(select=None, load=load_all).splits["all"].tolist() == list(range(60))


def test_the_selected_keep_the_split_of_the_dataset(tmp_path):
    names = np.array(["train"] * 20 + ["val"] * 10 + ["test"] * 10)
    np.savez(tmp_path / "a.npz", images=ellipses(40, 16), id=np.arange(40), subset=names)
    path = listed(tmp_path / "some.csv", id=[*range(10, 25), 38, 39])
    words = (
        "dataset=files",
        f"dataset.path={tmp_path / 'a.npz'}",
        "dataset.axes=NHWC",
        "dataset.split_from=subset",
    )
    data = load_dataset(train_config(*words, f"dataset.select={path}").dataset)
    members = {name: sorted(rows.tolist()) for name, rows in data.splits.items()}
    assert members == {"train": [*range(10, 20)], "val": [*range(20, 25)], "test": [38, 39]}
    assert any("split as given: 10 train, 5 val, 2 test" in note for note in data.report["notes"])


def test_what_was_selected_is_said_once(survey, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    listed(tmp_path / "some.ecsv", id=["G900", *(f"G{number:03d}" for number in range(50))])
    lines = list(summary(dataset_report(checked(survey(), report=None))))
    assert sum("50 of 60 images selected by the ids of" in line for line in lines) == 1
    assert sum("1 of 51 ids of" in line for line in lines) == 1
    assert not caplog.records
    with pytest.raises(GalvaeError, match=r"val split is empty.*; 2 of 60 images selected"):
        survey(select=listed(tmp_path / "two.csv", id=["G007", "G008"]))


def test_a_run_knows_the_table_that_it_was_trained_on(trained, tmp_path):
    run = shutil.copytree(trained("vae"), tmp_path / "run")
    with pytest.raises(
        GalvaeError, match="dataset.select: expected none, because .* was trained on all galaxies"
    ):
        _ = TrainedRun.open(run, dataset={"select": str(tmp_path / "some.csv")}).dataset
    config = read_config(run / "config.yaml")
    digest = config_digest(config)
    config.dataset.select = str(tmp_path / "moved.csv")
    assert (
        config_digest(config) == digest
    )  # a path, which may move; its content is part of the dataset's digest
    write_config(config, run / "config.yaml")
    with pytest.raises(
        GalvaeError, match=r"dataset.select: .*moved.csv: does not exist; .* as dataset.select="
    ):
        _ = TrainedRun.open(run).dataset
    ids = [f"G{number:03d}" for number in range(60)]
    path = listed(tmp_path / "some.csv", id=ids)
    assert len(TrainedRun.open(run, dataset={"select": path}).dataset.split("all")) == 60
