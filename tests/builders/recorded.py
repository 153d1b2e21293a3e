"""The numbers that galvae must not change: losses, scores, codes and embeddings of small runs.

`python -m builders.recorded OUT.json` (with tests/ and the checkout to record on PYTHONPATH) records them with the
command line of that checkout; tests/regression/test_numbers.py compares them with those of 0.1.
"""

import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from builders.galaxies import ellipses

MODELS = ("ae", "vae", "beta_vae", "cvae", "cvae2", "fancy_cvae")
EMBEDDED = ("vae", "cvae2")
SETTINGS = (
    *("network.filters=[4,8]", "network.kernels=[3]", "network.dense=16", "latent_dim=3"),
    *("epochs=3", "batch=32", "precision=float32", "seed=0", "checkpoint.every=1"),
    *(
        "reconstruction.loss=mse",
        "reconstruction.weight=15",
        "clip_norm=null",
        "prior=none",
    ),  # the defaults of 0.1
)
LEFT_OUT = {"seconds", "images_per_second"}  # of the history: they depend on the machine
COUNT = 60


def write_dataset(folder):
    """Writes galaxies with classes and redshifts, of which two are unknown; returns the overrides that read them."""
    redshift = np.linspace(0.1, 2, COUNT)
    redshift[:2] = np.nan
    path = folder / "galaxies.npz"
    np.savez(path, images=ellipses(COUNT, 16), kind=np.arange(COUNT) * 7 % 3, redshift=redshift)
    columns = ("dataset.images=images", "dataset.labels=kind", "dataset.condition=[redshift]")
    return ("dataset=files", f"dataset.path={path}", "dataset.axes=NHWC", *columns)


def measure(run, model, folder):
    """The numbers of one model.

    Args:
        run: function of the words of a command line, which runs it in `folder`.
        model: its name.
        folder: an empty one.

    Returns:
        dict that JSON can hold.
    """
    run("train", *write_dataset(folder), f"model={model}", *SETTINGS, "hydra.run.dir=run")
    with open(folder / "run" / "history.csv", newline="") as file:
        rows = [{k: float(v) for k, v in row.items() if k not in LEFT_OUT} for row in csv.DictReader(file)]
    cards = "cards=[scores,conditions,information]"
    run("evaluate", "run=run", "split=all", cards, "samples=50", "bootstrap=200", "hydra.run.dir=evaluate")
    report = json.loads((folder / "evaluate" / "metrics.json").read_text())
    report.pop("run")
    numbers = {"history": rows, "evaluate": report}
    if model in EMBEDDED:
        run("umap", "run=run", "n_epochs=20", "hydra.run.dir=umap")
        with np.load(folder / "umap" / "embedding.npz") as embedding:
            numbers["plane"] = embedding["plane"].astype(float).tolist()
    return numbers


def main(out):
    """Records the numbers of every model with the galvae that this interpreter imports."""
    numbers = {}
    for model in MODELS:
        with tempfile.TemporaryDirectory() as name:

            def run(*words, folder=name):
                subprocess.run([sys.executable, "-m", "galvae", *words], cwd=folder, check=True)

            numbers[model] = measure(run, model, Path(name))
    Path(out).write_text(json.dumps(numbers) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
