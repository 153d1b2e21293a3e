"""A mistake that the tests must catch, and what comes of it."""

import functools
import multiprocessing.forkserver
import os
import signal
import sys
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest

LIMIT = 240  # seconds that the tests of a mutant may take; a mutant that hangs is caught
FAILED, PASSED = 1, 0  # exit statuses of pytest; any other says that it could not run the tests
SCRIPTS = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True)
class Mutant:
    """A mistake in one place of one file.

    Attributes:
        name: what is wrong, unlike that of any other mutant.
        file: path of the mutated file, below the repository's root.
        old: a piece of the file that occurs once in it.
        new: what stands there instead.
        tests: tests one of which must fail, as pytest takes them, separated by spaces.
        survives: why no test can catch it; empty for a mutant that must be caught.
    """

    name: str
    file: str
    old: str
    new: str
    tests: str
    survives: str = ""

    @property
    def key(self):
        """Text that says which mistake and which tests these are."""
        return repr(astuple(self))

    def apply(self, root):
        """Puts the mistake into the file.

        Args:
            root: Path of a copy of the repository.

        Returns:
            The file's text before.

        Raises:
            ValueError: if the old piece does not occur exactly once.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"{self.file}: expected {self.old!r} once, found it {count} times")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return text


def outcome(mutant, root):
    """Runs a mutant's tests on a copy of the repository that has the mistake, and takes the mistake out again.

    Args:
        mutant: Mutant.
        root: Path of the copy.

    Returns:
        "caught", "survived", or "broken" if the tests cannot be run at all.
    """
    text = mutant.apply(root)
    try:
        status = run_tests(mutant.tests.split(), root)
    finally:
        (root / mutant.file).write_text(text, encoding="utf-8")
    return {FAILED: "caught", PASSED: "survived", None: "caught"}.get(status, "broken")


def run_tests(tests, root, jobs=0):
    """Runs tests on a copy of the repository, up to the first that fails.

    Args:
        tests: list of tests, as pytest takes them.
        root: Path of the copy.
        jobs: number of processes that share the tests, which then may take any time and print what they do.

    Returns:
        The exit status of pytest; None if it took too long.
    """
    process = _server().Process(target=_pytest, args=(tests, str(root), jobs))
    process.start()
    process.join(None if jobs else LIMIT)
    if process.is_alive():
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return None
    return process.exitcode


@functools.cache
def _server():
    """Makes processes by forks of one that has loaded what takes seconds to load, but nothing of galvae."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mutating.preloaded"])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = SCRIPTS  # where it finds this module
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        os.environ |= {} if before is None else {"PYTHONPATH": before}
    return context


def _pytest(tests, root, jobs):
    """Main function of a process that runs tests; its exit status is that of pytest."""
    os.setsid()  # so that it can be killed together with what its tests start
    os.chdir(root)
    os.environ |= {"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}  # for processes that the tests start
    sys.path.insert(0, root)
    # Python takes a file of the same second and size for the one that it has compiled.
    sys.dont_write_bytecode = True
    if not jobs:
        silent = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(silent, descriptor)
    options = ["-x", "-q", "-n", str(jobs), "-m", "", "-p", "no:cacheprovider", "--basetemp", f"{root}.tests"]
    sys.exit(int(pytest.main([*options, *tests])))
