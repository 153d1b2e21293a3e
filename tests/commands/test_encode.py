"""galvae encode: own and other galaxies, its parts, what it refuses, and what it does after it was killed."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from astropy.table import Table
from builders.configs import composed, train_config
from builders.galaxies import ellipses
from builders.processes import child_environment

from galvae.cli.overrides import hydra_arguments
from galvae.commands import encode
from galvae.config.check import from_dict
from galvae.config.encode import EncodeConfig
from galvae.errors import GalvaeError
from galvae.runs.trained_run import TrainedRun


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    """Path of a trained run without results, a copy."""
    path = tmp_path_factory.mktemp("encode") / "run"
    shutil.copytree(trained("vae"), path, ignore=shutil.ignore_patterns("umap*", "encode*"))
    return path


@pytest.fixture(scope="module")
def opened(run):
    """The run, opened once."""
    return TrainedRun.open(run)


@pytest.fixture
def encoded(run, opened, monkeypatch):
    """Function of a folder and overrides that calls the command; returns the path of its results."""
    monkeypatch.setattr(encode.TrainedRun, "open", lambda *_, **__: opened)

    def call(folder, *overrides):
        folder.mkdir(parents=True, exist_ok=True)
        return encode.main(from_dict(EncodeConfig, composed("encode", f"run={run}", *overrides)), folder)

    return call


@pytest.fixture
def images(opened, tmp_path):
    """A file of 40 galaxies of the run's shape, and its overrides."""
    height, _, bands = opened.state.image_shape
    path = tmp_path / "survey.npy"
    np.save(path, ellipses(40, height, bands).astype(np.float32) / 255)
    return ["dataset=files", f"dataset.path={path}", "dataset.axes=NHWC", "allow=[bands]"]


def content(folder):
    """The table, and the numbers beside it."""
    results = json.loads((folder / "encode.json").read_text())
    return Table.read(folder / results["table"]), results


def test_own_galaxies_have_the_codes_of_evaluate_and_their_splits(encoded, opened, tmp_path):
    table, results = content(encoded(tmp_path / "own", "shards=3"))
    codes = opened.codes("all")
    for axis in range(codes.mean.shape[1]):
        np.testing.assert_allclose(table[f"code_{axis}"], codes.mean[:, axis], atol=1e-6)
        np.testing.assert_allclose(table[f"code_error_{axis}"], codes.std[:, axis], atol=1e-6)
    np.testing.assert_array_equal(table["index"], codes.indices)
    np.testing.assert_array_equal(table["id"], opened.galaxies.ids[codes.indices])
    assert np.sum(table["split"] == "test") == len(opened.galaxies.split("test"))
    assert results["galaxies"] == len(table) == len(codes.indices)
    assert (results["warning"], results["alignment"]) == (None, [])
    assert set(results["out_of_distribution"]) == {"p_code", "p_reconstruction"}
    assert sorted(path.name for path in (tmp_path / "own").iterdir() if path.name[0] != ".") == [
        "encode.json",
        "galaxies.ecsv",
    ]


def test_the_same_command_finds_its_parts_and_its_results(encoded, images, tmp_path, capsys):
    whole = encoded(tmp_path / "whole", *images, "shards=5")
    capsys.readouterr()
    for shard in (4, 1, 2):
        encoded(tmp_path / "parts", *images, "shards=5", f"shard={shard}")
    assert "3 of 5 parts are encoded" in capsys.readouterr().out
    assert not (tmp_path / "parts" / "galaxies.ecsv").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts" / "parts").iterdir()}
    assert len(before) == 3
    damaged = max(before)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    encoded(tmp_path / "parts", *images, "shards=5")
    written = (whole / "galaxies.ecsv").read_bytes()
    assert (tmp_path / "parts" / "galaxies.ecsv").read_bytes() == written
    changed = (tmp_path / "parts" / "galaxies.ecsv").stat().st_mtime_ns
    encoded(tmp_path / "parts", *images, "shards=5", "select='index<3'")
    assert (tmp_path / "parts" / "galaxies.ecsv").stat().st_mtime_ns == changed
    np.testing.assert_array_equal(Table.read(tmp_path / "parts" / "selected.ecsv")["index"], [0, 1, 2])


def test_jobs_of_an_array_write_to_the_folder_of_their_results(encoded, images, tmp_path):
    for shard in range(3):
        output = tmp_path / "results" / "jobs" / str(shard)
        assert encoded(output, *images, "shards=3", f"shard={shard}") == tmp_path / "results"
    table, _ = content(tmp_path / "results")
    np.testing.assert_array_equal(table["index"], np.arange(40))


def test_galaxies_that_change_between_parts_are_refused(encoded, images, tmp_path):
    encoded(tmp_path / "new", *images, "shards=2", "shard=0")
    path = images[1].partition("=")[2]
    np.save(path, np.load(path)[::-1])
    with pytest.raises(GalvaeError, match="of other galaxies, or of these as they were before they changed"):
        encoded(tmp_path / "new", *images, "shards=2", "shard=1")


def test_a_corrected_table_is_no_longer_the_dataset_that_was_encoded(encoded, images, tmp_path):
    for name, ra in (("t.ecsv", 0.0), ("t2.ecsv", 1.0)):
        Table({"id": np.arange(40), "ra": np.arange(40.0) + ra}).write(tmp_path / name)
    keys = [*images, "shards=2", "add=[]", "dataset.ids=null"]
    encoded(tmp_path / "new", *keys, f"dataset.table={tmp_path}/t.ecsv")
    with pytest.raises(GalvaeError, match="with other columns of the catalogue, as of another dataset.table"):
        encoded(tmp_path / "new", *keys, f"dataset.table={tmp_path}/t2.ecsv")


def test_a_wrong_selection_costs_no_encoding(encoded, images, tmp_path):
    for text, message in (("p_codes<1", "did you mean p_code"), ("id=='a'", "is a text")):
        with pytest.raises(GalvaeError, match=f"^select: .*{message}"):
            encoded(tmp_path / "new", *images, "shards=2", f'select="{text}"')
    assert not (tmp_path / "new" / "encode.json").exists()
    encoded(tmp_path / "new", *images, "shards=2", "select='p_code<2'")
    assert (tmp_path / "new" / "selected.ecsv").exists()


def test_own_galaxies_that_have_moved_are_told_what_encode_can_do(encoded, opened, monkeypatch, tmp_path):
    section = train_config("dataset=files", f"dataset.path={tmp_path}/gone.npy").dataset
    monkeypatch.setattr(opened.config, "dataset", section)
    monkeypatch.delitem(vars(opened), "dataset", raising=False)
    with pytest.raises(GalvaeError, match="gone.npy: does not exist") as error:
        encoded(tmp_path / "own")
    assert "takes the run's own galaxies only from there" in str(error.value)
    assert "new path" not in str(error.value)


def test_repeated_ids_are_warned_of_and_galaxies_unlike_the_training_data_too(
    encoded, images, tmp_path, caplog
):
    path = images[1].partition("=")[2]
    galaxies = np.load(path)
    np.savez(tmp_path / "noise.npz", images=1 - galaxies, ids=np.arange(40) // 2)
    keys = [f"dataset.path={tmp_path}/noise.npz", "dataset.ids=ids", "shards=3"]
    _, results = content(encoded(tmp_path / "noise", *images[:1], *images[2:], *keys))
    assert results["repeated_ids"] == 40
    assert "40 galaxies have an id that another one has too, such as 0, 1, 2" in caplog.text
    assert "out of distribution" in results["warning"]


@pytest.mark.parametrize("form", ["fits", "parquet"])
def test_other_formats_hold_the_same_table(encoded, images, tmp_path, form):
    pytest.importorskip("pyarrow")
    expected, _ = content(encoded(tmp_path / "ecsv", *images, "shards=2", "add=[]"))
    table, results = content(encoded(tmp_path / form, *images, "shards=2", "add=[]", f"table={form}"))
    assert results["table"] == f"galaxies.{form}"
    assert table.colnames == expected.colnames
    np.testing.assert_array_equal(table["code_1"], expected["code_1"])


@pytest.mark.parametrize(
    ("words", "folder"),
    [
        ([], "own"),
        (["dataset=hdf"], "hdf"),
        (["dataset=files", "dataset.path=/a/my galaxies.v2.h5"], "my_galaxies.v2"),
        (["dataset=files", "dataset.path='/a/part-*.hdf5'"], "part-_"),
        (["dataset=files", "dataset.path=/a/b.h5", "name=0012"], "0012"),
    ],
)
def test_results_are_in_a_folder_of_the_run_that_the_same_command_names_again(run, words, folder):
    for _ in range(2):
        arguments = hydra_arguments("encode", [f"run={run}", *words])
        assert f"hydra.run.dir='{run}/encode/{folder}'" in arguments
    arguments = hydra_arguments("encode", ["-m", f"run={run}", "shards=8", "shard=range(0,8)", *words])
    assert f"hydra.sweep.dir='{run}/encode/{folder}'" in arguments
    assert "hydra.sweep.subdir=jobs/${hydra.job.num}" in arguments


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["name=../else"], "^name: expected letters, digits"),
        (
            ["dataset.path=a.h5"],
            r"^dataset: expected the choice that has the key, as dataset=files dataset\.path=",
        ),
        (["-m", "shard=0,1", "add=[],[scores]"], "^shard: expected a sweep over nothing else"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(run, words, message):
    with pytest.raises(GalvaeError, match=message):
        hydra_arguments("encode", [*words, f"run={run}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shards=4", "shard=4"], "^shard: expected a number below shards=4, received 4"),
        (["add=[scores,scores]"], "^add: expected different names"),
        (["add=[ssim]"], "^add: expected scores or morphology"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(words, message):
    with pytest.raises(GalvaeError, match=message):
        from_dict(EncodeConfig, composed("encode", "run=x", *words))


def test_places_are_refused_without_an_embedding(encoded, run, tmp_path):
    with pytest.raises(GalvaeError, match=f"^add: plane: .* galvae umap run={run} makes one"):
        encoded(tmp_path / "own", "add=[plane]")


@pytest.mark.slow
@pytest.mark.real_reader
def test_after_kill_9_the_same_command_makes_the_same_table(run, images, tmp_path):
    path = images[1].partition("=")[2]
    np.save(path, np.load(path)[np.arange(3000) % 40])
    command = [sys.executable, "-m", "galvae", "encode", f"run={run}", *images, "shards=4"]

    def finish(*words):
        done = subprocess.run(
            [*command, *words],
            capture_output=True,
            text=True,
            check=False,
            env=child_environment(),
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return (run / "encode" / done.stdout.splitlines()[-1] / "galaxies.ecsv").read_bytes()

    calm = finish("name=calm")
    process = subprocess.Popen([*command, "name=killed"], env=child_environment())
    until = time.monotonic() + 120
    while not (run / "encode/killed/parts/part-00000-of-00004.npz").exists():
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    parts = sorted((run / "encode/killed/parts").glob("part-*"))
    assert 1 <= len(parts) < 4
    assert finish("name=killed") == calm
    # Two processes at a time, as an array.
    array = ["-m", "shard=range(0,4)", "hydra/launcher=processes", "hydra.launcher.jobs=2", "name=array"]
    assert finish(*array) == calm
