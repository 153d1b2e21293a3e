"""Two small runs of one architecture for the fuzzer, and a comparison of everything that galvae reads from a run."""

import dataclasses
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys

import numpy as np

from galvae.errors import GalvaeError

SMALL = ("network.filters=[4,8]", "network.kernels=[3]", "network.dense=16", "batch=32", "latent_dim=3")
# Files that commands read back; the others of a run are for its user.
READ = (
    *("config.yaml", "environment.json", "metrics.json", "split.npz", "data_report.json", "history.csv"),
    *(
        f"checkpoints/epoch-000{epoch}/{name}"
        for epoch in (1, 2)
        for name in ("best.safetensors", "last.safetensors")
    ),
    *(f"checkpoints/epoch-000{epoch}/{name}" for epoch in (1, 2) for name in ("state.json", "manifest.json")),
    "codes/all.npz",
    "umap/embedding.npz",
)
UMAP = ("n_neighbors=5", "n_epochs=20", "grid=3")


def shared_runs(folder):
    """Returns the folder with the runs a and b, which the first worker process trains and the others wait for."""
    from filelock import FileLock

    os.environ["GALVAE_CACHE"] = str(folder / "cache")
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            train_runs(folder)
    return folder


def train_runs(folder):
    """Trains two runs that differ in their seeds, and computes a UMAP embedding of the first."""
    folder.mkdir()
    y, x = np.mgrid[:16, :16] - 7.5
    width = np.random.default_rng(0).uniform(1, 5, (60, 1, 1, 1))
    images = np.round(255 * np.exp(-(x**2 + y**2)[None, :, :, None] / (2 * width**2))).astype(np.uint8)
    np.save(folder / "images.npy", np.repeat(images, 3, axis=3))
    for seed, name in enumerate("ab"):
        galvae(
            *(
                "train",
                "dataset=files",
                "dataset.axes=NHWC",
                f"dataset.path={folder}/images.npy",
                *SMALL,
                "epochs=2",
                "checkpoint.every=1",
            ),
            *(f"seed={seed}", f"dataset.split_seed={seed}", f"hydra.run.dir={folder}/{name}"),
        )
    galvae("umap", f"run={folder}/a", *UMAP)


def galvae(*arguments):
    """Runs a galvae command in a separate process."""
    subprocess.run([sys.executable, "-m", "galvae", *arguments], check=True, capture_output=True)


def read_all(path):
    """Reads everything that commands read from a run.

    Args:
        path: the run's directory.

    Returns:
        (parts, warnings): dict, name of the part -> value to compare, or the GalvaeError that refused it; and the list
        of logged messages.
    """
    from galvae.analysis.run_table import results
    from galvae.latent import umap_embedding, umap_storage
    from galvae.runs.directory import RunDirectory
    from galvae.runs.trained_run import TrainedRun

    parts, warnings = {}, []
    handler = logging.Handler()
    handler.emit = lambda record: warnings.append(record.getMessage())
    logging.getLogger("galvae").addHandler(handler)

    def part(name, read):
        try:
            parts[name] = read()
        except GalvaeError as error:
            parts[name] = error
        return parts[name]

    try:
        directory = part("config", lambda: RunDirectory.open(path))
        if isinstance(directory, GalvaeError):
            return parts, warnings
        parts["config"] = dataclasses.asdict(directory.config)
        part("status", lambda: directory.status)
        run = part("weights", lambda: TrainedRun.open(directory))
        if isinstance(run, GalvaeError):
            return parts, warnings
        weights = {v.path: np.asarray(v) for v in run.model.variables}
        parts["weights"] = digest(weights.values())
        parts["state"] = json.dumps(run.state.to_json(), sort_keys=True)
        row = results(directory.metrics, []) | results(
            {"peak_memory_mb": run.state.peak_memory_mb}, run.state.history
        )
        parts["results"] = row | {"active_units": None}  # not read back, but counted again
        dataset = part("dataset", lambda: run.dataset)
        if not isinstance(dataset, GalvaeError):
            parts["dataset"] = digest([dataset.images, *dataset.splits.values()])
            codes = part("codes", lambda: run.codes("all"))
            if not isinstance(codes, GalvaeError):
                parts["codes"] = digest([codes.indices, codes.mean, codes.log_variance])
            settings = {"n_neighbors": 5, "min_dist": 0.1, "metric": "euclidean", "n_epochs": 20}
            settings |= {"fitted": 50000, "seed": 0}
            identity = umap_embedding.identity(run.weights_digest, settings)
            embedding, _ = umap_storage.find_stored(
                [run.path / "umap" / "embedding.npz"], identity, dataset.split("all")
            )
            parts["embedding"] = (
                None
                if embedding is None
                else digest(getattr(embedding, name) for name in umap_embedding.ARRAYS)
            )
    finally:
        logging.getLogger("galvae").removeHandler(handler)
    return parts, warnings


def memoised(function):
    """Wraps a function so that it is called once for arguments of equal representation."""
    results = {}

    def call(*arguments):
        key = repr(arguments)
        if key not in results:
            results[key] = function(*arguments)
        return results[key]

    return call


def digest(arrays):
    """SHA-256 of arrays, including their dtypes and shapes, as hexadecimal text."""
    sha256 = hashlib.sha256()
    for array in map(np.asarray, arrays):
        sha256.update(f"{array.dtype}{array.shape}".encode())
        sha256.update(np.ascontiguousarray(array).tobytes())
    return sha256.hexdigest()


class Runs:
    """Undamaged runs and a copy to damage, for one worker process.

    Args:
        folder: folder of the worker; the undamaged runs are next to it, shared by all workers.

    Attributes:
        a, b: directories of the undamaged runs.
        copy: directory of the copy of run a.
        expected: what `read_all` gives for run a with its newest checkpoint, and with only the previous one.
    """

    def __init__(self, folder):
        from galvae.backend.setup import setup

        runs = shared_runs(folder.parent / "runs")
        setup("tensorflow", "float32", 0)
        from galvae.runs import trained_run

        # Built once per configuration to save time: the cases test how variables are read, not how models are built.
        for name in ("build_model", "outline"):
            setattr(trained_run, name, memoised(getattr(trained_run, name)))
        self.a, self.b, self.copy = runs / "a", runs / "b", folder / "copy"
        self.restore()
        self.expected = [read_all(self.copy)[0]]
        shutil.rmtree(self.copy / "checkpoints" / "epoch-0002")
        self.expected.append(read_all(self.copy)[0])
        self.restore()

    def restore(self):
        """Replaces the copy by an undamaged one."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.a, self.copy)

    def read_copy(self):
        """Reads the copy and compares it with the undamaged run.

        Returns:
            (outcome, text): "clean" if all parts equal those of the newest or, after a warning, of the previous
            checkpoint; "refused" if parts are refused with one line each; else "wrong".
        """
        parts, warnings = read_all(self.copy)
        refusals = [str(part) for part in parts.values() if isinstance(part, GalvaeError)]
        text = " | ".join([*refusals, *warnings])
        if any(not line.isprintable() or len(line) > 5000 for line in refusals):
            return "wrong", f"not one line: {text}"
        older = any("is damaged and is skipped" in line for line in warnings)
        expected = self.expected[1 if older and parts.get("state") == self.expected[1]["state"] else 0]
        for name, part in parts.items():
            if isinstance(part, GalvaeError) or part == expected[name]:
                continue
            if name == "embedding" and part is None:
                continue  # commands fit a new one
            if name == "status" and part == "unfinished":
                continue  # which every command reports
            if isinstance(parts.get("weights"), GalvaeError):
                continue  # no command continues without them
            if name == "config" and isinstance(parts["dataset"], GalvaeError):
                continue  # only the dataset's path can differ, and there is no dataset at it
            return "wrong", f"{name}: {part!r:.300} instead of {expected[name]!r:.300}; {text}"
        return ("refused" if refusals else "clean"), text
