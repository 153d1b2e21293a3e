"""Directory of a training run: created by `train`, and everything that later commands need."""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import math
import uuid
from pathlib import Path

from galvae.config.check import flatten, read_config, without_later_keys, write_config
from galvae.config.fields import path_keys
from galvae.config.model import ConditionalConfig
from galvae.data.display import display_range
from galvae.data.load import load_dataset
from galvae.data.splits import save_splits
from galvae.data.store.cache import is_cache
from galvae.errors import GalvaeError
from galvae.runs import bundles, checkpoints
from galvae.runs.find import latest, open_error
from galvae.runs.galaxies import store_galaxies
from galvae.runs.provenance import differences, environment
from galvae.system.atomic import replacing, save_json
from galvae.system.safe_read import read_json

log = logging.getLogger(__name__)

STATUSES = ("running", "finished", "stopped", "pruned", "diverged", "failed")
LARGEST_JSON = 10_000_000  # bytes of metrics.json or environment.json


class RunDirectory:
    """The directory of a training run.

    Attributes:
        path: the directory.
        config: TrainConfig.
    """

    def __init__(self, path, config):
        self.path = Path(path)
        self.config = config

    @classmethod
    def create(cls, path, config, dataset, device, init=None):
        """Starts a run: writes its configuration, environment, split and data report.

        Args:
            path: path of the directory; a run that it already contains is replaced.
            config: TrainConfig.
            dataset: GalaxyDataset.
            device: Device.
            init: what `galvae.runs.start.Start.facts` says of the run from whose weights this one starts, or None.

        Returns:
            RunDirectory.
        """
        run = cls(path, config)
        run.path.mkdir(parents=True, exist_ok=True)
        checkpoints.clean(run.path / "checkpoints")
        run._clean()
        run._write_config()
        began = {"run_id": uuid.uuid4().hex, **environment(config, device), "resumed": []}
        run.write_json("environment.json", began if init is None else {**began, "init": init})
        run._describe(dataset)
        return run

    def resume(self, config, dataset, device, checkpoint):
        """Prepares the directory of a stopped run for more epochs.

        Args:
            config: TrainConfig, the same but for a larger number of epochs.
            dataset: GalaxyDataset.
            device: Device.
            checkpoint: (path, CheckpointState), see `checkpoint`.

        Raises:
            GalvaeError: if the dataset has other images than when the run began.
        """
        path, state = checkpoint
        self.check_same(dataset, state)
        log.info("resuming after epoch %d of %d", state.epoch, config.epochs)
        checkpoints.clean(self.path / "checkpoints", path)
        self._clean()
        before, now = self.environment, environment(config, device)
        changed = differences(before, now)
        if changed:
            log.warning("not bit-identical with a run that was never stopped: %s", ", ".join(changed))
        # Before config.yaml, so that a checkpoint still agrees with the files if the process is killed between them.
        resumed = {"epoch": state.epoch, "epochs": config.epochs, **now}
        self.write_json("environment.json", {**before, "resumed": [*before["resumed"], resumed]})
        if config.epochs != self.config.epochs:
            self.config = config
            self._write_config()
        self._describe(dataset)
        self.write_history(state.history)

    @classmethod
    def open(cls, path):
        """Opens the directory of an existing run.

        Args:
            path: path of the directory, "latest" for the newest run that finished in this working directory, or path
                of a bundle, a folder or a .zip file.

        Returns:
            RunDirectory.

        Raises:
            GalvaeError: if the directory does not exist or is not a run's, its configuration is not valid, or a file
                of a bundle is missing or changed.
        """
        path = bundles.opened(latest("run") if str(path) == "latest" else Path(path))
        if not (path / "config.yaml").is_file():
            raise open_error("run", path)
        return cls(path, read_config(path / "config.yaml"))

    def checkpoint(self):
        """Finds the newest undamaged checkpoint of this run and reads its state.

        Returns:
            (path, CheckpointState), or None if no checkpoint has been written.

        Raises:
            GalvaeError: if all checkpoints are damaged, the newest belongs to another run, or config.yaml is not the
                configuration that it was trained with, of which the checkpoint holds a part itself.
        """
        folder = self.path / "checkpoints"
        path = checkpoints.newest(folder)
        if path is None:
            if checkpoints.any_in(folder):
                raise GalvaeError(f"{folder}: expected a whole checkpoint, received damaged ones only")
            return None
        state = checkpoints.read_state(path)
        environment = self.environment
        if state.run_id != environment["run_id"]:
            raise GalvaeError(
                f"{path}: expected a checkpoint of run {environment['run_id']}, received one of run {state.run_id}; "
                "the files of two runs are mixed"
            )
        epochs = {state.epochs, *(entry["epochs"] for entry in environment["resumed"])}
        if state.config_sha256 != config_digest(self.config) or self.config.epochs not in epochs:
            raise GalvaeError(
                f"{self.path / 'config.yaml'}: expected the configuration that the run was trained with, received "
                "another"
            )
        state.check_stretch(self.config.dataset.stretch, path)
        return path, state

    def check_same(self, dataset, state):
        """Checks that a dataset has the images, the conditions and the split of a checkpoint.

        Args:
            dataset: GalaxyDataset.
            state: CheckpointState.

        Raises:
            GalvaeError: if they differ.
        """
        if (state.dataset_sha256, state.image_shape) != (dataset.digest, list(dataset.image_shape)):
            if self.config.dataset.is_read_by_earlier_rules:
                raise GalvaeError(
                    f"dataset: {self.path} was trained by galvae 0.1, whose images, ids or redshifts of these files "
                    f"were others (SHA-256 {state.dataset_sha256[:12]}, now {dataset.digest[:12]}): since then row 0 "
                    "of a FITS image is drawn at the bottom, tables are joined by ids, and -1, -99 and the like are "
                    "unknown redshifts; expected the cache entry that 0.1 prepared, in $GALVAE_CACHE or "
                    "dataset.cache_dir, or a new run with dataset.reading=2"
                )
            raise GalvaeError(
                f"dataset: expected the images and the split that {self.path} was trained on (SHA-256 "
                f"{state.dataset_sha256[:12]}), received others ({dataset.digest[:12]}), {len(dataset)} of shape "
                f"{list(dataset.image_shape)}; has the source changed since, or have several files become one, or one "
                "several?"
            )

    @property
    def metrics(self):
        """Content of metrics.json as a dict, empty if it cannot be read."""
        return self._read_json("metrics.json")

    @property
    def environment(self):
        """Content of environment.json as a dict.

        Raises:
            GalvaeError: if it cannot be read, because its run_id binds the checkpoints to the run.
        """
        values = self._read_json("environment.json")
        resumed = values.get("resumed")
        if not isinstance(values.get("run_id"), str) or not (
            isinstance(resumed, list)
            and all(isinstance(entry, dict) and type(entry.get("epochs")) is int for entry in resumed)
        ):
            raise GalvaeError(
                f"{self.path / 'environment.json'}: expected the run's run_id and a list of the times that it was "
                "resumed, each with its epochs; received no such file or a damaged one"
            )
        return values

    @property
    def report(self):
        """Content of data_report.json as a dict, empty if it cannot be read."""
        return self._read_json("data_report.json")

    @property
    def display_range(self):
        """The intensities that figures draw as black and white by asinh, see `galvae.data.display`; or None."""
        values = self.report.get("display_range")
        if isinstance(values, list) and len(values) == 2 and all(type(value) is float for value in values):
            low, high = values
            if -math.inf < low < high < math.inf:
                return low, high
        return None

    @property
    def status(self):
        """Status of the run: running, finished, stopped, pruned, diverged or failed; unfinished if it is unknown."""
        status = self.metrics.get("status")
        return status if status in STATUSES else "unfinished"

    @property
    def finished(self):
        """Whether the run has trained all its epochs and drawn its figures."""
        return self.status == "finished"

    @property
    def identity(self):
        """Values that bind a checkpoint to this run, as arguments of `CheckpointState`."""
        return {
            "run_id": self.environment["run_id"],
            "config_sha256": config_digest(self.config),
            "epochs": self.config.epochs,
        }

    def save_checkpoint(self, state, best, last):
        """Writes a checkpoint, and history.csv from the rows of its state.

        Args:
            state: CheckpointState.
            best, last: dicts of arrays, see `galvae.runs.checkpoints.save`.
        """
        checkpoints.save(self.path / "checkpoints", state.epoch, best, last, state)
        self.write_history(state.history)

    def write_history(self, rows):
        """Writes history.csv, with a row per epoch.

        Args:
            rows: list with a dict per epoch.
        """
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with replacing(self.path / "history.csv") as temporary:
            temporary.write_text(text.getvalue(), encoding="utf-8")

    def write_json(self, name, values):
        """Writes a dict as JSON.

        Args:
            name: name of the file.
            values: JSON-able dict.
        """
        save_json(self.path / name, values)

    def _write_config(self):
        with replacing(self.path / "config.yaml") as temporary:
            write_config(self.config, temporary)

    def _clean(self):
        """Removes temporary files that a killed process left behind."""
        for folder in (".", "figures", "codes", "noise", "axes", "reference", "priors", "priors/*"):
            for leftover in self.path.glob(f"{folder}/.[0-9]*-*"):
                leftover.unlink(missing_ok=True)

    def _describe(self, dataset):
        report = {"dataset": dataset.name, **dataset.report, "display_range": display_range(dataset)}
        self.write_json("data_report.json", report)
        with replacing(self.path / "split.npz") as temporary:
            save_splits(dataset.splits, temporary)
        store_galaxies(self.path, dataset, dataset.digest)

    def _read_json(self, name):
        try:
            return read_json(self.path / name, LARGEST_JSON)
        except GalvaeError:
            return {}


def config_digest(config):
    """SHA-256 of what determines a run: without its epochs, which may grow, and its paths, which may move.

    Among these is that of the run from which it started; environment.json has the SHA-256 of its weights.
    An ids file is such a path, since the ids are part of the dataset's own digest; the name of a column is not.

    Args:
        config: TrainConfig.
    """
    free = {"epochs", "init", "dataset.verify", *(f"dataset.{name}" for name in path_keys(config.dataset))}
    values = {name: value for name, value in flatten(without_later_keys(config)).items() if name not in free}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def without_write_paths(section):
    """The `dataset` section of a possibly untrusted run, without the paths to which it would write.

    These are a cache folder that is not yet a cache, and a folder for downloads.

    Args:
        section: `dataset` section of a TrainConfig.
    """
    if not is_cache(section.cache_dir):
        section = dataclasses.replace(section, cache_dir=None)
    if getattr(section, "archive", None) is not None:
        section = dataclasses.replace(section, download=False)
    return section


def dataset_for_model(config):
    """Loads the dataset of a configuration; for a conditional model, without unknown conditions.

    Args:
        config: TrainConfig.

    Returns:
        GalaxyDataset.

    Raises:
        GalvaeError: if the dataset cannot be loaded, or has no condition and the model needs one.
    """
    dataset = load_dataset(config.dataset)
    if isinstance(config.model, ConditionalConfig):
        dataset = dataset.with_known_condition(config.dataset.missing_condition)
    return dataset
