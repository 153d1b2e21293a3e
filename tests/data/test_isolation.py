"""Files read in a process of their own: whatever becomes of that process is one line here."""

import dataclasses
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from conftest import blobs, write_survey

from galvae.cli.main import main
from galvae.data.store import cache, cache_entry, isolation
from galvae.data.store.isolation import fill  # the real one, which the fixture of conftest.py replaces
from galvae.errors import CannotBeDone, GalvaeError


@dataclasses.dataclass
class Config:
    """What a reader is told."""

    path: str
    name: str = "hostile"


READER = """
import logging, os, signal, sys, time
import numpy as np
from galvae.data.source import Source
from galvae.errors import CannotBeDone, GalvaeError

def blocks(what):
    yield np.zeros((2, 8, 8, 1), np.uint8)
    if what == "SIGSEGV later":
        os.kill(os.getpid(), signal.SIGSEGV)
    for _ in range(3):
        start = time.process_time()
        while what == "slow" and time.process_time() < start + 0.7:
            pass
        yield np.zeros((1, 8, 8, 1), np.uint8)

def read(config):
    what = config.path
    if what.startswith("SIG") and " " not in what:
        os.kill(os.getpid(), getattr(signal, what))
    elif what == "abort":
        os.write(2, b"malloc(): corrupted top size")
        os.abort()
    elif what == "exit":
        os._exit(3)
    elif what == "hang":
        while True:
            pass
    elif what == "wait":
        with open("pid.part", "w") as file:
            file.write(str(os.getpid()))
        os.rename("pid.part", "pid")
        time.sleep(100)
    elif what == "memory":
        np.ones(10**9)
    elif what == "refused":
        raise GalvaeError("a: expected b, received c")
    elif what == "failed":
        raise CannotBeDone("no network")
    elif what == "disk":
        raise OSError(28, "No space left on device")
    elif what == "group":
        raise GalvaeError(f"in a process group {'of its own' if os.getpgrp() == os.getpid() else 'of others'}")
    elif what == "bug":
        raise ZeroDivisionError("a bug of ours")
    print("not an answer")
    os.write(1, b"nor this")
    logging.getLogger("galvae.data.hostile").info("%d of %d", 2, 5)
    logging.getLogger("galvae.data.hostile").warning("odd")
    return Source(shape=(5, 8, 8, 1), dtype="uint8", blocks=blocks(what), pixel_range=(0, 255))
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads `what` with the reader above into an entry of a cache; returns its images."""
    (tmp_path / "hostile.py").write_text(READER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run(what):
        config = Config(what)
        return cache.cached(
            tmp_path / "cache", "hostile", {}, lambda folder: fill(folder, "hostile", config)
        )[0]

    return run


def left(tmp_path):
    return [path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("SIGSEGV", GalvaeError, r"SIGSEGV: expected a whole file, .* crashed \(SIGSEGV\)"),
        ("SIGSEGV later", GalvaeError, r"crashed \(SIGSEGV\)"),
        ("SIGBUS", GalvaeError, r"crashed \(SIGBUS\)"),
        ("abort", GalvaeError, r"crashed \(SIGABRT\)"),
        ("hang", GalvaeError, r"hung \(1 s\)"),
        ("memory", GalvaeError, r"can be read in 1 GB of memory"),
        ("SIGKILL", CannotBeDone, r"ended from outside \(SIGKILL\), as systems do when memory runs out"),
        ("exit", CannotBeDone, r"ended from outside \(exit status 3\)"),
        ("refused", GalvaeError, r"^a: expected b, received c$"),
        ("failed", CannotBeDone, r"^no network$"),
        ("disk", CannotBeDone, r"cannot write the cache .* No space left on device"),
    ],
)
def test_what_becomes_of_the_process_is_one_line(what, kind, message, read, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(apart, "SECONDS", 1)
    monkeypatch.setattr(apart, "MEMORY", 10**9)
    with pytest.raises(GalvaeError, match=message) as caught:
        read(what)
    assert type(caught.value) is kind and "\n" not in str(caught.value)
    assert left(tmp_path) == []
    assert capfd.readouterr().err == ""


def test_ctrl_c_in_a_terminal_does_not_reach_the_process(read):
    with pytest.raises(GalvaeError, match="in a process group of its own"):
        read("group")


def test_a_bug_of_ours_keeps_its_traceback(read):
    with pytest.raises(RuntimeError, match=r"(?s)in read\n.*ZeroDivisionError: a bug of ours"):
        read("bug")


def test_log_lines_come_back_and_prints_do_not_disturb(read, caplog, capfd):
    caplog.set_level(logging.INFO)
    np.testing.assert_array_equal(read("sound"), np.zeros((5, 8, 8, 1)))
    assert [record for record in caplog.record_tuples if record[0] == "galvae.data.hostile"] == [
        ("galvae.data.hostile", logging.INFO, "2 of 5"),
        ("galvae.data.hostile", logging.WARNING, "odd"),
    ]
    assert capfd.readouterr().out == ""


def test_a_slow_source_that_goes_on_is_no_hang(read, monkeypatch):
    monkeypatch.setattr(apart, "SECONDS", 1)
    assert len(read("slow")) == 5  # 2.1 s of processor time, and a block each 0.7 s


def gone(process):
    """Whether a process has ended, waiting a while for that."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_it_dies_with_its_parent(number, read, tmp_path):
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {os.path.dirname(__file__)!r}]\n"
        "from pathlib import Path; from galvae.data.store.isolation import fill; from test_apart import Config\n"
        "Path('entry').mkdir(); fill(Path('entry'), 'hostile', Config('wait'))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            if (tmp_path / "pid").exists():
                break
            time.sleep(0.05)
        child = int((tmp_path / "pid").read_text())
        for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(child, stop)  # as a terminal and SLURM send them to all; the parent decides
        time.sleep(0.2)
        os.kill(child, 0)
        parent.send_signal(number)
        parent.wait(30)
        assert gone(child)
    finally:
        parent.kill()
        parent.wait()


def test_it_reads_what_this_process_reads(tmp_path, monkeypatch, capfd):
    survey = write_survey(tmp_path / "survey.h5")
    calls = {"here": isolation.fill, "apart": fill}
    for name, call in calls.items():
        monkeypatch.setattr(apart, "fill", call)
        with pytest.raises(SystemExit) as stop:
            main(
                [
                    "prepare",
                    *survey,
                    f"dataset.cache_dir={tmp_path / name}",
                    f"hydra.run.dir={tmp_path / 'out'}",
                ]
            )
        assert stop.value.code == 0, capfd.readouterr().err
        (tmp_path / "out").rename(tmp_path / f"out-{name}")
    (here,), (there,) = ([path for path in (tmp_path / name).iterdir() if path.is_dir()] for name in calls)
    for name in (*cache_entry.FILES, "manifest.json", "source.json"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_a_file_on_which_libhdf5_never_ends(tmp_path, monkeypatch, capfd):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"] = blobs(5, 8)
        file["name"] = [f"G{number}" for number in range(5)]
    content = bytearray(path.read_bytes())
    third = content.index(b"GCOL") + 16 + 2 * 24  # the text G2, whose number and length now become zero
    content[third : third + 16] = bytes(16)
    path.write_bytes(content)
    monkeypatch.setattr(apart, "fill", fill)
    monkeypatch.setattr(apart, "SECONDS", 1)
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "dataset=files", f"dataset.path={path}", f"hydra.run.dir={tmp_path / 'out'}"])
    assert stop.value.code == 2
    line = (
        f"galvae: {path}: expected a whole file, received one on which the library that reads it hung (1 s)\n"
    )
    assert capfd.readouterr().err == line
    assert not (tmp_path / "out").exists()


def test_nothing_heavy_is_imported_there():
    program = (
        "import sys; import galvae.data.store.isolation, galvae.data.readers.user_files, galvae.data.readers.galaxy10, galvae.data.cosmos\n"
        "print(*{'tensorflow', 'keras', 'matplotlib', 'astropy', 'hydra', 'umap', 'galsim'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_file_in_the_working_directory_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("open('executed', 'w')")
    monkeypatch.chdir(tmp_path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = blobs(5, 8)
    command = [sys.executable, "-P", "-m", "galvae", "prepare", "dataset=files", "dataset.path=a.h5"]
    command += ["dataset.split=[0.6,0.2,0.2]"]
    subprocess.run(command, check=True, capture_output=True)
    assert not (tmp_path / "executed").exists()
