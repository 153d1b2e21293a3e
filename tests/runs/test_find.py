"""Run directories that `runs=` refers to."""

import os

import pytest

from galvae.config.fields import LATEST, LATEST_SWEEP
from galvae.errors import GalvaeError
from galvae.runs.find import find_runs, latest, mark_latest, open_error


def make_run(folder):
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()


def test_runs_of_a_sweep_come_in_the_order_of_its_jobs(tmp_path):
    for job in (10, 9, 0, 2):
        make_run(tmp_path / f"{job}_hdf_vae_z2")
    (tmp_path / "compare").mkdir()
    (tmp_path / "multirun.yaml").touch()
    names = [path.name for path in find_runs(str(tmp_path))]
    assert names == ["0_hdf_vae_z2", "2_hdf_vae_z2", "9_hdf_vae_z2", "10_hdf_vae_z2"]


def test_a_single_run_is_itself_and_a_list_keeps_its_order(tmp_path):
    for name in ("b", "a/x", "a/y"):
        make_run(tmp_path / name)
    (tmp_path / "b" / "sample").mkdir()
    assert find_runs(str(tmp_path / "b")) == [tmp_path / "b"]
    paths = find_runs([str(tmp_path / "b"), str(tmp_path / "a")])
    assert paths == [tmp_path / "b", tmp_path / "a" / "x", tmp_path / "a" / "y"]


def test_links_to_runs_count_once(tmp_path):
    make_run(tmp_path / "runs" / "2026_hdf")
    make_run(tmp_path / "elsewhere")
    (tmp_path / "runs" / "latest").symlink_to("2026_hdf")
    (tmp_path / "runs" / "mine").symlink_to("../elsewhere")
    assert [path.name for path in find_runs(str(tmp_path / "runs"))] == ["2026_hdf", "mine"]


@pytest.mark.parametrize(
    ("locations", "message"),
    [
        ([], "expected a sweep's directory or a list of runs, received an empty list"),
        (["a", "nix"], "nix: expected a run's or a sweep's directory; received no directory"),
        ("empty", "empty: expected a run's or a sweep's directory; received a directory without runs"),
        (["a", "empty/../a/"], "expected each run once, received"),
    ],
)
def test_locations_without_runs_are_refused(locations, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalvaeError, match=message):
        find_runs(locations)


def test_latest_is_the_newest_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "outputs" / "train" / "2026_hdf")
    mark_latest(LATEST, "outputs/train/2026_hdf")
    with pytest.raises(
        GalvaeError, match="runs=latest: expected a sweep.*runs=outputs/train/latest is the newest"
    ):
        find_runs("latest")
    for job in "01":
        make_run(tmp_path / "elsewhere" / job)
    mark_latest(LATEST_SWEEP, "elsewhere")
    assert find_runs("latest") == [tmp_path / "elsewhere" / job for job in "01"]
    assert os.readlink(LATEST_SWEEP) == "../../elsewhere"
    with pytest.raises(
        GalvaeError, match="expected paths in a list, received latest; the newest run is outputs/tra"
    ):
        find_runs(["latest", str(tmp_path / "elsewhere")])


def test_a_run_is_named_where_only_sweeps_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "sweep" / "0")
    mark_latest(LATEST_SWEEP, "sweep")
    with pytest.raises(
        GalvaeError, match=f"none in {tmp_path}/outputs/train; the jobs .* are in {tmp_path}/sweep$"
    ):
        latest("run")


@pytest.mark.parametrize("key", ["run", "resume"])
def test_a_sweep_given_as_a_run_names_its_runs(key, tmp_path):
    for job in (10, 2):
        make_run(tmp_path / "sweep" / f"{job}_hdf")
    line = f"{key}: {tmp_path}/sweep: expected a run's directory, with a config.yaml; received a directory without one"
    found = str(open_error(key, tmp_path / "sweep"))
    assert found == f"{line}; its 2 runs are in it, as {key}={tmp_path}/sweep/2_hdf"
    assert str(open_error(key, tmp_path / "nix")).endswith("received no directory")
