import dataclasses
import json
import os
import shutil

import h5py
import numpy as np
import pytest
from builders.configs import train_config
from builders.galaxies import ellipses

from galvae import __version__
from galvae.backend.setup import Device
from galvae.config.fields import LATEST
from galvae.data.dataset import GalaxyDataset
from galvae.data.splits import make_splits
from galvae.errors import GalvaeError
from galvae.runs.directory import RunDirectory, config_digest
from galvae.runs.find import mark_latest
from galvae.runs.trained_run import TrainedRun

DEVICE = Device("tensorflow", "cpu", "a processor", 1, "float32", 2)


def create(path):
    data = GalaxyDataset(
        name="test",
        images=ellipses(20, 8),
        pixel_range=(0, 255),
        report={"count": 20},
        splits=make_splits(20, [0.8, 0.1, 0.1], 0),
    )
    return RunDirectory.create(path, train_config(), data, DEVICE)


def test_a_run_explains_itself(tmp_path):
    run = create(tmp_path / "run")
    again = RunDirectory.open(tmp_path / "run")
    assert again.config == run.config
    environment = json.loads((run.path / "environment.json").read_text())
    assert environment["galvae"] == __version__
    assert environment["packages"]["tensorflow"].count(".") == 2
    assert (environment["backend"], environment["precision"], environment["threads"]) == (
        "tensorflow",
        "float32",
        2,
    )
    assert environment["seed"] == 0
    assert isinstance(environment["command_line"], list)
    assert json.loads((run.path / "data_report.json").read_text())["count"] == 20
    with np.load(run.path / "split.npz") as splits:
        assert {name: len(splits[name]) for name in splits} == {"train": 16, "val": 2, "test": 2}


def test_a_run_keeps_how_bright_its_galaxies_are_drawn(tmp_path):
    images = ellipses(20, 8)
    for name, factor in (("bright", 1.0), ("faint", 1e-3)):
        data = GalaxyDataset(
            name="test",
            images=images * np.float32(factor),
            pixel_range=(0, 255),
            splits=make_splits(20, [0.8, 0.1, 0.1], 0),
        )
        RunDirectory.create(tmp_path / name, train_config(), data, DEVICE)
    assert RunDirectory.open(tmp_path / "bright").display_range is None
    low, high = RunDirectory.open(tmp_path / "faint").display_range
    pixels = data.to_unit(data.images[data.split("train")])
    np.testing.assert_allclose([low, high], np.percentile(pixels, [25, 99.9]), rtol=1e-5)


@pytest.mark.parametrize(
    "value", [None, 3, "ab", [0.1], [0.1, 0.2, 0.3], [0.2, 0.1], [0.1, "1"], [0, True], [0.1, float("inf")]]
)
def test_a_damaged_range_of_display_is_ignored(value, tmp_path):
    run = create(tmp_path / "run")
    run.write_json("data_report.json", {"display_range": value})
    assert run.display_range is None
    run.write_json("data_report.json", {"display_range": [0.1, 0.5]})
    assert run.display_range == (0.1, 0.5)
    (run.path / "data_report.json").unlink()  # such as of a run by an earlier version
    assert run.display_range is None


DAMAGED_ENVIRONMENTS = {
    "epochs that are a dict": {"run_id": "a", "resumed": [{"epochs": {"a": 1}}]},
    "epochs that are a list": {"run_id": "a", "resumed": [{"epochs": [3]}]},
    "epochs that are true": {"run_id": "a", "resumed": [{"epochs": True}]},
    "no epochs": {"run_id": "a", "resumed": [{"epoch": 3}]},
    "a resumption that is a number": {"run_id": "a", "resumed": [3]},
    "resumptions that are a dict": {"run_id": "a", "resumed": {"epochs": 3}},
    "no resumptions": {"run_id": "a"},
    "a run that is a list": {"run_id": ["a"], "resumed": []},
    "no run": {"resumed": []},
    "five hundred levels": {"run_id": "a", "resumed": [], "packages": json.loads("[" * 500 + "]" * 500)},
}


@pytest.mark.parametrize("kind", DAMAGED_ENVIRONMENTS)
def test_a_damaged_environment_is_one_line(kind, tmp_path):
    run = RunDirectory(tmp_path, train_config())
    expected = {"run_id": "a", "resumed": [{"epochs": 3}], "packages": {"keras": None}}
    (tmp_path / "environment.json").write_text(json.dumps(expected))
    assert run.environment == expected
    (tmp_path / "environment.json").write_text(json.dumps(DAMAGED_ENVIRONMENTS[kind]))
    with pytest.raises(
        GalvaeError, match=r"environment\.json: expected the run's run_id and a list of the times"
    ):
        _ = run.environment


def test_a_directory_that_is_not_a_runs_is_refused(tmp_path):
    with pytest.raises(GalvaeError, match="received no directory"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(GalvaeError, match="received a directory without one"):
        RunDirectory.open(tmp_path)


def test_a_run_without_a_checkpoint_is_refused(tmp_path):
    run = create(tmp_path / "run")
    with pytest.raises(GalvaeError, match="no checkpoint yet; expected a run that has finished an epoch"):
        TrainedRun.open(run)


def test_latest_points_to_the_newest_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("outputs/train/a", "elsewhere/b"):
        run = create(tmp_path / name)
        mark_latest(LATEST, run.path)
        assert (tmp_path / "outputs/train/latest").resolve() == run.path
    assert not os.path.isabs(os.readlink("outputs/train/latest"))


def test_files_are_replaced_whole(tmp_path, monkeypatch):
    run = create(tmp_path / "run")
    run.write_json("metrics.json", {"status": "finished"})
    monkeypatch.setattr(
        os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space"):
        run.write_json("metrics.json", {"status": "failed"})
    assert run.status == "finished"


def test_a_moved_or_touched_dataset_is_the_same_and_another_one_is_refused(trained, tmp_path):
    run = TrainedRun.open(trained("vae"))
    same = tmp_path / "elsewhere.h5"
    shutil.copy(run.config.dataset.path, same)
    os.utime(same, (1, 1))
    larger = dataclasses.replace(
        run.state, image_shape=[32, 32, 3]
    )  # forged, beside the digest of these images
    with pytest.raises(GalvaeError, match="trained on .* received others"):
        run.directory.check_same(run.dataset, larger)
    moved = {"path": str(same)}
    data = TrainedRun.open(run.path, dataset=moved).dataset
    assert data.content == json.loads((run.path / "data_report.json").read_text())["sha256"]
    assert data.digest == run.dataset.digest
    with h5py.File(same, "a") as file:  # equal in number and shape
        file["images"][17, 3, 3, 1] += 1
    with pytest.raises(
        GalvaeError, match=r"that .*vae was trained on \(SHA-256 \w{12}\), received others"
    ) as error:
        _ = TrainedRun.open(run.path, dataset=moved).dataset
    assert "\n" not in str(error.value)
    shutil.copy(run.config.dataset.path, same)
    with h5py.File(same, "a") as file:
        file["redshift"][5] += 0.1
        file["ra"][5] += 0.1
    with pytest.raises(GalvaeError, match="trained on .* received others"):
        _ = TrainedRun.open(run.path, dataset=moved).dataset


def test_a_file_of_ids_may_move_and_a_column_of_ids_may_not():
    def digest(ids):
        return config_digest(train_config("dataset=files", "dataset.path=x", f"dataset.ids={ids}"))

    assert digest("a/ids.npy") == digest("b/ids.npy")
    assert len({digest(ids) for ids in ("a/ids.npy", "objid", "id")}) == 3


def test_what_a_killed_process_left_in_a_folder_goes(tmp_path):
    run = create(tmp_path / "run")
    folders = ("figures", "codes", "noise", "reference", "priors/flow")
    for folder in folders:
        (run.path / folder).mkdir(parents=True, exist_ok=True)
        (run.path / folder / ".123-half").write_bytes(b"half")
    run._clean()
    assert not list(run.path.rglob(".*"))
