"""Tests that training which is killed with SIGKILL and resumed gives exactly the result of an uninterrupted run.

    python scripts/torture.py [--random 30] [--every 1] [--epochs 6] [--seed 0]
    python scripts/torture.py --every 9 --random 4 --epochs 4                       a short version

A small run is trained without interruption. Then the same run is killed
- before every call that makes a file durable or visible (fsync, rename, replace, rmtree), in every epoch,
- three times: once at such a call, and twice at such calls while it resumes,
- at random moments, with checkpoints slowed so that about half of the kills happen while one is written,
and each time resumed until it finishes. Weights, optimizer, best epoch and history must equal those of the
uninterrupted run bit for bit, with each epoch once, and no partly written file may remain. Prints a line per kind of
kill; the exit status is 1 if any run differs. Linux only, since the runs are forks of a process that has loaded
TensorFlow already.
"""

import argparse
import contextlib
import csv
import hashlib
import itertools
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from galvae.cli.main import main as command_line
from galvae.runs import checkpoints
from galvae.runs.directory import RunDirectory

SETTINGS = (
    *(
        "dataset=files",
        "dataset.axes=NHWC",
        "network.filters=[4,8]",
        "network.kernels=[3]",
        "network.dense=16",
        "batch=16",
    ),
    *("latent_dim=3", "precision=float32", "checkpoint.every=1", "beta=warmup", "beta.epochs=4"),
)
WATCHED = ((os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "rmtree"))
SLOWED = 0.1  # seconds by which each of them is slowed while a checkpoint is written
MEASURED = {"seconds", "images_per_second"}  # columns of the history that differ between runs


def main():
    """Runs all kinds of kills; the exit status is 1 if any run differs from the uninterrupted one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=30, help="number of kills at random moments (30)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="kill only at every K-th call (1)")
    parser.add_argument("--epochs", type=int, default=6, help="epochs of a run (6)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments (0)")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        sys.exit(not Torture(folder, options).run())
    finally:
        shutil.rmtree(folder)


class Torture:
    """Trains an uninterrupted run and runs that are killed, and compares them.

    Args:
        folder: empty folder for data and runs.
        options: arguments of the command line.
    """

    def __init__(self, folder, options):
        self.folder = folder
        self.options = options
        self.generator = random.Random(options.seed)
        self.failures = []
        self.runs = itertools.count()
        self.shared = mmap.mmap(-1, 16)  # the child's number of calls, and whether it is writing a checkpoint
        os.environ["GALVAE_CACHE"] = str(folder / "cache")
        images = np.random.default_rng(0).integers(0, 255, (50, 16, 16, 3), dtype=np.uint8)
        np.save(folder / "images.npy", images)
        from galvae.backend.setup import setup

        setup("tensorflow")  # once for all forks

    def run(self):
        """Tries all kinds of kills; returns whether every run equals the uninterrupted one."""
        self.child(self.directory())  # fills the cache
        uninterrupted = self.directory()
        assert self.child(uninterrupted) == 0
        self.expected, calls = fingerprint(uninterrupted), self.calls
        print(f"uninterrupted: {self.options.epochs} epochs, {calls} calls", flush=True)

        points = range(1, calls + 1, self.options.every)
        killed = [self.killed_at(point) for point in points]
        self.report("before each call", killed, f", {sum(killed)} killed")

        middle = calls // 2
        points = range(1, calls - middle, self.options.every)
        killed = [self.killed_at(middle, point, point) for point in points]
        self.report("three times, twice of them while resuming", killed, f", {sum(killed)} killed each time")

        inside = [self.killed_at_random() for _ in range(self.options.random)]
        if inside:
            self.report("at random moments", inside, f", {sum(inside)} while a checkpoint was written")
        return not self.failures

    def killed_at(self, *points):
        """Kills a run before a call, possibly several times in a row, resumes it and compares the result.

        Args:
            points: number of the call for each kill, counted from 1 in the process that is killed.

        Returns:
            Whether the run was killed every time before it had ended.
        """
        path = self.directory()
        killed = [self.child(path, kill_at=point) == -signal.SIGKILL for point in points]
        self.finish(path, f"killed before calls {points}")
        return all(killed)

    def killed_at_random(self):
        """Kills a slowed run at a random moment and resumes it; returns whether a checkpoint was being written."""
        path = self.directory()
        if not hasattr(self, "slow_seconds"):
            started = time.perf_counter()
            self.child(self.directory(), slowed=True)
            self.slow_seconds = time.perf_counter() - started
        moment = self.generator.uniform(0, self.slow_seconds)
        self.child(path, slowed=True, kill_after=moment)
        inside = bool(self.shared[8])
        self.finish(path, f"killed after {moment:.2f} s")
        return inside

    def finish(self, path, what):
        """Resumes a run until it ends, and compares it with the uninterrupted one.

        Args:
            path: directory of the run.
            what: description of the kill.
        """
        status = self.child(path)
        received = fingerprint(path) if status == 0 else None
        if received != self.expected:
            differing = [
                name for name in self.expected if not received or received[name] != self.expected[name]
            ]
            self.failures.append(f"{what}: exit status {status}, differs in {', '.join(differing)}")
            print(self.failures[-1], flush=True)
        shutil.rmtree(path, ignore_errors=True)

    def directory(self):
        """An unused path for a run."""
        return self.folder / f"run-{next(self.runs)}"

    def child(self, path, kill_at=None, kill_after=None, slowed=False):
        """Trains in a forked process.

        Args:
            path: directory of the run.
            kill_at: number of the watched call before which it is killed, or None.
            kill_after: seconds after which it is killed, or None.
            slowed: whether watched calls are slowed while a checkpoint is written.

        Returns:
            Exit status, negative if it was killed.
        """
        self.shared[:] = bytes(16)
        process = os.fork()
        if process == 0:
            self.train(path, kill_at, slowed)
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        return os.waitstatus_to_exitcode(status)

    def train(self, path, kill_at, slowed):
        """Trains in the child process while it counts watched calls; ends the process."""
        output = os.open(self.folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)

        def watched(function):
            def call(*arguments, **options):
                self.calls += 1
                if self.calls == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                if slowed and self.shared[8]:
                    time.sleep(SLOWED)
                return function(*arguments, **options)

            return call

        for module, name in WATCHED:
            setattr(module, name, watched(getattr(module, name)))
        save = checkpoints.save

        def marked(*arguments):
            self.shared[8] = 1
            result = save(*arguments)
            self.shared[8] = 0
            return result

        checkpoints.save = marked
        status = 1
        try:
            command_line(
                [
                    *("train", *SETTINGS, f"epochs={self.options.epochs}"),
                    *(f"dataset.path={self.folder / 'images.npy'}", f"hydra.run.dir={path}"),
                ]
            )
        except SystemExit as stop:
            status = stop.code
        finally:
            os._exit(status)

    @property
    def calls(self):
        """Number of watched calls that the child has made."""
        return int.from_bytes(self.shared[:8], "little")

    @calls.setter
    def calls(self, count):
        self.shared[:8] = count.to_bytes(8, "little")

    def report(self, what, runs, more=""):
        """Prints the result of one kind of kill.

        Args:
            what: kind of kill.
            runs: results of the runs, one per run.
            more: further text about them.
        """
        print(f"{what}: {len(runs)} runs{more}; {len(self.failures)} failures so far", flush=True)


def fingerprint(path):
    """What must be equal between runs: all variables, the history except times, the status, and the files' names."""
    run = RunDirectory.open(path)
    checkpoint, state = run.checkpoint()
    values = {
        name: hashlib.sha256((checkpoint / f"{name}.safetensors").read_bytes()).hexdigest()
        for name in ("best", "last")
    }
    with open(path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    values["history"] = [[value for name, value in row.items() if name not in MEASURED] for row in rows]
    values["best epoch"] = (state.best_epoch, state.best_loss)
    values["status"] = run.status
    values["files"] = sorted(str(file.relative_to(path)) for file in path.rglob("*"))
    return values


if __name__ == "__main__":
    main()
