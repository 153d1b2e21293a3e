"""The run directory: created by train, and all that every later command needs."""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import os
import platform
import subprocess
import sys
import uuid
from importlib import metadata
from pathlib import Path

from galvae import __version__, checkpoints
from galvae.atomic import replacing, save_json
from galvae.config.keys import LATEST
from galvae.data import load_dataset
from galvae.data.dataset import read_splits, save_splits
from galvae.errors import GalvaeError
from galvae.validation import read_config, write_config

log = logging.getLogger(__name__)

PACKAGES = ("tensorflow", "keras", "jax", "numpy", "h5py", "hydra-core", "omegaconf", "safetensors")


class Run:
    """A training run on disk.

    Attributes:
        path: the directory.
        config: TrainConfig.
    """

    def __init__(self, path, config):
        self.path = Path(path)
        self.config = config

    @classmethod
    def create(cls, path, config, dataset, device):
        """Starts a run: writes its configuration, environment, split and data report.

        Args:
            path: the directory; it may exist, but hold no other run.
            config: TrainConfig.
            dataset: GalaxyDataset.
            device: Device.

        Raises:
            GalvaeError: if the directory holds another run.
        """
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        beside = path / f".{os.getpid()}-config.yaml"
        try:
            write_config(config, beside)
            # A link fails where its name exists: of two jobs that are given one directory, one gets it.
            os.link(beside, path / "config.yaml")
        except FileExistsError as error:
            raise GalvaeError(
                f"{path} already holds a run; expected a new directory, as hydra.run.dir=..."
            ) from error
        finally:
            beside.unlink(missing_ok=True)
        run = cls(path, config)
        run.write_json("environment.json", environment(config, device))
        run.write_json("data_report.json", {"dataset": dataset.name, **dataset.report})
        save_splits(dataset.splits, path / "split.npz")
        run.write_json("metrics.json", {"status": "running"})
        return run

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

    def load_model(self):
        """The model with the weights of its best epoch so far.

        Returns:
            (model, state): the model, and the state of the checkpoint that was read.

        Raises:
            GalvaeError: if there is no checkpoint yet, or its weights are not of this configuration.
        """
        from galvae.models import build_model

        checkpoint = checkpoints.newest(self.path / "checkpoints")
        if checkpoint is None:
            raise GalvaeError(
                f"run: {self.path}: no checkpoint yet; expected a run that has finished an epoch or more"
            )
        state = checkpoints.read_state(checkpoint)
        model = build_model(
            self.config,
            tuple(state["image_shape"]),
            tuple(state["pixel_range"]),
            state["stretch"],
            len(state["condition_names"]),
        )
        checkpoints.restore(model.variables, checkpoints.read_arrays(checkpoint, "best"))
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
        for name in ("path", "table", "archive"):
            path = getattr(config, name, None)
            if path is not None and not os.path.exists(path):
                raise GalvaeError(
                    f"dataset.{name}: {path}: not there; expected the dataset that {self.path} was trained on; "
                    f"if it has moved, say where to with dataset.{name}="
                )
        dataset = dataset_of(dataclasses.replace(self.config, dataset=config))
        dataset = dataclasses.replace(dataset, splits=read_splits(self.path / "split.npz"))
        self._check_same(dataset)
        return dataset

    def _check_same(self, dataset):
        """Refuses a dataset of other images than the run's."""
        report = self.data_report()
        if not report:
            raise GalvaeError(
                f"{self.path / 'data_report.json'}: expected what was found of the run's images, received no such "
                "file or a damaged one"
            )
        expected = (report.get("count"), report.get("image_shape"))
        received = (len(dataset), list(dataset.image_shape))
        largest = max(int(indices.max(initial=-1)) for indices in dataset.splits.values())
        if expected != received or largest >= len(dataset):
            raise GalvaeError(
                f"dataset: expected the {expected[0]} images of shape {expected[1]} that {self.path} was "
                f"trained on, received {received[0]} of shape {received[1]}"
            )

    def data_report(self):
        """What the check of the dataset found when the run began; empty if the file cannot be read."""
        try:
            report = json.loads((self.path / "data_report.json").read_text())
        except (OSError, ValueError):
            return {}
        return report if isinstance(report, dict) else {}

    def save_checkpoint(self, epoch, best, last, state):
        """Writes a checkpoint bound to this run, and history.csv from the state's rows."""
        identity = {
            "run_id": self.run_id,
            "config_sha256": hashlib.sha256((self.path / "config.yaml").read_bytes()).hexdigest(),
        }
        checkpoints.save(self.path / "checkpoints", epoch, best, last, {**identity, **state})
        self.write_history(state["history"])

    @property
    def run_id(self):
        return json.loads((self.path / "environment.json").read_text())["run_id"]

    @property
    def status(self):
        """running, finished, stopped, diverged or failed."""
        try:
            return json.loads((self.path / "metrics.json").read_text())["status"]
        except (OSError, ValueError, KeyError, TypeError):
            return "unfinished"

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


def dataset_of(config):
    """The dataset of a configuration, its conditions as its model takes them.

    Args:
        config: TrainConfig.

    Raises:
        GalvaeError: if the dataset cannot be had, or the model needs a condition that it lacks.
    """
    from galvae.models import CONDITIONAL  # late, because Keras takes its backend when it is imported

    dataset = load_dataset(config.dataset)
    if config.model.name in CONDITIONAL:
        dataset = dataset.with_known_condition(config.dataset.missing_condition)
    return dataset


def environment(config, device):
    """What a run depends on besides its configuration: command line, versions, machine."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "run_id": uuid.uuid4().hex,
        "command_line": ["galvae", "train", *sys.argv[1:]],
        "galvae": __version__,
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        **dataclasses.asdict(device),
        "seed": config.seed,
    }


def _git_commit():
    """Commit of the checkout that galvae runs from, or None when it is installed otherwise."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
