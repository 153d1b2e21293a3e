"""Kills training with SIGKILL, over and over, and shows that nothing of it can be seen in the result.

`python scripts/torture.py [--random 30] [--every 1] [--epochs 6] [--seed 0]`

A small run is trained undisturbed. Then the same run is killed
- before every call that makes a file durable or visible (fsync, rename, replace, rmtree), at every epoch,
- at such calls of a run that is itself going on after a kill, twice in a row,
- at random moments, with checkpoints slowed so that about half of the kills fall into the writing of one,
and each time gone on with until it finishes. Weights, optimizer, best epoch and history must be those of the
undisturbed run, bit for bit, each epoch once, and nothing half-written may be left. Prints a line per kind of kill;
exit status 1 if any run differs. `--every K` takes only every K-th call. Linux only: the runs are forked from a
process that has loaded TensorFlow already, and killed for good.
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
    *("dataset=files", "network.filters=[4,8]", "network.kernels=[3]", "network.dense=16", "batch=16"),
    *("latent_dim=3", "precision=float32", "checkpoint.every=1", "beta=warmup", "beta.epochs=4"),
)
WATCHED = ((os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "rmtree"))
SLOWED = 0.1  # seconds that each of them then takes while a checkpoint is written
MEASURED = {"seconds", "images_per_second"}  # columns of the history that no two runs share


def main():
    """Runs the whole programme; exit status 1 if a run came out differently."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--random", type=int, default=30, help="kills at random moments")
    parser.add_argument("--every", type=int, default=1, help="of the calls, take every K-th")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        sys.exit(not Torture(folder, options).run())
    finally:
        shutil.rmtree(folder)


class Torture:
    """The undisturbed run, and those that are killed.

    Args:
        folder: an empty one, for data and runs.
        options: the arguments of the command line.
    """

    def __init__(self, folder, options):
        self.folder = folder
        self.options = options
        self.generator = random.Random(options.seed)
        self.failures = []
        self.runs = itertools.count()
        self.shared = mmap.mmap(-1, 16)  # calls made, and whether a checkpoint is being written, of the child
        os.environ["GALVAE_CACHE"] = str(folder / "cache")
        images = np.random.default_rng(0).integers(0, 255, (50, 16, 16, 3), dtype=np.uint8)
        np.save(folder / "images.npy", images)
        from galvae.backend.setup import setup

        setup("tensorflow")  # once, for all that are forked

    def run(self):
        """All kinds of kills; returns whether every run came out as the undisturbed one."""
        self.child(self.directory())  # which fills the cache, once for all
        undisturbed = self.directory()
        assert self.child(undisturbed) == 0
        self.expected, calls = fingerprint(undisturbed), self.calls
        print(f"undisturbed: {self.options.epochs} epochs, {calls} calls", flush=True)

        points = range(1, calls + 1, self.options.every)
        killed = [self.killed_at(point) for point in points]
        self.tell("before each call", killed, f", {sum(killed)} killed")

        middle = calls // 2
        points = range(1, calls - middle, self.options.every)
        killed = [self.killed_at(middle, point, point) for point in points]
        self.tell("thrice, twice of it while going on", killed, f", {sum(killed)} killed each time")

        inside = [self.killed_at_random() for _ in range(self.options.random)]
        if inside:
            self.tell("at random moments", inside, f", {sum(inside)} inside the writing of a checkpoint")
        return not self.failures

    def killed_at(self, *points):
        """Kills a run before its n-th call, for each of the points in turn, and lets it finish; checks it.

        Returns:
            Whether every kill came before the run had ended.
        """
        path = self.directory()
        killed = [self.child(path, kill_at=point) == -signal.SIGKILL for point in points]
        self.finish(path, f"killed before calls {points}")
        return all(killed)

    def killed_at_random(self):
        """Kills a slowed run at a random moment and lets it finish; returns whether it was inside a checkpoint."""
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
        """Goes on with a run until it ends, and compares it with the undisturbed one."""
        status = self.child(path)
        found = fingerprint(path) if status == 0 else None
        if found != self.expected:
            differing = [name for name in self.expected if not found or found[name] != self.expected[name]]
            self.failures.append(f"{what}: exit status {status}, differs in {', '.join(differing)}")
            print(self.failures[-1], flush=True)
        shutil.rmtree(path, ignore_errors=True)

    def directory(self):
        """A new name for a run."""
        return self.folder / f"run-{next(self.runs)}"

    def child(self, path, kill_at=None, kill_after=None, slowed=False):
        """Trains in a forked process; returns its exit status, negative if it was killed."""
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
        """In the child: trains with every watched call counted, and never returns."""
        quiet = os.open(self.folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)

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
        """Watched calls that the child has made."""
        return int.from_bytes(self.shared[:8], "little")

    @calls.setter
    def calls(self, count):
        self.shared[:8] = count.to_bytes(8, "little")

    def tell(self, what, runs, more=""):
        """Prints how one kind of kills went."""
        print(f"{what}: {len(runs)} runs{more}; {len(self.failures)} failures so far", flush=True)


def fingerprint(path):
    """What must be equal: every variable, the history without the clock, and the names of all files."""
    run = RunDirectory.open(path)
    checkpoint, state = run.checkpoint()
    found = {
        name: hashlib.sha256((checkpoint / f"{name}.safetensors").read_bytes()).hexdigest()
        for name in ("best", "last")
    }
    with open(path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    found["history"] = [[value for name, value in row.items() if name not in MEASURED] for row in rows]
    found["best epoch"] = (state["best_epoch"], state["best_loss"])
    found["status"] = run.status
    found["files"] = sorted(str(file.relative_to(path)) for file in path.rglob("*"))
    return found


if __name__ == "__main__":
    main()
