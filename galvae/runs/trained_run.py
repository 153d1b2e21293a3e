"""Trained run: a model with its run directory, dataset and latent codes, as commands and notebooks use it."""

import dataclasses
import functools
import glob
import logging
import os

import numpy as np

from galvae.backend.setup import setup
from galvae.config.fields import path_keys
from galvae.data.dataset import check_rgb
from galvae.data.splits import check_within, read_splits
from galvae.errors import GalvaeError
from galvae.latent import codes as latent_codes
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import prior_of
from galvae.models.build import build_model, outline
from galvae.runs import checkpoints
from galvae.runs.codes import keep_codes, kept_codes
from galvae.runs.conditions import Conditions
from galvae.runs.directory import RunDirectory, dataset_for_model, without_write_paths
from galvae.runs.galaxies import stored_galaxies
from galvae.runs.memory import check_memory
from galvae.runs.noise import AddedNoise, stored_noise
from galvae.runs.priors import chosen_prior, stored_prior

log = logging.getLogger(__name__)


class TrainedRun:
    """A trained model, ready to encode, decode and generate galaxies.

    `galvae.open_run` opens one in a notebook, `TrainedRun.open` after Keras has been loaded.

    Attributes:
        directory: RunDirectory.
        config: TrainConfig.
        model: a model of galvae.models with the weights of the best epoch so far.
        state: CheckpointState.
        checkpoint: path of the checkpoint from which the weights were read.
    """

    def __init__(self, directory, model, state, checkpoint, moved):
        self.directory, self.config = directory, directory.config
        self.model, self.state, self.checkpoint = model, state, checkpoint
        self._moved = {name: value for name, value in moved.items() if value is not None}
        self._codes = {}  # by split

    @classmethod
    def open(cls, path, backend=None, dataset=None, force=False):
        """Opens a run directory and builds its model.

        A run that has not finished is opened with a warning.

        Args:
            path: path of the run's directory, "latest", or a RunDirectory.
            backend: Keras backend, "tensorflow" or "jax"; None for the backend on which the run was trained.
            dataset: dict with the new path, table, archive or cache_dir of a dataset that has moved, or None.
            force: whether to open a run that declares more memory than its own data need, see `check_memory`.

        Returns:
            TrainedRun.

        Raises:
            GalvaeError: if there is no run or no undamaged checkpoint, or the backend is not installed, or it declares
                more memory than its own data need.
        """
        directory = path if isinstance(path, RunDirectory) else RunDirectory.open(path)
        setup(backend or directory.config.backend)
        newest = directory.checkpoint()
        if newest is None:
            raise GalvaeError(
                f"run: {directory.path}: no checkpoint yet; expected a run that has finished an epoch or more"
            )
        checkpoint, state = newest
        shape, conditions = tuple(state.image_shape), len(state.condition_names)
        check_rgb(directory.config.dataset.rgb, shape[-1])
        # Before the model is built, because one of another size could need any amount of memory.
        variables, layer_bytes = outline(directory.config, shape, conditions)
        checkpoints.check_shapes(checkpoint, "best", variables)
        run = cls(directory, None, state, checkpoint, dataset or {})
        if not force:
            check_memory(run, layer_bytes)
        model = run.model = build_model(
            directory.config, shape, tuple(state.pixel_range), state.stretch, conditions
        )
        checkpoints.restore(model.variables, checkpoints.read_arrays(checkpoint, "best"))
        if not directory.finished:
            log.warning(
                "%s has not finished (status %s); using its best epoch so far, %d of %d",
                *(directory.path, directory.status, state.best_epoch, state.epoch),
            )
        return run

    @property
    def path(self):
        """Path of the run's directory."""
        return self.directory.path

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

    def codes(self, split="all"):
        """Latent codes of the galaxies of a split, encoded once and cached in the run's directory.

        Args:
            split: "train", "val", "test", or "all" for the three in stored order.

        Returns:
            Codes.
        """
        codes = self._cached_codes(split)
        if codes is None:
            codes = latent_codes.encode_dataset(self.model, self.dataset, self.galaxies.split(split))
            keep_codes(self, split, codes)
            self._codes[split] = codes
        return codes

    def codes_at(self, indices):
        """Latent codes of some galaxies, taken from cached codes if possible.

        Codes of a whole split are cached, see `codes`; those of other galaxies are not.

        Args:
            indices: (n,) row indices in the dataset.

        Returns:
            Codes.
        """
        for split in ("all", *self.galaxies.splits):
            if np.array_equal(indices, self.galaxies.split(split)):
                return self.codes(split)
        self._cached_codes("all")
        for codes in self._codes.values():
            if np.isin(indices, codes.indices).all():
                return codes.at(np.asarray(indices))
        return latent_codes.encode_dataset(self.model, self.dataset, np.asarray(indices))

    def encode(self, images, condition=None):
        """Posterior means and log-variances of any images.

        Args:
            images: (n, H, W, C) pixel values on the scale on which the run's dataset stores them.
            condition: (n, K) in physical units, for conditional models.

        Returns:
            mean (n, latent_dim) and log-variance (n, latent_dim), which is None for a plain autoencoder.
        """
        return latent_codes.encode_images(self.model, np.asarray(images), condition)

    def decode(self, codes, condition=None):
        """Decodes latent codes into images.

        Args:
            codes: (n, latent_dim).
            condition: (n, K) in physical units, for conditional models.

        Returns:
            (n, H, W, C) float32 intensities in [0, 1].
        """
        return latent_codes.decode_codes(self.model, np.asarray(codes, np.float32), condition)

    def sample(self, n, prior=None, condition=None, seed=None, temperature=1.0, noise=None):
        """Generates images of galaxies.

        Args:
            n: number of galaxies.
            prior: a Prior, or its name or None, see `prior`.
            condition: (n, K) in physical units, for conditional models; None for the conditions of random training
                galaxies.
            seed: integer, or None for different galaxies each time.
            temperature: factor by which the prior's noise is multiplied.
            noise: "none", "model", "full" or None, see `galvae.runs.noise.AddedNoise`.

        Returns:
            (n, H, W, C) float32 intensities in [0, 1].
        """
        noise = AddedNoise(self, noise, seed)
        if condition is None and self.model.condition_dim:
            condition = self.random_condition(n, seed)
        if prior is None or isinstance(prior, str):
            prior = self.prior(prior)
        return noise(self.decode(prior.sample(n, condition, seed, temperature), condition))

    @functools.cached_property
    def noise(self):
        """ResidualNoise that was learned from the run's residuals; None if none was, see `galvae.runs.noise`."""
        return stored_noise(self)

    def prior(self, name=None):
        """Distribution of latent codes from which galaxies are generated.

        Args:
            name: "normal", or a prior that was fitted to the run, see `galvae.runs.priors`; None for the one of these
                that was chosen, else that with which the model was trained.

        Returns:
            Prior.

        Raises:
            GalvaeError: if no prior of that name was fitted to the run's present weights.
        """
        if name == "normal":
            return NormalPrior(self.model.latent_dim)
        name = name or chosen_prior(self)
        return prior_of(self.model) if name is None else stored_prior(self, name)

    def condition(self, indices):
        """Conditions of galaxies as inputs of the model.

        Args:
            indices: (n,) row indices in the dataset.

        Returns:
            (n, K) in physical units; None for a model without a condition.
        """
        return latent_codes.condition_of(self.model, self.galaxies, indices)

    @functools.cached_property
    def conditions(self):
        """Conditions by which users ask for galaxies, see `galvae.runs.conditions`."""
        columns = self.state.condition_names if self.model.condition_dim else []
        return Conditions(columns, self.state.condition_ranges, self.config.model.name)

    def random_condition(self, n, seed, label=None):
        """Conditions of random training galaxies, (n, K) in physical units.

        Args:
            n: number of galaxies.
            seed: integer, or None for different galaxies each time.
            label: number of the class to which they belong; None: any.
        """
        rows = self.galaxies.split("train")
        if label is not None:
            rows = rows[self.galaxies.condition[rows, label] == 1]
        return self.galaxies.condition[np.random.default_rng(seed).choice(rows, n)]

    def at_condition(self, values, like=None):
        """Conditions with given values, such as `[0.5, 1]` redshifts or `{"class": "Merging", "redshift": 0.5}`.

        Numbers outside of the dataset's range are accepted with a warning, because the model extrapolates.

        Args:
            values: (n,) values of the first condition, or a mapping of conditions to one or n values: numbers in
                physical units, classes by number or name.
            like: (n, K) or (K,) conditions that give the others; None for the means of the training galaxies and their
                most frequent class.

        Returns:
            (n, K), a column of zeros and ones for each class, and numbers in physical units.

        Raises:
            GalvaeError: if the model takes no condition, or there is no such condition or class.
        """
        conditions, given = self.conditions, self.conditions.resolved(values)
        if like is None and not conditions.determined_by(given):
            like = conditions.typical(self.galaxies.condition[self.galaxies.split("train")])
        return conditions.filled(given, like)

    @property
    def condition_symbol(self):
        """Short name, in captions, of the first condition that is a number: z for the redshift."""
        return self.conditions.symbol

    @functools.cached_property
    def weights_digest(self):
        """SHA-256 of the model's weights, hexadecimal."""
        return checkpoints.weights_digest(self.checkpoint)

    def _cached_codes(self, split):
        """Codes of a split from memory or disk, or None."""
        if split not in self._codes:
            if split != "all" and self._cached_codes("all") is not None:
                codes = self._codes["all"].at(self.galaxies.split(split))
            else:
                codes = kept_codes(self, split)
            if codes is None:
                return None
            self._codes[split] = codes
        return self._codes[split]


def _exists(path):
    """Whether there is a file or folder of a path, or one that fits it as a pattern."""
    return os.path.exists(path) or (
        glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None
    )
