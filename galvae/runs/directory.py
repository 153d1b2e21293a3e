"""The run directory: created by train, and all that every later command needs."""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import os
import uuid
from pathlib import Path

from galvae.config.check import flatten, read_config, write_config
from galvae.config.fields import LATEST, PATHS
from galvae.data.load import load_dataset
from galvae.data.splits import read_splits, save_splits
from galvae.data.store.cache import is_cache
from galvae.errors import GalvaeError
from galvae.runs import checkpoints
from galvae.runs.provenance import differences, environment
from galvae.system.atomic import replacing, save_json
from galvae.system.safe_read import read_json

log = logging.getLogger(__name__)

STATUSES = ("running", "finished", "stopped", "diverged", "failed")
LARGEST_JSON = 10_000_000  # bytes of the small files of a run


class RunDirectory:
    """A training run on disk.

    Attributes:
        path: the directory.
        config: TrainConfig.
    """

    def __init__(self, path, config):
        self.path = Path(path)
        self.config = config
        self._state = None  # of the checkpoint that the model came from

    @classmethod
    def create(cls, path, config, dataset, device):
        """Starts a run: writes its configuration, environment, split and data report.

        Args:
            path: the directory; one that holds a run is begun anew.
            config: TrainConfig.
            dataset: GalaxyDataset.
            device: Device.
        """
        run = cls(path, config)
        run.path.mkdir(parents=True, exist_ok=True)
        checkpoints.clean(run.path / "checkpoints")
        run._clean()
        run._write_config()
        run.write_json(
            "environment.json", {"run_id": uuid.uuid4().hex, **environment(config, device), "resumed": []}
        )
        run._describe(dataset)
        return run

    def resume(self, config, dataset, device, checkpoint):
        """Makes a run ready to go on.

        Args:
            config: TrainConfig; epochs may have grown.
            dataset: GalaxyDataset.
            device: Device.
            checkpoint: what `checkpoint` found.

        Raises:
            GalvaeError: if the dataset holds other images than when the run began.
        """
        path, state = checkpoint
        self._check_same(dataset, state)
        log.info("going on after epoch %d of %d", state["epoch"], config.epochs)
        checkpoints.clean(self.path / "checkpoints", path)
        self._clean()
        kept, now = self.environment, environment(config, device)
        changed = differences(kept, now)
        if changed:
            log.warning("not bit-identical with a run that was never stopped: %s", ", ".join(changed))
        # Before config.yaml: whichever of the two is the last to be written, they then agree with a checkpoint.
        resumed = {"epoch": state["epoch"], "epochs": config.epochs, **now}
        self.write_json("environment.json", {**kept, "resumed": [*kept["resumed"], resumed]})
        if config.epochs != self.config.epochs:
            self.config = config
            self._write_config()
        self._describe(dataset)
        self.write_history(state["history"])

    @classmethod
    def open(cls, path):
        """Opens an existing run.

        Raises:
            GalvaeError: if the directory is missing, is no run, or its configuration is not valid.
        """
        path = Path(path)
        if not (path / "config.yaml").is_file():
            received = "a directory without one" if path.is_dir() else "no directory"
            raise GalvaeError(
                f"run: {path}: expected a run's directory, with a config.yaml; received {received}"
            )
        return cls(path, read_config(path / "config.yaml"))

    def checkpoint(self):
        """The newest whole checkpoint of this run.

        Returns:
            (path, state), or None if none was written yet.

        Raises:
            GalvaeError: if all are damaged, or it is another run's, or config.yaml is not what it was trained with.
        """
        folder = self.path / "checkpoints"
        path = checkpoints.newest(folder)
        if path is None:
            if checkpoints.any_in(folder):
                raise GalvaeError(f"{folder}: expected a whole checkpoint, received damaged ones only")
            return None
        state = checkpoints.read_state(path)
        bound = self.environment
        expected = bound["run_id"]
        if state["run_id"] != expected:
            raise GalvaeError(
                f"{path}: expected a checkpoint of run {expected}, received one of run {state['run_id']}; the files "
                "of two runs are mixed"
            )
        epochs = {state["epochs"], *(entry["epochs"] for entry in bound["resumed"])}
        if state["config_sha256"] != config_digest(self.config) or self.config.epochs not in epochs:
            raise GalvaeError(
                f"{self.path / 'config.yaml'}: expected the configuration that the run was trained with, received "
                "another"
            )
        return path, state

    def load_model(self):
        """The model with the weights of its best epoch so far.

        Returns:
            (model, state): the model, and the state of the checkpoint that was read.

        Raises:
            GalvaeError: if there is no checkpoint yet, or its weights are not of this configuration.
        """
        from galvae.models.build import build_model, variable_shapes

        found = self.checkpoint()
        if found is None:
            raise GalvaeError(
                f"run: {self.path}: no checkpoint yet; expected a run that has finished an epoch or more"
            )
        checkpoint, state = found
        shape, conditions = tuple(state["image_shape"]), len(state["condition_names"])
        # First, because a configuration of another size could take any amount of memory.
        checkpoints.check_shapes(checkpoint, "best", variable_shapes(self.config, shape, conditions))
        model = build_model(self.config, shape, tuple(state["pixel_range"]), state["stretch"], conditions)
        checkpoints.restore(model.variables, checkpoints.read_arrays(checkpoint, "best"))
        self._state = state
        return model, state

    def load_dataset(self, moved=None):
        """The dataset that the run was trained on, with the run's own split; conditions as its model takes them.

        Args:
            moved: MovedConfig, whose values that are not None win over the run's; or None.

        Raises:
            GalvaeError: if the dataset is no longer where it was, or is another one.
        """
        given = {name: value for name, value in vars(moved).items() if value is not None} if moved else {}
        for name in given:
            if not hasattr(self.config.dataset, name):
                raise GalvaeError(
                    f"dataset.{name}: expected none, because the dataset {self.config.dataset.name} has no such key"
                )
        config = dataclasses.replace(self.config.dataset, **given)
        config = dataclasses.replace(without_write_paths(config), **given)
        for name in ("path", "table", "archive"):
            path = getattr(config, name, None)
            if path is not None and not os.path.exists(path):
                raise GalvaeError(
                    f"dataset.{name}: {path}: not there; expected the dataset that {self.path} was trained on; "
                    f"if it has moved, say where to with dataset.{name}="
                )
        dataset = dataset_for_model(dataclasses.replace(self.config, dataset=config))
        dataset = dataclasses.replace(dataset, splits=read_splits(self.path / "split.npz"))
        state = self._state or (self.checkpoint() or (None, None))[1]
        if state is not None:
            self._check_same(dataset, state)
        return dataset

    def _check_same(self, dataset, state):
        """Refuses a dataset of other images, or another split, than a checkpoint's."""
        if state["dataset_sha256"] != dataset.digest:
            raise GalvaeError(
                f"dataset: expected the images and the split that {self.path} was trained on (SHA-256 "
                f"{state['dataset_sha256'][:12]}), received others ({dataset.digest[:12]}), {len(dataset)} of shape "
                f"{list(dataset.image_shape)}; has the source changed since?"
            )

    @property
    def metrics(self):
        """What metrics.json holds; empty if it cannot be read."""
        return self._read_json("metrics.json")

    @property
    def environment(self):
        """What environment.json holds.

        Raises:
            GalvaeError: if it cannot be read, since checkpoints are bound to the run by its number.
        """
        found = self._read_json("environment.json")
        resumed = found.get("resumed")
        if not isinstance(found.get("run_id"), str) or not (
            isinstance(resumed, list)
            and all(isinstance(entry, dict) and "epochs" in entry for entry in resumed)
        ):
            raise GalvaeError(
                f"{self.path / 'environment.json'}: expected the run's number, received no such file or a damaged one"
            )
        return found

    @property
    def status(self):
        """running, finished, stopped, diverged or failed; unfinished if metrics.json cannot be read."""
        status = self.metrics.get("status")
        return status if status in STATUSES else "unfinished"

    @property
    def finished(self):
        """Whether the run has done all its epochs and drawn its figures."""
        return self.status == "finished"

    def save_checkpoint(self, epoch, best, last, state):
        """Writes a checkpoint bound to this run, and history.csv from the state's rows."""
        identity = {
            "run_id": self.environment["run_id"],
            "config_sha256": config_digest(self.config),
            "epochs": self.config.epochs,
        }
        checkpoints.save(self.path / "checkpoints", epoch, best, last, {**identity, **state})
        self.write_history(state["history"])

    def write_history(self, rows):
        """Writes history.csv, a row per epoch."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with replacing(self.path / "history.csv") as beside:
            beside.write_text(text.getvalue(), encoding="utf-8")

    def write_json(self, name, values):
        """Writes a dict as JSON."""
        save_json(self.path / name, values)

    def mark_latest(self):
        """Points outputs/train/latest of the working directory to this run; a warning if that cannot be."""
        try:
            LATEST.parent.mkdir(parents=True, exist_ok=True)
            with replacing(LATEST) as beside:
                beside.symlink_to(os.path.relpath(self.path.resolve(), LATEST.parent.resolve()))
        except OSError as error:
            log.warning("%s does not point to this run: %s", LATEST, error.strerror)

    def _write_config(self):
        with replacing(self.path / "config.yaml") as beside:
            write_config(self.config, beside)

    def _clean(self):
        """Removes what a process that was killed had begun to write."""
        for folder in (self.path, self.path / "figures"):
            for leftover in folder.glob(".[0-9]*-*"):
                leftover.unlink(missing_ok=True)

    def _describe(self, dataset):
        self.write_json("data_report.json", {"dataset": dataset.name, **dataset.report})
        with replacing(self.path / "split.npz") as beside:
            save_splits(dataset.splits, beside)

    def _read_json(self, name):
        try:
            return read_json(self.path / name, LARGEST_JSON)
        except GalvaeError:
            return {}


def config_digest(config):
    """SHA-256 of a configuration's values but epochs, which may grow, and the places where the dataset lies."""
    free = {"epochs", *(f"dataset.{name}" for name in PATHS)}
    values = {name: value for name, value in flatten(config).items() if name not in free}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def without_write_paths(section):
    """The `dataset` section of a run that may be a stranger's, without the places to write to that it names.

    They are a cache folder that is none yet, and a folder to download to.
    """
    if not is_cache(section.cache_dir):
        section = dataclasses.replace(section, cache_dir=None)
    if getattr(section, "archive", None) is not None:
        section = dataclasses.replace(section, download=False)
    return section


def dataset_for_model(config):
    """The dataset of a configuration, its conditions as its model takes them.

    Args:
        config: TrainConfig.

    Raises:
        GalvaeError: if the dataset cannot be had, or the model needs a condition that it lacks.
    """
    from galvae.models.build import CONDITIONAL  # late, because Keras takes its backend when it is imported

    dataset = load_dataset(config.dataset)
    if config.model.name in CONDITIONAL:
        dataset = dataset.with_known_condition(config.dataset.missing_condition)
    return dataset
