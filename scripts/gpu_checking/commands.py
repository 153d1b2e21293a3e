"""The check of the commands that work with a trained run, against the same commands on the processor."""

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarking.measuring import GALVAE, run
from benchmarking.training import of_file

from gpu_checking.check import BLOG, row

TOLERANCE = 1.1  # times the seconds on the processor
PROCESSOR = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1"}
COMMANDS = {
    "morphology and card": ["evaluate", "cards=[card,morphology]", "samples=1000", "bootstrap=100"],
    "priors": ["prior"],
    "explorer export": ["explore", "thumbnails=1000", "umap=false", "measures=false"],
}


def after_training(settings):
    """Morphology, card, priors, explorer export: none is slower than on the processor, with all that starting takes."""
    path = settings.images(64, count=4000)
    small = settings.kind == "cpu"
    with TemporaryDirectory() as folder:
        words = [*BLOG, "network=slim", f"backend={settings.backend}", f"epochs={settings.epochs(5)}"]
        run([*GALVAE, "train", *words, *of_file(path), f"hydra.run.dir={folder}/run"])
        places = {"the device": {}, "the processor": PROCESSOR}
        for (
            name
        ) in places:  # each with a run, into which commands write, and a cache of measurements of its own
            shutil.copytree(Path(folder, "run"), Path(folder, name, "run"), symlinks=True)
        for title, (command, *keys) in COMMANDS.items():
            if command == "evaluate" and small:
                keys = ["cards=[card]", "samples=200", "bootstrap=100"]
            seconds = {
                name: run(
                    [*GALVAE, command, f"run={folder}/{name}/run", *keys],
                    {**environment, "GALVAE_CACHE": os.path.join(folder, name)},
                    folder,
                ).seconds
                for name, environment in places.items()
            }
            ratio = seconds["the device"] / seconds["the processor"]
            yield row(
                f"galvae {command} ({title}), seconds on the GPU / on the processor",
                f"{seconds['the device']:.1f} / {seconds['the processor']:.1f} s = {ratio:.2f}",
                settings.on_gpu(ratio <= TOLERANCE),
                f"at most {TOLERANCE}",
                value=ratio,
            )
