"""Stored run: a run directory with its weights, galaxies and latent codes, without its model, and so without Keras."""

import dataclasses
import functools
import glob
import logging
import os

import numpy as np

from galvae.config.fields import path_keys
from galvae.config.model import AutoencoderConfig, ConditionalConfig
from galvae.data.splits import check_within, read_splits
from galvae.errors import GalvaeError
from galvae.runs import checkpoints
from galvae.runs.codes import kept_codes
from galvae.runs.conditions import Conditions
from galvae.runs.directory import RunDirectory, dataset_for_model, without_write_paths
from galvae.runs.galaxies import stored_galaxies
from galvae.runs.noise import stored_noise

log = logging.getLogger(__name__)


class StoredRun:
    """What a trained run holds, for those who need no model: `galvae.runs.trained_run.TrainedRun` adds it.

    Attributes:
        directory: RunDirectory.
        config: TrainConfig.
        state: CheckpointState.
        checkpoint: path of the checkpoint with the weights of the best epoch so far.
    """

    def __init__(self, directory, state, checkpoint, moved=None):
        self.directory, self.config = directory, directory.config
        self.state, self.checkpoint = state, checkpoint
        self._moved = {name: value for name, value in (moved or {}).items() if value is not None}
        self._codes = {}  # by split

    @classmethod
    def open(cls, path, dataset=None):
        """Opens a run directory; one that has not finished with a warning.

        Args:
            path: path of the run's directory, "latest", or a RunDirectory.
            dataset: dict with the new path, table, archive or cache_dir of a dataset that has moved, or None.

        Raises:
            GalvaeError: if there is no run or no undamaged checkpoint.
        """
        directory = path if isinstance(path, RunDirectory) else RunDirectory.open(path)
        newest = directory.checkpoint()
        if newest is None:
            raise GalvaeError(
                f"run: {directory.path}: no checkpoint yet; expected a run that has finished an epoch or more"
            )
        checkpoint, state = newest
        if not directory.finished:
            log.warning(
                "%s has not finished (status %s); using its best epoch so far, %d of %d",
                *(directory.path, directory.status, state.best_epoch, state.epoch),
            )
        return cls(directory, state, checkpoint, dataset)

    @property
    def path(self):
        """Path of the run's directory."""
        return self.directory.path

    @property
    def latent_dim(self):
        """Number of latent dimensions."""
        return self.config.latent_dim

    @property
    def condition_dim(self):
        """Number of columns of the condition; 0 for a model without one."""
        conditional = isinstance(self.config.model, ConditionalConfig)
        return len(self.state.condition_names) if conditional else 0

    @property
    def has_posterior(self):
        """Whether codes have a variance; those of a plain autoencoder are deterministic."""
        return not isinstance(self.config.model, AutoencoderConfig)

    @functools.cached_property
    def dataset(self):
        """GalaxyDataset on which the run was trained, with the run's own split; loaded on first use.

        Raises:
            GalvaeError: if the dataset has moved, or has changed since the run was trained.
        """
        section = self.config.dataset
        given = self._moved
        for name in given:
            if not hasattr(section, name):
                raise GalvaeError(
                    f"dataset.{name}: expected none, because the dataset {section.name} has no such key, received "
                    f"{given[name]}"
                )
            if name == "select" and section.select is None:
                raise GalvaeError(
                    f"dataset.select: expected none, because {self.path} was trained on all galaxies of its dataset, "
                    f"received {given[name]}"
                )
        section = dataclasses.replace(section, **given)
        section = dataclasses.replace(without_write_paths(section), **given)
        for name in path_keys(section):
            path = getattr(section, name)
            if name != "cache_dir" and path is not None and not _exists(path):
                raise GalvaeError(
                    f"dataset.{name}: {path}: does not exist; expected the dataset that {self.path} was trained on; "
                    f"if it has moved, give its new path as dataset.{name}=..."
                )
        dataset = dataset_for_model(dataclasses.replace(self.config, dataset=section))
        path = self.path / "split.npz"
        dataset = dataclasses.replace(dataset, splits=read_splits(path))
        self.directory.check_same(
            dataset, self.state
        )  # first: what is wrong with other images is not their split
        check_within(dataset.splits, len(dataset), path)
        return dataset

    @functools.cached_property
    def galaxies(self):
        """Galaxies on which the run was trained, without their images, which need not be at hand.

        They are those of the dataset, and need it, in a run that an earlier version has begun, which keeps none, and
        where the caller says where the dataset, or a part such as its table, has moved to.
        """
        stored = None if self._moved else stored_galaxies(self)
        return self.dataset if stored is None else stored

    @functools.cached_property
    def images_missing(self):
        """Whether the images of the run's galaxies cannot be opened, which is logged once with its reason.

        Raises:
            GalvaeError: if the dataset is not where the caller says that it has moved to.
        """
        try:
            _ = self.dataset
        except GalvaeError as error:
            if self._moved:
                raise
            log.warning("without the images of the run's galaxies: %s", error)
            return True
        return False

    def kept_codes(self, split="all"):
        """Latent codes of the galaxies of a split, if they are kept in the run's directory.

        Args:
            split: "train", "val", "test", or "all" for the three in stored order.

        Returns:
            Codes; None if those of the split are not kept.
        """
        if split not in self._codes:
            if split != "all" and self.kept_codes("all") is not None:
                codes = self._codes["all"].at(self.galaxies.split(split))
            else:
                codes = kept_codes(self, split)
            if codes is None:
                return None
            self._codes[split] = codes
        return self._codes[split]

    def condition(self, indices):
        """Conditions of galaxies as inputs of the model.

        Args:
            indices: (n,) row indices in the dataset.

        Returns:
            (n, K) in physical units; None for a model without a condition.
        """
        return self.galaxies.condition[np.asarray(indices)] if self.condition_dim else None

    @functools.cached_property
    def conditions(self):
        """Conditions by which users ask for galaxies, see `galvae.runs.conditions`."""
        columns = self.state.condition_names if self.condition_dim else []
        return Conditions(columns, self.state.condition_ranges, self.config.model.name)

    @functools.cached_property
    def noise(self):
        """ResidualNoise that was learned from the run's residuals; None if none was, see `galvae.runs.noise`."""
        return stored_noise(self)

    def weights(self):
        """Weights of the best epoch so far, path of a variable -> array."""
        return checkpoints.read_arrays(self.checkpoint, "best")

    @functools.cached_property
    def weights_digest(self):
        """SHA-256 of the model's weights, hexadecimal."""
        return checkpoints.weights_digest(self.checkpoint)


def _exists(path):
    """Whether there is a file or folder of a path, or one that fits it as a pattern."""
    return os.path.exists(path) or (
        glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None
    )
