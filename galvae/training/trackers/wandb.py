"""tracker=wandb: a run of Weights & Biases, kept in the run's folder unless WANDB_MODE=online.

WANDB_PROJECT, WANDB_ENTITY, WANDB_DIR and its other variables mean what they always do.
"""

import os
import shlex
from pathlib import Path

import wandb

# Variables, not arguments: without WANDB_MODE=offline it reports its own use to its makers, whatever `init` is told.
# Silent, it prints nothing between galvae's lines and does not ask for a password.
DEFAULTS = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_PROJECT": "galvae",
}
# Seconds that it may wait for its server at the beginning and for uploads at the end; the files stay, for wandb sync.
SETTINGS = {"init_timeout": 15, "finish_timeout": 20, "console": "off"}


class Tracker:
    """A run of W&B, whose identity is galvae's run_id and whose steps are epochs.

    W&B keeps the first values of a step, so that epochs which were lost and are trained again are not written twice.
    Every session that is offline has a directory of its own, which `wandb sync` adds to the same run; after a killed
    process, whose last epochs may be missing there, that of the next one repeats the epochs of the killed one.

    Args:
        run: TrackedRun.
    """

    def __init__(self, run):
        for name, value in DEFAULTS.items():
            os.environ.setdefault(name, value)
        self.trains = run.trains
        self.next_epoch = run.written + 1
        self.step = run.written
        self.run = wandb.init(
            id=run.run_id,
            name=run.path.name,
            group=run.sweep,
            dir=os.environ.get("WANDB_DIR", run.folder),
            config=run.config,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(**SETTINGS),
        )
        kept = f"wandb sync {shlex.quote(str(Path(self.run.dir).parent))}"
        self.where = self.run.url or ("nowhere (WANDB_MODE)" if self.run.disabled else kept)

    def epoch(self, row, time):
        self.step = row["epoch"]
        values = {f"history/{name}": value for name, value in row.items() if name != "epoch"}
        self.run.log({"epoch": self.step, **values}, step=self.step)
        return False  # its service keeps the last ones in memory

    def figures(self, paths, epoch):
        images = {name: wandb.Image(str(path)) for name, path in paths.items()}
        if self.trains:
            self.run.log(
                images, step=self.step
            )  # steps only grow: that of the last epoch, whatever `epoch` is
        else:  # whose step would have to be larger than the last one, and smaller than one that may be trained yet
            self.run.summary.update(images)

    def numbers(self, values, epoch):
        self.run.summary.update(values)

    def end(self, status):
        self.run.summary["status"] = status
        self.run.finish(exit_code=0 if status == "finished" else 1)
        wandb.teardown()  # its service ends with the run, not with this process
