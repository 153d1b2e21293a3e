"""Case of the benchmark: what a trial of a hyperparameter search takes beside its training.

`python searching.py WORDS` runs `galvae train WORDS`, whose jobs train nothing, and prints the seconds of the sweep.
"""

import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

TRIALS = 20
SWEEPS = {
    "of a sweep": (f"seed=range(0,{TRIALS})",),
    "of a search": (
        "hydra/sweeper=optuna",
        "latent_dim=choice(8,16,32)",
        "learning_rate=tag(log,interval(1e-4,1e-2))",
    ),
}


def search(quick):
    """Time of a trial of a search in one process, without its training, against a job of a sweep without its own."""
    from benchmarking.measuring import alternating, row, run

    with tempfile.TemporaryDirectory() as folder:

        def sweep(name):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                words = ["-m", f"hydra.sweep.dir={place}/sweep", *SWEEPS[name]]
                return run([sys.executable, __file__, *words])

        results = alternating({name: lambda name=name: sweep(name) for name in SWEEPS}, 1 if quick else 5)
    seconds = {
        name: statistics.median(float(one.output) for one in results[name]) / TRIALS for name in SWEEPS
    }
    reference = seconds["of a sweep"]
    return [
        row(
            f"a job {name} of {TRIALS}, without its training",
            f"{value:.3f} s",
            value / reference,
            "a job of a sweep",
        )
        for name, value in seconds.items()
    ]


def sweep_without_training(words):
    """The seconds of a sweep in this process, with Hydra's configuration of each job, but without any training.

    Args:
        words: of the command line after `galvae train`.
    """
    from galvae.cli.main import main
    from galvae.commands import train

    def instead(config, output_dir):
        loss = (config.latent_dim - 16) ** 2 + math.log(config.learning_rate) ** 2
        metrics = {"status": "finished", "val_loss": loss}
        (output_dir / "metrics.json").write_text(json.dumps(metrics))
        return loss

    train.main = instead
    started = time.perf_counter()
    with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
        main(["train", *words])
    return time.perf_counter() - started


if __name__ == "__main__":
    print(sweep_without_training(sys.argv[1:]))
