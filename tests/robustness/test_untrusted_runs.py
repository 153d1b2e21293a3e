"""Untrusted runs, tables and surroundings: odd names, files that are none, code where data should be."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from builders.configs import SMALL
from builders.galaxies import ellipses
from fuzzing.headers import write_manifest

from galvae.data.splits import read_splits
from galvae.errors import GalvaeError
from galvae.latent.codes import read_codes
from galvae.latent.umap_storage import find_stored
from galvae.runs.bundles import opened
from galvae.runs.checkpoints import FILES, newest, verifies
from galvae.runs.directory import RunDirectory, config_digest
from galvae.runs.evaluations import evaluations
from galvae.runs.sweep import recorded
from galvae.runs.trained_run import TrainedRun

NAMES = {
    "a line break": "a\nb",
    "characters from right to left": "a\u202eb",
    "an escape": "a\x1b[2Jb",
    "a dash": "-a",
    "255 bytes": "a" * 255,
    "no UTF-8": "a\udcffb",
    "two dots": "..a..",
}


def one_line(status, err, *words):
    assert status in (1, 2), err
    lines = [line for line in err.splitlines() if line.startswith("galvae: ")]
    assert len(lines) == 1, err
    assert lines[0].isprintable()
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0]


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a trained run, to be changed."""
    return Path(shutil.copytree(trained("vae"), tmp_path / "run"))


@pytest.mark.parametrize("kind", NAMES)
def test_a_run_of_any_name_is_read_and_named_in_one_line(kind, run, galvae, tmp_path):
    folder = run.rename(tmp_path / NAMES[kind])
    path = folder if kind != "a dash" else f"./{folder.name}"
    status, _, err = galvae("sample", f"run={path}", "n=1")
    assert status == 0, err
    (folder / "config.yaml").write_text("x: 1")
    one_line(*galvae("sample", f"run={path}", "n=1")[::2], "config.yaml: x: unknown key")


@pytest.mark.parametrize("name", ["config.yaml", "environment.json", "checkpoints", "checkpoints/epoch-0002"])
@pytest.mark.parametrize("kind", ["folder", "file", "dangling link", "pipe"])
def test_a_file_that_is_something_else_is_one_line_or_skipped(name, kind, run, galvae):
    path = run / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.write_bytes(b"\0\1\2")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere")
    status, _, err = galvae("sample", f"run={run}", "n=1")
    if status == 0:  # from the checkpoint before
        assert name == "checkpoints/epoch-0002"
        assert err.count(f"{path} is damaged and is skipped") == 1
    else:
        one_line(status, err, str(run))


PIPED = {
    "config.yaml": lambda run: RunDirectory.open(run),
    "environment.json": lambda run: RunDirectory(run, None).environment,
    "metrics.json": lambda run: RunDirectory(run, None).status == "unfinished",
    "split.npz": lambda run: read_splits(run / "split.npz"),
    "bundle.json": lambda run: opened(run) == run,  # no list, so no bundle
    "jobs.json": lambda run: recorded(run) == {},
    "evaluate/metrics.json": lambda run: evaluations(run, 1, "a") == [],
    "codes/all.npz": lambda run: read_codes(run / "codes/all.npz", "a", 3, True) is None,
    "umap/embedding.npz": lambda run: find_stored([run / "umap/embedding.npz"], "a", []) == (None, None),
    **{
        f"checkpoints/epoch-0002/{name}": lambda run: not verifies(run / "checkpoints/epoch-0002")
        for name in ("manifest.json", *FILES)
    },
}


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "link to itself"])
@pytest.mark.parametrize("name", PIPED)
def test_no_file_of_a_run_is_waited_for(name, kind, tmp_path, trained):
    """Of a run or a sweep; a device never ends, a pipe never begins."""
    (tmp_path / "checkpoints").mkdir()
    shutil.copytree(newest(trained("vae") / "checkpoints"), tmp_path / "checkpoints" / "epoch-0002")
    assert verifies(tmp_path / "checkpoints/epoch-0002")
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    try:
        found = PIPED[name](tmp_path)
    except GalvaeError as error:
        found = "\n" not in str(error) and str(tmp_path if name == "config.yaml" else path) in str(error)
    assert found is True


@pytest.mark.parametrize("kind", ["dangling", "a file", "elsewhere", "itself"])
def test_a_latest_that_leads_nowhere_is_one_line(kind, galvae, tmp_path):
    (tmp_path / "outputs" / "train").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    targets = {"dangling": "nowhere", "a file": tmp_path / "file", "elsewhere": "/", "itself": "latest"}
    (tmp_path / "outputs" / "train" / "latest").symlink_to(targets[kind])
    one_line(*galvae("sample", "run=latest")[::2], "expected")


def test_a_size_that_no_memory_holds_is_refused_by_the_header_of_the_weights(run, galvae):
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["latent_dim"] = 10**9
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    one_line(*galvae("sample", f"run={run}")[::2], "latent_dim: expected integer", "received 1000000000")
    # Somebody who knows the bounds, and forges what binds the files together.
    values["latent_dim"], values["network"]["dense"], values["network"]["filters"] = 65536, 65536, [4096]
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    forge(run)
    one_line(*galvae("sample", f"run={run}")[::2], "expected ((", "received", "not of this configuration")


def forge(run):
    """Makes a run's checkpoint agree with its configuration again."""
    folder = newest(run / "checkpoints")
    state = json.loads((folder / "state.json").read_text())
    state["config_sha256"] = config_digest(RunDirectory.open(run).config)
    (folder / "state.json").write_text(json.dumps(state))
    write_manifest(folder)


def test_an_untrusted_run_names_no_place_to_write_to(run, galvae, tmp_path, monkeypatch):
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "own"))
    victim = tmp_path / "victim"
    victim.mkdir()
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["dataset"]["cache_dir"] = str(victim)
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    assert len(TrainedRun.open(run).dataset) == 60
    assert os.listdir(victim) == []
    assert os.listdir(tmp_path / "own")
    # A folder in which galvae has kept arrays before is one to keep arrays in.
    shutil.copytree(tmp_path / "own", victim, dirs_exist_ok=True)
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "other"))
    assert len(TrainedRun.open(run).dataset) == 60
    assert not (tmp_path / "other").exists()


def test_an_untrusted_run_that_is_resumed_names_no_place_to_write_to(run, galvae, tmp_path, monkeypatch):
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "own"))
    values = yaml.safe_load((run / "config.yaml").read_text())
    values["dataset"]["cache_dir"] = str(tmp_path / "victim")
    (run / "config.yaml").write_text(yaml.safe_dump(values))
    status, _, err = galvae("train", f"resume={run}", f"epochs={values['epochs'] + 1}")
    assert status == 0, err
    assert not (tmp_path / "victim").exists()
    assert os.listdir(tmp_path / "own")
    assert RunDirectory.open(run).metrics["epochs"] == values["epochs"] + 1


HEADERS = {
    "a call": "!!python/object/apply:os.system ['touch MARK']",
    "a name": "!!python/name:os.system",
    "a module": "!!python/module:os",
    "a new object": "!!python/object/new:os._wrap_close ['touch MARK']",
    "another class": "!astropy.table.SerializedColumn {__class__: subprocess.Popen, args: [touch, MARK]}",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_table_whose_header_holds_code_runs_nothing(kind, galvae, tmp_path):
    mark = tmp_path / "was here"
    np.save(tmp_path / "galaxies.npy", ellipses(30, 8))
    header = (
        f"# %ECSV 1.0\n# ---\n# datatype:\n# - {{name: kind, datatype: int64}}\n# meta: {HEADERS[kind]}\n"
    )
    (tmp_path / "t.ecsv").write_text(header.replace("MARK", str(mark)) + "kind\n" + "1\n" * 30)
    arguments = (
        "prepare",
        "dataset=files",
        "dataset.axes=NHWC",
        "dataset.path=galaxies.npy",
        "dataset.table=t.ecsv",
        "dataset.labels=kind",
    )
    status, _, err = galvae(*arguments, "dataset.labels=kind")
    assert not mark.exists()
    if kind == "another class":  # of which astropy has none: the table is read without it
        assert status == 0, err
    else:
        one_line(status, err, "t.ecsv: expected a whole table")


def test_a_table_whose_header_would_expand_without_limit_takes_no_time(galvae, tmp_path):
    np.save(tmp_path / "galaxies.npy", ellipses(30, 8))
    lines = ["# a0: &a0 [1]"] + [f"# a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    header = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: kind, datatype: int64}\n" + "\n".join(lines) + "\n"
    (tmp_path / "t.ecsv").write_text(header + "kind\n" + "1\n" * 30)
    started = time.process_time()
    status, _, err = galvae(
        "prepare",
        "dataset=files",
        "dataset.axes=NHWC",
        "dataset.path=galaxies.npy",
        "dataset.table=t.ecsv",
        "dataset.labels=kind",
    )
    assert status == 0, err  # the lists are read, and are no columns
    assert time.process_time() - started < 60


SURROUNDINGS = {
    "a torn keras.json": ({}, '{"floatx": "floa', ""),
    "another keras.json": ({"KERAS_BACKEND": "no such"}, '{"floatx": "float16", "backend": "torch"}', ""),
    "no home, no assertions": ({"HOME": None, "PYTHONOPTIMIZE": "2"}, "{}", "umask 077; exec >&-;"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SURROUNDINGS)
def test_training_does_not_depend_on_its_surroundings(kind, tmp_path):
    variables, keras, shell = SURROUNDINGS[kind]
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(keras)
    np.save(tmp_path / "galaxies.npy", ellipses(30, 8))
    values = {**os.environ, "HOME": str(tmp_path), **variables}
    command = [
        sys.executable,
        "-m",
        "galvae",
        "train",
        "dataset=files",
        "dataset.axes=NHWC",
        "dataset.path=galaxies.npy",
        *SMALL,
    ]
    done = subprocess.run(
        ["bash", "-c", f'{shell} exec "$@"', "bash", *command, "epochs=1", "hydra.run.dir=run"],
        env={name: value for name, value in values.items() if value is not None},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = RunDirectory.open(tmp_path / "run")
    assert found.finished
    assert found.environment["backend"] == "tensorflow"
    assert (tmp_path / "run" / "config.yaml").stat().st_mode & 0o77 == (0 if "umask" in shell else 0o44)


@pytest.mark.parametrize(
    "variables", [{"LC_ALL": "C"}, {"LC_ALL": "tr_TR.UTF-8"}, {"TERM": "dumb"}, {"HOME": None}]
)
def test_a_wrong_value_is_one_line_in_any_surroundings(variables, tmp_path):
    values = {**os.environ, "PYTHONWARNINGS": "error", **variables}
    done = subprocess.run(
        [sys.executable, "-m", "galvae", "train", "epochs=銀"],
        env={name: value for name, value in values.items() if value is not None},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"galvae: epochs=")
    assert done.stderr.count(b"\n") == 1
    assert os.listdir(tmp_path) == []


def test_too_little_memory_for_native_code_is_one_line(tmp_path):
    command = f"ulimit -v 3100000; exec {sys.executable} -m galvae train"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == "galvae: memory: expected 6 GB of address space or more, received 3.2, the limit of ulimit -v\n"
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("word", ["colour=glob(*)", "seed=range(3,1)"])
def test_a_sweep_without_a_job_is_one_line(word, run, galvae, tmp_path):
    one_line(*galvae("sample" if "seed" in word else "umap", f"run={run}", "-m", word)[::2], "sweep")


def test_a_standard_output_that_is_full_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "galvae", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == "galvae: cannot write to standard output: No space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["epochs=" + "[" * 30], "nested brackets"),
        (["latent_dim=" + "9" * 100_000], "at most 10000 characters"),
        (["dataset=0.5"], "Config group override must be"),
        (["experiment=../../../../etc/passwd"], "experiment: expected"),
        (["dataset=../experiment/galaxy10_blog"], "dataset"),
        (["hydra.verbose=0.5"], "not understood"),
        (["hydra.runtime.output_dir=x"], "hydra.runtime.output_dir: expected no value"),
        (["hydra.job_logging.root.level=0.5"], "hydra.job_logging.root.level: expected no value"),
        (["hydra.output_subdir=x"], "hydra.output_subdir: expected no value"),
        (["-i"], "-i: expected all or config"),
        (["x", "-cn"], "-cn: expected a value after it"),
        (["a\nb=1"], r"a\nb=1: not understood"),
        (["epochs=" + "7" * 5000], "4300 digits"),
    ],
)
def test_what_hydra_cannot_read_is_one_line(arguments, words, galvae, tmp_path):
    for more in ([], ["--help"]):
        if arguments[-1].startswith("-") and more:
            continue
        status, _, err = galvae("train", *arguments, *more)
        one_line(status, err, words) if not (more and "hydra" in arguments[0]) else None
        assert os.listdir(tmp_path) == []
