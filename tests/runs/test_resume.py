import csv
import dataclasses
import json
import os
import pydoc
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from builders.configs import SMALL
from builders.galaxies import ellipses
from builders.processes import child_environment

from galvae.errors import CannotBeDone, GalvaeError
from galvae.runs import checkpoints, resume
from galvae.runs.directory import RunDirectory
from galvae.runs.provenance import differences
from galvae.runs.trained_run import TrainedRun
from galvae.training import session
from galvae.training.fit import Progress

EPOCHS = 5
# Everything that has a state from epoch to epoch: noise, augmentation, Adam, both schedules, patience.
SETTINGS = (
    *SMALL,
    *("precision=float32", "batch=16", f"epochs={EPOCHS}", "checkpoint.every=1", "latent_dim=3"),
    *("beta=warmup", "beta.epochs=4", "early_stopping=4", "clip_norm=5"),
)


def arrays(folder):
    """Every variable of the newest checkpoint, the optimizer's and the best epoch's included."""
    checkpoint = checkpoints.newest(folder / "checkpoints")
    return {
        f"{name} {path}": array
        for name in ("best", "last")
        for path, array in checkpoints.read_arrays(checkpoint, name).items()
    }


def rows(folder):
    """The history without what the clock says."""
    with open(folder / "history.csv") as file:
        return [
            {name: value for name, value in row.items() if name not in ("seconds", "images_per_second")}
            for row in csv.DictReader(file)
        ]


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def assert_same(folder, other):
    assert rows(folder) == rows(other)
    found, expected = arrays(folder), arrays(other)
    assert set(found) == set(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for name in ("best_epoch", "val_loss", "status", "epochs"):
        assert metrics(folder)[name] == metrics(other)[name]
    assert sorted(p.name for p in (folder / "figures").iterdir()) == sorted(
        p.name for p in (other / "figures").iterdir()
    )


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "galaxies.npy"
    np.save(path, ellipses(60, 16))
    return path


@pytest.fixture
def train(galvae, images, tmp_path):
    """Trains into a folder; returns the exit status and what was printed on standard error."""

    def run(name, *overrides, status=0):
        arguments = ("dataset=files", "dataset.axes=NHWC", f"dataset.path={images}", *SETTINGS)
        found, _, err = galvae("train", *arguments, f"hydra.run.dir={tmp_path / name}", *overrides)
        assert found == status, err
        return err

    return run


@pytest.fixture(scope="module")
def undisturbed(images, tmp_path_factory):
    """The run that was never stopped, trained in a process of its own, where a limit of Keras' own does not hold."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    command = [
        sys.executable,
        "-m",
        "galvae",
        "train",
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={images}",
        *SETTINGS,
    ]
    env = {**child_environment(), "KERAS_MAX_STEPS_PER_EPOCH": "1"}
    subprocess.run(
        [*command, f"hydra.run.dir={folder}"], check=True, capture_output=True, cwd=folder.parent, env=env
    )
    return folder


@pytest.fixture
def signal_after(monkeypatch):
    """Sends this process a signal in the last step of an epoch, as a batch system would."""

    def after(epoch, signum=signal.SIGTERM):
        begun = []

        def kill(self, batch, logs=None):
            begun.append(batch)
            if begun.count(2) == epoch + 1 and batch == 2:  # the third and last batch of the epoch
                os.kill(os.getpid(), signum)

        monkeypatch.setattr(Progress, "on_train_batch_begin", kill, raising=False)

    return after


@pytest.mark.parametrize("epoch", [0, 2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_run_stopped_in_any_epoch_ends_as_if_it_never_was(
    epoch, train, undisturbed, signal_after, tmp_path, monkeypatch
):
    signal_after(epoch)
    err = train("run", status=75)
    folder = tmp_path / "run"
    assert metrics(folder) == {"status": "stopped"}
    assert err.splitlines()[-1] == f"galvae: stopped by SIGTERM; resume with: galvae train resume={folder}"
    assert (checkpoints.newest(folder / "checkpoints") is None) == (epoch == 0)
    if epoch:
        assert len(rows(folder)) == epoch
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    err = train("run")
    assert ("resuming after epoch" in err) == (epoch > 0)
    assert_same(folder, undisturbed)


@pytest.mark.parametrize(
    ("where", "begun"),
    [
        pytest.param("galvae.training.session.setup", False, marks=pytest.mark.slow),
        ("galvae.training.session.dataset_for_model", False),
        pytest.param("galvae.runs.checkpoints.save", True, marks=pytest.mark.slow),
        pytest.param("galvae.training.stopping.SignalStop.on_test_batch_end", True, marks=pytest.mark.slow),
        ("galvae.training.session.write_report", True),
    ],
)
def test_a_signal_at_any_time_loses_nothing(where, begun, train, undisturbed, tmp_path, monkeypatch):
    module, _, name = where.rpartition(".")
    owner = pydoc.locate(module)
    function = getattr(owner, name)

    def signalled(*arguments, **options):
        for _ in range(20):
            os.kill(os.getpid(), signal.SIGUSR1)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, signalled)
    assert "galvae: stopped by SIGUSR1" in train("run", status=75)
    folder = tmp_path / "run"
    assert (folder / "config.yaml").exists() == begun
    assert folder.exists() == begun
    if begun:
        assert metrics(folder) == {"status": "stopped"}
        assert not list(folder.rglob(".*"))
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    train("run")
    assert_same(folder, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize(("presses", "status"), [(1, 130), (2, -signal.SIGINT)])
def test_ctrl_c_in_a_terminal(presses, status, images, tmp_path):
    """Once: the epoch is saved and the command that resumes is printed; twice: at once, and the run can be resumed."""
    arguments = (
        "train",
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={images}",
        *SETTINGS,
        "epochs=100000",
        "early_stopping=null",
    )
    code = (
        "from galvae.cli.main import main; from galvae.runs import checkpoints; save = checkpoints.save\n"
        "def slow(*arguments):\n"
        "    import time; print('writing', flush=True); time.sleep(2); return save(*arguments)\n"
        f"checkpoints.save = slow; main({[*arguments, f'hydra.run.dir={tmp_path}/run']!r})"
    )
    env = child_environment()
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        for line in process.stdout:
            if line == "writing\n":
                break
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "Traceback" not in err
    folder = tmp_path / "run"
    if presses == 1:
        assert err.splitlines()[-1] == f"galvae: stopped by Ctrl-C; resume with: galvae train resume={folder}"
        assert metrics(folder) == {"status": "stopped"}
        assert [row["epoch"] for row in rows(folder)] == ["1"]


def test_resume_takes_the_runs_own_configuration(
    train, undisturbed, galvae, signal_after, tmp_path, monkeypatch
):
    signal_after(2)
    train("run", status=75)
    monkeypatch.undo()
    # A run that was moved, on a copy whose times of change are new, from another place.
    shutil.copytree(tmp_path / "run", tmp_path / "moved here", copy_function=shutil.copyfile)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, out, err = galvae("train", f"resume={tmp_path / 'moved here'}")
    assert status == 0, err
    assert "not bit-identical" not in err
    assert out == f"{tmp_path / 'moved here'}\n"
    assert_same(tmp_path / "moved here", undisturbed)
    environment = json.loads((tmp_path / "moved here" / "environment.json").read_text())
    assert [entry["epoch"] for entry in environment["resumed"]] == [2]
    assert environment["run_id"] == RunDirectory.open(tmp_path / "run").environment["run_id"]


def test_a_finished_run_says_so_and_is_left_alone(undisturbed, galvae, images, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    before = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"
    }
    arguments = (
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={images}",
        *SETTINGS,
        f"hydra.run.dir={folder}",
    )
    for words in (arguments, [f"resume={folder}"], [f"resume={folder}", "epochs=3"]):
        status, out, err = galvae("train", *words)
        assert status == 0, err
        assert err == "already finished after 5 epochs\n"
        assert out == f"{folder}\n"
    after = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"
    }
    assert after == before


def test_a_finished_run_is_recognised_without_tensorflow(undisturbed, tmp_path):
    code = (
        "import sys; from galvae.cli.main import main\n"
        f"try: main(['train', 'resume={undisturbed}'])\n"
        "except SystemExit as stop: print(stop.code, sorted({'tensorflow', 'keras', 'jax', 'umap'} & set(sys.modules)))"
    )
    env = child_environment()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


def test_another_configuration_is_refused_by_the_keys_that_differ(undisturbed, train, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    before = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"
    }
    err = train("run", "seed=3", "batch=8", status=2)
    assert len(err.splitlines()) == 1
    assert "another configuration" in err
    assert err.endswith("received batch=8 (there 16), seed=3 (there 0)\n")
    after = {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".log"
    }
    assert after == before


def test_an_unfinished_run_does_not_shrink(undisturbed, train, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "metrics.json").unlink()
    assert "received epochs=3 (there 5)" in train("run", "epochs=3", status=2)


def test_more_epochs_resume_after_the_last(undisturbed, train, galvae, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "evaluate").mkdir()
    (folder / "evaluate" / "metrics.json").write_text('{"epoch": 1, "weights_sha256": "of epoch 1"}')
    status, _, err = galvae("train", f"resume={folder}", "epochs=7")
    assert status == 0, err
    assert err.splitlines()[-1].startswith("old: evaluate (epoch 1), since the run has been trained further")
    assert "old" in json.loads((folder / "evaluate" / "metrics.json").read_text())
    assert [row["epoch"] for row in rows(folder)] == [str(epoch) for epoch in range(1, 8)]
    assert rows(folder)[:5] == rows(undisturbed)
    assert TrainedRun.open(folder).config.epochs == 7
    assert TrainedRun.open(folder).state.epoch == 7
    assert metrics(folder)["epochs"] == 7


def test_epochs_that_nobody_asked_for_are_noticed(undisturbed, galvae, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("\nepochs: 5", "\nepochs: 7", 1))
    (folder / "metrics.json").unlink()
    for command in (["sample", f"run={folder}", "n=1"], ["train", f"resume={folder}"]):
        status, _, err = galvae(*command)
        assert status == 2
        assert "expected the configuration that the run was trained with, received another" in err


@pytest.mark.slow
def test_images_that_change_during_training_cost_an_epoch_and_do_not_finish(
    train, undisturbed, tmp_path, monkeypatch
):
    monkeypatch.setenv("GALVAE_CACHE", str(tmp_path / "cache"))

    def overwrite():
        (file,) = tmp_path.glob("cache/*/images.npy")
        file.chmod(0o600)
        with open(file, "r+b") as images:
            images.seek(1000)
            images.write(bytes(9000))
        return file

    def changed_in_epoch_3(progress, batch, logs=None):
        if (progress.done, batch) == (2, 1):
            overwrite()

    def changed_for_the_figures(*arguments):
        overwrite()
        return {}

    folder = tmp_path / "run"
    hooks = (
        (Progress, "on_train_batch_begin", changed_in_epoch_3, "epoch-0002"),
        (session, "write_report", changed_for_the_figures, f"epoch-000{EPOCHS}"),
    )
    for owner, name, hook, kept in hooks:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, hook, raising=False)
            err = train("run", status=1)
        (line,) = [line for line in err.splitlines() if line.startswith("galvae: ")]
        assert "images.npy: expected prepared images that stay as they are while they are used" in line
        assert line.endswith(f"resume with: galvae train resume={folder}, which prepares them again")
        assert metrics(folder)["status"] == "failed" and metrics(folder)["error"] in line
        assert checkpoints.newest(folder / "checkpoints").name == kept
    assert "images.npy) and will be prepared again" in train("run")
    assert_same(folder, undisturbed)


@pytest.mark.slow
def test_early_stopping_counts_the_epochs_before_the_stop(train, signal_after, tmp_path, monkeypatch):
    # So small a rate changes no weight: every epoch has the validation loss of the first.
    flat = (
        "learning_rate=1e-30",
        "early_stopping=2",
        "beta.value=0",
        "beta.start=0",
        "dataset.augment=false",
    )
    train("whole", *flat)
    signal_after(1)
    train("run", *flat, status=75)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    train("run", *flat)
    done, best = (metrics(tmp_path / "whole")[name] for name in ("epochs", "best_epoch"))
    assert done == best + 2 < EPOCHS
    assert_same(tmp_path / "run", tmp_path / "whole")
    # More epochs change nothing about it, and say so: whether it has finished, or was killed while it drew figures.
    line = (
        f"early_stopping=2 ended the run after epoch {done}, since its validation loss was smallest in epoch {best}: "
        "epochs=9 trains nothing more; a new run with early_stopping=null, or a larger one, trains longer"
    )
    assert train("run", *flat, "epochs=9") == f"already finished after {done} epochs; {line}\n"
    (tmp_path / "run" / "metrics.json").unlink()
    assert line in train("run", *flat, "epochs=9").splitlines()
    assert_same(tmp_path / "run", tmp_path / "whole")


@pytest.mark.parametrize(
    "damage",
    [
        "bit",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("empty", "no manifest", "page", "zeros")),
    ],
)
def test_a_damaged_newest_checkpoint_costs_one_epoch(damage, undisturbed, train, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "metrics.json").write_text("")
    newest = folder / "checkpoints" / "epoch-0005"
    file = newest / ("manifest.json" if damage == "no manifest" else "last.safetensors")
    content = bytearray(file.read_bytes())
    if damage == "no manifest":
        file.unlink()
    else:
        content[len(content) // 2] ^= 8
        file.write_bytes(
            {"empty": b"", "page": content[:4096], "zeros": bytes(len(content)), "bit": content}[damage]
        )
    err = train("run")
    assert err.count("epoch-0005 is damaged and is skipped") == 1
    assert "resuming after epoch 4 of 5" in err
    assert_same(folder, undisturbed)


def test_damaged_checkpoints_only_are_an_error(undisturbed, train, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "metrics.json").write_text("{}")
    for file in folder.glob("checkpoints/*/state.json"):
        file.write_text("{}")
    assert "expected a whole checkpoint, received damaged ones only" in train("run", status=2)
    assert len(list(folder.glob("checkpoints/*/best.safetensors"))) == 2


def test_a_finished_run_without_its_checkpoints_is_an_error(undisturbed, galvae, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    for more in ([], ["epochs=9"]):
        status, _, err = galvae("train", f"resume={folder}", *more)
        assert status == 2
        assert err == f"galvae: {folder}: expected a finished run with its checkpoints, received none\n"


@pytest.mark.slow
def test_a_sweep_that_is_stopped_says_how_to_resume(galvae, images, signal_after, tmp_path, monkeypatch):
    sweep = (
        "-m",
        "dataset=files",
        "dataset.axes=NHWC",
        f"dataset.path={images}",
        *SETTINGS,
        "seed=0,1",
        f"hydra.sweep.dir={tmp_path}/s",
    )
    signal_after(1)
    status, _, err = galvae("train", *sweep)
    assert status == 75
    assert err.splitlines()[-1] == (
        f"galvae: stopped by SIGTERM; resume with: the same command and hydra.sweep.dir='{tmp_path}/s'"
    )
    (line,) = [line for line in err.splitlines() if line.startswith("  ")]
    assert line.endswith("stopped: by SIGTERM, and the jobs after it were not started")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    status, _, err = galvae("train", *sweep)
    assert status == 0, err
    assert "sweep of 2: 2 finished" in err
    assert [metrics(folder)["status"] for folder in sorted((tmp_path / "s").glob("*_vae_*"))] == [
        "finished"
    ] * 2


@pytest.mark.slow
def test_files_of_two_runs_are_not_mixed(undisturbed, train, galvae, tmp_path):
    train("other", "seed=7")
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", folder / "checkpoints")
    status, _, err = galvae("sample", f"run={folder}", "n=1")
    assert status == 2
    assert "the files of two runs are mixed" in err
    shutil.copyfile(tmp_path / "other" / "environment.json", folder / "environment.json")
    status, _, err = galvae("sample", f"run={folder}", "n=1")
    assert status == 2
    assert "expected the configuration that the run was trained with, received another" in err


@pytest.mark.slow
def test_another_dataset_under_the_same_name_is_refused(undisturbed, images, train, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "metrics.json").write_text("{}")
    kept = images.read_bytes()
    try:
        np.save(images, ellipses(60, 16, seed=9))
        err = train("run", status=2)
    finally:
        images.write_bytes(kept)
    assert "expected the images and the split that" in err
    assert len([line for line in err.splitlines() if not line.startswith("data: ")]) == 1
    train("run")  # as it was again: another time of change, the same images
    assert_same(folder, undisturbed)


def test_what_is_asked_beside_resume_is_refused(galvae, undisturbed, tmp_path):
    for words, received in (
        ([f"resume={undisturbed}", "latent_dim=4"], "received latent_dim"),
        ([f"resume={undisturbed}", "dataset=mnist", "seed=1"], "received dataset, seed"),
        (["-m", f"resume={undisturbed}"], "received -m"),
        ([f"resume={tmp_path}"], "received a directory without one"),
        (["resume=nowhere"], "received no directory"),
        ([f"resume={undisturbed}", "epochs=zero"], "epochs: expected integer"),
    ):
        status, out, err = galvae("train", *words)
        assert status == 2
        assert received in err
        assert len(err.splitlines()) == 1
        assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_one_process_at_a_time(undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    run = RunDirectory.open(folder)
    with resume.locked(run, force=False):
        code = (
            "import sys; from galvae.runs.directory import RunDirectory; from galvae.runs.resume import locked\n"
            f"try:\n  with locked(RunDirectory.open({str(folder)!r}), True): print('taken')\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        env = child_environment()
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
        )
        assert done.stdout.startswith(
            f"RunLocked {folder}: expected a run that no process trains, but process"
        )
    with resume.locked(run, force=False):
        pass  # the lock ended with its block
    assert {path.name for path in folder.iterdir()} == {path.name for path in undisturbed.iterdir()}


def test_a_run_of_another_machine_is_taken_over_by_force_or_by_the_same_job(
    undisturbed, tmp_path, monkeypatch
):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    run = RunDirectory.open(folder)
    run.write_json("metrics.json", {"status": "running", "host": "node17", "pid": 5, "job": "42"})
    expected = "process 5 on node17 may; if it has ended, resume with force=true"
    with pytest.raises(CannotBeDone, match=expected), resume.locked(run, force=False):
        pass
    with resume.locked(run, force=True):
        pass
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    with resume.locked(run, force=False):
        pass
    monkeypatch.setenv("SLURM_JOB_ID", "43")
    run.write_json("metrics.json", {"status": "running", **resume.lock_owner()})
    with resume.locked(run, force=False):
        pass


def test_another_machine_is_named_once(undisturbed, train, tmp_path, monkeypatch):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    (folder / "metrics.json").write_text("{}")
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["numerical_settings"] == {}
    environment["threads"], environment["packages"]["keras"] = 64, "3.0.0"
    environment["numerical_settings"] = {"TF_NUM_INTRAOP_THREADS": "1", "DNNL_MAX_CPU_ISA": "AVX2"}
    (folder / "environment.json").write_text(json.dumps(environment))
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    err = train("run")
    (line,) = [line for line in err.splitlines() if "not bit-identical" in line]
    assert "threads 64 -> " in line
    assert "packages.keras 3.0.0 -> " in line
    assert line.endswith("TF_ENABLE_ONEDNN_OPTS unset -> 0, TF_NUM_INTRAOP_THREADS 1 -> unset")
    (resumed,) = json.loads((folder / "environment.json").read_text())["resumed"]
    assert resumed["numerical_settings"] == {"TF_ENABLE_ONEDNN_OPTS": "0", "DNNL_MAX_CPU_ISA": "AVX2"}


@pytest.mark.parametrize("earlier", [{}, {"numerical_settings": None}, {"numerical_settings": ["x"]}])
def test_nothing_is_said_of_settings_that_were_not_recorded(earlier):
    assert differences(earlier, {"numerical_settings": {"XLA_FLAGS": "--a"}}) == []
    forged = {"numerical_settings": {"XLA_FLAGS": "\x1b[2J\n", "OMP_NUM_THREADS": {}}}
    assert differences(forged, {"numerical_settings": {}}) == [
        "OMP_NUM_THREADS {} -> unset",
        r"XLA_FLAGS \x1b[2J\n -> unset",
    ]


def test_weights_of_another_stretch_than_the_configuration_are_refused(undisturbed, monkeypatch):
    run, read = RunDirectory.open(undisturbed), checkpoints.read_state
    assert run.checkpoint()[1].stretch == "none"
    monkeypatch.setattr(
        checkpoints, "read_state", lambda path: dataclasses.replace(read(path), stretch="asinh")
    )
    with pytest.raises(GalvaeError, match=r"state\.json: expected the stretch .*, none, received asinh"):
        run.checkpoint()


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_written_costs_nothing_that_was(
    train, undisturbed, monkeypatch, tmp_path
):
    write = checkpoints._write_synced
    full = []

    def failing(path, content):
        if path.name == "last.safetensors" and path.parent.name.endswith("0003"):
            full.append(path)
            raise OSError(28, "No space left on device")
        write(path, content)

    monkeypatch.setattr(checkpoints, "_write_synced", failing)
    err = train("run", status=1)
    folder = tmp_path / "run"
    assert "No space left on device" in err.splitlines()[-1]
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["epoch-0001", "epoch-0002"]
    # What a kill in that moment would have left, besides.
    (folder / "checkpoints" / ".tmp-host-1-0003").mkdir()
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures" / ".123-loss.png").write_bytes(b"half")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    train("run")
    assert full
    assert not list(folder.rglob(".*"))
    assert_same(folder, undisturbed)


@pytest.mark.slow
def test_a_run_killed_in_its_first_checkpoint_starts_again(train, undisturbed, tmp_path):
    folder = shutil.copytree(undisturbed, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    (folder / "metrics.json").write_text('{"status": "running"}')
    (folder / "checkpoints" / ".tmp-host-1-0001").mkdir(parents=True)
    train("run", "force=true")
    assert_same(folder, undisturbed)
    assert not list(folder.rglob(".*"))


@pytest.mark.slow
def test_killed_at_any_moment():
    """The torture script in short; by hand it takes every call and more random moments."""
    script = Path(__file__).parents[2] / "scripts" / "torture.py"
    command = [sys.executable, str(script), "--every", "100", "--random", "1", "--epochs", "4"]
    env = child_environment()
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("; 0 failures so far")
