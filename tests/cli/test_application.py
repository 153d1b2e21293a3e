"""How a command ends: one line for what the user or the disk is to blame for, a traceback for the rest."""

import errno
import os
import sys
import types
from pathlib import Path

import pytest
from builders.configs import composed, train_config

from galvae.cli import application
from galvae.cli.application import backend_of, user_message
from galvae.cli.main import main
from galvae.config.check import from_dict, write_config
from galvae.config.registry import COMMANDS
from galvae.errors import CannotBeDone, GalvaeError
from galvae.system.atomic import save_json


def os_error(number, *names):
    return OSError(number, os.strerror(number), *names)


def message(error, tmp_path):
    return user_message(error, tmp_path / "out")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("name", [None, "out/images.npz"])
def test_a_full_disk_is_reported_as_one(number, name, tmp_path):
    line, status = message(os_error(number, *([tmp_path / name] if name else [])), tmp_path)
    assert status == 1
    assert line == (
        f"cannot write in {tmp_path}/out: {os.strerror(number)}; free space and repeat the command; what was written "
        "before is kept"
    )


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO])
def test_a_read_only_or_failing_disk_is_reported_as_one(number, tmp_path):
    line, status = message(os_error(number, str(tmp_path / "out" / "x")), tmp_path)
    assert status == 1
    assert line.startswith(f"cannot write in {tmp_path}/out: {os.strerror(number)}; expected a d")
    line, status = message(os_error(number, "/elsewhere/x"), tmp_path)
    assert (status, line.partition(";")[0]) == (1, f"/elsewhere/x: {os.strerror(number)}")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_missing_permission_is_the_output_directorys_only_inside_of_it(number, tmp_path):
    line, status = message(os_error(number, str(tmp_path / "out" / "x")), tmp_path)
    assert (status, line.partition(":")[0]) == (1, f"cannot write in {tmp_path}/out")
    line, status = message(os_error(number, "/data/galaxies.h5"), tmp_path)
    assert status == 1
    assert line == f"/data/galaxies.h5: {os.strerror(number)}; expected a file that can be opened"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.EISDIR])
@pytest.mark.parametrize("kind", [str, os.fsencode])
def test_a_missing_input_is_named(number, kind, tmp_path):
    line, status = message(os_error(number, kind("/data/galaxies.h5")), tmp_path)
    assert status == 2
    assert line == f"/data/galaxies.h5: {os.strerror(number)}; expected an existing file"


@pytest.mark.parametrize("folder", ["out", "elsewhere"])
def test_a_name_too_long_is_shown_by_its_ends(folder, tmp_path):
    name = tmp_path / folder / ("x" * 3000 + ".npz")
    line, status = message(os_error(errno.ENAMETOOLONG, str(name)), tmp_path)
    assert status == 2
    assert line.startswith(str(name)[:100])
    assert line.endswith("xxx.npz: File name too long; expected names that the file system takes")
    assert len(line) < 400


def test_a_full_disk_is_not_taken_for_standard_output(tmp_path, monkeypatch):
    def full(descriptor):
        raise os_error(errno.ENOSPC)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        save_json(tmp_path / "values.json", {})
    assert error.value.filename == str(tmp_path / "values.json")


@pytest.mark.parametrize(
    "error",
    [
        os_error(errno.ENOENT),
        os_error(errno.EBADF),
        os_error(errno.EPIPE),
        OSError("of a library"),
        KeyError("x"),
    ],
)
def test_what_names_no_file_keeps_its_traceback(error, tmp_path):
    assert message(error, tmp_path) == (None, 1)


def test_memory_and_what_a_user_can_correct(tmp_path):
    assert message(GalvaeError("wrong"), tmp_path) == ("wrong", 2)
    assert message(CannotBeDone("not now"), tmp_path) == ("not now", 1)
    for error in (MemoryError("of 3 GB"), RuntimeError("RESOURCE_EXHAUSTED: 3 GB")):
        line, status = message(error, tmp_path)
        assert status == 1
        assert line.startswith("not enough memory: ")


def test_a_command_that_misses_a_file_is_one_line_and_leaves_nothing(
    galvae, small_files, tmp_path, monkeypatch
):
    def missing(config, output_dir):
        Path("/data/none.h5").read_bytes()

    monkeypatch.setattr("galvae.commands.prepare.main", missing)
    status, _, err = galvae("prepare", *small_files[:3])
    assert (status, err) == (
        2,
        "galvae: /data/none.h5: No such file or directory; expected an existing file\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == ["galaxies.npy"]


def test_an_unexpected_error_keeps_its_traceback(galvae, small_files, tmp_path, monkeypatch):
    def broken(config, output_dir):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("galvae.commands.prepare.main", broken)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OSError, match="Bad file descriptor"):
        main(["prepare", *small_files[:3]])
    assert [path.name for path in tmp_path.iterdir()] == ["galaxies.npy"]


def test_a_defect_of_a_launcher_is_not_a_wrong_configuration(small_files, tmp_path, monkeypatch):
    from hydra_plugins.processes import ProcessesLauncher  # the command line makes it importable

    def broken(self, jobs):
        raise KeyError("a defect")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ProcessesLauncher, "run", broken)
    with pytest.raises(KeyError, match="a defect"):
        main(["prepare", *small_files[:3], "-m", "dataset.image_size=8,16", "hydra/launcher=processes"])


@pytest.fixture
def run(tmp_path):
    """Makes a directory with the configuration of a run; returns its path."""

    def make(name, *overrides):
        (tmp_path / name).mkdir()
        write_config(train_config(*overrides), tmp_path / name / "config.yaml")
        return tmp_path / name

    return make


def test_the_backend_is_the_commands_own_or_the_runs(run):
    def backend(command, *words):
        return backend_of(from_dict(COMMANDS[command], composed(command, *words)))

    first, second = run("first"), run("second", "backend=jax")
    assert backend("train") is None
    assert backend("prepare") is None
    assert backend("sample", f"run={first}") == "tensorflow"
    assert backend("umap", f"run={second}") == "jax"
    assert backend("evaluate", f"run={second}", "backend=tensorflow") == "tensorflow"
    assert backend("compare", f"runs=[{second},{first}]") == "jax"
    (second / "config.yaml").write_text("nothing")
    assert backend("compare", f"runs=[{second},{first}]") == "tensorflow"
    (first / "config.yaml").write_text("nothing")
    with pytest.raises(GalvaeError, match="^none of 2 runs can be read: .*second/config.yaml"):
        backend("compare", f"runs=[{second},{first}]", "backend=jax")
    with pytest.raises(GalvaeError, match="^.*first/config.yaml: configuration: expected keys and values"):
        backend("sample", f"run={first}", "backend=jax")


@pytest.mark.parametrize("command", ["evaluate", "sample", "traverse", "umap", "compare"])
def test_keras_is_loaded_before_a_command_is_imported(command, galvae, run, monkeypatch):
    called = []
    module = types.ModuleType(f"galvae.commands.{command}")
    module.main = lambda config, output_dir: called.append(command)
    monkeypatch.setitem(sys.modules, module.__name__, None)  # importing it fails
    monkeypatch.setattr(
        application, "load", lambda backend: monkeypatch.setitem(sys.modules, module.__name__, module)
    )
    key = "runs" if command == "compare" else "run"
    status, _, err = galvae(command, f"{key}={run('trained')}")
    assert status == 0, err
    assert called == [command]
