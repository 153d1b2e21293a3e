"""Functions called in a child process: what comes back, and how both end."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from builders.processes import child_environment

from galvae.errors import CannotBeDone, GalvaeError
from galvae.system import signals
from galvae.system.child import Child

pytestmark = pytest.mark.real_child


def refuse(text):
    raise GalvaeError(text)


def too_large():
    raise MemoryError("of 3 GB")


def end(signum):
    os.kill(os.getpid(), signum)
    return "went on"


def is_installed(name):
    return name in sys.modules and sys.modules[name] is not None


@pytest.fixture(scope="module")
def child():
    with Child("is tested", without=("tensorflow",)) as child:
        yield child


def test_results_and_errors_come_back_and_the_child_goes_on(child, capfd):
    first = child.call(os.getpid)
    assert first != os.getpid()
    assert child.call(sorted, [3, 1, 2]) == [1, 2, 3]
    with pytest.raises(GalvaeError, match="^wrong$"):
        child.call(refuse, "wrong")
    with pytest.raises(MemoryError, match="of 3 GB"):
        child.call(too_large)
    with pytest.raises(FileNotFoundError):
        child.call(os.stat, "/nowhere")
    with pytest.raises(RuntimeError, match=r"(?s)in a child process.*ZeroDivisionError"):
        child.call(divmod, 1, 0)
    child.call(print, "words of a library")
    assert child.call(os.getpid) == first
    assert not child.call(is_installed, "tensorflow")
    assert capfd.readouterr() == ("", "words of a library\n")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT])
def test_signals_to_the_child_are_left_to_its_parent(signum, child):
    assert child.call(end, signum) == "went on"


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_signal_is_answered_at_once_while_the_child_works_and_the_child_dies(signum, status):
    with Child("is tested") as child, signals.caught():
        child.call(os.getpid)
        process = child.process
        threading.Timer(0.2, os.kill, (os.getpid(), signum)).start()
        started = time.monotonic()
        with pytest.raises(signals.Stopped) as stopped:
            child.call(time.sleep, 60)
        assert time.monotonic() - started < 5
    assert process.returncode == -signal.SIGKILL
    assert stopped.value.exit_status == status


def test_a_child_that_the_system_ends_is_one_line():
    with (
        Child("is tested") as child,
        pytest.raises(CannotBeDone, match=r"that is tested was ended .*SIGKILL"),
    ):
        child.call(end, signal.SIGKILL)


def test_the_child_dies_with_its_parent():
    program = (
        "import os, signal, threading, time\n"
        "from galvae.system.child import Child\n"
        "child = Child('is tested')\n"
        "print(child.call(os.getpid), flush=True)\n"
        "threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()\n"
        "child.call(time.sleep, 60)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=child_environment(), check=False)
    assert done.returncode == -signal.SIGKILL
    path = f"/proc/{int(done.stdout)}"
    deadline = time.monotonic() + 10
    while os.path.exists(path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(path)
