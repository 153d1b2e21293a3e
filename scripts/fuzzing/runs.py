"""Two small runs of one architecture, and all that galvae reads back of a run."""

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
# Files that commands read back; the others of a run are for people.
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


def fixture(folder):
    """The folder with the runs a and b, made by the first process that asks for them."""
    from filelock import FileLock

    os.environ["GALVAE_CACHE"] = str(folder / "cache")
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            make(folder)
    return folder


def make(folder):
    """Trains two runs that differ in their seeds, and lays the first one's codes out."""
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
                f"dataset.path={folder}/images.npy",
                *SMALL,
                "epochs=2",
                "checkpoint.every=1",
            ),
            *(f"seed={seed}", f"dataset.split_seed={seed}", f"hydra.run.dir={folder}/{name}"),
        )
    galvae("umap", f"run={folder}/a", *UMAP)


def galvae(*arguments):
    """Runs a command in a process of its own."""
    subprocess.run([sys.executable, "-m", "galvae", *arguments], check=True, capture_output=True)


def read_all(path):
    """What the commands read of a run: name of the part -> a value to compare, or the error that refused it.

    Returns:
        (parts, lines): dict, and the warnings that were logged.
    """
    from galvae.analysis.run_table import results
    from galvae.latent import umap_embedding
    from galvae.runs.directory import RunDirectory
    from galvae.runs.trained_run import TrainedRun

    parts, lines = {}, []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
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
            return parts, lines
        parts["config"] = dataclasses.asdict(directory.config)
        part("status", lambda: directory.status)
        run = part("weights", lambda: TrainedRun.open(directory))
        if isinstance(run, GalvaeError):
            return parts, lines
        weights = {v.path: np.asarray(v) for v in run.model.variables}
        parts["weights"] = digest(weights.values())
        parts["state"] = json.dumps(run.state.to_json(), sort_keys=True)
        row = results(directory.metrics, []) | results(
            {"peak_memory_mb": run.state.peak_memory_mb}, run.state.history
        )
        parts["results"] = row | {"active_units": None}  # counted anew
        dataset = part("dataset", lambda: run.dataset)
        if not isinstance(dataset, GalvaeError):
            parts["dataset"] = digest([dataset.images, *dataset.splits.values()])
            codes = part("codes", lambda: run.codes("all"))
            if not isinstance(codes, GalvaeError):
                parts["codes"] = digest([codes.indices, codes.mean, codes.log_variance])
            settings = {"n_neighbors": 5, "min_dist": 0.1, "metric": "euclidean", "n_epochs": 20}
            settings |= {"fitted": 50000, "seed": 0}
            identity = umap_embedding.identity(run.weights_digest, settings)
            kept, _ = umap_embedding.find_stored(
                sorted(run.path.glob("umap*/**/embedding.npz")), identity, dataset.split("all")
            )
            parts["embedding"] = (
                None if kept is None else digest(getattr(kept, name) for name in umap_embedding.ARRAYS)
            )
    finally:
        logging.getLogger("galvae").removeHandler(handler)
    return parts, lines


def remembered(function):
    """A function that is called once for equal arguments, as far as their representations tell."""
    known = {}

    def call(*arguments):
        key = repr(arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return call


def digest(arrays):
    """SHA-256 of arrays with their types and shapes."""
    found = hashlib.sha256()
    for array in map(np.asarray, arrays):
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


class Runs:
    """The runs as a process that tries cases has them.

    Args:
        folder: of the process; the runs lie beside it, for all.

    Attributes:
        a, b: directories of the undamaged runs.
        copy: a copy of the first one, to damage.
        truths: what is read of the first run with its newest checkpoint, and with the one before.
    """

    def __init__(self, folder):
        from galvae.backend.setup import setup

        runs = fixture(folder.parent / "runs")
        setup("tensorflow", "float32", 0)
        from galvae.runs import trained_run

        # Built once for each configuration: what is tried is how their variables are read, not how they are made.
        for name in ("build_model", "variable_shapes"):
            setattr(trained_run, name, remembered(getattr(trained_run, name)))
        self.a, self.b, self.copy = runs / "a", runs / "b", folder / "copy"
        self.restore()
        self.truths = [read_all(self.copy)[0]]
        shutil.rmtree(self.copy / "checkpoints" / "epoch-0002")
        self.truths.append(read_all(self.copy)[0])
        self.restore()

    def restore(self):
        """Makes the copy whole again."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.copytree(self.a, self.copy)

    def judged(self):
        """The outcome of reading the copy: every part is true, refused by one line, or of the checkpoint before."""
        parts, lines = read_all(self.copy)
        said = [str(part) for part in parts.values() if isinstance(part, GalvaeError)]
        text = " | ".join([*said, *lines])
        if any(not line.isprintable() or len(line) > 5000 for line in said):
            return "wrong", f"not one line: {text}"
        older = any("is damaged and is skipped" in line for line in lines)
        truth = self.truths[1 if older and parts.get("state") == self.truths[1]["state"] else 0]
        for name, found in parts.items():
            if isinstance(found, GalvaeError) or found == truth[name]:
                continue
            if name == "embedding" and found is None:
                continue  # laid out anew
            if name == "status" and found == "unfinished":
                continue  # said by every command
            if isinstance(parts.get("weights"), GalvaeError):
                continue  # no command goes on without
            if name == "config" and isinstance(parts["dataset"], GalvaeError):
                continue  # only where the dataset lies may differ, and it is not there
            return "wrong", f"{name}: {found!r:.300} instead of {truth[name]!r:.300}; {text}"
        return ("refused" if said else "clean"), text
