"""Trained run: a model with its run directory, dataset and latent codes, as commands and notebooks use it."""

import numpy as np

from galvae.backend.setup import setup
from galvae.data.dataset import check_rgb
from galvae.errors import GalvaeError
from galvae.latent import inference
from galvae.latent.priors.normal import NormalPrior
from galvae.latent.priors.of_model import prior_of
from galvae.models.build import build_model, outline
from galvae.runs import checkpoints
from galvae.runs.codes import keep_codes
from galvae.runs.memory import check_memory
from galvae.runs.noise import AddedNoise
from galvae.runs.priors import chosen_prior, stored_prior
from galvae.runs.stored_run import StoredRun


class TrainedRun(StoredRun):
    """A trained model, ready to encode, decode and generate galaxies.

    `galvae.open_run` opens one in a notebook, `TrainedRun.open` after Keras has been loaded.

    Attributes:
        model: a model of galvae.models with the weights of the best epoch so far.
    """

    def __init__(self, directory, model, state, checkpoint, moved=None):
        super().__init__(directory, state, checkpoint, moved)
        self.model = model

    @classmethod
    def open(cls, path, backend=None, dataset=None, force=False):
        """Opens a run directory, as `StoredRun.open` does, and builds its model.

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
        return cls.of(StoredRun.open(path, dataset), backend, force)

    @classmethod
    def of(cls, stored, backend=None, force=False):
        """Builds the model of a stored run, and takes over what that has read so far.

        Args:
            stored: StoredRun.
            backend, force: see `open`.

        Returns:
            TrainedRun.

        Raises:
            GalvaeError: see `open`.
        """
        run = cls.__new__(cls)
        vars(run).update(vars(stored))
        setup(backend or run.config.backend)
        state, shape, conditions = run.state, tuple(run.state.image_shape), len(run.state.condition_names)
        check_rgb(run.config.dataset.rgb, shape[-1])
        if not force:
            # Before the model is built, because one of another size could need any amount of memory.
            variables, layer_bytes = outline(run.config, shape, conditions)
            checkpoints.check_shapes(run.checkpoint, "best", variables)
            check_memory(run, layer_bytes)
        run.model = build_model(run.config, shape, tuple(state.pixel_range), state.stretch, conditions)
        checkpoints.restore(run.model.variables, run.weights())
        return run

    def codes(self, split="all"):
        """Latent codes of the galaxies of a split, encoded once and cached in the run's directory.

        Args:
            split: "train", "val", "test", or "all" for the three in stored order.

        Returns:
            Codes.
        """
        codes = self.kept_codes(split)
        if codes is None:
            codes = inference.encode_dataset(self.model, self.dataset, self.galaxies.split(split))
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
        self.kept_codes("all")
        for codes in self._codes.values():
            if np.isin(indices, codes.indices).all():
                return codes.at(np.asarray(indices))
        return inference.encode_dataset(self.model, self.dataset, np.asarray(indices))

    def encode(self, images, condition=None):
        """Posterior means and log-variances of any images.

        Args:
            images: (n, H, W, C) pixel values on the scale on which the run's dataset stores them.
            condition: (n, K) in physical units, for conditional models.

        Returns:
            mean (n, latent_dim) and log-variance (n, latent_dim), which is None for a plain autoencoder.
        """
        return inference.encode_images(self.model, np.asarray(images), condition)

    def decode(self, codes, condition=None):
        """Decodes latent codes into images.

        Args:
            codes: (n, latent_dim).
            condition: (n, K) in physical units, for conditional models.

        Returns:
            (n, H, W, C) float32 intensities in [0, 1].
        """
        return inference.decode_codes(self.model, np.asarray(codes, np.float32), condition)

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

    def random_condition(self, n, seed, label=None):
        """Conditions of random training galaxies, (n, K) in physical units.

        Args:
            n: number of galaxies.
            seed: integer, or None for different galaxies each time.
            label: number of the class to which they belong; None: any.

        Raises:
            GalvaeError: if the run's galaxies have no condition.
        """
        if self.galaxies.condition is None:
            raise GalvaeError("condition: expected a run whose galaxies have one, received one without")
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
