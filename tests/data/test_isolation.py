"""Files read in a process of their own: whatever becomes of that process is one line here."""

import logging
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders import hostile
from builders.galaxies import ellipses
from builders.processes import child_environment, write_entry_here
from builders.surveys import write_survey

from galvae.data.store import cache, cache_entry, isolation
from galvae.errors import CannotBeDone, GalvaeError

pytestmark = pytest.mark.real_reader


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads `what` with builders.hostile into an entry of a cache; returns its images."""
    monkeypatch.chdir(tmp_path)

    def run(what):
        def fill(folder):
            isolation.write_entry(folder, hostile.__name__, hostile.Config(what))

        return cache.cached(tmp_path / "cache", "hostile", {}, fill)[0]

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
    monkeypatch.setattr(isolation, "SECONDS", 1)
    monkeypatch.setattr(isolation, "MEMORY", 10**9)
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


def test_a_slow_source_that_makes_progress_is_no_hang(read, monkeypatch):
    monkeypatch.setattr(isolation, "SECONDS", 1)
    assert len(read("slow")) == 5  # 2.1 s of processor time, and a block each 0.7 s


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_bar_is_drawn_on_terminals_only(terminal, tmp_path):
    program = (
        "from pathlib import Path; from builders import hostile; from galvae.data.store.isolation import write_entry\n"
        "Path('entry').mkdir(); write_entry(Path('entry'), hostile.__name__, hostile.Config('slow'))"
    )
    reading, writing = pty.openpty() if terminal else os.pipe()
    if terminal:
        termios.tcsetwinsize(writing, (30, 100))
    command = [sys.executable, "-c", program]
    subprocess.run(command, stderr=writing, env=child_environment(), cwd=tmp_path, check=True)
    os.write(writing, b"the end")
    drawn = b""
    while not drawn.endswith(b"the end"):
        drawn += os.read(reading, 1000)
    for descriptor in (reading, writing):
        os.close(descriptor)
    if terminal:
        assert b"preparing hostile:  80%|" in drawn and b"5.00/5.00" in drawn
    else:
        assert drawn == b"odd\nthe end"  # the reader's warning, and nothing else


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
        "from pathlib import Path; from builders import hostile; from galvae.data.store.isolation import write_entry\n"
        "Path('entry').mkdir(); write_entry(Path('entry'), hostile.__name__, hostile.Config('wait'))"
    )
    command = [sys.executable, "-c", program]
    parent = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=child_environment())
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


def test_it_reads_what_this_process_reads(galvae, tmp_path, monkeypatch):
    survey = write_survey(tmp_path / "survey.h5")
    calls = {"here": write_entry_here, "isolated": isolation.write_entry}
    for name, call in calls.items():
        monkeypatch.setattr(isolation, "write_entry", call)
        folders = (f"dataset.cache_dir={tmp_path / name}", f"hydra.run.dir={tmp_path / f'out-{name}'}")
        status, _, err = galvae("prepare", *survey, *folders)
        assert status == 0, err
    (here,), (there,) = ([path for path in (tmp_path / name).iterdir() if path.is_dir()] for name in calls)
    for name in (*cache_entry.FILES, "manifest.json", "source.json"):
        assert (here / name).read_bytes() == (there / name).read_bytes()


def test_a_file_on_which_libhdf5_never_ends(galvae, tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["images"] = ellipses(5, 8)
        file["name"] = [f"G{number}" for number in range(5)]
    content = bytearray(path.read_bytes())
    third = content.index(b"GCOL") + 16 + 2 * 24  # the text G2, whose number and length now become zero
    content[third : third + 16] = bytes(16)
    path.write_bytes(content)
    monkeypatch.setattr(isolation, "SECONDS", 1)
    status, _, err = galvae("prepare", "dataset=files", "dataset.axes=NHWC", f"dataset.path={path}")
    assert status == 2
    line = (
        f"galvae: {path}: expected a whole file, received one on which the library that reads it hung (1 s)\n"
    )
    assert err == line
    assert not (tmp_path / "outputs").exists()


def test_nothing_heavy_is_imported_there():
    program = (
        "import sys; import galvae.data.store.isolation\n"
        "from galvae.data.readers import user_files, galaxy10, stamps\n"
        "print(*{'tensorflow', 'keras', 'matplotlib', 'astropy', 'hydra', 'umap', 'galsim'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_file_in_the_working_directory_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("open('executed', 'w')")
    monkeypatch.chdir(tmp_path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = ellipses(5, 8)
    command = [sys.executable, "-P", "-m", "galvae", "prepare", "dataset=files", "dataset.path=a.h5"]
    command += ["dataset.axes=NHWC", "dataset.split=[0.6,0.2,0.2]"]
    subprocess.run(command, check=True, capture_output=True)
    assert not (tmp_path / "executed").exists()
