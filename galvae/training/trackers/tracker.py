"""What a tracker is: a record of a run which another program shows beside those of other runs.

Another tracker is a module of this folder with a class `Tracker`, and its name in `TRACKERS`, in
`galvae/config/train.py`. Module, optional dependency of pyproject.toml and Python package have the tracker's name.
`Tracking` calls it from a thread of its own, where it may wait for a disk or a network, and may raise whatever it
likes: training goes on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker is told of a run.

    Attributes:
        path: the run's directory, by whose name a tracker calls it.
        folder: the folder below it for the tracker's files.
        sweep: name of the directory of the sweep that the run belongs to; None if it belongs to none.
        run_id: a text that no other run has, and that stays when the run is resumed.
        config: its configuration, a nested JSON-able dict.
        trains: whether epochs will follow; else only figures and numbers of a run that was trained before.
        epochs: number of epochs that it has been trained for.
        written: number of epochs of this run that the tracker has surely written before. They are more than `epochs` if
            the last ones were lost, as by a power failure, and are now trained again; fewer if some were not tracked.
    """

    path: Path
    folder: Path
    sweep: str | None
    run_id: str
    config: dict
    trains: bool
    epochs: int
    written: int


class TrackerProtocol(Protocol):
    """The methods of a `Tracker`, called for epochs, then figures, numbers and the end.

    Args:
        run: TrackedRun; its record begins, or goes on if there is one.

    Attributes:
        next_epoch: number of the first epoch that the record is to be given; earlier ones it has.
        where: where a user finds the record, for the log.
    """

    next_epoch: int
    where: str

    def __init__(self, run): ...

    def epoch(self, row, time):
        """Records an epoch.

        Args:
            row: dict, its row of history.csv: its number, its losses, learning rate, speed.
            time: when it ended, in seconds since 1970; near it, if the epoch is one of an earlier call.

        Returns:
            Whether it stays recorded if this process is killed now; else it is recorded anew after that.
        """

    def figures(self, paths, epoch):
        """Records figures.

        Args:
            paths: dict of PNG files, by a name with slashes.
            epoch: the epoch of the weights that they are of.
        """

    def numbers(self, values, epoch):
        """Records results.

        Args:
            values: dict of finite numbers, by a name with slashes.
            epoch: the epoch of the weights that they are of.
        """

    def end(self, status):
        """Ends the record, once everything is written.

        Args:
            status: the run's: finished, pruned, stopped, diverged or failed.
        """
