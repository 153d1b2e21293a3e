"""Runs without a directory: a model with initial weights, a dataset, and codes that a test chooses."""

import functools
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from builders.configs import SMALL, train_config
from galvae.latent.codes import Codes
from galvae.latent.inference import encode_dataset
from galvae.models.build import build_model
from galvae.runs.trained_run import TrainedRun


def run_of(data, mean=None, std=None, prior=None, decode=None, model="vae", augment=True, latent_dim=2):
    """A TrainedRun of a dataset, whose model has not been trained.

    Args:
        data: GalaxyDataset.
        mean, std: (n, latent_dim) and a number, of the posteriors of all galaxies; None: those that the model infers.
        prior: Prior in place of the model's own.
        decode: function of codes (m, latent_dim) that returns images (m, H, W, C), in place of the model's own.
        model: name of the model.
        augment: whether the configuration says that training flips and rotates images.
        latent_dim: number of latent dimensions.
    """
    config, build = _configured(model, latent_dim, augment)
    arguments = data.image_shape, data.pixel_range, data.stretch, len(data.condition_names)
    # One model serves all tests that choose its codes, and hence need no weights of their own.
    built = build_model(config, *arguments) if mean is None else build(*arguments)
    built.decode = type(built).decode.__get__(built)
    state = SimpleNamespace(
        image_shape=list(data.image_shape),
        condition_names=data.condition_names,
        condition_ranges=data.condition_ranges,
    )
    run = TrainedRun(SimpleNamespace(config=config, path=Path("no-such-run")), built, state, None, {})
    run.dataset = data
    rows = data.split("all")
    if mean is None:
        run._codes["all"] = encode_dataset(built, data, rows)
    else:
        mean = np.asarray(mean, np.float32)[rows]
        run._codes["all"] = Codes(rows, mean, None if std is None else np.full_like(mean, 2 * np.log(std)))
    if prior is not None:
        run.prior = lambda name=None: prior
    if decode is not None:
        built.decode = lambda codes, condition=None: decode(np.asarray(codes))
    return run


@functools.cache
def _configured(model, latent_dim, augment):
    """The configuration of a run, and a function that builds its model, each once."""
    keys = f"model={model}", f"latent_dim={latent_dim}", f"dataset.augment={augment}".lower()
    config = train_config(*SMALL, *keys)
    return config, functools.cache(functools.partial(build_model, config))
