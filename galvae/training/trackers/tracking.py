"""A run's tracker at work: in a thread of its own, so that training neither waits for it nor fails with it."""

import dataclasses
import importlib
import importlib.util
import logging
import math
import queue
import threading
import time

from galvae.backend.processes import is_first
from galvae.errors import GalvaeError, line_of
from galvae.runs.find import SWEEP_FILE
from galvae.runs.links import check_folder_of_tracker
from galvae.system.atomic import save_json
from galvae.system.safe_read import read_json
from galvae.training.trackers.tracker import TrackedRun

FOLDER = "tracker"  # in the run's directory
END_SECONDS = 20  # that the end of a command waits for its tracker; SLURM kills 30 s after SIGTERM
LARGEST_STATE = 10_000  # bytes

log = logging.getLogger(__name__)


def check_installed(name):
    """Refuses a tracker that is not installed.

    Args:
        name: of the tracker, or None.

    Raises:
        GalvaeError: if its package cannot be found.
    """
    if name is not None and importlib.util.find_spec(name) is None:
        raise GalvaeError(
            f"tracker={name}: expected {name} to be installed, as by pip install -e '.[{name}]'"
        )


class Tracking:
    """Gives a run's tracker what the run writes; one that fails is left alone after one line in the log.

    Args:
        name: of the tracker; None: nothing is tracked. Neither is it in any process of several but the first.
        run: RunDirectory.
        history: rows of the epochs that the run was trained for before, if more will follow; None: none will.

    Raises:
        GalvaeError: if there is a link in the folder of the tracker's files.
    """

    def __init__(self, name, run, history=None):
        self.name = name
        self._calls = queue.SimpleQueue()
        self._thread = None
        self._warned = False
        if name is None or not is_first():
            return
        folder = run.path / FOLDER
        check_folder_of_tracker(folder)
        try:
            folder.mkdir(exist_ok=True)
            # Here, since an import in one thread may meet one in another half-way.
            tracker = importlib.import_module(f"galvae.training.trackers.{name}").Tracker
        except Exception as error:
            self._warn(error)
            return
        self._state = folder / f"{name}.json"
        self._run_id = run.environment["run_id"]
        written = self._written()
        tracked = TrackedRun(
            path=run.path,
            folder=folder,
            sweep=run.path.parent.name if (run.path.parent / SWEEP_FILE).is_file() else None,
            run_id=self._run_id,
            config=dataclasses.asdict(run.config),
            trains=history is not None,
            epochs=written if history is None else len(history),
            written=written,
        )
        self._thread = threading.Thread(target=self._work, args=(tracker, tracked), daemon=True)
        self._thread.start()
        history = history or []
        ended = time.time() - sum(row["seconds"] for row in history)  # had they been trained just before
        for row in history:
            ended += row["seconds"]
            self.epoch(row, ended)

    def epoch(self, row, ended=None):
        """Tracks an epoch.

        Args:
            row: dict, its row of the history.
            ended: when it ended, in seconds since 1970; None: now.
        """
        self._call("epoch", dict(row), ended or time.time())

    def results(self, folder, values, prefix, epoch):
        """Tracks the figures in a folder, and numbers.

        Args:
            folder: the folder; only PNG files count.
            values: dict, of which the finite numbers are taken, those in nested dicts included.
            prefix: of all names.
            epoch: the epoch of the weights that they are of.
        """
        figures = {f"{prefix}/figures/{path.stem}": path for path in sorted(folder.glob("*.png"))}
        self._call("figures", figures, epoch)
        self._call("numbers", numbers(values, prefix), epoch)

    def end(self, status):
        """Ends the record, and waits until it is written, END_SECONDS at most.

        Args:
            status: the run's.
        """
        if self._thread is None:
            return
        self._call("end", status)
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            self._warn(TimeoutError(f"it has not ended within {END_SECONDS} s"))

    def _call(self, *call):
        if self._thread is not None and self._thread.is_alive():
            self._calls.put(call)

    def _work(self, kind, run):
        """The thread: begins the record, and does what is asked for until its end."""
        try:
            tracker = kind(run)
            log.info("tracked: %s", tracker.where)
            method, written = None, run.written
            while method != "end":
                method, *arguments = self._calls.get()
                if method == "epoch":
                    epoch = arguments[0]["epoch"]
                    if epoch < tracker.next_epoch:
                        continue
                    written = epoch
                sure = getattr(tracker, method)(*arguments) or method == "end"
                if sure and self._calls.empty():
                    save_json(self._state, {"run_id": self._run_id, "epochs": written})
        except Exception as error:
            self._warn(error)

    def _written(self):
        """Number of epochs of this run that the tracker has written before."""
        try:
            state = read_json(self._state, LARGEST_STATE)
        except GalvaeError:
            return 0
        epochs = state.get("epochs")
        return epochs if type(epochs) is int and epochs > 0 and state.get("run_id") == self._run_id else 0

    def _warn(self, error):
        if not self._warned:
            reason = line_of(error) or type(error).__name__
            log.warning("tracker=%s: %s; nothing more is recorded", self.name, reason)
        self._warned = True


def numbers(values, prefix):
    """The finite numbers in a nested dict, by names joined by slashes.

    Args:
        values: dict.
        prefix: of every name.

    Returns:
        dict of floats, such as {"result/val_loss": 3.2}.
    """
    found = {}
    for name, value in values.items():
        path = f"{prefix}/{name}"
        if isinstance(value, dict):
            found |= numbers(value, path)
        elif isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[path] = float(value)
    return found
